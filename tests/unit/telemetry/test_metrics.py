"""Each metric counts what its name says."""

import pytest

from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.telemetry.metrics import Metrics


def test_the_build_is_told() -> None:
    assert Metrics("1.2.3").registry.get_sample_value("atlas_endpoints_build_info", {"version": "1.2.3"}) == 1


@pytest.mark.parametrize(("following", "result"), [(Rest(), "done"), (Again(5), "waiting"), (Retry(), "retry")])
def test_a_pass_is_counted_by_what_it_came_to(following: Next, result: str) -> None:
    metrics = Metrics("0")

    metrics.reconciled(following, 0.25)

    assert metrics.registry.get_sample_value("atlas_endpoints_reconcile_total", {"result": result}) == 1
    assert metrics.registry.get_sample_value("atlas_endpoints_reconcile_duration_seconds_sum") == 0.25


def test_a_status_write_is_counted_by_its_reason() -> None:
    metrics = Metrics("0")

    metrics.status_written("Available")

    assert metrics.registry.get_sample_value("atlas_endpoints_status_writes_total", {"reason": "Available"}) == 1


def test_an_event_is_counted_by_what_became_of_it() -> None:
    metrics = Metrics("0")

    metrics.event("dropped")

    assert metrics.registry.get_sample_value("atlas_endpoints_events_total", {"result": "dropped"}) == 1


def test_a_call_is_counted_with_its_answer_or_with_none() -> None:
    metrics = Metrics("0")

    metrics.requested("listServerlessPrivateEndpoint", "GET", 429, "RATE_LIMITED", 0.5)
    metrics.requested("listServerlessPrivateEndpoint", "GET", None, None, 15.0)

    labels = {"operation": "listServerlessPrivateEndpoint", "method": "GET"}
    for answer in ({"status": "429", "error_code": "RATE_LIMITED"}, {"status": "", "error_code": ""}):
        assert metrics.registry.get_sample_value("atlas_endpoints_atlas_requests_total", labels | answer) == 1
    seconds = "atlas_endpoints_atlas_request_duration_seconds_sum"
    assert metrics.registry.get_sample_value(seconds, {"operation": "listServerlessPrivateEndpoint"}) == 15.5


def test_a_watched_number_is_read_at_each_scrape() -> None:
    metrics = Metrics("0")
    queue = ["a"]
    metrics.watch("queue_depth", "Due.", lambda: len(queue))

    queue.append("b")

    assert b"\natlas_endpoints_queue_depth 2.0\n" in metrics.exposition()
