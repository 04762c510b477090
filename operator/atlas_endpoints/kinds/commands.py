"""What the commands ``check`` and ``plan`` ask of a kind, and say about it. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import atlas_endpoints
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.reconcile.kind import Kind, Named
from atlas_endpoints.reconcile.reasons import ReadyReason, Reason
from atlas_endpoints.reconcile.resource import Resource

R = TypeVar("R", bound=Resource)

_PACKAGE = Path(atlas_endpoints.__file__).parent
_CRDS = (_PACKAGE / "crds", _PACKAGE.parents[1] / "crds")
"""Where the CRDs are: in the package, or in a checkout."""


class KindWithCommands(Kind[R]):
    """A kind that the commands know, too; the defaults suit one without rules of its own.

    Attributes:
        scope_noun: what a scope is, for people; also the flag of ``check`` that names one. Empty: a scope is a project.
        scopes: the names that one may have, if these are known; none: any.
        busy: the reasons for which a PATCH has to wait.
        preceding: the reasons for which an endpoint that the spec names has to wait.
    """

    scope_noun: ClassVar[str] = "scope"
    scopes: ClassVar[Collection[str]] = ()
    busy: ClassVar[frozenset[ReadyReason]] = frozenset({Reason.INITIATING, Reason.PENDING, Reason.PROVISIONING_TIMEOUT})
    preceding: ClassVar[frozenset[ReadyReason]] = frozenset()

    @property
    def crd(self) -> Path:
        """The file of its CRD, whose rules are evaluated."""
        folder = next(each for each in _CRDS if each.is_dir())
        return folder / f"{self.names.group}_{self.names.plural}.yaml"

    def shown_scope(self, name: str) -> str:
        """Return a scope for people."""
        return f"{self.scope_noun} {name}".strip()

    def unnamed(
        self,
        scope: Scope,  # noqa: ARG002  # for kinds that need it
        entries: Mapping[str, Any],
        named: Collection[Named],
    ) -> Mapping[str, Sequence[str]]:
        """Return the IDs in a scope that no object names, by what they are, such as "Endpoints"."""
        known = {each.endpoint.casefold() for each in named if each.endpoint is not None}
        return {"Endpoints": [each for each in entries if each.casefold() not in known]}

    def mismatch(self, resource: R, values: Collection[Any]) -> str | None:  # noqa: ARG002  # for kinds that have a rule
        """Return how a resource contradicts the entries of its scope, with the remedy; None: it does not."""
        return None

    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:  # noqa: ARG002  # for kinds that have some
        """Return writes that change nothing but need the right to write; each one if Atlas rejects those before it."""
        return ()
