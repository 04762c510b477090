"""A status that was written is logged and counted, and a change of it has an Event."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from atlas_endpoints.cluster.events import EventRecorder
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.observer import RequestObserver, StatusObserver, drifted, seconds_to_ready
from atlas_endpoints.reconcile.events import EventReason, new_event
from atlas_endpoints.telemetry import work
from atlas_endpoints.telemetry.metrics import Metrics
from unit.cluster.api_server import serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


NOW = datetime(2026, 11, 25, tzinfo=UTC)


def status(reason: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": f"It is {reason}."}
    return {"observedGeneration": 1, "conditions": [ready]}


async def test_a_status_is_logged_and_counted_and_a_failure_has_one_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        recorder = EventRecorder(api, now=lambda: NOW, counted=metrics.event)
        writing = asyncio.create_task(recorder.run())
        observer, body = StatusObserver(metrics, recorder, lambda: NOW), server.put("shop", "db")

        observer.written(body, status("APIGone"))
        observer.written({**body, "status": status("APIGone")}, status("APIGone"))
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


async def test_the_time_to_ready_and_drift_are_counted() -> None:
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        observer = StatusObserver(metrics, EventRecorder(api, now=lambda: NOW, counted=metrics.event), lambda: NOW)
        body = server.put("shop", "db")
        ready = {"type": "Ready", "status": "True", "reason": "Available", "message": "It is."}
        before = {**ready, "status": "False", "lastTransitionTime": "2026-11-24T23:59:00Z"}
        sent = [{"cause": "Drift", "fields": ["comment"], "result": "Applied"}]

        observer.written(
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


def test_reconciles_waits_and_retries_are_counted() -> None:
    metrics = Metrics("0")
    nobody: Any = None
    observer = StatusObserver(metrics, nobody, lambda: NOW)

    observer.held_up("Toy", "APIGone")
    observer.waited(2.0, urgent=True)
    observer.retried()
    observer.reconciled("Toy", NoRequeue(), 0.5)

    for name, labels, value in (
        ("reconcile_errors_total", {"kind": "Toy", "reason": "APIGone"}, 1),
        ("queue_wait_seconds_sum", {"priority": "urgent"}, 2),
        ("queue_retries_total", {}, 1),
        ("reconcile_total", {"kind": "Toy", "result": "done"}, 1),
    ):
        assert metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels) == value


async def test_a_line_contains_the_change_and_the_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    metrics = Metrics("0")
    async with serving() as server:
        api = server.api()
        recorder = EventRecorder(api, now=lambda: NOW, counted=metrics.event)
        observer, body = StatusObserver(metrics, recorder, lambda: NOW), server.put("shop", "db")
        requests = RequestObserver(metrics, KIND.templates)
        work.begin(work.reconcile_of(body))

        requests.requested("updateServerlessPrivateEndpoint", "PATCH", 200, None, 0.25)
        requests.requested("createToken", "POST", 200, None, 0.5)
        observer.recorded(body, new_event(EventReason.UPDATED, "comment from 'a' to 'b'."))
        observer.written(body, status("Pending"))
        observer.written({**body, "status": status("Pending")}, status("Initiating"))
        await api.close()  # type: ignore[no-untyped-call]  # untyped
    lines = [
        each for each in caplog.records if each.name == "atlas_endpoints.observer" and each.levelno > logging.DEBUG
    ]
    assert [each.getMessage() for each in lines] == ["comment from 'a' to 'b'. It is Pending.", "It is Initiating."]
    request = vars(lines[0])["atlasRequest"]
    assert request.items() >= {"method": "PATCH", "status": 200, "seconds": 0.25}.items()
    assert request["path"].endswith("/instance/{instanceName}/endpoint/{endpointId}")
    assert "errorCode" not in request


CREATED, LATER = "2026-11-24T23:50:00Z", "2026-11-24T23:59:00Z"


def ready(status: str, reason: str = "Initiating", *, since: str = LATER, **rest: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": since}
    return {"conditions": [condition], **rest}


class Case(NamedTuple):
    previous: Mapping[str, Any] | None
    status: Mapping[str, Any]
    seconds: float | None


CASES = {
    "it is Ready at once": Case(None, ready("True", "Available"), 600.0),
    "the status before is the default one": Case({"observedGeneration": -1}, ready("True"), 600.0),
    "it was not Ready for a minute": Case(ready("False"), ready("True", "Available"), 60.0),
    "it was Unknown for a minute": Case(ready("Unknown"), ready("True"), 60.0),
    "it is not Ready yet": Case(ready("False"), ready("False"), None),
    "it stays Ready": Case(ready("True"), ready("True", "Available"), None),
    "it is not Ready any more": Case(ready("True"), ready("False"), None),
    "it was suspended": Case(ready("False", "Suspended"), ready("True", "Available"), None),
    "the operator's clock is behind": Case(ready("False", since="2026-11-25T00:00:05Z"), ready("True"), 0.0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_seconds_to_ready(case: Case) -> None:
    body = {"metadata": {"creationTimestamp": CREATED}, "status": case.previous}
    assert seconds_to_ready(body, case.status, NOW) == case.seconds


def sent(cause: str, *fields: str, result: str = "Applied", time: str = LATER) -> dict[str, Any]:
    return {"history": [{"time": time, "generation": 1, "cause": cause, "fields": list(fields), "result": result}]}


def shows(reason: str, *fields: str, **rest: Any) -> dict[str, Any]:
    return {
        "conditions": [{"type": "Synced", "status": "False", "reason": reason}],
        "drift": [{"field": field, "desired": "ours", "actual": "theirs"} for field in fields],
        **rest,
    }


class Change(NamedTuple):
    previous: Mapping[str, Any]
    status: Mapping[str, Any]
    fields: Sequence[str] = ()


REJECTED = "Rejected: 400"
CHANGES = {
    "nothing": Change({}, {}),
    "an edit is sent": Change({}, sent("Edit", "comment")),
    "drift is corrected": Change({}, sent("Drift", "comment", "cloudProviderEndpointId"), ["comment", "cloudProviderEndpointId"]),
    "the correction is still the newest": Change(sent("Drift", "comment"), sent("Drift", "comment")),
    "the same drifts again later": Change(
        sent("Drift", "comment"), sent("Drift", "comment", time="2026-11-25T00:00:00Z"), ["comment"]
    ),
    "drift is only reported": Change({}, shows("DriftDetected", "comment"), ["comment"]),
    "it remains": Change(shows("DriftDetected", "comment"), shows("DriftDetected", "comment")),
    "another field drifts, too": Change(
        shows("DriftDetected", "comment"), shows("DriftDetected", "comment", "cloudProviderEndpointId"), ["cloudProviderEndpointId"]
    ),
    "its delayed correction is sent": Change(shows("DriftDetected", "comment"), sent("Drift", "comment")),
    "a correction fails, and the next one succeeds": Change(sent("Drift", "comment", result=REJECTED), sent("Drift", "comment")),
    "a difference that is no drift": Change({}, shows("UpdateRejected", "comment")),
    "a correction is planned": Change({}, shows("Planned", "comment", plan={"reason": "Drift"}), ["comment"]),
    "an edit is planned": Change({}, shows("Planned", "comment", plan={"reason": "Edit"})),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_drifted_fields(change: Change) -> None:
    assert drifted(change.previous, change.status) == tuple(change.fields)
