"""What is said about one resource, by its state."""

from collections.abc import Mapping
from typing import Any

import pytest

from atlas_endpoints.commands.status.resource import Found, describe
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED

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
UNHANDLED = (
    "Next read of Atlas: when an operator handles this generation. If none does within seconds, verify that one serves"
)

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "never handled": (body(), "ServerlessPrivateEndpoint shop/orders: Ready is Unknown, NotHandled"),
    "ready": (body(status={"conditions": [READY]}), "ServerlessPrivateEndpoint shop/orders: Ready is True, Available, Settled"),
    "stalled": (body(status={"conditions": STALLED}), "ServerlessPrivateEndpoint shop/orders: Ready is False, UpdateRejected, ActionRequired"),
    "a failure that another object may end": (body(status={"conditions": [condition("Ready", "False", "CredentialsInvalid"), condition("Reconciling", "True", "CredentialsInvalid")]}),
        "ServerlessPrivateEndpoint shop/orders: Ready is False, CredentialsInvalid, GracePeriod"),
    "in progress": (body(status={"conditions": [condition("Ready", "False", "Initiating"), condition("Reconciling", "True", "Initiating")]}),
        "ServerlessPrivateEndpoint shop/orders: Ready is False, Initiating, InProgress"),
    "waiting": (body(status={"conditions": WAITING}), "ServerlessPrivateEndpoint shop/orders: Ready is False, WaitingForCloudEndpoint, WaitingForYou"),
    "ready before an edit": (body(generation=2, status={"conditions": [READY]}), "ServerlessPrivateEndpoint shop/orders: Ready is True, Available, NotHandled"),
    "waiting before an edit": (body(generation=2, status={"conditions": WAITING}), "ServerlessPrivateEndpoint shop/orders: Ready is False, WaitingForCloudEndpoint, NotHandled"),
    "an edit that was not handled": (body(generation=2, status={"conditions": [READY]}), UNHANDLED),
    "the first read": (body(status={"observedGeneration": -1}), UNHANDLED),
    "a failed call": (body(status={"conditions": STALLED, "lastError": FAILURE}), 'lastError: {"since": "2026-11-27T10:00:00Z", "operation": "updateServerlessPrivateEndpoint", "httpStatus": 400, "errorCode": "BAD", "detail": "No."'),
    "suspended": (body(suspend=True, status={"conditions": [condition("Ready", "False", "Suspended")]}), "Next read of Atlas: none, until what the message is about has changed.$"),
    "an invalid spec": (body(status={"conditions": [condition("Ready", "False", "InvalidSpec")]}), "Next read of Atlas: none, until what the message is about has changed.$"),
    "how to reconcile at once": (body(syncInterval="5m", status={"conditions": [READY]}),
        (f"Next read of Atlas: within 5m; {LATER} To reconcile now: kubectl -n shop annotate --overwrite"
        ' serverlessprivateendpoint orders atlas-endpoints.dev/force-sync="$(date +%s)"$')),
    "the operator's own interval": (body(status={"conditions": [READY]}), f"Next read of Atlas: within SYNC_INTERVAL of the operator (default: 10 minutes); {LATER} To"),
    "a rate limit, which heeds no request": (body(syncInterval="20m", status={"conditions": [condition("Ready", "False", "RateLimited")]}), f"Next read of Atlas: within 20m; {LATER}$"),
    "credentials, for which no request helps": (body(syncInterval="5m", status={"conditions": [condition("Ready", "False", "CredentialsInvalid")]}),
        f"Next read of Atlas: within 5m; {LATER}$"),
    "a message of several lines": (body(status={"conditions": [READY], "endpoint": FAILED_ENDPOINT}),
        f'endpoint: {{"id": "{ENDPOINT}", "status": "FAILED", "statusSince": "2026-11-27T10:00:00Z", "errorMessage": "one'),
}  # fmt: skip


@pytest.mark.parametrize(("resource", "expected"), CASES.values(), ids=CASES)
def test_what_is_said_about_a_state(resource: dict[str, Any], expected: str) -> None:
    found = list(describe(Found(KIND, resource, [resource], sees_all=True)))
    assert any(f"{line}$".startswith(expected) for line in found), found
    assert not any("\n" in line or "\x1b" in line for line in found)


@pytest.mark.parametrize(
    ("others", "owner", "expected"),
    [
        ([], "", "shop/orders, Ready is True, Available, Settled"),
        ([], "orders", "shop/orders, the owner, Ready is True, Available, Settled"),
        (["copy"], "copy", "shop/copy, the owner, Ready is True, Available, Settled"),
        (["copy"], "copy", "shop/orders, Ready is True, Available, Settled"),
    ],
)
def test_those_that_name_an_endpoint_are_shown_with_its_owner(others: list[str], owner: str, expected: str) -> None:
    orders, another = body(status={"conditions": [READY]}), body(endpointId="b2" * 12)
    another["metadata"]["name"] = "z"
    bodies = [another, *({**orders, "metadata": {**orders["metadata"], "name": name}} for name in ("orders", *others))]
    for each in bodies:
        if each["metadata"]["name"] == owner:
            each["status"] = {**each["status"], "endpoint": {"id": ENDPOINT}}
    found = list(describe(Found(KIND, bodies[1], bodies, sees_all=True)))
    assert f"Endpoint named by: {expected}" in found
    assert "Endpoint named by: shop/z" not in "\n".join(found)


def test_the_confirmed_values_and_the_differences_are_shown() -> None:
    status = {
        "conditions": [READY, condition("Synced", "False", "DriftDetected", "It differs.")],
        "applied": {"generation": 1, "comment": "a"},
        "drift": [{"field": "comment", "desired": "a", "actual": "b"}],
        "history": [{"time": "2026-11-27T11:59:00Z", "generation": 1, "cause": "Edit", "fields": ["comment"], "result": "Applied"}],
    }  # fmt: skip
    shown = body(status=status)
    found = list(describe(Found(KIND, shown, [shown], sees_all=True)))

    assert found[2:7] == [
        "Synced: False, DriftDetected: It differs.",
        "observedGeneration: 1",
        'applied: {"generation": 1, "comment": "a"}',
        'drift: [{"field": "comment", "desired": "a", "actual": "b"}]',
        'history: [{"time": "2026-11-27T11:59:00Z", "generation": 1, "cause": "Edit", "fields": ["comment"], "result": "Applied"}]',
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

    found = list(describe(Found(DEDICATED, orders, [orders, same, other], sees_all=True)))

    (line,) = (each for each in found if each.startswith("service: "))
    assert line.endswith('"supportedRemoteRegions": ["EU_WEST_2"], "remoteRegions": {"confirmed": ["EU_WEST_2"]}}')
    assert "Shares the endpoint service of AWS region EU_WEST_1 with: shop/other, shop/same" in found
    assert "Endpoint named by: shop/same, the owner, Ready is True, Available, Settled" in found
    assert not [line for line in found if "shop/other, " in line and "named by" in line]
