"""The ports of a reconcile; tests and models implement them, too."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from atlas_endpoints.atlas.observations import View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Key, Trigger
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.outputs import Output, Published
from atlas_endpoints.reconcile.references import ReferenceResolver
from atlas_endpoints.reconcile.resource import Resource

if TYPE_CHECKING:
    from atlas_endpoints.reconcile.events import Event


class AtlasPort(Protocol):
    """Reads and changes what Atlas holds; see ``atlas.gateway.Gateway``."""

    def view(self, scope: Scope) -> View[Any]:
        """Return the cached observations of a scope."""
        ...

    async def list(self, scope: Scope, *, since: float) -> View[Any]:
        """Return the observations after a LIST that began at ``since`` or later."""
        ...

    async def get(self, scope: Scope, entry: str) -> View[Any]:
        """Return the observations after a GET of one entry."""
        ...

    def needed_since(self, scope: Scope, entry: str) -> float:
        """Return when a LIST must have begun to show the outcome of a write."""
        ...

    def moment(self) -> float:
        """Return the monotonic time of an event."""
        ...

    def use(self, resource: Key, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them."""

    def release(self, resource: Key) -> None:
        """Release the credentials of a resource."""

    def let_through(self, scope: Scope) -> None:
        """Permit one call to a scope before the time that Atlas named."""

    async def write(
        self,
        scope: Scope,
        request: Request,
        *,
        parse: Callable[[object], tuple[str, Any] | None],
        touches: Sequence[str],
    ) -> tuple[str, Any]:
        """Send a write; return the id and the value of the entry in its answer."""
        ...

    def unknown_for(self, scope: Scope, entry: str) -> float | None:
        """Return for how many more seconds Atlas may apply a write whose answer was lost."""
        ...

    def outcome_unknown(self, scope: Scope, entry: str) -> None:
        """Demand a new LIST of a scope before the next decision about an entry."""

    def settle(self, scope: Scope, entry: str, *, began: float) -> None:
        """Forget a write of unknown outcome that could not arrive any more when a LIST began."""


class OutputsPort(Protocol):
    """Writes the ConfigMaps of resources; see ``outputs.Outputs``."""

    async def publish(
        self,
        resource: Resource,
        outputs: Sequence[Output],
        *,
        scope: Scope | None,
        max_age: float,
        now: datetime,
        began: float,
    ) -> Published:
        """Make the ConfigMaps contain what is known."""
        ...

    def forget(self, key: Key) -> None:
        """Forget what was written for a resource."""


class LimiterPort(Protocol):
    """Delays corrections if there are too many; see ``drift_limiter.DriftLimiter``."""

    def wait_to_correct(self, key: Key) -> float:
        """Return the seconds until drift of a resource may be corrected; not called for a forced sync."""
        ...

    def release(self, key: Key) -> None:
        """Forget that a resource is delayed."""


class ResourcesPort(Protocol):
    """The cache of resources; see ``controller.cache.Cache``."""

    def holds(self, key: Key, uid: str) -> bool:
        """Return whether exactly this resource is there, not only one of its name."""
        ...

    def is_unchanged(self, key: Key, trigger: Trigger) -> bool:
        """Return whether the trigger of a reconcile is still the latest."""
        ...

    def get(self, key: Key) -> Body | None:
        """Return the resource as the API server sent it, or None."""
        ...

    def found_by(self, value: str) -> Sequence[Body]:
        """Return the resources with this value; see ``ownership.index_of``."""
        ...


class ResyncPort(Protocol):
    """The resync of scopes; see ``resync.Resync``."""

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None:
        """Resync a resource with its scope from now on."""

    def scope_of(self, key: Key) -> Scope | None:
        """Return the scope that a resource is resynced with, or None."""
        ...

    def leave(self, key: Key) -> None:
        """Stop the resync of a resource."""


class CredentialsPort(Protocol):
    """Finds credentials; see ``credentials.CredentialsResolver``."""

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        """Return the credentials of a resource."""
        ...

    def record_acceptance(self, access: Access, *, accepted: bool) -> None:
        """Record whether Atlas accepts credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the reconciles of a kind reach, and how they are configured.

    Attributes:
        read: reads a resource from the API server; None if there is none.
        refresh: reads the resources of a namespace from the API server into the cache, and returns them.
        record: takes an Event that the status does not show, or not in time.
        wake: makes a resource due.
        started: returns when this process began to work, in monotonic seconds; before that, another one may have called Atlas.
        writes: whether Atlas may be written to; if not, statuses show a plan.
        grace: how long a failure that only a change can fix is not Stalled.
        sync_interval: of resources that set none.
    """

    atlas: AtlasPort
    credentials: CredentialsPort
    references: ReferenceResolver
    outputs: OutputsPort
    resources: ResourcesPort
    limiter: LimiterPort
    resync: ResyncPort
    read: Callable[[Key], Awaitable[Body | None]]
    refresh: Callable[[str], Awaitable[Sequence[Body]]]
    record: Callable[[Body, "Event"], None]
    wake: Callable[[Key], None]
    clock: Clock
    started: Callable[[], float]
    writes: bool
    grace: timedelta
    sync_interval: timedelta = timedelta(minutes=10)
