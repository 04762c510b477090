"""What a reconcile asks of the world: few and small ports, behind which tests and explorations can put worlds of their own."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.controller.cache import Body, Key, Trigger
from atlas_endpoints.reconcile.observe import ObservationsPort
from atlas_endpoints.reconcile.outputs import Output, Published
from atlas_endpoints.reconcile.resource import Resource


class AtlasPort(ObservationsPort, Protocol):
    """Reads and changes what Atlas holds; see ``atlas.gateway.Gateway``."""

    def use(self, resource: Key, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them."""
        ...

    def release(self, resource: Key) -> None:
        """Release the credentials that a resource uses."""
        ...

    def let_through(self, scope: Scope) -> None:
        """Let the next call to a scope pass before the time that Atlas named, once in each such wait."""
        ...

    async def write(
        self,
        scope: Scope,
        request: Request,
        *,
        parse: Callable[[object], tuple[str, Any] | None],
        touches: Sequence[str],
    ) -> tuple[str, Any]:
        """Make a write; return the id and the value of the entry that it is answered with."""
        ...

    def unknown_for(self, scope: Scope, entry: str) -> float | None:
        """Return for how many more seconds a write may be applied whose answer was lost."""
        ...

    def settle(self, scope: Scope, entry: str, *, began: float) -> None:
        """Forget a write of unknown outcome whose time was over when a LIST began."""
        ...


class OutputsPort(Protocol):
    """Writes what resources hand over; see ``outputs.Outputs``."""

    async def publish(
        self, resource: Resource, outputs: Sequence[Output], *, scope: Scope | None, max_age: float
    ) -> Published:
        """Have the ConfigMaps hold what is known."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        ...


class LimiterPort(Protocol):
    """Holds corrections of drift back when there are suspiciously many of them; see ``drift_limiter.DriftLimiter``."""

    def wait_to_correct(self, key: Key) -> float:
        """Return after how many seconds drift of a resource may be corrected; what a person asked for is never asked about."""
        ...

    def release(self, key: Key) -> None:
        """Take in that nothing of a resource is held back (any more)."""
        ...


class ResourcesPort(Protocol):
    """The resources as they are known now; see ``engine.cache.Store``."""

    def holds(self, key: Key, uid: str) -> bool:
        """Return whether exactly this resource is there, not only one of its name."""
        ...

    def is_still(self, key: Key, trigger: Trigger) -> bool:
        """Return whether a resource is still what a reconcile was begun for."""
        ...

    def get(self, key: Key) -> Body | None:
        """Return a resource as the API server has it."""
        ...

    def found_by(self, value: str) -> Sequence[Body]:
        """Return the resources that stand for an entry."""
        ...


class ResyncPort(Protocol):
    """The resync of scopes; see ``resync.Resync``."""

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None:
        """Have a resource looked at with its scope from now on."""
        ...

    def scope_of(self, key: Key) -> Scope | None:
        """Return with which scope a resource is looked at, if it is."""
        ...

    def leave(self, key: Key) -> None:
        """Have it looked at no more."""
        ...
