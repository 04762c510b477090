"""What is said of one resource: each row is a state, and lines that its report has to hold, or not."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_endpoints.inspection.report import lines
from support.named import NAMED

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ENDPOINT = "5f7cac1adf5d6c6306f4b283"


def body(*, generation: int = 1, status: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        **NAMED,
        "metadata": {
            "namespace": "shop",
            "name": "orders",
            "uid": "1",
            "generation": generation,
            "resourceVersion": "1",
        },
        "spec": {
            "projectId": "32b6e34b3d91647abb20e7b8",
            "instanceName": "orders",
            "providerName": "AWS",
            "endpointId": ENDPOINT,
            **spec,
        },
    }
    return found if status is None else {**found, "status": {"observedGeneration": 1, **status}}


def condition(type_: str, status: str, reason: str, message: str = "So it is.") -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-27T11:00:00Z",
    }


READY = condition("Ready", "True", "Available")
WAITING = [
    condition(type_, status, "WaitingForCloudEndpoint")
    for type_, status in (("Ready", "False"), ("Reconciling", "True"))
]
STALLED = [condition("Ready", "False", "UpdateRejected"), condition("Stalled", "True", "UpdateRejected")]
FAILURE = {
    "operation": "updateServerlessPrivateEndpoint",
    "since": "2026-11-27T10:00:00Z",
    "httpStatus": 400,
    "errorCode": "BAD",
    "detail": "No.",
    "retryable": False,
}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "nobody has handled it": (body(), "shop/orders: no operator has handled it yet"),
    "it is ready": (body(status={"conditions": [READY]}), "shop/orders: Ready is True, Available"),
    "a person must act": (
        body(status={"conditions": STALLED}),
        "shop/orders: Ready is False, UpdateRejected, and a person must act",
    ),
    "it waits for a person": (
        body(status={"conditions": WAITING}),
        "shop/orders: Ready is False, WaitingForCloudEndpoint, and waits for you",
    ),
    "it was ready before an edit": (
        body(generation=2, status={"conditions": [READY]}),
        "shop/orders: Ready is True, Available, of an earlier generation",
    ),
    "it waited for a person before an edit": (
        body(generation=2, status={"conditions": WAITING}),
        "shop/orders: Ready is False, WaitingForCloudEndpoint, of an earlier generation",
    ),
    "an edit was not handled": (
        body(generation=2, status={"conditions": [READY]}),
        "Edit: the spec is at generation 2, and all below is about generation 1: no operator has handled the last edit yet.",
    ),
    "nobody handles an edit": (
        body(generation=2, status={"conditions": [READY]}),
        "Next look at Atlas: none before an operator handles the edit.",
    ),
    "nobody handles it": (
        body(status={"observedGeneration": -1}),
        "Next look at Atlas: none before an operator handles it.",
    ),
    "a call has failed": (
        body(status={"conditions": STALLED, "lastError": FAILURE}),
        "Failure: updateServerlessPrivateEndpoint (HTTP 400 BAD) since 2 h: No.",
    ),
    "a clock ran ahead": (
        body(status={"conditions": STALLED, "lastError": {**FAILURE, "since": "2027-01-01T00:00:00Z"}}),
        "Failure: updateServerlessPrivateEndpoint (HTTP 400 BAD) since 0 s: No.",
    ),
    "it is suspended": (
        body(suspend=True, status={"conditions": [condition("Ready", "False", "Suspended")]}),
        "Next look at Atlas: none, because of spec.suspend",
    ),
    "the spec is not valid": (body(providerName="GCP"), "Not valid: spec.providerName: Unsupported value"),
    "words of Atlas are one line": (
        body(
            status={
                "conditions": [READY],
                "endpoint": {"id": ENDPOINT, "status": "FAILED", "errorMessage": "one\n\x1b[31mtwo"},
            }
        ),
        f"Atlas: endpoint {ENDPOINT} is FAILED: one",
    ),
}


@pytest.mark.parametrize(("resource", "expected"), CASES.values(), ids=CASES)
def test_a_report(resource: dict[str, Any], expected: str) -> None:
    found = list(lines(resource, [resource], sees_all=True, now=NOW))
    assert any(line.startswith(expected) for line in found), found
    assert not any("\n" in line or "\x1b" in line for line in found)


@pytest.mark.parametrize(
    ("others", "sees_all", "expected"),
    [
        ([], True, "Endpoint named by: shop/orders"),
        ([], False, "Endpoint named by: shop/orders, not its owner"),
        (["copy"], True, "Endpoint named by: shop/orders, not its owner"),
    ],
)
def test_the_owner_of_an_endpoint_is_shown_where_others_may_name_it(
    others: list[str], sees_all: bool, expected: str
) -> None:
    orders = body()
    bodies = [orders, *({**orders, "metadata": {**orders["metadata"], "name": name}} for name in others)]
    assert expected in list(lines(orders, bodies, sees_all=sees_all, now=NOW))
