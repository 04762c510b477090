"""The metrics of a running operator that are read at a scrape."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.process import runtime_metrics
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry.metrics import Metrics

SUNSET = datetime(2027, 7, 1, tzinfo=UTC)


def part(**attributes: Any) -> Any:
    return SimpleNamespace(**attributes)


class Queue:
    running = 3

    def __len__(self) -> int:
        return 2


class Harness:
    """Fakes of the parts that are read, and a registry."""

    def __init__(self) -> None:
        self.metrics = Metrics("0")
        self.leads = True
        self.core = part(
            queue=Queue(),
            loop=part(failing=4, longest_reconcile=lambda: 5.5),
            limiter=part(held=6),
            kinds={"Toy": part(cache=[1] * 7, kind=KIND, relister=part(forbidden={"pay"}))},
            throttle=part(
                circuits=lambda now: Counter({("project", "open"): int(now)}), longest_wait=lambda now: now + 1
            ),
            gateway=part(sunset=None),
            settings=OperatorSettings(concurrency=10, writes=False, namespaces=("shop", "pay")),
            clock=part(monotonic=lambda: 9.0),
        )
        self.connection = part(kopf_calls=part(watch_age=lambda: 30.5, on_watch_end=None), on_request=None)
        self.client = part(tokens=8, remaining_calls=None)
        runtime_metrics.watch(
            self.metrics,
            self.core,
            client=self.client,
            connection=self.connection,
            leads=lambda: self.leads,
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)


@pytest.fixture
async def harness() -> Harness:
    """On a loop, whose tasks are counted."""
    return Harness()


async def test_each_number_has_its_source(harness: Harness) -> None:
    expected = {
        "queue_depth": 2,
        "active_workers": 3,
        "queue_retrying": 4,
        "longest_reconcile_seconds": 5.5,
        "corrections_held": 6,
        "atlas_access_tokens": 8,
        "atlas_rate_limit_wait_seconds": 10,
        "workers": 10,
        "writes_enabled": 0,
        "leader": 1,
        "watch_age_seconds": 30.5,
        "tasks": 1,
    }
    assert {name: harness.value(name) for name in expected} == expected
    assert harness.value("resources", kind="Toy") == 7
    forbidden = {
        each: harness.value("namespace_forbidden", kind="Toy", resource_namespace=each) for each in ("shop", "pay")
    }
    assert forbidden == {"shop": 0, "pay": 1}
    harness.leads = False
    assert harness.value("leader") == 0
