from typing import Any

import pytest

from support.crd import refusals

NOON = "2026-11-25T12:00:00Z"
CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Available",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": NOON,
}
ERROR = {"since": NOON, "operation": "readSecret", "retryable": False}


def status(**fields: Any) -> dict[str, Any]:
    return {"observedGeneration": 1, **fields}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"observedGeneration": -1}, id="the default"),
        pytest.param(
            status(
                conditions=[CONDITION, {**CONDITION, "type": "Synced"}],
                endpoint={},
                drift=[{"field": "comment"}, {"field": "cloudProviderEndpointId"}],
                lastError={**ERROR, "httpStatus": 400, "fields": ["comment", "comment"]},
                lastAppliedTime="2026-11-25T12:00:00.5+01:00",
            ),
            id="much",
        ),
        pytest.param(status(lastHandledReconcileAt="é" * 256), id="characters are counted, not bytes"),
    ],
)
def test_a_good_status_is_taken(given: object) -> None:
    assert refusals(given) == []


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        pytest.param(None, "another type than object", id="no object"),
        pytest.param({}, "status.observedGeneration: is required", id="a required field is missing"),
        pytest.param(status(phase="Ready"), "status.phase: is not known", id="a field would be dropped"),
        pytest.param(status(applied=None), "status.applied: None is of another type", id="a null would be dropped"),
        pytest.param({"observedGeneration": -2}, "is less than -1", id="a number is too small"),
        pytest.param({"observedGeneration": True}, "another type than integer", id="a boolean is no number"),
        pytest.param(
            status(lastError={**ERROR, "retryable": 0}), "another type than boolean", id="a number is no boolean"
        ),
        pytest.param(status(lastAppliedTime="noon"), "is no date-time", id="a time is none"),
        pytest.param(status(conditions=[CONDITION, CONDITION]), "has an item twice", id="a key is there twice"),
        pytest.param(
            status(conditions=[{**CONDITION, "status": "true"}]),
            "status.conditions[0].status: 'true' is not",
            id="no such value",
        ),
        pytest.param(status(conditions=[{**CONDITION, "reason": ""}]), "has 0 characters", id="a text is empty"),
        pytest.param(
            status(conditions=[{**CONDITION, "message": "x" * 1025}]), "has 1025 characters", id="a text is too long"
        ),
        pytest.param(status(lastHandledReconcileAt="\ud800"), "cannot be encoded", id="half a character"),
        pytest.param(
            status(drift=[{"field": str(number)} for number in range(9)]), "more than 8", id="a list is too long"
        ),
    ],
)
def test_a_bad_status_is_refused(given: object, refusal: str) -> None:
    assert any(refusal in each for each in refusals(given)), refusals(given)
