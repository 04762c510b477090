"""The metrics of a running operator that are read at a scrape: numbers, and the series of single resources."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.controller.cache import spec_of, status_of
from atlas_endpoints.core import Core
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, blocks
from atlas_endpoints.reconcile.resource import credentials_source_in
from atlas_endpoints.telemetry.metrics import PREFIX, Labels, Metrics

PORTION = 100
"""Resources after which other tasks may run; they take a millisecond or two."""

NAMES = ("kind", "resource_namespace", "resource_name")
"""Not ``namespace``: a scrape sets that to the operator's own namespace."""

CIRCUITS = (("credentials", "closed"), ("credentials", "half_open"), ("credentials", "open"), ("project", "open"))
"""By scope and state."""


def watch(
    metrics: Metrics, core: Core, *, client: AtlasClient, connection: Connection, leads: Callable[[], bool]
) -> None:
    """Export these metrics, and count the calls to the API server."""
    for name, served in core.kinds.items():
        blocking = sorted(each for each in served.kind.reasons if blocks(each))
        metrics.begin(name, reasons=(*blocking, CLUSTER_UNAVAILABLE), fields=served.kind.resource.fields)
    settings, number = core.settings, metrics.watch
    number("queue_depth", "Due keys that wait for a worker.", lambda: len(core.queue))
    number("queue_retrying", "Failed keys that wait for a retry.", lambda: core.loop.failing)
    number("active_workers", "Running reconciles.", lambda: core.queue.running)
    number("workers", "Limit of running reconciles.", lambda: settings.concurrency)
    number("longest_reconcile_seconds", "Age of the oldest running reconcile.", core.loop.longest_reconcile)
    number("writes_enabled", "Whether the operator may write to Atlas: 1 or 0.", lambda: settings.writes)
    metrics.watch_each(
        "resources",
        "Resources in the cache.",
        ("kind",),
        lambda: {(name,): len(served.cache) for name, served in core.kinds.items()},
    )
    metrics.watch_each(
        "namespace_forbidden",
        "Whether the operator may not list the resources of a namespace: 1 or 0.",
        ("kind", "resource_namespace"),
        lambda: {
            (name, each or ""): each in served.relister.forbidden
            for name, served in core.kinds.items()
            for each in settings.namespaces or (None,)
        },
    )
    number("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    number("leader", "Whether this replica leads: 1 or 0.", leads)
    number("watch_age_seconds", "Age of the oldest watch of resources.", connection.kopf_calls.watch_age)
    number("atlas_access_tokens", "Access tokens in memory.", lambda: client.tokens)
    number(
        "atlas_rate_limit_wait_seconds",
        "Longest remaining wait after a 429.",
        lambda: core.throttle.longest_wait(core.clock.monotonic()),
    )
    metrics.watch_each(
        "atlas_circuits", "Circuit breakers by scope and state.", ("scope", "state"), partial(_circuits, core)
    )
    number("atlas_api_sunset_timestamp_seconds", "Announced end of the API version in Atlas.", partial(_sunset, core))
    connection.on_request = metrics.asked_kubernetes


def _circuits(core: Core) -> Mapping[Labels, float]:
    """Return a number for each scope and state, so that no series has gaps."""
    counts = core.throttle.circuits(core.clock.monotonic())
    return {each: counts[each] for each in CIRCUITS}


def _sunset(core: Core) -> float | None:
    return None if core.gateway.sunset is None else core.gateway.sunset.timestamp()


class _Family(NamedTuple):
    """A gauge, whose series are written as text: as samples of the library, those of 20,000 resources would block for a second."""

    name: str
    documentation: str
    labels: Labels

    def line(self, values: Labels, number: int = 1) -> bytes:
        """Return a series in Prometheus's text format."""
        pairs = ",".join([f'{label}="{_quotable(value)}"' for label, value in zip(self.labels, values, strict=True)])
        return f"{PREFIX}_{self.name}{{{pairs}}} {number}\n".encode()


BY_CONDITION = _Family("resources_by_condition", "Resources by condition.", ("kind", "type", "status", "reason"))
BY_CREDENTIALS = _Family(
    "resources_by_credentials",
    "Resources by the source of their credentials and whether they are valid.",
    ("kind", "scope", "status"),
)
CONDITION = _Family("resource_condition", "Conditions of a resource: always 1.", (*NAMES, "type", "status", "reason"))
INFO = _Family("resource_info", "Information about a resource: always 1.", (*NAMES, "provider", "credentials"))


class ResourceMetrics:
    """The metrics of single resources, which end with them, and counts over all; of several replicas, the leader exports them."""

    def __init__(self, core: Core, *, leads: Callable[[], bool]) -> None:
        self._kinds = core.kinds
        self._leads = leads
        names = (CONDITION, INFO) if core.settings.resource_metrics == "names" else ()
        self._families = (BY_CONDITION, BY_CREDENTIALS, *names)

    @property
    def described(self) -> dict[str, tuple[str, Labels]]:
        """Type and label names of each metric."""
        return {f"{PREFIX}_{each.name}": ("gauge", each.labels) for each in self._families}

    async def exposition(self) -> bytes:
        """Return the metrics in Prometheus's text format; other tasks run meanwhile."""
        text = {
            each: bytearray(
                f"# HELP {PREFIX}_{each.name} {each.documentation}\n# TYPE {PREFIX}_{each.name} gauge\n".encode()
            )
            for each in self._families
        }
        conditions: Counter[Labels] = Counter()
        credentials: Counter[Labels] = Counter()
        keys = [(served.cache, key) for served in self._kinds.values() for key in served.cache] if self._leads() else ()
        for number, (cache, key) in enumerate(keys, 1):
            body = cache.get(key)
            if body is None:
                continue  # it was deleted meanwhile
            found = [(each["type"], each["status"], each["reason"]) for each in status_of(body).get("conditions") or ()]
            conditions.update((key.kind, *each) for each in found)
            valid = next((status for type_, status, _ in found if type_ == "CredentialsValid"), "Unknown")
            source = credentials_source_in(body) or ""
            credentials[key.kind, source.partition("/")[0], valid] += 1
            if INFO in text:
                text[CONDITION] += b"".join([CONDITION.line((*key, *each)) for each in found])
                text[INFO] += INFO.line((*key, spec_of(body).get("providerName", ""), source))
            if number % PORTION == 0:
                await asyncio.sleep(0)
        for family, counts in ((BY_CONDITION, conditions), (BY_CREDENTIALS, credentials)):
            for values, count in sorted(counts.items()):
                text[family] += family.line(values, count)
        return b"".join(text.values())


def _quotable(value: str) -> str:
    """Return a value escaped for the text format; few values from the API server need that."""
    if value.isalnum():
        return value
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
