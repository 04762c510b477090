"""Cases about endpoints that are not there, not as they should be, or in somebody else's hands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import condition, told

if TYPE_CHECKING:
    from typing import Any

    from support.concurrent_cases import Env

cases = Cases()


@cases
def an_instance_that_does_not_exist_is_found_when_it_does(env: Env) -> None:
    """The name may be wrong, or the instance still to come."""
    nowhere = replace(env.place, instance="store")
    env.resources.create(NAME, nowhere.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "InstanceNotFound",
            pair,
            says=(
                "The project has no serverless instance with this name. If instanceName or projectId is wrong, delete this",
                "which does not change Atlas, and create it again with the right value.",
            ),
            error={
                "operation": "listServerlessPrivateEndpoint",
                "httpStatus": 404,
                "errorCode": "SERVERLESS_INSTANCE_NOT_FOUND",
                "retryable": False,
            },
            credentials=("True", "Verified"),
        )
    assert seldom(env.calls_within(10), 10)

    env.atlas.post("instances", {"projectId": nowhere.project, "name": nowhere.instance})
    env.atlas.connect(nowhere)

    env.becomes_ready()


@cases
def an_endpoint_of_another_cloud_is_told_the_way_out(env: Env) -> None:
    """No edit can help, since the provider cannot change; an edit must not be promised to."""
    env.create(providerName="AZURE", comment="orders")
    for comment in ("orders", "orders, version 2"):
        env.edit(comment=comment)
        env.becomes(
            "InvalidSpec",
            "Stalled",
            says=(
                "spec.providerName is AZURE",
                "in Atlas is AWS",
                "delete this resource",
                "again with providerName AWS",
            ),
            credentials=("True", "Verified"),
        )
    assert env.calls("PATCH") == []


@cases
def an_endpoint_that_does_not_exist_is_found_when_it_does(env: Env) -> None:
    """That it is not there is believed only when a LIST and a GET agree."""
    env.atlas.change(env.place, remove=True)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "EndpointNotFound",
            pair,
            says=(
                "The instance has no endpoint with this ID. If endpointId or instanceName is wrong, delete this",
                "reserve another one and create a resource for it",
                env.place.endpoint,
            ),
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
def an_endpoint_that_vanishes_is_missed_and_found_again(env: Env) -> None:
    """What was last known of it stays in the status."""
    env.create(connected=True)
    env.becomes_ready()

    env.atlas.change(env.place, remove=True)

    body = env.becomes("EndpointNotFound", "Stalled", error={"httpStatus": 404})
    assert body["status"]["endpoint"]["cloudProviderEndpointId"] == CLOUD_ENDPOINT
    env.atlas.connect(env.place)
    env.becomes_ready()


@cases
def an_endpoint_that_a_list_forgets_is_not_taken_for_absent(env: Env) -> None:
    """A GET finds it."""
    env.create(connected=True)
    env.becomes_ready()
    path = f"/groups/{env.place.project}/.*/endpoint$"

    env.atlas.post("faults", [{"match": {"path": path, "method": "GET"}, "status": 200, "body": "[]"}])
    time.sleep(10)
    env.edit(comment="still here")

    env.becomes_ready()
    reasons = {(condition(body, "Ready") or {}).get("reason") for body in env.resources.states(NAME)}
    assert reasons <= {None, "Available"}, reasons


@cases
def an_endpoint_that_somebody_deletes_is_waited_for_and_then_missed(env: Env) -> None:
    """Nothing is sent to it any more."""
    env.create(connected=True)
    env.becomes_ready()

    env.atlas.change(env.place, status="DELETING")
    body = env.becomes(
        "Deleting",
        "Reconciling",
        says=("Atlas is deleting the endpoint, which cannot be stopped", "Delete this resource"),
    )
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
def a_status_that_nobody_knows_is_shown_in_atlas_s_words(env: Env) -> None:
    """It is waited for without a write."""
    env.atlas.change(env.place, status="HIBERNATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="later")

    body = env.becomes("Pending", "Reconciling", ready="Unknown", says=("HIBERNATING", "does not support"))
    assert body["status"]["endpoint"]["status"] == "HIBERNATING"
    assert seldom(env.calls_within(8), 8)
    assert env.patches() == []
    env.atlas.change(env.place, status="AVAILABLE")

    env.becomes_ready()
    assert env.patches() == [{"comment": "later"}]


@cases
def a_failed_endpoint_is_told_in_atlas_s_words_and_not_sent_anything(env: Env) -> None:
    """Until a person asks for it, or mends the spec."""
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    env.create(connected=True, comment="ours")
    env.becomes_ready()

    env.atlas.change(env.place, status="FAILED", errorMessage=why)
    body = env.becomes(
        "EndpointFailed",
        "Stalled",
        says=(why, "change spec.cloudProviderEndpointId", "atlas-endpoints.dev/force-sync"),
    )
    assert body["status"]["endpoint"]["errorMessage"] == why
    assert seldom(env.calls_within(9), 9)
    assert {each["method"] for each in env.next_calls()} == {"GET"}

    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "please"})
    env.resources.wait(NAME, lambda body: body["status"].get("lastHandledReconcileAt") == "please")
    env.becomes("EndpointFailed", "Stalled", says=(why,))  # Atlas does not try the same id again
    assert {each["method"] for each in env.next_calls()} == {"GET"}
    assert env.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "ours"}]

    env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    body = env.becomes_ready()
    assert env.patches()[1:] == [{"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT}]
    assert "errorMessage" not in body["status"]["endpoint"]


@cases
def an_id_that_atlas_refuses_is_told_in_atlas_s_words_and_holds_up_no_other_field(env: Env) -> None:
    """A connected endpoint does not change its cloud endpoint."""
    env.create(connected=True, comment="one")
    env.becomes_ready()
    sent = len(env.patches())

    env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT, comment="two")
    body = _refused(env)
    assert body["status"]["drift"] == [
        {"field": "cloudProviderEndpointId", "desired": OTHER_CLOUD_ENDPOINT, "actual": CLOUD_ENDPOINT}
    ]
    both = {"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT, "comment": "two"}
    assert env.patches()[sent:][:2] == [both, {"comment": "two"}]
    assert seldom(env.calls_within(9), 9)

    sent = len(env.patches())
    env.edit(comment="three")
    env.resources.wait(NAME, lambda body: body["status"]["observedGeneration"] == 3)
    _refused(env)
    assert {"comment": "three"} in env.patches()[sent:], (
        "a resync may have tried the refused one once more before the edit"
    )
    assert env.atlas.endpoint(env.place)["comment"] == "three"

    sent = len(env.patches())
    env.edit(cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.becomes_ready()
    # The field that was refused may have been tried once more right before the edit.
    assert CLOUD_ENDPOINT not in {each.get("cloudProviderEndpointId") for each in env.patches()[sent:]}


def _refused(env: Env) -> dict[str, Any]:
    def comment_is_through(body: dict[str, Any]) -> bool:
        return [each["field"] for each in body["status"].get("drift", ())] == ["cloudProviderEndpointId"]

    env.resources.wait(NAME, comment_is_through, says="without all but the refused field")
    return env.becomes(
        "UpdateRejected",
        "Stalled",
        says=("Atlas refuses the change.", "It can't be changed after the private endpoint was connected"),
        error={
            "operation": "updateServerlessPrivateEndpoint",
            "httpStatus": 400,
            "errorCode": "INVALID_ATTRIBUTE",
            "retryable": False,
        },
        credentials=("True", "Verified"),
    )


@cases
def a_first_contact_that_atlas_refuses_names_the_field_that_atlas_names(env: Env) -> None:
    """Whatever Atlas finds wrong with an id of the right form."""
    text = "The VPC endpoint belongs to another region."
    refusal = {
        "badRequestDetail": {"fields": [{"field": "cloudProviderEndpointId", "description": text}]},
        "detail": "The request content produced a validation error.",
        "error": 400,
        "errorCode": "VALIDATION_ERROR",
        "parameters": [],
        "reason": "Bad Request",
    }
    env.atlas.fail(env.place, method="PATCH", status=400, body=refusal)
    env.create(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)

    env.becomes(
        "UpdateRejected",
        "Stalled",
        says=("Correct the fields that it names.", f"cloudProviderEndpointId: {text}"),
        error={"httpStatus": 400, "errorCode": "VALIDATION_ERROR", "fields": ["cloudProviderEndpointId"]},
    )
    assert seldom(env.calls_within(9), 9)
    env.atlas.heal(env.place)

    env.becomes_ready()


@cases
def a_value_that_atlas_stores_otherwise_is_told_and_not_sent_again(env: Env) -> None:
    """Until the spec says what Atlas makes of it, or something that Atlas takes as it is."""
    env.create(connected=True)
    env.becomes_ready()
    env.atlas.change(env.place, comment="ORDERS")
    stored = env.atlas.endpoint(env.place)
    env.atlas.fail(env.place, method="PATCH", status=200, body=stored)

    env.edit(comment="orders")
    body = env.becomes(
        "UpdateRejected",
        "Stalled",
        says=(
            "Atlas accepted the change but stored another value: comment is 'ORDERS', not 'orders'.",
            "Change the spec, or set the annotation atlas-endpoints.dev/force-sync",
        ),
    )
    assert body["status"]["drift"] == [{"field": "comment", "desired": "orders", "actual": "ORDERS"}]
    assert {each["method"] for each in env.next_calls()} == {"GET"}
    assert env.patches() == [{"comment": "orders"}]

    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "again"})
    env.resources.wait(NAME, lambda body: body["status"].get("lastHandledReconcileAt") == "again")
    assert env.patches() == [{"comment": "orders"}] * 2
    env.edit(comment="ORDERS")
    env.becomes_ready()
    assert env.patches() == [{"comment": "orders"}] * 2


@cases
def an_answer_that_never_shows_what_was_sent_is_told_after_a_while(env: Env) -> None:
    """Atlas may show a change late; half a minute is long enough."""
    env.create(connected=True)
    env.becomes_ready()
    without = {key: value for key, value in env.atlas.endpoint(env.place).items() if key != "comment"}
    env.atlas.fail(env.place, method="PATCH", status=200, apply=True, body=without)
    env.atlas.fail(env.place, method="GET", status=200, body=[without])

    env.edit(comment="never shown")
    env.becomes("Pending", "Reconciling", ready="Unknown", says=("does not show it yet (comment)",))
    env.becomes(
        "UpdateRejected",
        "Stalled",
        says=("Atlas accepted the change but stored another value: comment is empty, not 'never shown'.",),
    )
    assert env.patches() == [{"comment": "never shown"}]
    env.atlas.heal(env.place)

    env.becomes_ready()
    assert env.patches() == [{"comment": "never shown"}]


@cases
def an_endpoint_that_takes_too_long_is_stalled_until_atlas_goes_on(env: Env) -> None:
    """Nothing is given up."""
    env.atlas.change(env.place, status="INITIATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, provisioningTimeout="1m")
    body = env.becomes("Initiating", "Reconciling", says=("Atlas is connecting the endpoint.",))
    since = body["status"]["endpoint"]["statusSince"]

    body = env.becomes(
        "ProvisioningTimeout",
        "Stalled",
        says=(
            "Atlas is connecting the endpoint. It has taken longer than spec.provisioningTimeout",
            "recovers when Atlas continues",
            "ask MongoDB support",
        ),
    )
    assert body["status"]["endpoint"]["statusSince"] == since, told(body)
    assert env.patches() == []
    env.atlas.change(env.place, status="AVAILABLE")

    env.becomes_ready()
