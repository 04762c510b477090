"""A resource of any kind as the API server holds it: metadata, a valid spec, and the status that we wrote before. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from atlas_endpoints.cluster.targets import Target
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.reconcile.metadata import ObjectMeta
from atlas_endpoints.reconcile.spec import CommonSpec, InvalidSpecError
from atlas_endpoints.reconcile.status import Status


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of the spec whose value is in another object.

    Attributes:
        field: of the spec, in Python's spelling, that takes the value.
        target: where it is.
        is_valid: returns whether a text keeps the rules of the field.
        expected: names what the text has to be, for people.
    """

    field: str
    target: Target
    is_valid: Callable[[str], bool]
    expected: str


class Resource(BaseModel):
    """One resource; a kind names the types of its spec and status."""

    model_config = ConfigDict(frozen=True)

    spec_type: ClassVar[type[CommonSpec]]
    status_type: ClassVar[type[Status]]
    fields: ClassVar[Sequence[str]]
    """The fields of its spec that are sent to Atlas."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    spec: CommonSpec
    status: Status

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, now: datetime | None = None) -> Self:
        """Read an object of the API server.

        Args:
            body: the whole object with its wire names, as JSON gives it.
            now: wall-clock time, UTC; a later time in the status is read as this. None: times are read as they stand.

        Raises:
            InvalidSpecError: the spec breaks a rule, or has a field that this version of the operator does not know.
        """
        metadata = ObjectMeta.parse(body)
        metadata.deletion_policy  # noqa: B018  # one that nobody understands is told before anything is done
        if body.get("spec") is None:
            raise InvalidSpecError(["spec: Required value: add it"])
        spec, status = cls.spec_type.parse(body["spec"]), cls.status_type.parse(body.get("status"), now=now)
        return cls(api_version=body["apiVersion"], kind=body["kind"], metadata=metadata, spec=spec, status=status)

    @property
    def key(self) -> Key:
        """Its name in the cache."""
        return Key(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def named(self) -> Body:
        """The object as far as an Event names it."""
        names = {"namespace": "namespace", "name": "name", "uid": "uid", "resourceVersion": "resource_version"}
        metadata = {wire: getattr(self.metadata, name) for wire, name in names.items()}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}

    @property
    def generation(self) -> int:
        """The generation of its spec."""
        return self.metadata.generation

    @property
    def entry(self) -> str | None:
        """What it stands for in Atlas, and may write to alone; None: nothing yet."""
        raise NotImplementedError

    @property
    def written_as(self) -> str:
        """By what a write of unknown outcome is kept in mind: the entry, or what one is found by that was just created."""
        raise NotImplementedError

    @property
    def scope_name(self) -> str:
        """What one LIST covers within the project."""
        raise NotImplementedError

    @property
    def is_owner(self) -> bool:
        """Whether its entry is its own to delete."""
        return True

    @property
    def creates_its_own(self) -> bool:
        """Whether its entry is created for it, and not named by its spec."""
        return False

    @classmethod
    def created_as_of(cls, body: Mapping[str, Any]) -> str:  # noqa: ARG003  # for kinds that create
        """Return the name by which what was created for an object is found, until it has taken note of it; empty: nothing is."""
        return ""

    @property
    def created_as(self) -> str:
        """The name by which what was created for it is found, until it has taken note of it; empty: nothing is."""
        return ""

    @property
    def yields(self) -> Mapping[str, Any] | None:
        """The fields of its status with which it lets go of an entry that turns out to be another's; None: it does not."""
        return None

    @property
    def is_bound(self) -> bool:
        """Whether its entry was seen in a project, or asked for there, and is in that project for ever."""
        return False

    @property
    def record(self) -> Mapping[str, str]:
        """The annotations that say what was created for it, by their names: a backup has them, the status it may not."""
        return {}

    @property
    def references(self) -> Sequence[Reference]:
        """The fields whose values are in other objects, beside the project; they are compared together or not at all."""
        return ()

    def unconnected(self) -> Mapping[str, None]:
        """Return the fields of the spec that are not compared while a reference leads nowhere."""
        return {}

    @property
    def connection(self) -> Mapping[str, str | None]:
        """The fields that references may lead to, as they are used; a status tells them."""
        return {}

    def same(self, field: str, one: str | None, other: str | None) -> bool:  # noqa: ARG002  # for kinds that tell fields apart
        """Return whether two values of a field mean the same; no text is the same as none."""
        return (one or "") == (other or "")

    def shown(self, value: Any) -> Mapping[str, str | None]:
        """Return what an entry of Atlas shows of the managed fields, by field."""
        raise NotImplementedError

    def basis(self, value: Any) -> object:
        """Return what a decision about an entry depends on, for comparison."""
        return value

    @property
    def writes_for_others(self) -> bool:
        """Whether ConfigMaps are written for others."""
        return False

    @property
    def secret_name(self) -> str | None:
        """The Secret with the credentials; None: the namespace's default, else the operator's own."""
        reference = self.spec.credentials_secret_ref
        return reference.name if reference else None

    @property
    def refers(self) -> bool:
        """Whether a part of the spec is in other objects, which may change while this one does not."""
        return self.spec.project_ref is not None or bool(self.references)

    @property
    def needs_the_cluster(self) -> bool:
        """Whether there is more to look at than Atlas: what the spec refers to, or what was written for others."""
        return self.refers or self.writes_for_others

    @property
    def known_project_id(self) -> str | None:
        """The project as far as the resource itself tells it: its spec, or else what its reference has led to before."""
        resolved = self.status.resolved
        return self.spec.project_id or (resolved.project_id if resolved is not None else None)

    @property
    def bound_project_id(self) -> str | None:
        """The project that its entry was seen in, or asked for, and that it is in for ever; None: none yet."""
        resolved = self.status.resolved
        return resolved.project_id if resolved is not None and self.is_bound else None

    @property
    def suspended_by(self) -> tuple[str, ...]:
        """What forbids every call to Atlas, if anything: ``spec.suspend``, and annotations with ``skip``."""
        annotations = tuple(f"the annotation {name}" for name in self.metadata.skips)
        return ("spec.suspend", *annotations) if self.spec.suspend else annotations


class CredentialsPlace(NamedTuple):
    """Where a resource wants its credentials from.

    Attributes:
        namespace: of the resource, and of the Secret.
        secret_name: None: the namespace's default, else the operator's own.
    """

    namespace: str
    secret_name: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read it from an object, also when the rest of its spec is not valid.

        Args:
            body: the whole object with its wire names, as JSON gives it.
        """
        reference = part(part(body, "spec"), "credentialsSecretRef")
        name = reference.get("name")
        return cls(body["metadata"]["namespace"], name if isinstance(name, str) else None)


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of an object that may be anything; empty where it is no object."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}
