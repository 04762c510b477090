"""The fields that every spec has, their types and rules, and the texts of validation errors. Pure.

The rules are those of the CRDs, in the same words; only the rules about changes (immutable fields) are the API
server's alone. They are repeated here because an object may be older than the CRD, or the CRD newer than the
operator, which must not act on what it does not understand.
"""

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args

import durationpy
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.controller.names import is_name
from atlas_endpoints.controller.texts import shorten

_OBJECT_ID = r"[0-9a-f]{24}"
_INSTANCE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""Go's durations without sign and fraction, as in the Gateway API (GEP-2257)."""
_DURATION_LIMIT = 28


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches the whole text."""
    # ASCII only, as in the API server's RE2.
    return re.fullmatch(pattern, text, re.ASCII) is not None


def is_object_id(text: str) -> bool:
    """Return whether a text is an ID of Atlas, such as that of a project."""
    return matches(_OBJECT_ID, text)


def _duration(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if len(value) > _DURATION_LIMIT:
        raise PydanticKnownError("string_too_long", {"max_length": _DURATION_LIMIT})
    if matches(_DURATION, value):
        duration: timedelta = durationpy.from_str(value)
        if timedelta(minutes=1) <= duration <= timedelta(hours=24):
            return duration
    raise PydanticCustomError("rule", "must be a duration from 1m to 24h, such as `90s`, `10m` or `1h30m`")


def rule(holds: Callable[[str], bool], message: str) -> AfterValidator:
    """Return a validator that rejects a text with a message."""

    def check(value: str) -> str:
        if not holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": message})
        return value

    return AfterValidator(check)


ObjectId = Annotated[
    str,
    Field(max_length=24),
    rule(is_object_id, "must be an Atlas ID of 24 lower-case hexadecimal characters, not a name"),
]


InstanceName = Annotated[
    str,
    Field(max_length=64),
    rule(
        partial(matches, _INSTANCE_NAME),
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas instance names do",
    ),
]


def _name_of(what: str) -> AfterValidator:
    return rule(
        is_name,
        f"must be the name of {what}, that is lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
    )


SecretName = Annotated[str, Field(max_length=253), _name_of("a Secret")]
ObjectName = Annotated[str, Field(max_length=253), _name_of("an object")]
Duration = Annotated[
    timedelta, PlainValidator(_duration), WithJsonSchema({"type": "string", "maxLength": _DURATION_LIMIT})
]


class AsWritten(BaseModel):
    """A strict model with the field names of a manifest."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


_API_VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+/v[0-9][a-z0-9]*"
_KIND = r"[A-Z][a-zA-Z0-9]*"
_FIELD_PATH = r"[.]?[a-zA-Z0-9_-]+([.][a-zA-Z0-9_-]+|\[[0-9]{1,3}\])*"
_CONFIG_MAP_KEY = r"[-._a-zA-Z0-9]+"

PROJECT_API, PROJECT_KIND = "atlas.mongodb.com/v1", "AtlasProject"
"""The default of a reference to a project: the kind of MongoDB's own operator."""

_NO_PROJECT_PATH = (
    "Required value: must be set unless the kind is AtlasProject of atlas.mongodb.com: add the path of the field that "
    "holds the project's ID, such as `.status.atProvider.id`"
)
_HALF_A_KIND = (
    "must be set together with `kind`: set both, or leave both out for an AtlasProject of MongoDB's own operator"
)


def api_version_such_as(example: str) -> AfterValidator:
    """Return the rule of an ``apiVersion``."""
    return rule(partial(matches, _API_VERSION), f"must be group and version of a custom resource, such as `{example}`")


def kind_such_as(example: str) -> AfterValidator:
    """Return the rule of a kind."""
    return rule(partial(matches, _KIND), f"must be a kind, such as `{example}`")


ApiVersion = Annotated[str, Field(max_length=128)]
ObjectKind = Annotated[str, Field(max_length=63)]
FieldPath = Annotated[
    str,
    Field(max_length=256),
    rule(
        partial(matches, _FIELD_PATH),
        "must be names of fields that are separated by dots, such as `.status.atProvider.id`, with the index of an item of a list in brackets; filters are not supported",
    ),
]


class SecretRef(AsWritten):
    """A Secret."""

    name: SecretName


class ObjectRef(AsWritten):
    """An object that contains a value, at a path that is known for some kinds."""

    known_paths: ClassVar[Mapping[tuple[str, str], str]]
    """The default of ``field_path`` by group and kind."""
    no_field_path: ClassVar[str]
    """The message about another kind without ``field_path``."""

    api_version: ApiVersion
    kind: ObjectKind
    name: ObjectName
    field_path: FieldPath | None = None

    def target(self, namespace: str) -> Target:
        path = self.field_path or self.known_paths[self._group_kind]
        return _target(namespace, self.api_version, self.kind, self.name, path)

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        if self.field_path is None and self._group_kind not in self.known_paths:
            raise PydanticCustomError("violations", "fields do not fit together", {"fieldPath": self.no_field_path})
        return self

    @property
    def _group_kind(self) -> tuple[str, str]:
        return self.api_version.partition("/")[0], self.kind


class ProjectRef(AsWritten):
    """An object that contains the ID of the Atlas project.

    Without ``api_version`` and ``kind`` it is an AtlasProject of MongoDB's own operator.
    """

    api_version: Annotated[ApiVersion, api_version_such_as(PROJECT_API)] | None = None
    kind: Annotated[ObjectKind, kind_such_as(PROJECT_KIND)] | None = None
    name: ObjectName
    field_path: FieldPath | None = None

    @property
    def object_kind(self) -> str:
        return self.kind or PROJECT_KIND

    def target(self, namespace: str) -> Target:
        api, path = self.api_version or PROJECT_API, self.field_path or "status.id"
        return _target(namespace, api, self.object_kind, self.name, path)

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        violations = {}
        if (self.api_version is None) is not (self.kind is None):
            violations["apiVersion"] = _HALF_A_KIND
        elif self.field_path is None and not self._is_atlas_project:
            violations["fieldPath"] = _NO_PROJECT_PATH
        if violations:
            raise PydanticCustomError("violations", "fields do not fit together", violations)
        return self

    @property
    def _is_atlas_project(self) -> bool:
        group = (self.api_version or PROJECT_API).partition("/")[0]
        return (group, self.object_kind) == (PROJECT_API.partition("/")[0], PROJECT_KIND)


class ConfigMapKeyRef(AsWritten):
    """A key of a ConfigMap."""

    name: ObjectName
    key: Annotated[
        str,
        Field(max_length=253),
        rule(
            partial(matches, _CONFIG_MAP_KEY), "must be a key of a ConfigMap, that is letters, digits, `-`, `_` and `.`"
        ),
    ]

    def target(self, namespace: str) -> Target:
        return Target(namespace, "", "v1", "ConfigMap", self.name, ("data", self.key))


class ConfigMapRef(AsWritten):
    """A ConfigMap."""

    name: ObjectName


def _target(namespace: str, api_version: str, kind: str, name: str, path: str) -> Target:
    group, _, version = api_version.partition("/")
    return Target(namespace, group, version, kind, name, tuple(re.findall(r"[^.\[\]]+", path)))


DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]

_NO_PROJECT = "Required value: must be set, unless `projectRef` names an object that holds the ID of the project"
_PROJECT_TWICE = "may not be set together with `projectId`: keep one of the two"


class InvalidSpecError(ValueError):
    """The resource breaks the rules of its kind; the text has one line for each problem, with the field as in YAML.

    The rest of such a resource is still readable: ``ObjectMeta.parse(body)`` and
    ``Status.parse(body.get("status"))``.

    Attributes:
        problems: at most eight.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(shorten(" ".join(each.splitlines()), 300) for each in islice(problems, 8))
        super().__init__("\n".join(self.problems))


class CommonSpec(AsWritten):
    """The fields that every spec has; ``kubectl explain`` describes them.

    Exactly one of ``project_id`` and ``project_ref`` is set. If a duration is None, the operator decides.
    """

    project_id: ObjectId | None = None
    project_ref: ProjectRef | None = None
    credentials_secret_ref: SecretRef | None = None
    management_policy: ManagementPolicy = "Manage"
    drift_policy: DriftPolicy = "Correct"
    sync_interval: Duration | None = None
    provisioning_timeout: Duration | None = None
    deletion_policy: DeletionPolicy | None = None
    suspend: bool = False

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Return the spec in a JSON object.

        Raises:
            InvalidSpecError: it breaks a rule, or has a field that this version of the operator does not know.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpecError(problems("spec", error, cls)) from None

    @property
    @abstractmethod
    def desired(self) -> Mapping[str, str]:
        """The managed fields that are sent to Atlas, with their desired values, in a fixed order."""

    def violations(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that do not fit together, each with a message."""
        if self.project_id is None and self.project_ref is None:
            yield "projectId", _NO_PROJECT
        if self.project_id is not None and self.project_ref is not None:
            yield "projectRef", _PROJECT_TWICE

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        violations = {str(field): message for field, message in self.violations()}
        if violations:
            raise PydanticCustomError("violations", "fields do not fit together", violations)
        return self


def duplicates(field: str, values: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield the items of a list that are in it before, each with a message; for ``CommonSpec.violations``."""
    seen = set[Any]()
    for number, value in enumerate(values):
        if value in seen:
            yield f"{field}[{number}]", f"Duplicate value: {json.dumps(value)}: remove one of the two"
        seen.add(value)


def problems(root: str, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield pydantic's errors of a model in the API server's words: the path as in YAML, what is wrong, what to do."""
    for each in error.errors(include_url=False):
        path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
        details = each.get("ctx", {})
        if each["type"] == "violations":
            yield from (f"{path}.{field}: {message}" for field, message in details.items())
        elif each["type"] == "extra_forbidden":
            *above, field = each["loc"]
            alike = get_close_matches(str(field), _fields_of(model, above), n=1)
            hint = f"did you mean {alike[0]}? Otherwise " if alike else ""
            yield (
                f"{path}: unknown field: {hint}remove it; or, when the CRD has it, upgrade the operator, which is older than the CRD"
            )
        else:
            yield f"{path}: {_what_is_wrong(each['type'], each['input'], details, otherwise=each['msg'])}"


def _fields_of(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """Return the names of the fields that the object at a path of a model has."""
    for step in path:
        inner = (field.annotation for field in model.model_fields.values() if field.alias == step)
        model = next(filter(None, map(_model_in, inner)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model in a type such as a list of it, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _what_is_wrong(kind: str, value: object, details: dict[str, Any], *, otherwise: str) -> str:
    shown = shorten(json.dumps(value, default=str, ensure_ascii=False), 60)
    match kind:
        case "missing":
            return "Required value: add it"
        case "literal_error":
            return f"Unsupported value: {shown}: must be {details['expected']}"
        case "string_too_long":
            return f"Too long: may not be more than {details['max_length']} characters"
        case "string_type":
            return f"Invalid value: {shown}: must be of type string: put the value in quotes"
        case "bool_type":
            return f"Invalid value: {shown}: must be of type boolean: write true or false without quotes"
        case "model_type":
            return f"Invalid value: {shown}: must be of type object"
        case "tuple_type":
            return f"Invalid value: {shown}: must be of type array"
        case "too_long":
            return f"Too many: {details['actual_length']}: must have at most {details['max_length']} items"
        case _:
            return f"Invalid value: {shown}: {otherwise}"
