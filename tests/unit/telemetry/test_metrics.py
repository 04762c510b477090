"""Metrics: their series, help and registry; what is counted when, tests/unit/process/test_observer.py shows."""

from __future__ import annotations

import pytest

from atlas_endpoints.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)


def test_build_info(metrics: Metrics) -> None:
    assert value(metrics, "build_info", version="1.2.3") == 1


@pytest.mark.parametrize(("well", "result"), [(True, "ended"), (False, "broken")])
def test_the_end_of_a_watch_is_counted(metrics: Metrics, well: bool, result: str) -> None:
    metrics.watch_ended(well=well)

    assert value(metrics, "watch_restarts_total", result=result) == 1


@pytest.mark.parametrize(
    ("kind", "verb", "resource"),
    [
        ("PATCH serverlessprivateendpoints/status", "PATCH", "serverlessprivateendpoints/status"),
        ("WATCH serverlessprivateendpoints", "WATCH", "serverlessprivateendpoints"),
        ("GET", "GET", ""),
    ],
)
def test_a_call_to_kubernetes_is_counted_with_or_without_an_answer(
    metrics: Metrics, kind: str, verb: str, resource: str
) -> None:
    metrics.asked_kubernetes(kind, 200, 0.1)
    metrics.asked_kubernetes(kind, None, 0.2)

    for status in ("200", ""):
        assert value(metrics, "kubernetes_requests_total", verb=verb, resource=resource, status=status) == 1
    assert value(metrics, "kubernetes_request_duration_seconds_count", verb=verb) == 2


def test_series_begin_at_0(metrics: Metrics) -> None:
    metrics.begin("Toy", reasons=["APIGone"], fields=["comment"])

    for name, labels in {
        "reconcile_total": {"kind": "Toy", "result": "retry"},
        "reconcile_errors_total": {"kind": "Toy", "reason": "APIGone"},
        "drift_found_total": {"kind": "Toy", "field": "comment"},
        "watch_restarts_total": {"result": "broken"},
    }.items():
        assert value(metrics, name, **labels) == 0


def test_a_number_is_read_at_each_scrape(metrics: Metrics) -> None:
    queue = ["a"]
    metrics.watch("queue_depth", "Due.", lambda: len(queue))

    queue.append("b")

    assert b"\natlas_endpoints_queue_depth 2.0\n" in metrics.exposition()


def test_a_number_that_is_none_has_no_series(metrics: Metrics) -> None:
    metrics.watch("left", "Left.", lambda: None)

    assert value(metrics, "left") is None
    assert b"# TYPE atlas_endpoints_left gauge\n" in metrics.exposition()


def test_series_of_watched_numbers_appear_and_disappear(metrics: Metrics) -> None:
    circuits: dict[tuple[str, ...], float] = {("project", "open"): 2.0}
    metrics.watch_each("circuits", "Circuits.", ("scope", "state"), lambda: circuits)

    assert value(metrics, "circuits", scope="project", state="open") == 2
    circuits.clear()
    assert value(metrics, "circuits", scope="project", state="open") is None


def test_there_are_process_metrics_and_no_creation_times(metrics: Metrics) -> None:
    metrics.retries.inc()
    text = metrics.exposition().decode()
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_every_metric_is_described_with_its_labels(metrics: Metrics) -> None:
    metrics.watch_each("circuits", "Circuits.", ("scope", "state"), dict)
    assert metrics.described["atlas_endpoints_reconcile_errors_total"] == ("counter", ("kind", "reason"))
    assert metrics.described["atlas_endpoints_time_to_ready_seconds"] == ("histogram", ("kind",))
    assert metrics.described["atlas_endpoints_circuits"] == ("gauge", ("scope", "state"))
    exported = {family.name for family in metrics.registry.collect() if not family.name.startswith("process_")}
    assert exported == {name.removesuffix("_total") for name in metrics.described}
