"""Each metric counts what its name says."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)


def test_the_build_is_told(metrics: Metrics) -> None:
    assert value(metrics, "build_info", version="1.2.3") == 1


@pytest.mark.parametrize(
    ("following", "result"), [(NoRequeue(), "done"), (RequeueAfter(5), "waiting"), (Backoff(), "retry")]
)
def test_a_reconcile_is_counted_by_what_it_came_to(metrics: Metrics, following: Requeue, result: str) -> None:
    metrics.reconciled("Toy", following, 0.25)

    assert value(metrics, "reconcile_total", kind="Toy", result=result) == 1
    assert value(metrics, "reconcile_duration_seconds_sum", kind="Toy") == 0.25


def test_a_reconcile_that_is_held_up_is_counted_by_the_reason(metrics: Metrics) -> None:
    metrics.held_up("Toy", "APIGone")

    assert value(metrics, "reconcile_errors_total", kind="Toy", reason="APIGone") == 1


@pytest.mark.parametrize(("urgent", "priority"), [(True, "urgent"), (False, "routine")])
def test_a_wait_is_counted_by_the_priority(metrics: Metrics, urgent: bool, priority: str) -> None:
    metrics.waited(0.3, urgent=urgent)

    assert value(metrics, "queue_wait_seconds_sum", priority=priority) == 0.3
    assert value(metrics, "queue_wait_seconds_bucket", priority=priority, le="0.25") == 0
    assert value(metrics, "queue_wait_seconds_bucket", priority=priority, le="0.5") == 1


def test_retries_are_counted(metrics: Metrics) -> None:
    metrics.retried()

    assert value(metrics, "queue_retries_total") == 1


def test_the_way_to_ready_is_counted(metrics: Metrics) -> None:
    metrics.became_ready("Toy", 90)

    assert value(metrics, "time_to_ready_seconds_bucket", kind="Toy", le="60.0") == 0
    assert value(metrics, "time_to_ready_seconds_bucket", kind="Toy", le="120.0") == 1


def test_drift_is_counted_by_the_field(metrics: Metrics) -> None:
    metrics.drifted("Toy", ["comment", "cloudProviderEndpointId"])

    assert value(metrics, "drift_found_total", kind="Toy", field="comment") == 1


def test_a_status_write_is_counted_by_its_reason(metrics: Metrics) -> None:
    metrics.status_written("Toy", "Available")

    assert value(metrics, "status_writes_total", kind="Toy", reason="Available") == 1


def test_an_event_is_counted_by_what_became_of_it(metrics: Metrics) -> None:
    metrics.event("dropped")

    assert value(metrics, "events_total", result="dropped") == 1


def test_a_call_is_counted_with_its_answer_or_with_none(metrics: Metrics) -> None:
    metrics.requested("listServerlessPrivateEndpoint", "GET", 429, "RATE_LIMITED", 0.5)
    metrics.requested("listServerlessPrivateEndpoint", "GET", None, None, 15.0)

    labels: dict[str, Any] = {"operation": "listServerlessPrivateEndpoint", "method": "GET"}
    for answer in ({"status": "429", "error_code": "RATE_LIMITED"}, {"status": "", "error_code": ""}):
        assert value(metrics, "atlas_requests_total", **labels, **answer) == 1
    assert value(metrics, "atlas_request_duration_seconds_sum", operation="listServerlessPrivateEndpoint") == 15.5


def test_a_call_that_is_sent_again_is_counted(metrics: Metrics) -> None:
    metrics.repeated("listServerlessPrivateEndpoint")

    assert value(metrics, "atlas_request_retries_total", operation="listServerlessPrivateEndpoint") == 1


@pytest.mark.parametrize(
    ("kind", "verb", "resource"),
    [
        ("PATCH serverlessprivateendpoints/status", "PATCH", "serverlessprivateendpoints/status"),
        ("WATCH serverlessprivateendpoints", "WATCH", "serverlessprivateendpoints"),
        ("GET", "GET", ""),
    ],
)
def test_a_call_to_kubernetes_is_counted_with_its_answer_or_with_none(
    metrics: Metrics, kind: str, verb: str, resource: str
) -> None:
    metrics.asked_kubernetes(kind, 200, 0.1)
    metrics.asked_kubernetes(kind, None, 0.2)

    for status in ("200", ""):
        assert value(metrics, "kubernetes_requests_total", verb=verb, resource=resource, status=status) == 1
    assert value(metrics, "kubernetes_request_duration_seconds_count", verb=verb) == 2


@pytest.mark.parametrize(("well", "result"), [(True, "ended"), (False, "broken")])
def test_the_end_of_a_watch_is_counted(metrics: Metrics, well: bool, result: str) -> None:
    metrics.watch_ended(well=well)

    assert value(metrics, "watch_restarts_total", result=result) == 1


def test_the_first_of_what_is_worth_a_line_is_an_increase(metrics: Metrics) -> None:
    metrics.begin("Toy", reasons=["APIGone"], fields=["comment"])

    for name, labels in {
        "reconcile_total": {"kind": "Toy", "result": "retry"},
        "reconcile_errors_total": {"kind": "Toy", "reason": "APIGone"},
        "drift_found_total": {"kind": "Toy", "field": "comment"},
        "watch_restarts_total": {"result": "broken"},
    }.items():
        assert value(metrics, name, **labels) == 0


def test_a_watched_number_is_read_at_each_scrape(metrics: Metrics) -> None:
    queue = ["a"]
    metrics.watch("queue_depth", "Due.", lambda: len(queue))

    queue.append("b")

    assert b"\natlas_endpoints_queue_depth 2.0\n" in metrics.exposition()


def test_a_number_that_there_is_not_has_no_series(metrics: Metrics) -> None:
    metrics.watch("left", "Left.", lambda: None)

    assert value(metrics, "left") is None
    assert b"# TYPE atlas_endpoints_left gauge\n" in metrics.exposition()


def test_watched_numbers_have_the_series_that_there_are(metrics: Metrics) -> None:
    circuits: dict[tuple[str, ...], float] = {("project", "open"): 2.0}
    metrics.watch_each("circuits", "Circuits.", ("scope", "state"), lambda: circuits)

    assert value(metrics, "circuits", scope="project", state="open") == 2
    circuits.clear()
    assert value(metrics, "circuits", scope="project", state="open") is None


def test_the_process_is_told_of_and_no_time_at_which_a_counter_began(metrics: Metrics) -> None:
    metrics.retried()
    text = metrics.exposition().decode()
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_every_metric_is_described_with_its_labels(metrics: Metrics) -> None:
    metrics.watch_each("circuits", "Circuits.", ("scope", "state"), dict)
    assert metrics.described["atlas_endpoints_reconcile_errors_total"] == ("counter", ("kind", "reason"))
    assert metrics.described["atlas_endpoints_time_to_ready_seconds"] == ("histogram", ("kind",))
    assert metrics.described["atlas_endpoints_circuits"] == ("gauge", ("scope", "state"))
    told = {family.name for family in metrics.registry.collect() if not family.name.startswith("process_")}
    assert told == {name.removesuffix("_total") for name in metrics.described}
