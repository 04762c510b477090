"""The metrics of a running operator that are read at a scrape."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from atlas_endpoints.process import runtime_metrics
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry.metrics import Metrics
from behaviour.api_server import Cluster, Latency
from support.cores import core_of
from support.named import NAMED

SUNSET = datetime(2027, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("sunset", [None, SUNSET])
async def test_each_number_has_its_source(monkeypatch: pytest.MonkeyPatch, sunset: datetime | None) -> None:
    metrics, cluster = Metrics("0"), Cluster(Latency(), lambda: "2026-11-25T12:00:00Z")
    core = core_of(cluster, settings=OperatorSettings(concurrency=10, writes=False))
    monkeypatch.setattr(type(core.gateway), "sunset", sunset)
    for name in ("a", "b", "c"):
        cluster.apply(name, {})
        core.seen(cluster.objects[cluster.key(name)])
    await core.queue.get()
    connection: Any = SimpleNamespace(kopf_calls=SimpleNamespace(watch_age=lambda: 30.5), on_request=None)
    client: Any = SimpleNamespace(tokens=8)
    leads = [True]
    runtime_metrics.watch(metrics, core, client=client, connection=connection, leads=lambda: leads[0])

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)

    core.throttle.admit("fingerprint", "project", core.clock.monotonic())
    expected = {
        "queue_depth": 2,
        "active_workers": 1,
        "queue_retrying": 0,
        "longest_reconcile_seconds": 0,
        "atlas_access_tokens": 8,
        "atlas_rate_limit_wait_seconds": 0,
        "atlas_api_sunset_timestamp_seconds": sunset and sunset.timestamp(),
        "workers": 10,
        "writes_enabled": 0,
        "leader": 1,
        "watch_age_seconds": 30.5,
        "tasks": 1,
    }
    assert {name: value(name) for name in expected} == expected
    assert value("resources", kind=NAMED["kind"]) == 3
    assert value("atlas_circuits", scope="credentials", state="half_open") == 1
    leads[0] = False
    assert value("leader") == 0
