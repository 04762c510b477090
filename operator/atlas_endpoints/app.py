"""Wires the collaborators together and runs them until SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any, TypeAlias

from atlas_endpoints import __version__
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from atlas_endpoints.cluster import watch
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.inventory import Inventory
from atlas_endpoints.cluster.secrets_reader import SecretReader
from atlas_endpoints.cluster.writer import StatusWriter
from atlas_endpoints.engine.clock import SystemClock
from atlas_endpoints.engine.controller import Controller
from atlas_endpoints.engine.loop import Loop
from atlas_endpoints.engine.outcome import Next
from atlas_endpoints.engine.store import Body, Key, Store, key_of
from atlas_endpoints.engine.workqueue import Queue
from atlas_endpoints.kinds.access import AccessResolver
from atlas_endpoints.kinds.serverless_private_endpoint.context import Defaults
from atlas_endpoints.kinds.serverless_private_endpoint.model import watched_annotations
from atlas_endpoints.kinds.serverless_private_endpoint.ports import NoBrakes
from atlas_endpoints.kinds.serverless_private_endpoint.reconcile import Reconciler
from atlas_endpoints.kinds.serverless_private_endpoint.resync import Rounds
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry import probes
from atlas_endpoints.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

Work: TypeAlias = Key | Instance
"""What the workers work on: a resource, or the resync of an instance."""

DRAIN = 18.0
"""Seconds for what is under way at SIGTERM: longer than a call may take, shorter than the 20 s that we promise."""

STUCK = 120.0
"""Seconds after which a pass counts as stuck: each of its few calls is bounded by 15 s."""

UNWATCHED = 60.0
"""Seconds without a watcher after which only a restart helps; kopf brings one back much sooner if it ever does."""


class Operator:
    """The running operator."""

    def __init__(
        self, settings: OperatorSettings, connection: Connection, client: AtlasClient, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._metrics = metrics
        self._clock = SystemClock()
        random = Random()  # noqa: S311  # jitter
        half = max(1, settings.concurrency // 2)
        self._queue: Queue[Work] = Queue(self._clock, lane_limit=half)
        self._store = Store(watched_annotations)
        throttle = Throttle(probe_interval=settings.sync_interval.total_seconds(), max_in_flight=half)
        gateway = Gateway(ThrottledClient(client, throttle, clock=self._clock.monotonic), self._clock.monotonic)
        self._rounds = Rounds(
            self._store,
            gateway,
            clock=self._clock,
            random=random,
            schedule=lambda instance, delay: self._queue.add(instance, lane=instance.credentials, delay=delay),
            still_uses=self._still_uses,
            needs_work=self._needs_work,
            enqueue=self._bring_back,
        )
        writer = StatusWriter(connection.api)
        self._reconciler = Reconciler(
            AccessResolver(
                SecretReader(connection.api, self._clock.monotonic),
                default=settings.default_secret,
                introduce=gateway.introduce,
            ),
            gateway,
            self._rounds,
            brakes=NoBrakes(),
            clock=self._clock,
            defaults=Defaults(sync_interval=settings.sync_interval),
            grace=settings.stall_grace,
        )
        self._controller = Controller[Outcome](
            self._reconciler, self._store, writer, enqueue=self._enqueue, written=self._written
        )
        self._loop: Loop[Work] = Loop(
            self._queue, self._run, clock=self._clock, workers=settings.concurrency, random=random
        )
        self._inventory = Inventory(
            self._store,
            writer,
            self,
            namespaces=settings.namespaces,
            label_selector=settings.label_selector,
            interval=settings.sync_interval.total_seconds(),
            random=random,
        )
        self._unwatched_since: float | None = None
        metrics.watch("queue_depth", "Resources that are due and with no worker yet.", lambda: len(self._queue))
        metrics.watch("active_workers", "Passes that are running.", lambda: self._queue.running)
        metrics.watch("resources", "Resources that are known.", lambda: len(self._store))

    def seen(self, body: Body) -> None:
        """Take in an object from a watch event or a LIST."""
        self._controller.seen(body)

    def gone(self, key: Key, uid: str) -> None:
        """Take in that an object is not there any more."""
        if self._controller.gone(key, uid):
            self._loop.forget(key)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """Take in the event of a deletion."""
        self.gone(key_of(body), body["metadata"]["uid"])

    def relisted(self) -> None:
        """Take in that kopf has begun to list anew."""
        self._inventory.relisted()

    def live(self) -> str | None:
        """Tell what only a restart can mend."""
        if (stuck := self._loop.longest_pass()) > STUCK:
            return f"a pass has been running for {stuck:.0f} s"
        if watch.watching(self._settings.namespaces) or not self._inventory.served:
            self._unwatched_since = None
        elif self._unwatched_since is None:
            self._unwatched_since = self._clock.monotonic()
            self._inventory.relisted()  # perhaps the CRD is gone, and with it what there is to watch
        elif self._clock.monotonic() - self._unwatched_since > UNWATCHED:
            return "nobody watches the resources"
        return None

    def ready(self) -> str | None:
        """Tell why no work is being done, if so."""
        if not self._inventory.complete.is_set():
            return "the resources have not been listed yet"
        return None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish what is under way.

        Raises:
            Exception: kopf or the workers gave up; the process should end and be restarted.
        """
        kopf_stop = asyncio.Event()
        watcher = asyncio.create_task(self._watch(stop, kopf_stop), name="watch")
        inventory = asyncio.create_task(self._inventory.keep(), name="inventory")
        workers = asyncio.create_task(self._work(), name="workers")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({watcher, inventory, workers, stopping}, return_when=asyncio.FIRST_COMPLETED)
            logger.info("Stopping: finishing what is under way")
            self._queue.close()
            if self._inventory.complete.is_set():  # else nothing is under way
                await asyncio.wait({workers}, timeout=DRAIN)
        finally:
            for task in (inventory, workers, stopping):
                task.cancel()
            kopf_stop.set()
            if not self._inventory.complete.is_set():
                watcher.cancel()  # it may be waiting for the CRD
        outcomes = await asyncio.gather(watcher, inventory, workers, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if not stop.is_set():
            raise RuntimeError("kopf has ended by itself")

    async def _watch(self, stop: asyncio.Event, kopf_stop: asyncio.Event) -> None:
        if self._settings.namespaces:
            await self._inventory.complete.wait()  # without scanning, kopf finds no CRD that comes late
        await watch.run(
            self._connection,
            self,
            namespaces=self._settings.namespaces,
            label_selector=self._settings.label_selector,
            stop=kopf_stop,
            started=lambda: _on_signals(stop),
        )

    async def _work(self) -> None:
        await self._inventory.complete.wait()
        await self._loop.work()

    async def _run(self, work: Work) -> Next:
        if isinstance(work, Instance):
            return await self._rounds.run(work)
        started = self._clock.monotonic()
        following = await self._controller.run(work)
        self._metrics.reconciled(following, self._clock.monotonic() - started)
        return following

    def _enqueue(self, key: Key, body: Body) -> None:
        self._loop.reset(key)
        self._queue.add(key, lane=self._lane(key, body), urgent=_is_waited_for(body))

    def _bring_back(self, key: Key) -> None:
        body = self._store.get(key)
        if body is not None:
            self._reconciler.release(key)
            self._queue.add(key, lane=self._lane(key, body))

    def _lane(self, key: Key, body: Body) -> str:
        """Tell whose share of the workers a resource uses: that of its credentials, or until they are known of its Secret."""
        instance = self._rounds.instance_of(key)
        if instance is not None:
            return instance.credentials
        reference = body.get("spec", {}).get("credentialsSecretRef") or {}
        return f"{key.namespace}/{reference['name']}" if "name" in reference else ""

    async def _still_uses(self, key: Key, instance: Instance) -> bool:
        body = self._store.get(key)
        return body is not None and await self._reconciler.still_uses(body, instance)

    def _needs_work(self, key: Key, instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        body = self._store.get(key)
        return body is not None and self._reconciler.needs_work(body, instance, seen)

    def _written(self, body: Body, status: Mapping[str, Any]) -> None:
        ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
        if ready is not None:
            self._metrics.status_written(ready["reason"])
            logger.info(
                "%s",
                ready["message"],
                extra={
                    "resource": str(key_of(body)),
                    "generation": status["observedGeneration"],
                    "ready": ready["status"],
                    "reason": ready["reason"],
                },
            )


async def run(settings: OperatorSettings) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        NoClusterError: it is not known where the API server is.
        OSError: the address of the probes is not to be had.
        ValueError: the CA file is not usable.
        Exception: the operator cannot go on; the process should be restarted.
    """
    metrics = Metrics(__version__)
    async with AsyncExitStack() as closing:
        connection = await Connection.open()
        closing.push_async_callback(connection.close)
        client = AtlasClient(
            settings.atlas_url,
            user_agent=f"atlas-endpoints/{__version__}",
            fence=lambda: True,  # one replica, which always leads
            on_request=metrics.requested,
            ca_file=settings.ca_file,
            max_connections=max(64, settings.concurrency),
        )
        closing.push_async_callback(_close, client)
        operator = Operator(settings, connection, client, metrics)
        stop = asyncio.Event()
        _on_signals(stop)
        server = await probes.serve(
            settings.http_address, live=operator.live, ready=operator.ready, metrics=metrics.exposition
        )
        closing.push_async_callback(server.cleanup)
        logger.info(
            "Started",
            extra={
                "version": __version__,
                "kubernetes": connection.server,
                "atlas": settings.atlas_url,
                "probes": [f"{address[0]}:{address[1]}" for address in server.addresses],
            },
        )
        await operator.run(stop)


async def _close(client: AtlasClient) -> None:
    """Revoke tokens and close connections, as far as that goes within a moment."""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await client.aclose()


def _on_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and SIGINT set ``stop``; done anew after kopf has set its own handlers, which end it at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _is_waited_for(body: Body) -> bool:
    """Tell a change that somebody waits for from what is merely seen for the first time, as all is after a restart."""
    observed = body.get("status", {}).get("observedGeneration")
    return observed != body["metadata"].get("generation") or bool(watched_annotations(body))
