"""Stories about endpoints that are not there, not as they should be, or in somebody else's hands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.resources import condition, told
from support.scenes import NAME, Stories, seldom

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()


@stories
def an_instance_that_does_not_exist_is_found_when_it_does(scene: Scene) -> None:
    """The name may be wrong, or the instance still to come."""
    nowhere = replace(scene.place, instance="store")
    scene.resources.create(NAME, nowhere.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "InstanceNotFound",
            pair,
            says=(
                "The project has no serverless instance of this name. If instanceName or projectId is wrong, delete this",
                "which leaves Atlas as it is, and create it anew with the right one.",
            ),
            error={
                "operation": "listServerlessPrivateEndpoint",
                "httpStatus": 404,
                "errorCode": "SERVERLESS_INSTANCE_NOT_FOUND",
                "retryable": False,
            },
            credentials=("True", "Verified"),
        )
    assert seldom(scene.calls_within(10), 10)

    scene.atlas.post("instances", {"projectId": nowhere.project, "name": nowhere.instance})
    scene.atlas.connect(nowhere)

    scene.becomes_ready()


@stories
def an_endpoint_that_does_not_exist_is_found_when_it_does(scene: Scene) -> None:
    """That it is not there is believed only when a LIST and a GET agree."""
    scene.atlas.change(scene.place, remove=True)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "EndpointNotFound",
            pair,
            says=(
                "Atlas has no endpoint of this id in this instance. If endpointId or instanceName is wrong, delete this",
                "reserve another one and create a resource for it",
                scene.place.endpoint,
            ),
            error={
                "operation": "getServerlessPrivateEndpoint",
                "httpStatus": 404,
                "errorCode": "TENANT_PRIVATE_ENDPOINT_NOT_FOUND",
                "retryable": False,
            },
            credentials=("True", "Verified"),
        )
    first, second = scene.calls()[:2]
    assert (first["path"].rpartition("/")[2], first["status"]) == ("endpoint", 200)
    assert (second["path"].rpartition("/")[2], second["status"]) == (scene.place.endpoint, 404)
    assert seldom(scene.calls_within(10), 10)
    assert {each["method"] for each in scene.calls()} == {"GET"}

    scene.atlas.change(scene.place, status="RESERVED")

    scene.becomes_ready()


@stories
def an_endpoint_that_vanishes_is_missed_and_found_again(scene: Scene) -> None:
    """What was last known of it stays in the status."""
    scene.create(connected=True)
    scene.becomes_ready()

    scene.atlas.change(scene.place, remove=True)

    body = scene.becomes("EndpointNotFound", "Stalled", error={"httpStatus": 404})
    assert body["status"]["endpoint"]["cloudProviderEndpointId"] == CLOUD_ENDPOINT
    scene.atlas.connect(scene.place)
    scene.becomes_ready()


@stories
def an_endpoint_that_a_list_forgets_is_not_taken_for_absent(scene: Scene) -> None:
    """A GET finds it."""
    scene.create(connected=True)
    scene.becomes_ready()
    path = f"/groups/{scene.place.project}/.*/endpoint$"

    scene.atlas.post("faults", [{"match": {"path": path, "method": "GET"}, "status": 200, "body": "[]"}])
    time.sleep(10)
    scene.edit(comment="still here")

    scene.becomes_ready()
    reasons = {(condition(body, "Ready") or {}).get("reason") for body in scene.resources.states(NAME)}
    assert reasons <= {None, "Available"}, reasons


@stories
def an_endpoint_that_somebody_deletes_is_waited_for_and_then_missed(scene: Scene) -> None:
    """Nothing is sent to it any more."""
    scene.create(connected=True)
    scene.becomes_ready()

    scene.atlas.change(scene.place, status="DELETING")
    body = scene.becomes(
        "Deleting",
        "Reconciling",
        says=("Atlas is deleting the endpoint, which nobody can stop", "Delete this resource"),
    )
    assert body["status"]["endpoint"]["status"] == "DELETING"
    scene.edit(comment="in vain")
    time.sleep(2)
    scene.atlas.change(scene.place, remove=True)
    scene.becomes("EndpointNotFound", "Stalled", error={"httpStatus": 404})
    assert scene.patches() == []

    scene.atlas.connect(scene.place)
    scene.becomes_ready()
    assert scene.patches() == [{"comment": "in vain"}]


@stories
def a_status_that_nobody_knows_is_shown_in_atlas_s_words(scene: Scene) -> None:
    """It is waited for without a write."""
    scene.atlas.change(scene.place, status="HIBERNATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="later")

    body = scene.becomes("Pending", "Reconciling", ready="Unknown", says=("HIBERNATING", "does not know"))
    assert body["status"]["endpoint"]["status"] == "HIBERNATING"
    assert seldom(scene.calls_within(8), 8)
    assert scene.patches() == []
    scene.atlas.change(scene.place, status="AVAILABLE")

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "later"}]


@stories
def a_failed_endpoint_is_told_in_atlas_s_words_and_not_sent_anything(scene: Scene) -> None:
    """Until a person asks for it, or mends the spec."""
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    scene.create(connected=True, comment="ours")
    scene.becomes_ready()

    scene.atlas.change(scene.place, status="FAILED", errorMessage=why)
    body = scene.becomes(
        "EndpointFailed",
        "Stalled",
        says=(why, "change spec.cloudProviderEndpointId", "atlas-endpoints.dev/force-sync"),
    )
    assert body["status"]["endpoint"]["errorMessage"] == why
    calls = scene.calls_within(9)
    assert seldom(calls, 9)
    assert {each["method"] for each in calls} == {"GET"}

    scene.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "please"})
    scene.resources.wait(NAME, lambda body: body["status"].get("lastHandledReconcileAt") == "please")
    scene.becomes("EndpointFailed", "Stalled", says=(why,))  # Atlas does not try the same id again
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    assert scene.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "ours"}]

    scene.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    body = scene.becomes_ready()
    assert scene.patches()[1:] == [{"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT}]
    assert "errorMessage" not in body["status"]["endpoint"]


@stories
def an_id_that_atlas_refuses_is_told_in_atlas_s_words_and_holds_up_no_other_field(scene: Scene) -> None:
    """A connected endpoint does not change its cloud endpoint."""
    scene.create(connected=True, comment="one")
    scene.becomes_ready()
    sent = len(scene.patches())

    scene.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT, comment="two")
    body = _refused(scene)
    assert body["status"]["drift"] == [
        {"field": "cloudProviderEndpointId", "desired": OTHER_CLOUD_ENDPOINT, "actual": CLOUD_ENDPOINT}
    ]
    both = {"cloudProviderEndpointId": OTHER_CLOUD_ENDPOINT, "comment": "two"}
    assert scene.patches()[sent:][:2] == [both, {"comment": "two"}]
    assert seldom(scene.calls_within(9), 9)

    sent = len(scene.patches())
    scene.edit(comment="three")
    scene.resources.wait(NAME, lambda body: body["status"]["observedGeneration"] == 3)
    _refused(scene)
    assert scene.patches()[sent] == {"comment": "three"}
    assert scene.atlas.endpoint(scene.place)["comment"] == "three"

    sent = len(scene.patches())
    scene.edit(cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.becomes_ready()
    # The field that was refused may have been tried once more right before the edit.
    assert CLOUD_ENDPOINT not in {each.get("cloudProviderEndpointId") for each in scene.patches()[sent:]}


def _refused(scene: Scene) -> dict[str, Any]:
    def comment_is_through(body: dict[str, Any]) -> bool:
        return [each["field"] for each in body["status"].get("drift", ())] == ["cloudProviderEndpointId"]

    scene.resources.wait(NAME, comment_is_through, says="without all but the refused field")
    return scene.becomes(
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


@stories
def a_first_contact_that_atlas_refuses_names_the_field_that_atlas_names(scene: Scene) -> None:
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
    scene.atlas.fail(scene.place, method="PATCH", status=400, body=refusal)
    scene.create(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)

    scene.becomes(
        "UpdateRejected",
        "Stalled",
        says=("Correct the fields that it names.", f"cloudProviderEndpointId: {text}"),
        error={"httpStatus": 400, "errorCode": "VALIDATION_ERROR", "fields": ["cloudProviderEndpointId"]},
    )
    assert seldom(scene.calls_within(9), 9)
    scene.atlas.heal(scene.place)

    scene.becomes_ready()


@stories
def a_value_that_atlas_stores_otherwise_is_told_and_not_sent_again(scene: Scene) -> None:
    """Until the spec says what Atlas makes of it, or something that Atlas takes as it is."""
    scene.create(connected=True)
    scene.becomes_ready()
    scene.atlas.change(scene.place, comment="ORDERS")
    stored = scene.atlas.endpoint(scene.place)
    scene.atlas.fail(scene.place, method="PATCH", status=200, body=stored)

    scene.edit(comment="orders")
    body = scene.becomes(
        "UpdateRejected",
        "Stalled",
        says=(
            "Atlas confirmed the change and stored something else: comment is 'ORDERS', not 'orders'.",
            "Change the spec, or set the annotation atlas-endpoints.dev/force-sync",
        ),
    )
    assert body["status"]["drift"] == [{"field": "comment", "desired": "orders", "actual": "ORDERS"}]
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    assert scene.patches() == [{"comment": "orders"}]

    scene.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "again"})
    scene.resources.wait(NAME, lambda body: body["status"].get("lastHandledReconcileAt") == "again")
    assert scene.patches() == [{"comment": "orders"}] * 2
    scene.edit(comment="ORDERS")
    scene.becomes_ready()
    assert scene.patches() == [{"comment": "orders"}] * 2


@stories
def an_answer_that_never_shows_what_was_sent_is_told_after_a_while(scene: Scene) -> None:
    """Atlas may show a change late; half a minute is long enough."""
    scene.create(connected=True)
    scene.becomes_ready()
    without = {key: value for key, value in scene.atlas.endpoint(scene.place).items() if key != "comment"}
    scene.atlas.fail(scene.place, method="PATCH", status=200, apply=True, body=without)
    scene.atlas.fail(scene.place, method="GET", status=200, body=[without])

    scene.edit(comment="never shown")
    scene.becomes("Pending", "Reconciling", ready="Unknown", says=("does not show it yet (comment)",))
    scene.becomes(
        "UpdateRejected",
        "Stalled",
        says=("Atlas confirmed the change and stored something else: comment is empty, not 'never shown'.",),
    )
    assert scene.patches() == [{"comment": "never shown"}]
    scene.atlas.heal(scene.place)

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "never shown"}]


@stories
def an_endpoint_that_takes_too_long_is_stalled_until_atlas_goes_on(scene: Scene) -> None:
    """Nothing is given up."""
    scene.atlas.change(scene.place, status="INITIATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT, provisioningTimeout="1m")
    body = scene.becomes("Initiating", "Reconciling", says=("Atlas is connecting the endpoint.",))
    since = body["status"]["endpoint"]["statusSince"]

    body = scene.becomes(
        "ProvisioningTimeout",
        "Stalled",
        says=(
            "Atlas is connecting the endpoint. It has taken longer than spec.provisioningTimeout",
            "heals by itself when Atlas goes on",
            "ask MongoDB's support",
        ),
    )
    assert body["status"]["endpoint"]["statusSince"] == since, told(body)
    assert scene.patches() == []
    scene.atlas.change(scene.place, status="AVAILABLE")

    scene.becomes_ready()
