"""The fields of a kind, declared once: those that a spec sends to Atlas, and those of an entry that Atlas shows. Pure."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.spec import CommonSpec
from atlas_endpoints.reconcile.status import Shown, ShownEntry


class Entry(ShownEntry):
    """An entry, as an answer of Atlas shows it and as a status does; what Atlas did not send, or not as text, is None.

    Attributes:
        id_name: what Atlas calls its ID, which ``id_pattern`` restricts, since it is used in paths.
        in_atlas: Atlas's names of fields, where they are not those of the status.
        computed: the fields that are not read.
    """

    id_name: ClassVar[str] = "id"
    id_pattern: ClassVar[str] = r"[A-Za-z0-9_-]{1,64}"
    in_atlas: ClassVar[Mapping[str, str]] = {}
    computed: ClassVar[Collection[str]] = ()

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen

    @classmethod
    @cache
    def _names(cls) -> Mapping[str, str]:
        names = cls.model_fields.keys() - {"id", "status_since", *cls.computed}
        return {name: cls.in_atlas.get(name, to_camel(name)) for name in sorted(names)}

    @classmethod
    def read(cls, answer: Any) -> Self | None:
        """Return the entry in an answer, or None if it has no usable ID."""
        id_ = answer.get(cls.id_name) if isinstance(answer, dict) else None
        if not isinstance(id_, str) or not re.fullmatch(cls.id_pattern, id_):
            return None
        texts = {name: text for name, their in cls._names().items() if (text := text_of(answer.get(their)))}
        return cls.model_validate({"id": id_, **texts})

    @classmethod
    def named(cls, id_: str, answer: Any) -> Self | None:
        """Return the entry in the answer to its GET, or None if it is another one; without an ID, it needs a status."""
        if isinstance(answer, dict) and isinstance(answer.get("status"), str):
            answer = {**answer, cls.id_name: answer.get(cls.id_name) or id_}
        found = cls.read(answer)
        return found if found is not None and found.id.lower() == id_.lower() else None


@dataclass(frozen=True, slots=True)
class Sent:
    """A field of a spec that is sent to Atlas, and compared with what Atlas shows.

    Attributes:
        name: Atlas's name of it, where a request does not have that of the spec; "": it has.
        shown: the field of the entry that has it; "": the one of its name.
        key: returns the same for two texts that mean the same.
        changes: whether Atlas can change it; else it never changes once it is set.
    """

    name: str = ""
    shown: str = ""
    key: Callable[[str], object] = str
    changes: bool = False


class DeclaredSpec(CommonSpec):
    """A spec that declares what it sends.

    Attributes:
        sent: by the names of the fields in Python.
    """

    sent: ClassVar[Mapping[str, Sent]]

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        names = _by_field(type(self))
        return {field: value for field, (name, _) in names.items() if (value := getattr(self, name)) is not None}


class DeclaredResource(Resource, frozen=True):
    """A resource of which it follows from the spec's declaration what is compared, and how.

    Attributes:
        scope_field: the field of the spec that names the scope, in Python's spelling; "": it is the project.
        scope: the name of the scope then, for people.
    """

    scope_field: ClassVar[str] = ""
    scope: ClassVar[str] = ""

    spec: DeclaredSpec

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if hasattr(cls, "spec_type") and issubclass(cls.spec_type, DeclaredSpec):
            cls.fields = tuple(map(to_camel, cls.spec_type.sent))

    @property
    @override
    def scope_name(self) -> str:
        return str(getattr(self.spec, self.scope_field)) if self.scope_field else self.scope

    @property
    def sent(self) -> Mapping[str, Sent]:
        """What the spec sends, by the names of the fields in the spec."""
        return {field: each for field, (_, each) in _by_field(type(self.spec)).items()}

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        desired = self.spec.desired
        return {field: desired.get(field) for field, each in self.sent.items() if not each.changes}

    @override
    def shown(self, value: Any) -> Mapping[str, str | None]:
        names = _by_field(type(self.spec))
        return {field: getattr(value, each.shown or name) for field, (name, each) in names.items()}

    @override
    def same(self, field: str, one: str | None, other: str | None) -> bool:
        _, each = _by_field(type(self.spec))[field]
        return each.key(one or "") == each.key(other or "")

    @override
    def basis(self, value: Any) -> object:
        """Return the entry without the text of its failure, which may change with each observation."""
        return value.model_copy(update={"error_message": None})


@cache
def _by_field(spec: type[DeclaredSpec]) -> Mapping[str, tuple[str, Sent]]:
    """Return what a spec sends, with its name in Python, by the names of the fields in the spec."""
    return {to_camel(name): (name, each) for name, each in spec.sent.items()}


def values_of(keys: Sequence[str], *found: Mapping[str, str | None]) -> Mapping[str, str]:
    """Return the data of a ConfigMap: those of the keys that have a value."""
    known = {key: value for each in found for key, value in each.items() if value}
    return {key: known[key] for key in keys if key in known}
