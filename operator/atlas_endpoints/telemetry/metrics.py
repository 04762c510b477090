"""What Prometheus sees. Labels are bounded: reasons, operations and codes, never names or ids."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry

PREFIX = "atlas_endpoints"


class Metrics:
    """The metrics of one operator, in a registry of their own."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._reconciles = Counter(
            f"{PREFIX}_reconcile_total",
            "Passes over resources: done, waiting for something, or to be retried.",
            ["result"],
            registry=self.registry,
        )
        self._reconcile_seconds = Histogram(
            f"{PREFIX}_reconcile_duration_seconds", "How long passes over resources take.", registry=self.registry
        )
        self._status_writes = Counter(
            f"{PREFIX}_status_writes_total",
            "Statuses written to the Kubernetes API, by the reason of Ready.",
            ["reason"],
            registry=self.registry,
        )
        self._events = Counter(
            f"{PREFIX}_events_total",
            "Kubernetes Events about resources: written, or dropped.",
            ["result"],
            registry=self.registry,
        )
        self._requests = Counter(
            f"{PREFIX}_atlas_requests_total",
            "Calls to the Atlas Admin API; status is empty when no answer came.",
            ["operation", "method", "status", "error_code"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            f"{PREFIX}_atlas_request_duration_seconds",
            "How long calls to the Atlas Admin API take, authentication included.",
            ["operation"],
            registry=self.registry,
        )
        Gauge(f"{PREFIX}_build_info", "The version that runs.", ["version"], registry=self.registry).labels(
            version
        ).set(1)

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Export a number that is read when somebody scrapes."""
        Gauge(f"{PREFIX}_{name}", documentation, registry=self.registry).set_function(value)

    def reconciled(self, following: Next, seconds: float) -> None:
        """Count a pass."""
        self._reconciles.labels(_result(following)).inc()
        self._reconcile_seconds.observe(seconds)

    def status_written(self, reason: str) -> None:
        """Count a status write."""
        self._status_writes.labels(reason).inc()

    def event(self, result: str) -> None:
        """Count an Event by what became of it; fits ``EventRecorder``'s ``counted``."""
        self._events.labels(result).inc()

    def requested(
        self, operation: str, method: str, status: int | None, error_code: str | None, seconds: float
    ) -> None:
        """Count a call to Atlas; fits ``AtlasClient``'s ``on_request``."""
        self._requests.labels(operation, method, "" if status is None else str(status), error_code or "").inc()
        self._request_seconds.labels(operation).observe(seconds)

    def exposition(self) -> bytes:
        """Give all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def _result(following: Next) -> str:
    match following:
        case Rest():
            return "done"
        case Again():
            return "waiting"
        case Retry():
            return "retry"
