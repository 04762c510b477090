"""The terms in which other layers ask the Kubernetes API for objects. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, NamedTuple, Self

GROUP = "atlas-endpoints.dev"
"""The API group of the operator's own annotations and Events."""

FIELD_MANAGER = "atlas-endpoints"
"""The operator's name in ``managedFields``."""

VALUE_LIMIT = 1024
"""Characters of the longest value that a reference may have."""


class Names(NamedTuple):
    """The names of a kind."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"


class Age(Enum):
    """The oldest observation of an object that a caller accepts. ``cluster.readers`` defines the seconds."""

    RECENT = auto()
    """Half a minute old. After a failed read: until the next read is due."""
    FRESH = auto()
    """A few seconds old, so that concurrent callers share one call."""
    ANEW = auto()
    """One whose read begins after this call."""


class Target(NamedTuple):
    """What a reference names: one field of one object.

    Attributes:
        namespace: of the object, and of the resource that refers to it.
        group: empty for the core group.
        path: the names from the object's root to the field.
    """

    namespace: str
    group: str
    version: str
    kind: str
    name: str
    path: tuple[str, ...]

    @property
    def object(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def field(self) -> str:
        return "".join(f"[{step}]" if step.isdecimal() else f".{step}" for step in self.path)


class Lack(StrEnum):
    """Why an object, or the field that is wanted of it, is not available."""

    MISSING = "missing"
    CLUSTER_SCOPED = "cluster-scoped"
    """The objects of the kind are in no namespace."""
    FORBIDDEN = "forbidden"
    DELETING = "deleting"
    ABSENT = "absent"
    """The field does not exist, or is empty."""
    NO_TEXT = "no text"
    """The field is no text, or a text that is too long."""


def extract(body: Mapping[str, object], path: tuple[str, ...]) -> str | Lack:
    """Return the text of a field as it is, unvalidated; a step into a list is an index."""
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None:
        return Lack.DELETING
    value: object = body
    for step in path:
        if value is None:
            return Lack.ABSENT
        if isinstance(value, list) and step.isdecimal():
            value = dict(enumerate(value)).get(int(step))
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            return Lack.NO_TEXT
    if value is None or value == "":
        return Lack.ABSENT
    return value if isinstance(value, str) and len(value) <= VALUE_LIMIT else Lack.NO_TEXT


class OutputOwner(NamedTuple):
    """The resource that owns a ConfigMap of its namespace."""

    names: Names
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap as it was read.

    Attributes:
        version: its ``resourceVersion``.
        owners: the uids of its owners.
    """

    uid: str
    version: str
    owners: frozenset[str]
    deleting: bool
    data: Mapping[str, str]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Parse an object of the API server; raise an error if it has no uid or no version."""
        metadata = body["metadata"]
        return cls(
            metadata["uid"],
            metadata["resourceVersion"],
            frozenset(each["uid"] for each in metadata.get("ownerReferences") or ()),
            deleting="deletionTimestamp" in metadata,
            data=body.get("data") or {},
        )
