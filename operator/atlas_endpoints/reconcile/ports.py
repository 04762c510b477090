"""The ports of a reconcile; tests and models implement them, too."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter
from atlas_endpoints.reconcile.outputs import Outputs
from atlas_endpoints.reconcile.references import ReferenceResolver

if TYPE_CHECKING:
    from atlas_endpoints.reconcile.events import Event


class ResyncPort(Protocol):
    """The resync of scopes; see ``resync.Resync``."""

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None: ...

    def scope_of(self, key: Key) -> Scope | None: ...

    def leave(self, key: Key) -> None: ...


class CredentialsPort(Protocol):
    """Finds credentials; see ``credentials.CredentialsResolver``."""

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What the reconciles of a kind reach, and how they are configured.

    Attributes:
        outputs: None: ConfigMaps are left alone.
        may_miss_resources: returns whether live resources may exist that ``resources`` does not hold, or not as they are, since the
            operator may not list their namespace.
        read: reads a resource from the API server; None if there is none.
        refresh: reads the resources of a namespace from the API server into the cache, and returns their uids.
        emit: takes an Event that the status does not show, or not in time.
        wake: makes a resource due.
        started: returns when this process began to work, in monotonic seconds; before that, another one may have called Atlas.
        writes: whether Atlas may be written to; if not, statuses show a plan.
        grace: how long a failure that only a change can fix is not Stalled.
        sync_interval: of resources that set none.
    """

    atlas: Gateway
    credentials: CredentialsPort
    references: ReferenceResolver
    outputs: Outputs | None
    resources: Cache
    may_miss_resources: Callable[[], bool]
    limiter: DriftLimiter
    resync: ResyncPort
    read: Callable[[Key], Awaitable[Body | None]]
    refresh: Callable[[str], Awaitable[frozenset[str]]]
    emit: Callable[[Body, "Event"], None]
    wake: Callable[[Key], None]
    clock: Clock
    started: Callable[[], float]
    writes: bool
    grace: timedelta
    sync_interval: timedelta = timedelta(minutes=10)
