"""The operator without its ends: what it remembers, what it decides, and when.

It knows the world by a few ports: who makes calls to Atlas, who reads and writes resources, who reads Secrets,
Namespaces and what resources refer to, and the time. So tests and explorations run the very wiring that runs in a cluster.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import Random
from typing import Any, Protocol, TypeAlias

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.inventory import Inventory, Reader
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.controller import Controller, Status, Writer
from atlas_endpoints.engine.lanes import Lane
from atlas_endpoints.engine.log_fields import LogFields
from atlas_endpoints.engine.loop import Loop
from atlas_endpoints.engine.outcome import Next, Retry
from atlas_endpoints.engine.store import Body, Key, Store, key_of
from atlas_endpoints.engine.workqueue import Queue
from atlas_endpoints.reconcile.credentials import CredentialsResolver
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.events import Event
from atlas_endpoints.reconcile.facts import Defaults
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.metadata import asks_for_something, watched_annotations
from atlas_endpoints.reconcile.outputs import ConfigMapsPort, Outputs
from atlas_endpoints.reconcile.readers import NamespaceReader, SecretReader
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, Reason
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver, TargetReader
from atlas_endpoints.reconcile.resource import CredentialsPlace
from atlas_endpoints.reconcile.resync import Resync
from atlas_endpoints.reconcile.summarize import Outcome
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry import work as telemetry

Work: TypeAlias = Key | Scope
Run: TypeAlias = Callable[[Work], Awaitable[Next]]
"""What the workers work on: a resource, or the resync of a scope."""


class Objects(Writer, Reader, Protocol):
    """Reads and writes resources; see ``cluster.writer.ResourceWriter``."""


class Observer(Protocol):
    """Is told what goes on, for logs and metrics."""

    def passed(self, following: Next, seconds: float) -> None:
        """A pass over a resource has ended, so many seconds after it had begun."""
        ...

    def held_up(self, reason: str) -> None:
        """A pass did not get where it was to get, for one of a bounded number of reasons."""
        ...

    def waited(self, seconds: float, *, urgent: bool) -> None:
        """Something that was due has a worker now, so many seconds after it had become due."""
        ...

    def retried(self) -> None:
        """Something has failed and will be tried again with backoff."""
        ...

    def written(self, body: Body, status: Status) -> None:
        """A status was written; ``body`` is the resource as it was before."""
        ...

    def recorded(self, body: Body, event: Event) -> None:
        """Something is to be told that no status will tell, since the resource goes, or not before it happens."""
        ...


class Core:
    """Keeps the store complete and its resources reconciled.

    Args:
        settings: of the operator.
        kind: of the resources.
        client: makes calls to Atlas.
        objects: reads and writes resources.
        secrets: reads Secrets.
        namespaces: reads Namespaces.
        targets: reads what resources refer to.
        config_maps: reads and writes ConfigMaps.
        observer: is told what goes on.
        clock: tells the time.
        random: for jitter.
        dropped: is called with credentials that no resource uses any more.
        around: wraps what a worker does with a piece of work.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        kind: Kind[Any],
        *,
        client: Requester,
        objects: Objects,
        secrets: SecretReader,
        namespaces: NamespaceReader,
        targets: TargetReader,
        config_maps: ConfigMapsPort,
        observer: Observer,
        clock: Clock,
        random: Random,
        dropped: Callable[[Credentials], None],
        around: Callable[[Run], Run] = lambda run: run,
    ) -> None:
        self._observer = observer
        self._clock = clock
        self._working = False
        half = max(1, settings.concurrency // 2)
        self.queue: Queue[Work] = Queue(clock, lane_limit=half, waited=observer.waited)
        self.store = Store(watched_annotations, kind.entry_of)
        self.throttle = Throttle(probe_interval=settings.sync_interval.total_seconds(), max_in_flight=half)
        self.gateway = gateway = Gateway(
            ThrottledClient(client, self.throttle, clock=clock.monotonic),
            clock.monotonic,
            readings={kind.names.kind: kind},
            dropped=dropped,
        )
        self.limiter = DriftLimiter(
            Limit.parse(settings.max_corrections),
            window=settings.sync_interval.total_seconds(),
            monotonic=clock.monotonic,
            known=self.store.__len__,
        )
        self._resync = Resync(
            self.store,
            gateway,
            clock=clock,
            random=random,
            schedule=self._schedule,
            unschedule=self._unschedule,
            still_uses=self._still_uses,
            needs_work=self._needs_work,
            enqueue=self._bring_back,
        )
        self._reconciler = Reconciler(
            kind,
            CredentialsResolver(
                secrets,
                namespaces,
                default=settings.default_secret,
                default_for=settings.credentials_namespaces,
                introduce=gateway.introduce,
                check_base_url=partial(check_base_url, allow_plain_http=settings.allow_plain_http, name="baseUrl"),
                monotonic=clock.monotonic,
            ),
            ReferenceResolver(targets),
            Outputs(config_maps if settings.outputs else None, gateway, clock.monotonic),
            gateway,
            resync=self._resync,
            resources=self.store,
            limiter=self.limiter,
            wake=self._wake,
            writes=settings.writes,
            clock=clock,
            defaults=Defaults(sync_interval=settings.sync_interval),
            grace=settings.stall_grace,
            namespaces=namespaces,
            read=objects.read,
            record=observer.recorded,
        )
        self._controller = Controller[Outcome](
            self._reconciler,
            self.store,
            objects,
            enqueue=self._enqueue,
            written=observer.written,
            concluded=self._concluded,
        )
        self.loop: Loop[Work] = Loop(
            self.queue,
            around(self._run),
            clock=clock,
            workers=settings.concurrency,
            random=random,
            retried=observer.retried,
        )
        self.inventory = Inventory(
            self.store,
            objects,
            self,
            namespaces=settings.namespaces,
            label_selector=settings.label_selector,
            interval=settings.sync_interval.total_seconds(),
            random=random,
        )

    def seen(self, body: Body) -> None:
        """Take in an object from a watch event or a LIST."""
        self._controller.seen(body)

    def gone(self, key: Key, uid: str) -> None:
        """Take in that an object is not there any more."""
        if self._controller.gone(key, uid):
            self.loop.forget(key)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Take in the event of a deletion.

        What has lost the label that we serve comes as deleted, too. If a newer state of it is known, it may have got the label
        back; or that is the answer to a write of ours, which tells nothing of that. Until a LIST has told, it is left alone.
        """
        key, uid = key_of(body), body["metadata"]["uid"]
        is_late = self.store.knows_later(body)
        self.gone(key, uid)
        if is_late:
            self.inventory.relisted()

    def relisted(self) -> None:
        """Take in that the watch has begun with a new LIST."""
        self.inventory.relisted()

    def reachable(self) -> None:
        """Take in that the API server answers again after an outage.

        A watch that goes on does not tell what it has missed if the cluster was restored meanwhile; and what waits to be
        written should not wait for the end of a long backoff.
        """
        self.inventory.relisted()
        self.loop.resume(self._again)

    async def work(self) -> None:
        """Run the workers once the store is complete, until the queue is closed."""
        await self.inventory.complete.wait()
        self._working = True
        await self.loop.work()

    async def stop(self, workers: "asyncio.Task[None]", *, within: float) -> bool:
        """Begin nothing new, and let what is under way finish.

        Args:
            workers: the task of ``work``.
            within: seconds that this may take.

        Returns:
            Whether nothing is under way any more, in Atlas either: a call that was broken off may still arrive there.
        """
        self.queue.close()
        if not self._working:
            return True
        await asyncio.wait({workers}, timeout=within)
        return workers.done() and not workers.cancelled() and workers.exception() is None

    def may_arrive_for(self, seconds: float) -> float:
        """Tell for how many more seconds a write may still arrive at Atlas whose answer was not waited for, or was lost.

        Args:
            seconds: that a write may be on its way.
        """
        return max(0.0, self.gateway.unknown_at + seconds - self._clock.monotonic())

    async def _run(self, work: Work) -> Next:
        with self.gateway.work():
            return await self._work_on(work)

    async def _work_on(self, work: Work) -> Next:
        if isinstance(work, Scope):
            source = self._resync.credentials_source(work)
            telemetry.begin(LogFields(project=work.project_id, instance=work.name, credentialsSource=source))
            return await self._resync.run(work)
        if (body := self.store.get(work)) is not None:
            telemetry.begin(telemetry.pass_over(body))
        started = self._clock.monotonic()
        try:
            following = await self._controller.run(work)
        except Exception as error:
            is_away = isinstance(error, ClusterUnavailableError)
            self._observer.held_up(CLUSTER_UNAVAILABLE if is_away else Reason.INTERNAL_ERROR)
            self._observer.passed(Retry(), self._clock.monotonic() - started)
            raise
        self._observer.passed(following, self._clock.monotonic() - started)
        return following

    def _concluded(self, outcome: Outcome) -> None:
        if (reason := outcome.held_up_by) is not None:
            self._observer.held_up(reason)

    def _enqueue(self, key: Key, body: Body) -> None:
        self.loop.reset(key)
        self.queue.add(key, lane=self._lane(key, body), urgent=_is_waited_for(body))

    def _again(self, work: Work) -> None:
        if isinstance(work, Scope):
            self._schedule(work, 0)
        else:
            self._wake(work)

    def _bring_back(self, key: Key) -> None:
        self._reconciler.release(key)
        self._wake(key)

    def _wake(self, key: Key) -> None:
        body = self.store.get(key)
        if body is not None:
            self.queue.add(key, lane=self._lane(key, body))

    def _schedule(self, scope: Scope, delay: float) -> None:
        self.queue.add(scope, lane=Lane(self._resync.namespace_of(scope), scope.credentials), delay=delay)

    def _lane(self, key: Key, body: Body) -> Lane:
        """Tell whose share of the workers a resource uses: of its namespace, and of its credentials or what names them."""
        scope = self._resync.scope_of(key)
        if scope is not None:
            return Lane(key.namespace, scope.credentials)
        place = CredentialsPlace.of(body)
        return Lane(key.namespace, f"{place.namespace}/{place.secret_name or ''}")

    def _unschedule(self, scope: Scope) -> None:
        self.loop.forget(scope)

    async def _still_uses(self, place: CredentialsPlace, source: str | None, scope: Scope) -> bool:
        return await self._reconciler.still_uses(place, source, scope)

    def _needs_work(self, key: Key, scope: Scope, failure: AtlasError | None) -> bool:
        body = self.store.get(key)
        return body is not None and self._reconciler.needs_work(body, scope, failure)


def _is_waited_for(body: Body) -> bool:
    """Tell a change that somebody waits for from what is merely seen for the first time, as all is after a restart."""
    observed = body.get("status", {}).get("observedGeneration")
    return observed != body["metadata"].get("generation") or asks_for_something(body)
