"""The metrics of a running operator that are read at a scrape."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.core import Core
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, HELD_UP
from atlas_endpoints.telemetry.metrics import Labels, Metrics
from atlas_endpoints.telemetry.resources import ResourceMetrics

FACTS = ("provider", "management_policy", "credentials")
"""The labels of a resource."""

IDS = (*FACTS, "project_id", "instance_name", "endpoint_id")
"""The same with the ids in Atlas."""


def watch(
    metrics: Metrics,
    core: Core,
    *,
    client: AtlasClient,
    connection: Connection,
    leads: Callable[[], bool],
) -> None:
    """Export these metrics, and count the calls to the API server."""
    for name, served in core.kinds.items():
        metrics.begin(name, reasons=(*sorted(HELD_UP), CLUSTER_UNAVAILABLE), fields=served.kind.resource.fields)
    settings, number = core.settings, metrics.watch
    number("queue_depth", "Due keys that wait for a worker.", lambda: len(core.queue))
    number("queue_retrying", "Failed keys that wait for a retry.", lambda: core.loop.failing)
    number("active_workers", "Running reconciles.", lambda: core.queue.running)
    number("workers", "Limit of running reconciles.", lambda: settings.concurrency)
    number("longest_reconcile_seconds", "Age of the oldest running reconcile.", core.loop.longest_reconcile)
    number("corrections_held", "Resources whose drift corrections the drift limiter delays.", lambda: core.limiter.held)
    number("writes_enabled", "Whether the operator may write to Atlas: 1 or 0.", lambda: settings.writes)
    metrics.watch_each(
        "resources",
        "Resources in the cache.",
        ("kind",),
        lambda: {(name,): len(served.cache) for name, served in core.kinds.items()},
    )
    number("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    number("leader", "Whether this replica leads: 1 or 0.", leads)
    number("watch_age_seconds", "Age of the oldest watch of resources.", connection.kopf_calls.watch_age)
    number("atlas_access_tokens", "Access tokens in memory.", lambda: client.tokens)
    number("atlas_rate_limit_remaining", "Requests that Atlas still allows.", client.rate_limits.remaining)
    number(
        "atlas_rate_limit_wait_seconds",
        "Longest remaining wait that Atlas has requested.",
        lambda: core.throttle.longest_wait(core.clock.monotonic()),
    )
    metrics.watch_each(
        "atlas_circuits",
        "Circuit breakers by scope and state.",
        ("scope", "state"),
        partial(_circuits, core),
    )
    number("atlas_api_sunset_timestamp_seconds", "Announced end of the API version in Atlas.", partial(_sunset, core))
    connection.on_request = metrics.asked_kubernetes
    connection.kopf_calls.on_watch_end = metrics.watch_ended


def of_resources(core: Core, *, leads: Callable[[], bool]) -> ResourceMetrics:
    """Return the metrics of single resources; of several replicas, the leader exports them."""
    detail = core.settings.resource_metrics
    with_ids = detail == "ids"
    return ResourceMetrics(
        [served.cache for served in core.kinds.values()],
        is_shown=leads,
        detail=detail,
        facts=(lambda body: facts_with_ids(body, core.kinds[body["kind"]].kind.entry_of)) if with_ids else facts,
        fact_names=IDS if with_ids else FACTS,
        scope=credentials_scope,
    )


def _circuits(core: Core) -> Mapping[Labels, float]:
    """Return a number for each scope and state, so that no series has gaps."""
    counts = core.throttle.circuits(core.clock.monotonic())
    scopes, states = ("credentials", "project", "instance"), ("closed", "half_open", "open")
    return {(scope, state): counts[scope, state] for scope in scopes for state in states}


def _sunset(core: Core) -> float | None:
    sunset = core.gateway.sunset
    return None if sunset is None else sunset.timestamp()


def facts(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels ``FACTS`` of a resource; an unknown value is empty."""
    spec = body.get("spec") or {}
    values = (spec.get("providerName"), spec.get("managementPolicy") or "Manage", _source(body))
    return {name: str(value or "") for name, value in zip(FACTS, values, strict=True)}


def facts_with_ids(body: Mapping[str, Any], entry_of: Callable[[Mapping[str, Any]], str | None]) -> dict[str, str]:
    """Return the labels ``IDS`` of a resource."""
    spec = body.get("spec") or {}
    resolved = (body.get("status") or {}).get("resolved") or {}
    ids = (spec.get("projectId") or resolved.get("projectId"), spec.get("instanceName"), entry_of(body))
    return facts(body) | {name: str(value or "") for name, value in zip(IDS[len(FACTS) :], ids, strict=True)}


def credentials_scope(body: Mapping[str, Any]) -> str:
    """Return who names the Secret of a resource: resource, namespace or operator; empty: unknown."""
    return _source(body).partition("/")[0]


def _source(body: Mapping[str, Any]) -> str:
    resolved = (body.get("status") or {}).get("resolved") or {}
    return str(resolved.get("credentialsSource") or "")
