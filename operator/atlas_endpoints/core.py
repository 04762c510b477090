"""The operator without its connections: caches, decisions and queues.

It uses a few ports: for calls to Atlas, for resources, Secrets, Namespaces and referenced objects, and for the time.
So tests and models run the same wiring as a cluster.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Protocol, TypeAlias

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.relister import Reader, Relister
from atlas_endpoints.controller.cache import Body, Cache, Key, generation_of, key_of, status_of, uid_of
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.controller import Controller, Result, Status, Writer
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue
from atlas_endpoints.controller.workqueue import Flow, Queue
from atlas_endpoints.reconcile.credentials import CredentialsResolver, NamespaceReader, SecretReader
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.events import Event, new_event
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outputs import ConfigMapsPort, Outputs
from atlas_endpoints.reconcile.ownership import in_conflict, index_of, standing
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, Reason
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver, TargetReader
from atlas_endpoints.reconcile.resource import CredentialsPlace, asks_for_something, watched_annotations
from atlas_endpoints.reconcile.resync import Resync
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry import work as telemetry

logger = logging.getLogger(__name__)

Work: TypeAlias = Key | Scope
"""The work of a worker: a resource, or the resync of a scope."""


Run: TypeAlias = Callable[[Work], Awaitable[Requeue]]
"""The function of a worker."""


class Objects(Writer, Reader, Protocol):
    """Reads and writes the resources of a kind; see ``cluster.writer.ResourceWriter``."""


class Observer(Protocol):
    """Receives what logs and metrics report; see ``process.observer.StatusObserver``."""

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        """A reconcile of a resource has ended."""

    def blocked(self, kind: str, reason: str) -> None:
        """A reconcile failed or was blocked; the number of reasons is bounded."""

    def waited(self, seconds: float, *, urgent: bool) -> None:
        """A worker has taken something from the queue that was due for so many seconds."""

    def retried(self) -> None:
        """Something has failed and is retried with backoff."""

    def written(self, body: Body, status: Status) -> None:
        """A status was written; ``body`` is the resource with the status before."""

    def recorded(self, body: Body, event: Event) -> None:
        """An event has occurred that no status contains, or not before it happens."""


class Core:
    """Reconciles the resources of all kinds.

    Args:
        objects: returns the reader and writer of a kind.
        around: wraps the function of the workers.

    Attributes:
        kinds: by the names of the kinds in Kubernetes.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        kinds: Sequence[Kind[Any]],
        *,
        client: Requester,
        objects: Callable[[Names], Objects],
        secrets: SecretReader,
        namespaces: NamespaceReader,
        targets: TargetReader,
        config_maps: ConfigMapsPort,
        observer: Observer,
        clock: Clock,
        random: Random,
        around: Callable[[Run], Run] = lambda run: run,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._started = math.inf
        self.random = random
        self.observer = observer
        self.config_maps = config_maps
        self.references = ReferenceResolver(targets)
        self.queue: Queue[Work] = Queue(clock, workers=settings.concurrency, waited=observer.waited)
        self.throttle = Throttle(
            probe_interval=settings.sync_interval.total_seconds(), max_in_flight=max(1, settings.concurrency // 2)
        )
        readers = {kind.names.kind: kind for kind in kinds}
        self.gateway = Gateway(client, self.throttle, clock.monotonic, readers=readers)
        self.limiter = DriftLimiter(
            Limit.parse(settings.max_corrections),
            window=settings.sync_interval.total_seconds(),
            monotonic=clock.monotonic,
            known=self._known,
        )
        self.loop: Loop[Work] = Loop(
            self.queue,
            around(self._run),
            clock=clock,
            random=random,
            retried=observer.retried,
            waited_for=self._is_unanswered,
        )
        self.credentials = CredentialsResolver(
            secrets,
            namespaces,
            default=settings.default_secret,
            default_for=settings.credentials_namespaces,
            introduce=self.gateway.introduce,
            check_base_url=partial(check_base_url, allow_plain_http=settings.allow_plain_http, name="baseUrl"),
        )
        self.kinds: Mapping[str, ServedKind] = {
            kind.names.kind: ServedKind(kind, objects(kind.names), self) for kind in kinds
        }

    def seen(self, body: Body) -> None:
        """Add an object from a watch event or a LIST to the cache."""
        self.kinds[body["kind"]].controller.seen(body)

    def gone(self, key: Key, uid: str) -> None:
        self.kinds[key.kind].controller.gone(key, uid)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Handle the event of a deletion.

        An object that loses the label in the selector is also reported as deleted. If the cache has a newer state of
        it, it may have the label again, or that state is the answer to a write of ours, which proves nothing. A
        relist finds out.
        """
        key = key_of(body)
        is_late = self.kinds[key.kind].cache.has_newer(body)
        self.kinds[key.kind].controller.gone(key, uid_of(body), body)
        if is_late:
            self.relisted(key.kind)

    def relisted(self, kind: str) -> None:
        """Relist a kind whose watch has begun with a new LIST."""
        self.kinds[kind].relister.relisted()

    def reachable(self) -> None:
        """Relist after an outage of the API server: the watch does not report what it has missed if the cluster was restored meanwhile."""
        for kind in self.kinds:
            self.relisted(kind)

    @property
    def is_complete(self) -> bool:
        """Whether the caches of all kinds hold what the operator may list."""
        return all(each.relister.complete.is_set() for each in self.kinds.values())

    async def completed(self) -> None:
        """Wait until the caches of all kinds hold what the operator may list."""
        for each in self.kinds.values():
            await each.relister.complete.wait()

    async def keep(self) -> None:
        """Keep the caches of all kinds complete, forever.

        Raises:
            SelectorRefusedError: the API server cannot parse the label selector.
            ClusterWentBackError: only a restart helps.
        """
        await asyncio.gather(*(each.relister.keep() for each in self.kinds.values()))

    async def refresh(self) -> None:
        """Wait until the caches of all kinds are as of now, or later."""
        await asyncio.gather(*(each.relister.refresh() for each in self.kinds.values()))

    async def work(self) -> None:
        """Run the workers once the caches are complete, until the queue is closed."""
        await self.completed()
        self._started = min(self._started, self.clock.monotonic())
        await self.loop.work()

    def started(self) -> float:
        """Return when the workers began, in monotonic seconds; infinite if they have not."""
        return self._started

    async def stop(self, workers: "asyncio.Task[None]", *, within: float) -> bool:
        """Start nothing new, and wait at most ``within`` seconds for the running work.

        Returns:
            Whether all work has ended; a call that was cancelled may still arrive at Atlas.
        """
        self.queue.close()
        if self._started == math.inf:
            return True
        await asyncio.wait({workers}, timeout=within)
        return workers.done() and not workers.cancelled() and workers.exception() is None

    def may_arrive_for(self, seconds: float) -> float:
        """Return for how many more seconds a write may arrive at Atlas whose answer was cancelled or lost.

        Args:
            seconds: that a write may take.
        """
        return max(0.0, self.gateway.unknown_at + seconds - self.clock.monotonic())

    def _known(self) -> int:
        return sum(len(each.cache) for each in self.kinds.values())

    async def _run(self, work: Work) -> Requeue:
        self.gateway.begin(work, urgent=self.loop.is_urgent(work))
        served = self.kinds[work.kind]
        if isinstance(work, Scope):
            source = served.resync.credentials_source(work)
            telemetry.begin(LogFields(project=work.project_id, instance=work.name, credentialsSource=source))
            return await served.resync.run(work)
        if served.relister.holds(work.namespace):
            served.hold(work)
            return NoRequeue()
        if (body := served.cache.get(work)) is not None:
            telemetry.begin(telemetry.reconcile_of(body))
        started = self.clock.monotonic()
        try:
            following = await served.controller.run(work)
        except Exception as error:
            is_away = isinstance(error, ClusterUnavailableError)
            self.observer.blocked(work.kind, CLUSTER_UNAVAILABLE if is_away else Reason.INTERNAL_ERROR)
            self.observer.reconciled(work.kind, Backoff(), self.clock.monotonic() - started)
            raise
        self.observer.reconciled(work.kind, following, self.clock.monotonic() - started)
        return following

    def _is_unanswered(self, work: Work) -> bool:
        body = None if isinstance(work, Scope) else self.kinds[work.kind].cache.get(work)
        return body is not None and _is_unanswered(body)


class ServedKind:
    """Caches and reconciles the resources of one kind.

    Attributes:
        relister: keeps the cache complete.
        controller: reconciles a resource and writes its status.
    """

    def __init__(self, kind: Kind[Any], objects: Objects, core: Core) -> None:
        settings = core.settings
        self.kind = kind
        self._queue, self._loop, self._observer, self._started = core.queue, core.loop, core.observer, core.started
        self._held: set[Key] = set()
        self.cache = Cache(watched_annotations, partial(index_of, kind))
        self.resync = Resync(
            self.cache,
            core.gateway,
            core.credentials,
            clock=core.clock,
            random=core.random,
            schedule=self.schedule,
            unschedule=core.loop.forget,
            finds_work=self._finds_work,
            enqueue=self._enqueue_member,
        )
        self.relister = Relister(
            self.cache,
            objects,
            core.seen,
            core.gone,
            namespaces=settings.namespaces,
            interval=settings.sync_interval.total_seconds(),
            random=core.random,
            regained=self._regained,
        )
        self._reconciler = Reconciler(kind, self._ports(objects, core))
        self.controller = Controller(
            self._reconciler,
            self.cache,
            objects,
            enqueue=self._enqueue,
            written=core.observer.written,
            observed=self._observed,
            concluded=self._concluded,
            left=self._left,
        )

    def _ports(self, objects: Objects, core: Core) -> Ports:
        settings = core.settings
        config_maps = core.config_maps if settings.outputs else None
        return Ports(
            atlas=core.gateway,
            credentials=core.credentials,
            references=core.references,
            outputs=Outputs(config_maps, core.gateway, self.kind.names),
            resources=self.cache,
            may_miss_resources=self.relister.may_miss_objects,
            limiter=core.limiter,
            resync=self.resync,
            read=objects.read,
            refresh=self.relister.read,
            emit=core.observer.recorded,
            wake=self.wake,
            clock=core.clock,
            started=core.started,
            writes=settings.writes,
            grace=settings.stall_grace,
            sync_interval=settings.sync_interval,
        )

    def _left(self, body: Body) -> None:
        """Tell what stays in Atlas, unless the reconcile of the deletion has."""
        self._loop.forget(key_of(body))
        self._held.discard(key_of(body))
        self._wake_those_in_conflict(body)
        for reason, left in self._reconciler.left_behind(body).items():
            if self._started() < math.inf:
                self._observer.recorded(body, new_event(reason, left, action="Delete"))
            else:
                logger.info("If no other replica has deleted it: %s", left, extra=telemetry.resource(body))

    def wake(self, key: Key) -> None:
        body = self.cache.get(key)
        if body is not None:
            self._queue.add(key, flow=self._flow(key, body), urgent=self._loop.is_urgent(key))

    def _observed(self, before: Body | None, body: Body) -> None:
        """Make those due that wait for the owner of an endpoint, if a change may have made it theirs; before the start, all are due."""
        if self._started() < math.inf and (before is None or standing(self.kind, before) != standing(self.kind, body)):
            self._wake_those_in_conflict(body if before is None else before)
            self._wake_those_in_conflict(body)

    def _wake_those_in_conflict(self, body: Body) -> None:
        for key in in_conflict(self.kind, body, self.cache.found_by):
            self.wake(key)

    def hold(self, key: Key) -> None:
        """Reconcile a resource when its namespace is listed again: its spec may have changed, or it may be gone."""
        self._held.add(key)

    def _regained(self) -> None:
        """Make due what was held, and who waits for it; no others, or rights that come and go would repeat their calls."""
        held, self._held = self._held, set()
        for key in held | {key for key in self.cache if self._reconciler.waits_for_others(key)}:
            self.wake(key)

    def schedule(self, scope: Scope, delay: float) -> None:
        """Make the resync of a scope due after some seconds."""
        self._queue.add(scope, flow=Flow(self.resync.namespace_of(scope), scope.credentials), delay=delay)

    def _concluded(self, result: Result) -> None:
        if (reason := result.failure_reason) is not None:
            self._observer.blocked(self.kind.names.kind, reason)

    def _enqueue(self, key: Key, body: Body) -> None:
        self._reconciler.changed(key)
        self._loop.reset(key)
        # What is merely seen for the first time, as after a restart, can wait.
        urgent = _is_unanswered(body) or asks_for_something(body)
        self._queue.add(key, flow=self._flow(key, body), urgent=urgent)

    def _enqueue_member(self, key: Key) -> None:
        self._reconciler.ask_again(key)
        self.wake(key)

    def _flow(self, key: Key, body: Body) -> Flow:
        """Return the flow of a resource: its namespace, and its credentials or the Secret that it names."""
        scope = self.resync.scope_of(key)
        if scope is not None:
            return Flow(key.namespace, scope.credentials)
        place = CredentialsPlace.of(body)
        return Flow(key.namespace, f"{place.namespace}/{place.secret_name or ''}")

    def _finds_work(self, body: Body, scope: Scope, failure: AtlasError | None) -> bool:
        return self._reconciler.finds_work(body, scope, failure)


def _is_unanswered(body: Body) -> bool:
    """Return whether the status does not tell yet what has become of the spec."""
    return status_of(body).get("observedGeneration") != generation_of(body)
