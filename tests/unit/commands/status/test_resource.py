"""What is said about one resource, by its state."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_endpoints.commands.status.resource import Found, describe
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ENDPOINT = "5f7cac1adf5d6c6306f4b283"


def body(*, generation: int = 1, status: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        **NAMED,
        "metadata": {"namespace": "shop", "name": "orders", "uid": "1", "generation": generation, "resourceVersion": "1"},
        "spec": {"projectId": "5f" * 12, "instanceName": "orders", "providerName": "AWS", "endpointId": ENDPOINT, **spec},
    }  # fmt: skip
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
FAILED_ENDPOINT = {
    "id": ENDPOINT,
    "status": "FAILED",
    "statusSince": "2026-11-27T10:00:00Z",
    "errorMessage": "one\n\x1b[31mtwo",
}
FAILURE = {
    "operation": "updateServerlessPrivateEndpoint",
    "since": "2026-11-27T10:00:00Z",
    "httpStatus": 400,
    "errorCode": "BAD",
    "detail": "No.",
    "retryable": False,
}

LATER = "earlier while Atlas is working, after a failed call, and when what the message is about changes."
FORCED, DELETED = body(status={"conditions": [READY]}, syncInterval="20m"), body(status={"conditions": [READY]})
FORCED["metadata"]["annotations"] = {"atlas-endpoints.dev/force-sync": "7"}
DELETED["metadata"]["deletionTimestamp"] = "2026-11-27T11:00:00Z"

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "never handled": (body(), "shop/orders: no operator has handled this resource"),
    "ready": (body(status={"conditions": [READY]}), "ServerlessPrivateEndpoint shop/orders: Ready is True, Available"),
    "stalled": (body(status={"conditions": STALLED}), "ServerlessPrivateEndpoint shop/orders: Ready is False, UpdateRejected, action is required"),
    "a failure that another object may end": (body(status={"conditions": [condition("Ready", "False", "CredentialsInvalid"), condition("Reconciling", "True", "CredentialsInvalid")]}),
        "ServerlessPrivateEndpoint shop/orders: Ready is False, CredentialsInvalid, action is required if it lasts longer than STALL_GRACE of the operator (default: 2 minutes)"),
    "in progress": (body(status={"conditions": [condition("Ready", "False", "Initiating"), condition("Reconciling", "True", "Initiating")]}),
        "ServerlessPrivateEndpoint shop/orders: Ready is False, Initiating, in progress or retried"),
    "waiting": (body(status={"conditions": WAITING}), "ServerlessPrivateEndpoint shop/orders: Ready is False, WaitingForCloudEndpoint, waiting for you"),
    "ready before an edit": (body(generation=2, status={"conditions": [READY]}), "ServerlessPrivateEndpoint shop/orders: Ready is True, Available, of an earlier generation"),
    "waiting before an edit": (body(generation=2, status={"conditions": WAITING}), "ServerlessPrivateEndpoint shop/orders: Ready is False, WaitingForCloudEndpoint, of an earlier generation"),
    "an edit that was not handled": (body(generation=2, status={"conditions": [READY]}), "Next read of Atlas: when an operator handles generation 2 of the spec. If it takes longer than seconds, verify that one runs"),
    "the first read": (body(status={"observedGeneration": -1}), "Next read of Atlas: when an operator handles generation 1 of the spec."),
    "a failed call": (body(status={"conditions": STALLED, "lastError": FAILURE}), "Failure: updateServerlessPrivateEndpoint (HTTP 400 BAD), since 2 h: No."),
    "a time in the future": (body(status={"conditions": STALLED, "lastError": {**FAILURE, "since": "2027-01-01T00:00:00Z"}}),
        "Failure: updateServerlessPrivateEndpoint (HTTP 400 BAD), since 0 s: No."),
    "suspended": (body(suspend=True, status={"conditions": [condition("Ready", "False", "Suspended")]}), "Next read of Atlas: none, because of spec.suspend"),
    "an invalid spec": (body(providerName="GCP"), "Invalid: spec.providerName: Unsupported value"),
    "a spec that only its values make invalid": (body(status={"conditions": [condition("Ready", "False", "InvalidSpec")]}), "Next read of Atlas: none, until the spec is valid."),
    "how to reconcile at once": (body(syncInterval="5m", status={"conditions": [READY]}),
        (f"Next read of Atlas: within 300 s; {LATER} To reconcile now: kubectl -n shop annotate --overwrite"
        ' serverlessprivateendpoint orders atlas-endpoints.dev/force-sync="$(date +%s)"$')),
    "the operator's own interval": (body(status={"conditions": [READY]}), f"Next read of Atlas: within SYNC_INTERVAL of the operator (default: 10 minutes); {LATER} To"),
    "a rate limit, which heeds no request": (body(syncInterval="20m", status={"conditions": [condition("Ready", "False", "RateLimited")]}), f"Next read of Atlas: within 1200 s; {LATER}$"),
    "an open request, which is retried": (FORCED, f"Next read of Atlas: within 1200 s; {LATER}$"),
    "credentials, for which no request helps": (body(syncInterval="5m", status={"conditions": [condition("Ready", "False", "CredentialsInvalid")]}),
        f"Next read of Atlas: within 300 s; {LATER}$"),
    "a deletion": (DELETED, "Deletion: requested at 2026-11-27T11:00:00Z; the finalizers are pending"),
    "a message of several lines": (body(status={"conditions": [READY], "endpoint": FAILED_ENDPOINT}),
        f"Endpoint: id '{ENDPOINT}', status 'FAILED', statusSince 2 h ago, errorMessage 'one"),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), CASES.values(), ids=CASES)
def test_what_is_said_about_a_state(resource: dict[str, Any], expected: str) -> None:
    found = list(describe(Found(KIND, resource, [resource], sees_all=True), NOW))
    assert any(f"{line}$".startswith(expected) for line in found), found
    assert not any("\n" in line or "\x1b" in line for line in found)


@pytest.mark.parametrize(
    ("others", "sees_all", "expected"),
    [
        ([], True, "Endpoint named by: shop/orders"),
        ([], False, "Endpoint named by: shop/orders, not the owner"),
        (["copy"], True, "Endpoint named by: shop/orders, not the owner"),
    ],
)
def test_the_owner_of_an_endpoint_is_shown_where_others_may_name_it(
    others: list[str], sees_all: bool, expected: str
) -> None:
    orders = body()
    another = body(endpointId="b2" * 12)
    another["metadata"]["name"] = "z"
    bodies = [orders, another, *({**orders, "metadata": {**orders["metadata"], "name": name}} for name in others)]
    found = list(describe(Found(KIND, orders, bodies, sees_all), NOW))
    assert expected in found
    assert "Endpoint named by: shop/z" not in "\n".join(found)


def test_the_confirmed_values_and_the_differences_are_shown() -> None:
    status = {
        "conditions": [READY, condition("Synced", "False", "DriftDetected", "It differs.")],
        "applied": {"generation": 1, "comment": "a"},
        "drift": [{"field": "comment", "desired": "a", "actual": "b"}],
        "history": [{"time": "2026-11-27T11:59:00Z", "generation": 1, "cause": "Edit", "fields": ["comment"], "result": "Applied"}],
    }  # fmt: skip
    found = list(describe(Found(KIND, body(status=status), [], sees_all=True), NOW))

    assert found[2:6] == [
        "Synced: False, DriftDetected: It differs.",
        "Confirmed by Atlas, for generation 1: comment 'a'",
        "Differs: comment is 'b' in Atlas and 'a' in the spec",
        "Last write: comment (Edit), 60 s ago: Applied",
    ]


def test_a_dedicated_endpoint_shows_its_service_and_those_that_share_it() -> None:
    confirmed = {"supportedRemoteRegions": ["EU_WEST_2"], "remoteRegions": {"confirmed": ["EU_WEST_2"]}}
    service = {"id": "a" * 24, "status": "AVAILABLE", "origin": "Created", **confirmed}
    spec = {"projectId": "5f" * 12, "providerName": "AWS", "region": "eu-west-1"}
    status = {"observedGeneration": 1, "conditions": [READY], "service": service}
    names = {"apiVersion": DEDICATED.names.api_version, "kind": DEDICATED.names.kind}

    def endpoint(name: str, cloud_id: str) -> dict[str, Any]:
        return {
            **names,
            "metadata": {"namespace": "shop", "name": name, "uid": name, "generation": 1, "resourceVersion": "1"},
            "spec": {**spec, "cloudProviderEndpointId": cloud_id},
            "status": {**status, "endpoint": {"id": cloud_id}},
        }

    orders, same, other = endpoint("orders", "vpce-1"), endpoint("same", "vpce-1"), endpoint("other", "vpce-2")

    found = list(describe(Found(DEDICATED, orders, [orders, same, other], sees_all=True), NOW))

    (line,) = (each for each in found if each.startswith("Service: "))
    assert line == (
        f"Service: id '{'a' * 24}', status 'AVAILABLE', origin 'Created', supportedRemoteRegions 'EU_WEST_2',"
        " remoteRegions (confirmed 'EU_WEST_2')"
    )
    assert "Shares the endpoint service of AWS region EU_WEST_1 with: shop/other, shop/same" in found
    assert "Endpoint named by: shop/same, the owner, Available" in found
    assert not [line for line in found if "shop/other, " in line and "named by" in line]
