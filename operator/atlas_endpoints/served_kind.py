"""One kind that the operator serves: the cache of its resources, and what reconciles them."""

from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.relister import Reader, Receiver, Relister
from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.controller import Controller, Status, Writer
from atlas_endpoints.controller.fair_queue import Flow
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Requeue
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.reconcile.credentials import CredentialsResolver, NamespaceReader
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter
from atlas_endpoints.reconcile.events import Event
from atlas_endpoints.reconcile.facts import Defaults
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.outputs import ConfigMapsPort, Outputs
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver
from atlas_endpoints.reconcile.resource import CredentialsPlace, asks_for_something, watched_annotations
from atlas_endpoints.reconcile.resync import Resync
from atlas_endpoints.settings import OperatorSettings

Work: TypeAlias = Key | Scope
"""The work of a worker: a resource, or the resync of a scope."""


class Objects(Writer, Reader, Protocol):
    """Reads and writes the resources of a kind; see ``cluster.writer.ResourceWriter``."""


class Observer(Protocol):
    """Receives what logs and metrics report; see ``observer.StatusObserver``."""

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        """A reconcile of a resource has ended."""
        ...

    def held_up(self, kind: str, reason: str) -> None:
        """A reconcile was held up; the number of reasons is bounded."""
        ...

    def waited(self, seconds: float, *, urgent: bool) -> None:
        """A worker has taken something from the queue that was due for so many seconds."""
        ...

    def retried(self) -> None:
        """Something has failed and is retried with backoff."""
        ...

    def written(self, body: Body, status: Status) -> None:
        """A status was written; ``body`` is the resource with the status before."""
        ...

    def recorded(self, body: Body, event: Event) -> None:
        """An event has occurred that no status contains, or not before it happens."""
        ...


@dataclass(frozen=True, slots=True)
class Shared:
    """What all kinds share."""

    settings: OperatorSettings
    clock: Clock
    random: Random
    queue: Queue[Work]
    loop: Loop[Work]
    gateway: Gateway
    limiter: DriftLimiter
    credentials: CredentialsResolver
    references: ReferenceResolver
    namespaces: NamespaceReader
    config_maps: ConfigMapsPort
    observer: Observer


class ServedKind:
    """Caches and reconciles the resources of one kind.

    Args:
        receiver: receives what a relist finds, and forwards it to ``seen`` and ``gone``.

    Attributes:
        relister: keeps the cache complete.
    """

    def __init__(self, kind: Kind[Any], objects: Objects, receiver: Receiver, shared: Shared) -> None:
        settings, observer = shared.settings, shared.observer
        self.kind = kind
        self._name = kind.names.kind
        self._queue, self._loop, self._observer = shared.queue, shared.loop, observer
        self.cache = Cache(watched_annotations, kind.entry_of)
        self.resync = Resync(
            self.cache,
            shared.gateway,
            clock=shared.clock,
            random=shared.random,
            schedule=self.schedule,
            unschedule=shared.loop.forget,
            still_uses=self._still_uses,
            needs_work=self._needs_work,
            enqueue=self._bring_back,
        )
        self._reconciler = Reconciler(
            kind,
            shared.credentials,
            shared.references,
            Outputs(
                shared.config_maps if settings.outputs else None, shared.gateway, shared.clock.monotonic, kind.names
            ),
            shared.gateway,
            resync=self.resync,
            resources=self.cache,
            limiter=shared.limiter,
            wake=self.wake,
            writes=settings.writes,
            clock=shared.clock,
            defaults=Defaults(sync_interval=settings.sync_interval),
            grace=settings.stall_grace,
            namespaces=shared.namespaces,
            read=objects.read,
            record=observer.recorded,
        )
        self._controller = Controller[Outcome](
            self._reconciler,
            self.cache,
            objects,
            enqueue=self._enqueue,
            written=observer.written,
            concluded=self._concluded,
        )
        self.relister = Relister(
            self.cache,
            objects,
            receiver,
            namespaces=settings.namespaces,
            label_selector=settings.label_selector,
            interval=settings.sync_interval.total_seconds(),
            random=shared.random,
        )

    def seen(self, body: Body) -> None:
        """Add an object from a watch event or a LIST to the cache."""
        self._controller.seen(body)

    def gone(self, key: Key, uid: str) -> None:
        """Remove an object from the cache."""
        if self._controller.gone(key, uid):
            self._loop.forget(key)

    async def reconcile(self, key: Key) -> Requeue:
        """Reconcile a resource, and write its status.

        Raises:
            Exception: the status could not be written; the loop retries.
        """
        return await self._controller.run(key)

    def wake(self, key: Key) -> None:
        """Make a resource due."""
        body = self.cache.get(key)
        if body is not None:
            self._queue.add(key, flow=self._flow(key, body))

    def schedule(self, scope: Scope, delay: float) -> None:
        """Make the resync of a scope due after some seconds."""
        self._queue.add(scope, flow=Flow(self.resync.namespace_of(scope), scope.credentials), delay=delay)

    def _concluded(self, outcome: Outcome) -> None:
        if (reason := outcome.failure_reason) is not None:
            self._observer.held_up(self._name, reason)

    def _enqueue(self, key: Key, body: Body) -> None:
        self._loop.reset(key)
        self._queue.add(key, flow=self._flow(key, body), urgent=_is_waited_for(body))

    def _bring_back(self, key: Key) -> None:
        self._reconciler.release(key)
        self.wake(key)

    def _flow(self, key: Key, body: Body) -> Flow:
        """Return the flow of a resource: its namespace, and its credentials or the Secret that it names."""
        scope = self.resync.scope_of(key)
        if scope is not None:
            return Flow(key.namespace, scope.credentials)
        place = CredentialsPlace.of(body)
        return Flow(key.namespace, f"{place.namespace}/{place.secret_name or ''}")

    async def _still_uses(self, place: CredentialsPlace, source: str | None, scope: Scope) -> bool:
        return await self._reconciler.still_uses(place, source, scope)

    def _needs_work(self, key: Key, scope: Scope, failure: AtlasError | None) -> bool:
        body = self.cache.get(key)
        return body is not None and self._reconciler.needs_work(body, scope, failure)


def _is_waited_for(body: Body) -> bool:
    """Return whether somebody waits for a change; what is merely seen for the first time, as after a restart, can wait."""
    observed = body.get("status", {}).get("observedGeneration")
    return observed != body["metadata"].get("generation") or asks_for_something(body)
