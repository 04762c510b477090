"""The metrics that count events. Labels are bounded: reasons, operations and codes, never names or ids.

``process.runtime_metrics`` adds what is read at a scrape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

PREFIX = "atlas_endpoints"

WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Buckets of waits in the queue, in seconds: from an idle loop to one that is minutes behind."""

CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
"""Buckets of calls and reconciles, in seconds; a call may take 15 s at most."""

READY = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
"""Buckets of times to Ready, in seconds: Atlas takes a minute or two, a person hours."""

Labels: TypeAlias = tuple[str, ...]
"""Label values of a series, in the order of the label names."""


class Metrics:
    """The metrics of one operator, in its own registry.

    An attribute for a metric with labels returns the series of label values.
    """

    def __init__(self, version: str) -> None:
        # Otherwise each counter has a second series with its creation time.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped
        self.registry = CollectorRegistry()
        counted, timed = self._counter, self._histogram
        self.reconciles = counted("reconcile_total", "Reconciles of resources by result.", "kind", "result")
        self.errors = counted(
            "reconcile_errors_total", "Reconciles that failed or were blocked, by reason.", "kind", "reason"
        )
        self.reconcile_seconds = timed(
            "reconcile_duration_seconds", "Duration of reconciles of resources.", "kind", buckets=CALLS
        )
        self.queue_waits = timed(
            "queue_wait_seconds", "Time that due keys wait for a worker.", "priority", buckets=WAITS
        )
        self.retries = Counter(f"{PREFIX}_queue_retries_total", "Retries with backoff.", registry=self.registry)
        self.time_to_ready = timed("time_to_ready_seconds", "Time until resources become Ready.", "kind", buckets=READY)
        self.drift = counted(
            "drift_found_total", "Fields that have drifted; lasting drift counts once.", "kind", "field"
        )
        self.status_writes = counted(
            "status_writes_total", "Status writes to the Kubernetes API by the reason of Ready.", "kind", "reason"
        )
        self.events = counted(
            "events_total", "Kubernetes Events about resources by result: written or dropped.", "result"
        )
        self.atlas_requests = counted(
            "atlas_requests_total",
            "Requests to the Atlas Admin API; status is empty without a response.",
            "operation",
            "method",
            "status",
            "error_code",
        )
        self.atlas_request_seconds = timed(
            "atlas_request_duration_seconds", "Duration of requests to the Atlas Admin API.", "operation", buckets=CALLS
        )
        self.atlas_repeats = counted(
            "atlas_request_retries_total", "Requests that are repeated at once with a new token or nonce.", "operation"
        )
        self._kubernetes = counted(
            "kubernetes_requests_total",
            "Requests to the Kubernetes API; status is empty without a response.",
            "verb",
            "resource",
            "status",
        )
        self._kubernetes_seconds = timed(
            "kubernetes_request_duration_seconds",
            "Duration of requests to the Kubernetes API; of a watch, until it begins.",
            "verb",
            buckets=CALLS,
        )
        build = Gauge(f"{PREFIX}_build_info", "Version of the operator.", ["version"], registry=self.registry)
        build.labels(version).set(1)
        ProcessCollector(registry=self.registry)

    def begin(self, kind: str, *, reasons: Iterable[str], fields: Iterable[str]) -> None:
        """Create series with the value 0 whose first event matters: Prometheus sees no increase from nothing to 1.

        Args:
            reasons: that may hold up reconciles.
            fields: that may drift.
        """
        for series, values in (
            (self.reconciles, ("done", "waiting", "retry")),
            (self.errors, reasons),
            (self.drift, fields),
        ):
            for value in values:
                series(kind, value)

    def watch(self, name: str, documentation: str, value: Callable[[], float | None]) -> None:
        """Export a number that is read at a scrape; None: no series."""
        self.watch_each(name, documentation, (), lambda: {} if (number := value()) is None else {(): number})

    def watch_each(
        self, name: str, documentation: str, labels: Labels, values: Callable[[], Mapping[Labels, float]]
    ) -> None:
        """Export numbers that are read at a scrape.

        Args:
            labels: the label names.
            values: returns a number for each series.
        """
        self.registry.register(Watched(f"{PREFIX}_{name}", documentation, labels, values))

    def asked_kubernetes(self, kind: str, status: int | None, seconds: float) -> None:
        """Count a call to the Kubernetes API; for ``Connection``'s ``on_request``.

        Args:
            kind: see ``cluster.reachability.kind_of``.
            status: of HTTP; None: there was no answer.
            seconds: until the answer, or until a watch began.
        """
        verb, _, resource = kind.partition(" ")
        self._kubernetes(verb, resource, "" if status is None else str(status)).inc()
        self._kubernetes_seconds(verb).observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> "Callable[..., Counter]":
        return Counter(f"{PREFIX}_{name}", documentation, labels, registry=self.registry).labels

    def _histogram(
        self, name: str, documentation: str, *labels: str, buckets: tuple[float, ...]
    ) -> "Callable[..., Histogram]":
        return Histogram(f"{PREFIX}_{name}", documentation, labels, buckets=buckets, registry=self.registry).labels


@dataclass(frozen=True, eq=False)
class Watched(Collector):
    """A gauge whose series are read at a scrape."""

    name: str
    documentation: str
    labels: Labels
    values: Callable[[], Mapping[Labels, float]]

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in self.values().items():
            family.add_metric(labels, value)
        yield family
