"""Cases about endpoints that are not there, not as they should be, or in somebody else's hands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, seldom

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()


def _ready_with(env: Env, comment: str | None = None, **fields: Any) -> None:
    """Have a resource whose endpoint is connected as wanted already."""
    env.create(connected=True, **({} if comment is None else {"comment": comment}), **fields)
    env.becomes_ready()


def _force_sync(env: Env, value: str) -> None:
    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": value})
    env.resources.wait(NAME, lambda body: body["status"].get("lastHandledReconcileAt") == value)


def _methods(env: Env) -> set[str]:
    """With what the next calls are made, as a resync makes them."""
    return {each["method"] for each in env.next_calls()}


@cases
def an_endpoint_of_another_cloud_is_refused_with_the_remedy(env: Env) -> None:
    """No edit can help, since the provider cannot change; an edit must not be promised to."""
    env.create(providerName="AZURE", comment="orders")
    for comment in ("orders", "orders, version 2"):
        env.edit(comment=comment)
        says = ("spec.providerName", "delete this resource", "AWS")
        env.becomes("InvalidSpec", "Stalled", says=says, credentials=("True", "Verified"))
    assert env.calls("PATCH") == []


@cases
def an_endpoint_that_does_not_exist_is_found_when_it_does(env: Env) -> None:
    """That it is not there is believed only when a LIST and a GET agree."""
    env.atlas.change(env.place, remove=True)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.stalls(
        "EndpointNotFound",
        says=("endpointId", env.place.endpoint),
        error={
            "operation": "getServerlessPrivateEndpoint",
            "httpStatus": 404,
            "errorCode": "TENANT_PRIVATE_ENDPOINT_NOT_FOUND",
            "retryable": False,
        },
        credentials=("True", "Verified"),
    )
    first, second = env.calls()[:2]
    assert (first["path"].rpartition("/")[2], first["status"]) == ("endpoint", 200)
    assert (second["path"].rpartition("/")[2], second["status"]) == (env.place.endpoint, 404)
    assert seldom(env.calls_within(10), 10)
    assert {each["method"] for each in env.calls()} == {"GET"}

    env.atlas.change(env.place, status="RESERVED")

    env.becomes_ready()


@cases
def an_endpoint_that_somebody_deletes_is_waited_for_and_then_missed(env: Env) -> None:
    """Nothing is sent to it any more."""
    _ready_with(env)

    env.atlas.change(env.place, status="DELETING")
    body = env.becomes("Deleting", "Reconciling")
    assert body["status"]["endpoint"]["status"] == "DELETING"
    env.edit(comment="in vain")
    time.sleep(2)
    env.atlas.change(env.place, remove=True)
    env.becomes("EndpointNotFound", "Stalled", error={"httpStatus": 404})
    assert env.patches() == []

    env.atlas.connect(env.place)
    env.becomes_ready()
    assert env.patches() == [{"comment": "in vain"}]


@cases
def a_failed_endpoint_is_reported_with_atlas_s_message_and_nothing_is_sent(env: Env) -> None:
    """Until a person asks for it, or mends the spec."""
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    _ready_with(env, "ours")

    env.atlas.change(env.place, status="FAILED", errorMessage=why)
    says = (why, "spec.cloudProviderEndpointId", "atlas-endpoints.dev/force-sync")
    body = env.becomes("EndpointFailed", "Stalled", says=says)
    assert body["status"]["endpoint"]["errorMessage"] == why
    assert seldom(env.calls_within(9), 9)
    assert _methods(env) == {"GET"}

    _force_sync(env, "please")
    env.becomes("EndpointFailed", "Stalled", says=(why,))  # Atlas does not try the same id again
    assert _methods(env) == {"GET"}
    assert env.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "ours"}]

    env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    body = env.becomes_ready()
    assert env.patches()[1:] == [{"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT}]
    assert "errorMessage" not in body["status"]["endpoint"]


@cases
def an_id_that_atlas_refuses_is_reported_with_atlas_s_message_and_blocks_no_other_field(env: Env) -> None:
    """A connected endpoint does not change its cloud endpoint."""
    _ready_with(env, "one")
    sent = len(env.patches())

    env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT, comment="two")
    body = _refused(env)
    refused = {"field": "cloudProviderEndpointId", "desired": OTHER_CLOUD_ENDPOINT, "actual": CLOUD_ENDPOINT}
    assert body["status"]["drift"] == [refused]
    both = {"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT, "comment": "two"}
    assert env.patches()[sent:][:2] == [both, {"comment": "two"}]
    assert seldom(env.calls_within(9), 9)

    # A field that was refused may be tried once more by a resync, right before an edit.
    sent = len(env.patches())
    env.edit(comment="three")
    env.resources.wait(NAME, lambda body: body["status"]["observedGeneration"] == 3)
    _refused(env)
    assert {"comment": "three"} in env.patches()[sent:]
    assert env.atlas.endpoint(env.place)["comment"] == "three"

    sent = len(env.patches())
    env.edit(cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.becomes_ready()
    assert CLOUD_ENDPOINT not in {each.get("cloudProviderEndpointId") for each in env.patches()[sent:]}


def _refused(env: Env) -> dict[str, Any]:
    def comment_is_through(body: dict[str, Any]) -> bool:
        return [each["field"] for each in body["status"].get("drift", ())] == ["cloudProviderEndpointId"]

    env.resources.wait(NAME, comment_is_through, says="without all but the refused field")
    return env.becomes(
        "UpdateRejected",
        "Stalled",
        says=("It can't be changed after the private endpoint was connected",),
        error={
            "operation": "updateServerlessPrivateEndpoint",
            "httpStatus": 400,
            "errorCode": "INVALID_ATTRIBUTE",
            "retryable": False,
        },
        credentials=("True", "Verified"),
    )
