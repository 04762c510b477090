"""The operator without its connections: caches, decisions and queues.

It uses a few ports: for calls to Atlas, for resources, Secrets, Namespaces and referenced objects, and for the time.
So tests and models run the same wiring as a cluster.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, TypeAlias

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, key_of
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Backoff, Requeue
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.reconcile.credentials import CredentialsResolver, NamespaceReader, SecretReader
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outputs import ConfigMapsPort
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, Reason
from atlas_endpoints.reconcile.references import ReferenceResolver, TargetReader
from atlas_endpoints.served_kind import Objects, Observer, ServedKind, Shared, Work
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry import work as telemetry

Run: TypeAlias = Callable[[Work], Awaitable[Requeue]]
"""The function of a worker."""


class Core:
    """Reconciles the resources of all kinds.

    Args:
        objects: returns the reader and writer of a kind.
        dropped: is called with credentials that no resource uses any more.
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
        dropped: Callable[[Credentials], None],
        around: Callable[[Run], Run] = lambda run: run,
    ) -> None:
        self._observer = observer
        self._clock = clock
        self._working = False
        half = max(1, settings.concurrency // 2)
        self.queue: Queue[Work] = Queue(clock, flow_limit=half, waited=observer.waited)
        self.throttle = Throttle(probe_interval=settings.sync_interval.total_seconds(), max_in_flight=half)
        self.gateway = Gateway(
            client,
            self.throttle,
            clock.monotonic,
            readers={kind.names.kind: kind for kind in kinds},
            dropped=dropped,
        )
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
            workers=settings.concurrency,
            random=random,
            retried=observer.retried,
        )
        credentials = CredentialsResolver(
            secrets,
            namespaces,
            default=settings.default_secret,
            default_for=settings.credentials_namespaces,
            introduce=self.gateway.introduce,
            check_base_url=partial(check_base_url, allow_plain_http=settings.allow_plain_http, name="baseUrl"),
            monotonic=clock.monotonic,
        )
        shared = Shared(
            settings=settings,
            clock=clock,
            random=random,
            queue=self.queue,
            loop=self.loop,
            gateway=self.gateway,
            limiter=self.limiter,
            credentials=credentials,
            references=ReferenceResolver(targets),
            namespaces=namespaces,
            config_maps=config_maps,
            observer=observer,
        )
        self.kinds: Mapping[str, ServedKind] = {
            kind.names.kind: ServedKind(kind, objects(kind.names), self, shared) for kind in kinds
        }

    def seen(self, body: Body) -> None:
        """Add an object from a watch event or a LIST to the cache."""
        self.kinds[body["kind"]].seen(body)

    def gone(self, key: Key, uid: str) -> None:
        """Remove an object from the cache."""
        self.kinds[key.kind].gone(key, uid)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Handle the event of a deletion.

        An object that loses the label in the selector is also reported as deleted. If the cache has a newer state of
        it, it may have the label again, or that state is the answer to a write of ours, which proves nothing. A
        relist finds out.
        """
        key = key_of(body)
        is_late = self.kinds[key.kind].cache.has_newer(body)
        self.gone(key, body["metadata"]["uid"])
        if is_late:
            self.relisted(key.kind)

    def relisted(self, kind: str) -> None:
        """Relist a kind whose watch has begun with a new LIST."""
        self.kinds[kind].relister.relisted()

    def reachable(self) -> None:
        """Resume after an outage of the API server.

        A watch that continues does not report what it has missed if the cluster was restored meanwhile; and what
        waits to be written should not wait for the end of a long backoff.
        """
        for kind in self.kinds:
            self.relisted(kind)
        self.loop.resume(self._again)

    @property
    def is_complete(self) -> bool:
        """Whether the caches of all kinds are complete."""
        return all(each.relister.complete.is_set() for each in self.kinds.values())

    async def completed(self) -> None:
        """Wait until the caches of all kinds are complete."""
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
        self._working = True
        await self.loop.work()

    async def stop(self, workers: "asyncio.Task[None]", *, within: float) -> bool:
        """Start nothing new, and wait at most ``within`` seconds for the running work.

        Returns:
            Whether all work has ended; a call that was cancelled may still arrive at Atlas.
        """
        self.queue.close()
        if not self._working:
            return True
        await asyncio.wait({workers}, timeout=within)
        return workers.done() and not workers.cancelled() and workers.exception() is None

    def may_arrive_for(self, seconds: float) -> float:
        """Return for how many more seconds a write may arrive at Atlas whose answer was cancelled or lost.

        Args:
            seconds: that a write may take.
        """
        return max(0.0, self.gateway.unknown_at + seconds - self._clock.monotonic())

    def _known(self) -> int:
        return sum(len(each.cache) for each in self.kinds.values())

    async def _run(self, work: Work) -> Requeue:
        with self.gateway.work():
            return await self._work_on(work)

    async def _work_on(self, work: Work) -> Requeue:
        served = self.kinds[work.kind]
        if isinstance(work, Scope):
            source = served.resync.credentials_source(work)
            telemetry.begin(LogFields(project=work.project_id, instance=work.name, credentialsSource=source))
            return await served.resync.run(work)
        if (body := served.cache.get(work)) is not None:
            telemetry.begin(telemetry.reconcile_of(body))
        started = self._clock.monotonic()
        try:
            following = await served.reconcile(work)
        except Exception as error:
            is_away = isinstance(error, ClusterUnavailableError)
            self._observer.held_up(work.kind, CLUSTER_UNAVAILABLE if is_away else Reason.INTERNAL_ERROR)
            self._observer.reconciled(work.kind, Backoff(), self._clock.monotonic() - started)
            raise
        self._observer.reconciled(work.kind, following, self._clock.monotonic() - started)
        return following

    def _again(self, work: Work) -> None:
        served = self.kinds[work.kind]
        if isinstance(work, Scope):
            served.schedule(work, 0)
        else:
            served.wake(work)
