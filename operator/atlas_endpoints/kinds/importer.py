"""How ``atlas-endpoints import`` writes one kind of manifest: what a kind provides, and what the command passes. Pure."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.reconcile.kind import Kind


@dataclass(frozen=True, slots=True)
class Options:
    """What the user wants in the manifests; the region is for endpoints whose region Atlas does not show."""

    namespace: str | None = None
    credentials_secret: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry in Atlas, as the kind has parsed it, and the item of its scope in the list of scopes."""

    project_id: str
    scope_name: str
    scope: Any | None
    value: Any


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest, as YAML that ends with a line feed; the name of its resource is unique."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An endpoint or a resource without a manifest; ``expected`` if that is no problem."""

    what: str
    why: str
    expected: bool = False


Drafts: TypeAlias = Iterable[Draft | LeftOut]


@dataclass(frozen=True, slots=True)
class Importer:
    """Writes one kind of manifest.

    Attributes:
        kind: whose entries, or exported resources, are read.
        list_scopes: reads the scopes of a project, by name.
        of_entries: returns the manifests of entries.
        of_resources: returns the manifests of exported resources; None: exports are not read.
        needs_scopes: whether ``of_entries`` needs the scopes even if the user names one.
    """

    kind: Kind[Any]
    list_scopes: Callable[[Requester, Credentials, str], Awaitable[Mapping[str, Any]]]
    of_entries: Callable[[Iterable[Found], Options], Drafts]
    of_resources: Callable[[Iterable[Any], Options], Drafts] | None = None
    needs_scopes: bool = False
