"""The operator as a process: the core, its connections, kopf, probes and signals, until SIGTERM."""

import asyncio
import gc
import logging
import os
import signal
from collections import ChainMap
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import TYPE_CHECKING, Any

from atlas_endpoints import __version__
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import keep_credentials
from atlas_endpoints.cluster import watch
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.election import Elector, Terms, new_identity
from atlas_endpoints.cluster.errors import LeadershipLostError
from atlas_endpoints.cluster.events import EventRecorder
from atlas_endpoints.cluster.lease import LeaseApi
from atlas_endpoints.cluster.readers import NamespaceReader, ReferenceReader, SecretReader
from atlas_endpoints.cluster.relister import remedy
from atlas_endpoints.cluster.writer import ConfigMapWriter, ResourceWriter
from atlas_endpoints.controller.clock import SystemClock, boottime
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.core import Core
from atlas_endpoints.process import runtime_metrics
from atlas_endpoints.process.leadership import Leadership, SingleReplica, exit_at_once, hand_over
from atlas_endpoints.process.observer import RequestObserver, StatusObserver
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry import probes, spans
from atlas_endpoints.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from atlas_endpoints.process.tracing import Tracing

logger = logging.getLogger(__name__)

DRAIN = 18.0
"""Seconds for running work at SIGTERM: longer than a call may take. docs/availability.md promises it."""

LAST_EVENTS = 1.0
"""Seconds of these, at most, for the Events that are not written yet."""

STUCK = 120.0
"""Seconds after which a reconcile counts as stuck. It begins no call to Atlas when it has observed for 30 seconds, so no Atlas and no
API server makes it take so long, only a defect of ours."""

FIRST_LIST = 5.0
"""Seconds that kopf waits for our first LIST, at most; if the CRD is missing, kopf notices at once when it appears."""

GARBAGE = (50_000, 10, 10)
"""Thresholds of Python's garbage collector. With its own, of which the first is 700, a single answer of an API server makes it run; it
checks the many objects that live for long again and again, finds next to nothing, since the operator creates few cycles, and takes a
quarter of the processor time in a burst."""


class Operator:
    """The running operator."""

    def __init__(
        self,
        settings: OperatorSettings,
        kinds: Sequence[Kind[Any]],
        connection: Connection,
        client: AtlasClient,
        leadership: Leadership,
        *,
        metrics: Metrics,
        tracing: "Tracing | None",
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._leadership = leadership
        self._clock = SystemClock()
        self._write_within = _terms(settings).write
        api = connection.fenced(leadership.leads)
        self._events = EventRecorder(api, now=self._clock.now, counted=lambda result: metrics.events(result).inc())
        self._core = Core(
            settings,
            kinds,
            client=tracing.client(client) if tracing is not None else client,
            objects=lambda names: ResourceWriter(
                api, names, write_within=self._write_within, label_selector=settings.label_selector
            ),
            secrets=SecretReader(api, self._clock.monotonic, keep=keep_credentials),
            namespaces=NamespaceReader(api, self._clock.monotonic),
            targets=ReferenceReader(api, settings.reference_kinds, self._clock.monotonic),
            config_maps=ConfigMapWriter(api, write_within=self._write_within),
            observer=StatusObserver(metrics, self._events, self._clock.now, {each.names.kind: each for each in kinds}),
            clock=self._clock,
            random=Random(),  # noqa: S311  # jitter
            around=tracing.around if tracing is not None else lambda run: run,
        )
        connection.reachability.returned = self._core.reachable
        runtime_metrics.watch(metrics, self._core, client=client, connection=connection, leads=leadership.leads)
        self._metrics = metrics
        self._resources = runtime_metrics.ResourceMetrics(self._core, leads=leadership.leads)

    async def metrics(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return self._metrics.exposition() + await self._resources.exposition()

    def live(self) -> str | None:
        """Return a problem that only a restart can solve, or None."""
        if (stuck := self._core.loop.longest_reconcile()) > STUCK:
            return f"a reconcile has been running for {stuck:.0f} s"
        return None

    def _is_served(self, names: Names) -> bool:
        """Return whether the API server is reachable and serves a kind, so that there should be a watch."""
        return self._core.kinds[names.kind].relister.served and not self._connection.reachability.is_away

    def ready(self) -> str | None:
        """Return why this replica can neither work nor take over, or None."""
        if not self._core.is_complete:
            missing = [kind for kind, served in self._core.kinds.items() if not served.relister.complete.is_set()]
            return f"the resources have not been listed yet: {', '.join(missing)}"
        if not any(served.relister.may_list for served in self._core.kinds.values()):
            return "no resources may be listed"
        return self._leadership.refusal

    def unserved(self) -> str:
        """Return the resources that the operator may not list, and the remedy, each kind on a line of its own; "": it may list all."""
        return "".join(
            f"\nnot served, because the operator may not list {served.kind.names.plural}:"
            f" {', '.join(sorted(each or 'all namespaces' for each in forbidden))}. {remedy(next(iter(forbidden)))}"
            for served in self._core.kinds.values()
            if (forbidden := served.relister.forbidden)
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by, and work while this replica leads, until ``stop`` is set; then finish the running work.

        Raises:
            LeadershipLostError: this replica has led and must not do so any longer.
            SelectorRefusedError: the API server cannot parse the label selector.
            Exception: kopf cannot be started or the workers failed; the process should be restarted.
        """
        election = asyncio.create_task(self._leadership.run(), name="election")
        watcher = asyncio.create_task(self._watch(stop), name="watch")
        workers = asyncio.create_task(self._work(), name="workers")
        relister = asyncio.create_task(self._keep(), name="relister")
        needed = {election, watcher, workers, relister, asyncio.create_task(stop.wait(), name="stop")}
        others = {
            asyncio.create_task(self._freeze(), name="garbage"),
            asyncio.create_task(self._events.run(), name="events"),
        }
        for task in others:
            task.add_done_callback(log_failure)
        try:
            await asyncio.wait(needed, return_when=asyncio.FIRST_COMPLETED)
            if not election.done():
                logger.info("Stopping: waiting for running reconciles")
                until = self._clock.monotonic() + DRAIN
                idle = await self._core.stop(workers, within=DRAIN)
                await self._events.close(within=max(0.0, min(LAST_EVENTS, until - self._clock.monotonic())))
                # Nothing renews the Lease any more; it is released once no write of ours can reach Atlas.
                election.cancel()
                await asyncio.wait({election})
                if idle and election.cancelled() and self._settings.leader_elect:
                    settled_in = self._core.may_arrive_for(self._write_within)
                    await hand_over(self._leadership, settled_in=settled_in, within=until - self._clock.monotonic())
        finally:
            for each in needed | others:
                each.cancel()
        if election.done() and not election.cancelled():
            await election  # lost
        outcomes = await asyncio.gather(watcher, relister, workers, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if not stop.is_set():
            raise RuntimeError("The watch or the workers ended unexpectedly")

    async def _keep(self) -> None:
        """Keep the cache complete, from a LIST after the election, so that an elected replica needs no second one."""
        await self._leadership.decided.wait()
        await self._core.keep()

    async def _work(self) -> None:
        """Work once this replica leads and has listed the resources since then.

        The cache of a standby may be outdated: right before it handed over, the leader may have acted on an edit that
        the watch has not delivered here yet. So nothing is decided on an older LIST.
        """
        await self._leadership.elected.wait()
        await self._core.refresh()
        await self._core.work()

    async def _freeze(self) -> None:
        """Exclude the resources from garbage collection once all are cached."""
        await self._core.completed()
        gc.collect()  # a cycle would stay for ever
        gc.freeze()

    async def _first_list(self) -> None:
        """Wait for our own LIST, before kopf begins its own.

        Both at once would be in memory together, and compete for the processor. What kopf delivers afterwards is
        cached already, and not kept.
        """
        if self._settings.namespaces:
            await self._core.completed()  # kopf does not scan for CRDs then: it is started when there is one
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LIST):
                await self._core.completed()

    async def _watch(self, stop: asyncio.Event) -> None:
        await self._first_list()
        await watch.run(
            self._connection,
            self._core,
            [served.kind.names for served in self._core.kinds.values()],
            namespaces=self._settings.namespaces,
            label_selector=self._settings.label_selector,
            served=self._is_served,
            started=lambda: _on_signals(stop),
        )


async def run(settings: OperatorSettings, kinds: Sequence[Kind[Any]]) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Raises:
        NoClusterError: the address of the API server is unknown.
        SelectorRefusedError: the API server cannot parse the label selector.
        OSError: the address of the probes is not available.
        ValueError: the CA file is not usable.
        Exception: the operator cannot continue; the process should be restarted.
    """
    gc.set_threshold(*GARBAGE)
    metrics = Metrics(__version__)
    async with AsyncExitStack() as closing:
        connection = await Connection.open()
        closing.push_async_callback(connection.close)
        leadership = _leadership(settings, connection)
        client = AtlasClient(
            settings.atlas_url,
            user_agent=f"atlas-endpoints/{__version__}",
            fence=leadership.leads,
            writes=settings.writes,
            on_request=RequestObserver(metrics, ChainMap(*({**kind.templates} for kind in kinds))).requested,
            on_repeat=lambda operation: metrics.atlas_repeats(operation).inc(),
            timeout=_terms(settings).write,
            ca_file=settings.ca_file,
            max_connections=max(64, settings.concurrency),
        )
        closing.push_async_callback(_close, client)
        tracing = _tracing()
        if tracing is not None:
            closing.push_async_callback(asyncio.to_thread, tracing.close)
        operator = Operator(settings, kinds, connection, client, leadership, metrics=metrics, tracing=tracing)
        stop = asyncio.Event()
        _on_signals(stop)
        server = await probes.serve(
            settings.http_address,
            live=operator.live,
            ready=operator.ready,
            remark=operator.unserved,
            metrics=operator.metrics,
        )
        closing.push_async_callback(server.cleanup)
        logger.info(
            "Started",
            extra=LogFields(
                version=__version__,
                kubernetes=connection.server,
                atlas=settings.atlas_url,
                lease=str(leadership.leases) if isinstance(leadership, Elector) else "none",
                probes=[f"{address[0]}:{address[1]}" for address in server.addresses],
            ),
        )
        if not settings.writes:
            logger.warning("WRITES is off: the operator does not write to Atlas, and statuses show what it would send")
        try:
            await operator.run(stop)
        except LeadershipLostError as loss:
            exit_at_once(loss)


def _tracing() -> "Tracing | None":
    if not spans.are_wanted(os.environ):
        return None
    from atlas_endpoints.process import tracing  # noqa: PLC0415  # an optional extra, which takes memory and a moment to load

    return tracing.export(__version__)


def _terms(settings: OperatorSettings) -> Terms:
    return Terms(settings.lease_duration.total_seconds())


def _leadership(settings: OperatorSettings, connection: Connection) -> Leadership:
    if not settings.leader_elect:
        return SingleReplica()
    return Elector(
        LeaseApi(connection.api, settings.lease_namespace or connection.namespace, settings.lease_name),
        own=new_identity(),
        terms=_terms(settings),
        clock=boottime,
        now=SystemClock().now,
        random=Random(),  # noqa: S311  # jitter
    )


async def _close(client: AtlasClient) -> None:
    """Close the connections, for at most 5 seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await client.aclose()


def log_failure(task: "asyncio.Task[None]") -> None:
    """Log the failure of a background task that the operator can do without."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error(
            "A background task failed; the operator continues without it until a restart: %s",
            task.get_name(),
            exc_info=error,
        )


def _on_signals(stop: asyncio.Event) -> None:
    """Set ``stop`` on SIGTERM and SIGINT; repeated after kopf has set its own handlers, which would end it at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
