"""What becomes of a status that was written: a line, a count, and an Event if it is news."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas_endpoints.cluster.events import EventRecorder
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.observer import Requests, Told
from atlas_endpoints.reconcile.events import EventReason, tell
from atlas_endpoints.telemetry import work
from atlas_endpoints.telemetry.metrics import Metrics
from unit.cluster.api_server import serving

if TYPE_CHECKING:
    import pytest


NOW = datetime(2026, 11, 25, tzinfo=UTC)


def status(reason: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": f"It is {reason}."}
    return {"observedGeneration": 1, "conditions": [ready]}


async def test_a_status_is_logged_and_counted_and_a_failure_is_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        recorder = EventRecorder(api, now=lambda: NOW, counted=metrics.event)
        writing = asyncio.create_task(recorder.run())
        told, body = Told(metrics, recorder, lambda: NOW), server.put("shop", "db")

        told.written(body, status("APIGone"))
        told.written({**body, "status": status("APIGone")}, status("APIGone"))
        await recorder.close(within=5)

        writing.cancel()
        await asyncio.wait({writing})
        await api.close()  # type: ignore[no-untyped-call]  # untyped
        (event,) = server.events.values()
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "APIGone", "It is APIGone.")
    assert event["regarding"]["uid"] == body["metadata"]["uid"]
    lines = [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "atlas_endpoints.observer"
    ]
    assert lines == [("WARNING", "It is APIGone.")], "that only the rest of a status is another one is no line"
    assert (
        metrics.registry.get_sample_value(
            "atlas_endpoints_status_writes_total", {"kind": "ServerlessPrivateEndpoint", "reason": "APIGone"}
        )
        == 2
    )
    assert metrics.registry.get_sample_value("atlas_endpoints_events_total", {"result": "written"}) == 1


async def test_the_way_to_ready_and_drift_are_counted_by_what_statuses_say() -> None:
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        told = Told(metrics, EventRecorder(api, now=lambda: NOW, counted=metrics.event), lambda: NOW)
        body = server.put("shop", "db")
        ready = {"type": "Ready", "status": "True", "reason": "Available", "message": "It is."}
        before = {**ready, "status": "False", "lastTransitionTime": "2026-11-24T23:59:00Z"}
        sent = [{"cause": "Drift", "fields": ["comment"], "result": "Applied"}]

        told.written(
            {**body, "status": {"conditions": [before]}},
            {"observedGeneration": 1, "conditions": [ready], "history": sent},
        )
        await api.close()  # type: ignore[no-untyped-call]  # untyped
    assert (
        metrics.registry.get_sample_value(
            "atlas_endpoints_time_to_ready_seconds_sum", {"kind": "ServerlessPrivateEndpoint"}
        )
        == 60
    )
    assert (
        metrics.registry.get_sample_value(
            "atlas_endpoints_drift_found_total", {"kind": "ServerlessPrivateEndpoint", "field": "comment"}
        )
        == 1
    )


def test_what_the_core_tells_is_counted() -> None:
    metrics = Metrics("0")
    nobody: Any = None
    told = Told(metrics, nobody, lambda: NOW)

    told.held_up("Toy", "APIGone")
    told.waited(2.0, urgent=True)
    told.retried()
    told.reconciled("Toy", NoRequeue(), 0.5)

    for name, labels, value in (
        ("reconcile_errors_total", {"kind": "Toy", "reason": "APIGone"}, 1),
        ("queue_wait_seconds_sum", {"priority": "urgent"}, 2),
        ("queue_retries_total", {}, 1),
        ("reconcile_total", {"kind": "Toy", "result": "done"}, 1),
    ):
        assert metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels) == value


async def test_a_line_tells_what_was_changed_and_by_which_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        recorder = EventRecorder(api, now=lambda: NOW, counted=metrics.event)
        told, body = Told(metrics, recorder, lambda: NOW), server.put("shop", "db")
        requests = Requests(metrics, KIND.templates)
        work.begin(work.reconcile_of(body))

        requests.requested("updateServerlessPrivateEndpoint", "PATCH", 200, None, 0.25)
        requests.requested("createToken", "POST", 200, None, 0.5)
        told.recorded(body, tell(EventReason.UPDATED, "comment from 'a' to 'b'."))
        told.written(body, status("Pending"))
        told.written({**body, "status": status("Pending")}, status("Initiating"))
        await api.close()  # type: ignore[no-untyped-call]  # untyped
    lines = [
        each for each in caplog.records if each.name == "atlas_endpoints.observer" and each.levelno > logging.DEBUG
    ]
    assert [each.getMessage() for each in lines] == ["comment from 'a' to 'b'. It is Pending.", "It is Initiating."]
    request = vars(lines[0])["atlasRequest"]
    assert request.items() >= {"method": "PATCH", "status": 200, "seconds": 0.25}.items()
    assert request["path"].endswith("/instance/{instanceName}/endpoint/{endpointId}")
    assert "errorCode" not in request
