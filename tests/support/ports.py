"""Ports of the core for tests that are about something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_endpoints.cluster.errors import SecretProblem, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.cluster.api import Age
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.controller.controller import Status
    from atlas_endpoints.controller.requeue import Requeue
    from atlas_endpoints.reconcile.events import Event


class NoObserver:
    """An observer that keeps nothing."""

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None: ...

    def blocked(self, kind: str, reason: str) -> None: ...

    def waited(self, seconds: float, *, urgent: bool) -> None: ...

    def retried(self) -> None: ...

    def written(self, body: Body, status: Status) -> None: ...

    def recorded(self, body: Body, event: Event) -> None: ...


class OneSecret:
    """The same API key in every Secret but the one that is called ``missing``."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        del namespace, age
        if name == "missing":
            raise UnreadableError(SecretProblem.NOT_FOUND, "no such Secret", what="Secret missing", retry_in=30.0)
        return {"publicApiKey": "abcdefgh", "privateApiKey": "01234567-89ab-cdef-0123-456789abcdef"}


class NoAnnotations:
    """Namespaces without annotations."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        del namespace, age
        return {}
