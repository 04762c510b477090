"""A status that was written is logged and counted, and a change of it has an Event."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.process.observer import RequestObserver, StatusObserver, drifted, seconds_to_ready
from atlas_endpoints.reconcile.events import new_event
from atlas_endpoints.reconcile.reasons import EventReason
from atlas_endpoints.telemetry import work
from atlas_endpoints.telemetry.metrics import Metrics
from support.named import NAMED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


NOW = datetime(2026, 11, 25, tzinfo=UTC)
BODY = {**NAMED, "metadata": {"namespace": "shop", "name": "db", "uid": "uid-1", "generation": 1}}


class Harness:
    """An observer, what it counts, and the Events that it asks for."""

    def __init__(self) -> None:
        self.metrics = Metrics("0")
        self.events: list[dict[str, Any]] = []
        recorder: Any = self
        self.observer = StatusObserver(self.metrics, recorder, lambda: NOW, {KIND.names.kind: KIND})

    def record(self, body: object, **event: Any) -> None:
        assert isinstance(body, dict)
        assert body["metadata"] is BODY["metadata"]
        self.events.append(event)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"atlas_endpoints_{name}", labels)


@pytest.fixture
def harness() -> Harness:
    return Harness()


def said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name.endswith("process.observer") and each.levelno > logging.DEBUG]


def status(reason: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": f"It is {reason}."}
    return {"observedGeneration": 1, "conditions": [ready]}


def test_a_status_is_logged_and_counted_and_a_failure_has_one_event(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    harness.observer.written(BODY, status("APIGone"))
    harness.observer.written({**BODY, "status": status("APIGone")}, status("APIGone"))
    (event,) = harness.events
    assert (event["type_"], event["reason"], event["note"]) == ("Warning", "APIGone", "It is APIGone.")
    lines = [(record.levelname, record.getMessage()) for record in said(caplog)]
    assert lines == [("WARNING", "It is APIGone.")], "that only the rest of a status is another one is no line"
    assert harness.value("status_writes_total", kind="ServerlessPrivateEndpoint", reason="APIGone") == 2


def test_the_time_to_ready_and_drift_are_counted(harness: Harness) -> None:
    before = {"type": "Ready", "status": "False", "reason": "Initiating", "lastTransitionTime": "2026-11-24T23:59:00Z"}
    after = {"type": "Ready", "status": "True", "reason": "Available", "message": "It is."}
    drift = [{"cause": "Drift", "fields": ["comment"], "result": "Applied"}]
    harness.observer.written(
        {**BODY, "status": {"conditions": [before]}},
        {"observedGeneration": 1, "conditions": [after], "history": drift},
    )
    assert harness.value("time_to_ready_seconds_sum", kind="ServerlessPrivateEndpoint") == 60
    assert harness.value("drift_found_total", kind="ServerlessPrivateEndpoint", field="comment") == 1


RESULTS: dict[str, Requeue] = {"done": NoRequeue(), "waiting": RequeueAfter(5), "retry": Backoff()}
Call = tuple[Callable[[StatusObserver], None], dict[str, tuple[dict[str, str], float]]]
CALLS: dict[str, Call] = {
    **{
        f"a reconcile with the result {result}": (
            partial(StatusObserver.reconciled, kind="Toy", following=requeue, seconds=0.25),
            {
                "reconcile_total": ({"kind": "Toy", "result": result}, 1),
                "reconcile_duration_seconds_sum": ({"kind": "Toy"}, 0.25),
            },
        )
        for result, requeue in RESULTS.items()
    },
    **{
        f"a wait of the priority {priority}": (
            partial(StatusObserver.waited, seconds=0.3, urgent=priority == "urgent"),
            {
                "queue_wait_seconds_sum": ({"priority": priority}, 0.3),
                "queue_wait_seconds_bucket": ({"priority": priority, "le": "0.25"}, 0),
            },
        )
        for priority in ("urgent", "routine")
    },
    "a blocked reconcile": (
        partial(StatusObserver.blocked, kind="Toy", reason="APIGone"),
        {"reconcile_errors_total": ({"kind": "Toy", "reason": "APIGone"}, 1)},
    ),
    "a retry": (StatusObserver.retried, {"queue_retries_total": ({}, 1)}),
}


@pytest.mark.parametrize(("call", "counted"), CALLS.values(), ids=CALLS)
def test_work_is_counted(
    harness: Harness, call: Callable[[StatusObserver], None], counted: dict[str, tuple[dict[str, str], float]]
) -> None:
    call(harness.observer)
    for name, (labels, number) in counted.items():
        assert harness.value(name, **labels) == number


def test_requests_to_atlas_are_counted_with_or_without_a_response(harness: Harness) -> None:
    operation = "listServerlessPrivateEndpoint"
    requests = RequestObserver(harness.metrics, KIND.templates)
    requests.requested(operation, "GET", 429, "RATE_LIMITED", 0.5)
    requests.requested(operation, "GET", None, None, 15.0)
    for answer in ({"status": "429", "error_code": "RATE_LIMITED"}, {"status": "", "error_code": ""}):
        assert harness.value("atlas_requests_total", operation=operation, method="GET", **answer) == 1
    assert harness.value("atlas_request_duration_seconds_sum", operation=operation) == 15.5


async def test_a_line_contains_the_change_and_the_call(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    requests = RequestObserver(harness.metrics, KIND.templates)
    work.begin(work.reconcile_of(BODY))

    requests.requested("updateServerlessPrivateEndpoint", "PATCH", 200, None, 0.25)
    requests.requested("createToken", "POST", 200, None, 0.5)
    harness.observer.recorded(BODY, new_event(EventReason.UPDATED, "comment from 'a' to 'b'."))
    harness.observer.written(BODY, status("Pending"))
    harness.observer.written({**BODY, "status": status("Pending")}, status("Initiating"))

    first, second = said(caplog)
    assert first.getMessage() == "comment from 'a' to 'b'. It is Pending."
    assert second.getMessage() == "It is Initiating."
    request = vars(first)["atlasRequest"]
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
    "a correction is planned": Change({}, shows("DriftDetected", "comment", plan={"reason": "Drift"}), ["comment"]),
    "an edit is planned": Change({}, shows("DriftDetected", "comment", plan={"reason": "Edit"})),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_drifted_fields(change: Change) -> None:
    assert drifted(change.previous, change.status) == tuple(change.fields)
