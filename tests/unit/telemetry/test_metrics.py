"""Metrics: their series, help and registry; what is counted when, tests/unit/process/test_observer.py shows."""

from __future__ import annotations

import pytest

from atlas_endpoints.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)


def test_every_metric_is_described_with_its_labels(metrics: Metrics) -> None:
    metrics.watch_each("circuits", "Circuits.", ("scope", "state"), dict)
    assert metrics.described["atlas_endpoints_reconcile_errors_total"] == ("counter", ("kind", "reason"))
    assert metrics.described["atlas_endpoints_time_to_ready_seconds"] == ("histogram", ("kind",))
    assert metrics.described["atlas_endpoints_circuits"] == ("gauge", ("scope", "state"))
    exported = {family.name for family in metrics.registry.collect() if not family.name.startswith("process_")}
    assert exported == {name.removesuffix("_total") for name in metrics.described}
