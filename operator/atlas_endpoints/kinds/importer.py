"""How ``atlas-endpoints import`` writes one kind of manifest: what a kind provides, and what the command passes. Pure."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.reconcile.kind import Kind


@dataclass(frozen=True, slots=True)
class Options:
    """What the user wants in the manifests.

    Attributes:
        region: of endpoints whose region Atlas does not show.
        cluster: the dedicated cluster of the successors; None: it has the name of the instance.
        gcp_project: the project of Google Cloud of services without an endpoint, which alone has it.
    """

    namespace: str | None = None
    credentials_secret: str | None = None
    region: str | None = None
    cluster: str | None = None
    gcp_project: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry in Atlas, as the kind has parsed it.

    Attributes:
        scope: the item of its scope in the list of scopes.
        parts: what the LIST does not show of it, by the entries of ``Importer.parts``; one that is absent is left out.
    """

    project_id: str
    scope_name: str
    scope: Any | None
    value: Any
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest, as YAML that ends with a line feed; the name is unique, and that of its file."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An endpoint or a resource without a manifest; ``expected`` if that is no problem."""

    what: str
    why: str
    expected: bool = False


Drafts: TypeAlias = Iterable[Draft | LeftOut]


def _no_parts(_: Any) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Importer:
    """Writes one kind of manifest.

    Attributes:
        kind: whose entries, or exported resources, are read.
        list_scopes: reads the scopes of a project, by name.
        of_entries: returns the manifests of entries.
        of_resources: returns the manifests of exported resources of the kind; None: they are not read.
        of_objects: returns the manifests of objects of the kinds in ``objects``, such as
            ``AtlasPrivateEndpoint.atlas.mongodb.com``, among any others; None: they are not read.
        needs_scopes: whether ``of_entries`` needs the scopes even if the user names one.
        parts: returns the parts of an entry that only a GET shows.
        ended: refusals that mean that a scope has no entries any more, with the end of a sentence about it.
        flags: the flags of the command that count only for some importers, and for this one.
        no_default: why the manifests must name a Secret; None: they need not.
    """

    kind: Kind[Any]
    list_scopes: Callable[[Requester, Credentials, str], Awaitable[Mapping[str, Any]]]
    of_entries: Callable[[Iterable[Found], Options], Drafts]
    of_resources: Callable[[Iterable[Any], Options], Drafts] | None = None
    of_objects: Callable[[Sequence[Body], Options], Drafts] | None = None
    objects: Sequence[str] = ()
    needs_scopes: bool = False
    parts: Callable[[Any], Iterable[str]] = _no_parts
    ended: Mapping[type[AtlasError], str] = field(default_factory=dict)
    flags: Sequence[str] = ()
    no_default: str | None = None

    @property
    def reads_files(self) -> bool:
        """Whether it reads manifests and exports, and not only Atlas."""
        return self.of_resources is not None or self.of_objects is not None
