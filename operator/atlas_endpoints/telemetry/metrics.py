"""What Prometheus sees. Labels are bounded: reasons, operations and codes, never names or ids.

What is counted where it happens stands here; ``runtime_metrics`` adds what is read when somebody scrapes, and ``resources`` the
series of single resources.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

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

from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter

PREFIX = "atlas_endpoints"

WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds that divide the waits in the queue: from a loop that is idle to one that is minutes behind."""

CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
"""Seconds that divide calls and reconciles; the last is what a call may take at most."""

READY = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400)
"""Seconds that divide the ways to Ready: Atlas takes a minute or two, a person who is asked for something hours."""

Labels: TypeAlias = tuple[str, ...]
"""The values of a series' labels, in the order of their names."""


class Metrics:
    """The metrics of one operator, in a registry of their own.

    Args:
        version: of the operator.

    Attributes:
        registry: holds them all.
        described: type and names of labels of each, by its name.
    """

    def __init__(self, version: str) -> None:
        # Each counter would have another series with the time at which it began, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped
        self.registry = CollectorRegistry()
        self.described: dict[str, tuple[str, Labels]] = {}
        counted, timed = self._counter, self._histogram
        self._reconciles = counted("reconcile_total", "Reconciles of resources, by their result.", "kind", "result")
        self._errors = counted(
            "reconcile_errors_total", "Reconciles that were held up, by the reason.", "kind", "reason"
        )
        self._reconcile_seconds = timed(
            "reconcile_duration_seconds", "How long reconciles of resources take.", "kind", buckets=CALLS
        )
        self._waits = timed("queue_wait_seconds", "How long what is due waits for a worker.", "priority", buckets=WAITS)
        self._retries = counted("queue_retries_total", "What failed and is tried again with backoff.")()
        self._ready = timed("time_to_ready_seconds", "How long resources were not Ready.", "kind", buckets=READY)
        self._drift = counted(
            "drift_found_total", "Fields that have drifted, each once as long as it goes on.", "kind", "field"
        )
        self._status_writes = counted(
            "status_writes_total", "Statuses written to the Kubernetes API, by the reason of Ready.", "kind", "reason"
        )
        self._events = counted("events_total", "Kubernetes Events about resources: written, or dropped.", "result")
        self._requests = counted(
            "atlas_requests_total",
            "Calls to the Atlas Admin API; status is empty when no answer came.",
            "operation",
            "method",
            "status",
            "error_code",
        )
        self._request_seconds = timed(
            "atlas_request_duration_seconds", "How long calls to the Atlas Admin API take.", "operation", buckets=CALLS
        )
        self._repeats = counted(
            "atlas_request_retries_total", "Calls sent again at once, with a new token or nonce.", "operation"
        )
        self._kubernetes = counted(
            "kubernetes_requests_total",
            "Calls to the Kubernetes API; status is empty when no answer came.",
            "verb",
            "resource",
            "status",
        )
        self._kubernetes_seconds = timed(
            "kubernetes_request_duration_seconds",
            "How long calls to the Kubernetes API take, watches until they begin.",
            "verb",
            buckets=CALLS,
        )
        self._watch_ends = counted("watch_restarts_total", "Watches that have ended and begin anew.", "result")
        self._describe("build_info", "gauge", ("version",))
        build = Gauge(f"{PREFIX}_build_info", "The version that runs.", ["version"], registry=self.registry)
        build.labels(version).set(1)
        ProcessCollector(registry=self.registry)

    def begin(self, kind: str, *, reasons: Iterable[str], fields: Iterable[str]) -> None:
        """Have series begin at 0 whose first event is worth a line: Prometheus sees no increase from nothing to 1.

        Args:
            kind: of the resources.
            reasons: that may hold reconciles up.
            fields: that may drift.
        """
        for series, values in (
            (self._reconciles, ("done", "waiting", "retry")),
            (self._errors, reasons),
            (self._drift, fields),
        ):
            for value in values:
                series(kind, value)
        for value in ("ended", "broken"):
            self._watch_ends(value)

    def watch(self, name: str, documentation: str, value: Callable[[], float | None]) -> None:
        """Export a number that is read when somebody scrapes; ``None``: there is none now, and no series."""

        def values() -> Mapping[Labels, float]:
            number = value()
            return {} if number is None else {(): number}

        self.watch_each(name, documentation, (), values)

    def watch_each(
        self, name: str, documentation: str, labels: Labels, values: Callable[[], Mapping[Labels, float]]
    ) -> None:
        """Export numbers that are read when somebody scrapes.

        Args:
            name: without the prefix.
            documentation: what people read beside it.
            labels: their names.
            values: gives a number for each series that there is now.
        """
        self._describe(name, "gauge", labels)
        self.registry.register(_Watched(f"{PREFIX}_{name}", documentation, labels, values))

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        """Count a reconcile of a resource of a kind."""
        self._reconciles(kind, _result(following)).inc()
        self._reconcile_seconds(kind).observe(seconds)

    def held_up(self, kind: str, reason: str) -> None:
        """Count a reconcile that was held up."""
        self._errors(kind, reason).inc()

    def waited(self, seconds: float, *, urgent: bool) -> None:
        """Count what a worker has taken from the queue."""
        self._waits("urgent" if urgent else "routine").observe(seconds)

    def retried(self) -> None:
        """Count what is tried again with backoff."""
        self._retries.inc()

    def became_ready(self, kind: str, seconds: float) -> None:
        """Count a resource that is Ready after it was not for so long."""
        self._ready(kind).observe(seconds)

    def drifted(self, kind: str, fields: Iterable[str]) -> None:
        """Count fields that have drifted."""
        for field in fields:
            self._drift(kind, field).inc()

    def status_written(self, kind: str, reason: str) -> None:
        """Count a status write."""
        self._status_writes(kind, reason).inc()

    def event(self, result: str) -> None:
        """Count an Event by what became of it; fits ``EventRecorder``'s ``counted``."""
        self._events(result).inc()

    def requested(
        self, operation: str, method: str, status: int | None, error_code: str | None, seconds: float
    ) -> None:
        """Count a call to Atlas; fits ``AtlasClient``'s ``on_request``."""
        self._requests(operation, method, _code(status), error_code or "").inc()
        self._request_seconds(operation).observe(seconds)

    def repeated(self, operation: str) -> None:
        """Count a call to Atlas that is sent again at once; fits ``AtlasClient``'s ``on_repeat``."""
        self._repeats(operation).inc()

    def asked_kubernetes(self, kind: str, status: int | None, seconds: float) -> None:
        """Count a call to the Kubernetes API; fits ``Connection``'s ``on_request``.

        Args:
            kind: of call, as ``cluster.reachability.kind_of`` names it.
            status: of HTTP; ``None`` when no answer came.
            seconds: until the answer was here, or that of a watch began.
        """
        verb, _, resource = kind.partition(" ")
        self._kubernetes(verb, resource, _code(status)).inc()
        self._kubernetes_seconds(verb).observe(seconds)

    def watch_ended(self, *, well: bool) -> None:
        """Count a watch that begins anew; fits ``Connection``'s ``on_watch_end``."""
        self._watch_ends("ended" if well else "broken").inc()

    def exposition(self) -> bytes:
        """Give all metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> "Callable[..., Counter]":
        self._describe(name, "counter", labels)
        return _series(Counter(f"{PREFIX}_{name}", documentation, labels, registry=self.registry))

    def _histogram(
        self, name: str, documentation: str, *labels: str, buckets: tuple[float, ...]
    ) -> "Callable[..., Histogram]":
        self._describe(name, "histogram", labels)
        made = Histogram(f"{PREFIX}_{name}", documentation, labels, buckets=buckets, registry=self.registry)
        return _series(made)

    def _describe(self, name: str, type_: str, labels: Labels) -> None:
        self.described[f"{PREFIX}_{name}"] = type_, labels


class _Watched(Collector):
    """A gauge whose series are those that there are when somebody scrapes."""

    def __init__(
        self, name: str, documentation: str, labels: Labels, values: Callable[[], Mapping[Labels, float]]
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._values = values

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        yield family

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the family without reading anything, for the registry."""
        yield GaugeMetricFamily(self._name, self._documentation, labels=self._labels)


def _series(family: Any) -> Callable[..., Any]:
    """Give what finds a series by its labels' values: the library looks for it under a lock, at several times the cost."""

    @cache
    def find(*labels: str) -> Any:
        return family.labels(*labels) if labels else family

    return find


def _code(status: int | None) -> str:
    return "" if status is None else str(status)


def _result(following: Requeue) -> str:
    match following:
        case NoRequeue():
            return "done"
        case RequeueAfter():
            return "waiting"
        case Backoff():
            return "retry"
