"""How ``atlas-endpoints import`` writes one kind of manifest: what a kind provides, and what the command passes. Pure."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from typing_extensions import override

from atlas_endpoints.atlas.answers import Requester, text_of
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.new_manifest import NewManifest


@dataclass(frozen=True, slots=True)
class Options:
    """What the user wants in the manifests.

    Attributes:
        region: of successors of endpoints whose region is unknown.
        gcp_project: the project of Google Cloud of services without an endpoint, which alone has it.
    """

    namespace: str | None = None
    credentials_secret: str | None = None
    region: str | None = None
    gcp_project: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry in Atlas, as the kind has parsed it.

    Attributes:
        scope: what the list of scopes has of its scope; None: the list was not read, or has nothing.
        parts: what the LIST does not show of it, by the entries of ``Importer.parts``; one that is absent is left out.
    """

    project_id: str
    scope_name: str
    scope: Any | None
    value: Any
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InTerraform:
    """A resource in a state of Terraform."""

    type: str
    address: str
    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return a value; "" if it is null, or no text."""
        return text_of(self.values.get(name)) or ""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An endpoint or a resource without a manifest; ``expected`` if that is no problem."""

    what: str
    why: str
    expected: bool = False

    @property
    def text(self) -> str:
        """The message for users."""
        return f"No manifest for endpoint {self.what}: {self.why}."


class Hint(LeftOut):
    """What an object lacks, or has besides its manifests; ``why`` is the predicate of ``what``."""

    @property
    @override
    def text(self) -> str:
        return f"{self.what} {self.why}."


Manifests: TypeAlias = Iterable[NewManifest | LeftOut]


def _none(*_: object) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True)
class Importer:
    """Writes one kind of manifest.

    Attributes:
        kind: whose entries are read.
        of_entries: returns the manifests of entries.
        flags: the flags of the command that count only for some importers, and for this one.
        list_scopes: reads the scopes of a project, by name, if the kind does not know them.
        sources: those flags that name what to read, and thereby the kinds.
        parts: returns the parts of an entry that only a GET shows.
        of_objects: returns the manifests of objects of the kinds in ``objects``, such as
            ``AtlasPrivateEndpoint.atlas.mongodb.com``, among any others in files.
        of_terraform: returns the entries that Terraform's resources of the types in ``terraform`` are.
        without: the errors by which Atlas says that a scope, or the project, has no entries; what follows its name.
        owners_only: Atlas shows the entries only to a Project Owner, so they may remain unread unless the user wants this kind.
    """

    kind: KindWithCommands[Any]
    of_entries: Callable[[Iterable[Found], Options], Manifests]
    flags: Sequence[str]
    list_scopes: Callable[[Requester, Credentials, str], Awaitable[Mapping[str, Any]]] | None = None
    sources: Sequence[str] = ()
    parts: Callable[[Any], Iterable[str]] = _none
    of_objects: Callable[[Sequence[Body], Options], Manifests] = _none
    objects: Sequence[str] = ()
    of_terraform: Callable[[Sequence[InTerraform]], Iterable[Found | LeftOut]] = _none
    terraform: Sequence[str] = ()
    without: Mapping[type[AtlasError], str] = field(default_factory=dict)
    owners_only: bool = False
