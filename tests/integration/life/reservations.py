"""What is reserved for a resource, what is only planned, and what becomes of an endpoint too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from support.scenes import Scene

stories = Stories()


def ask(scene: Scene, **fields: Any) -> str:
    """Create the resource without an endpoint; give the mark by which what is reserved for it is known."""
    spec = scene.place.spec(**fields)
    del spec["endpointId"]
    body = scene.resources.create(NAME, spec)
    return f"atlas-endpoints.dev/{body['metadata']['uid']}"


def put(scene: Scene, comment: str, **fields: Any) -> str:
    """Have Atlas hold one more endpoint in the instance, as by a call that it took late; give its ID."""
    place = {"projectId": scene.place.project, "instanceName": scene.place.instance}
    put = scene.atlas.post("endpoints", {**place, "endpoint": {"status": "RESERVED", "comment": comment, **fields}})
    return str(put["_id"])


def there(scene: Scene) -> set[str]:
    """The IDs of all endpoints that Atlas has."""
    return {each["_id"] for each in scene.atlas.endpoints()}


@stories
def a_reservation_is_planned_and_sent_once_the_policy_is_manage(scene: Scene) -> None:
    mark = ask(scene, comment="orders", managementPolicy="Plan")
    body = scene.becomes("Planned", "Stalled", says=("an endpoint is reserved", "until it is Manage"))
    assert body["status"]["plan"] == {"method": "POST", "reason": "Reservation", "body": {"comment": mark}}
    assert {each["method"] for each in scene.calls()} == {"GET"}
    assert "reservation" not in body["status"]

    scene.edit(managementPolicy="Manage")
    scene.resources.wait_reason(NAME, "WaitingForCloudEndpoint")
    (sent,) = scene.calls("POST")
    assert sent["body"] == body["status"]["plan"]["body"]
    assert "plan" not in scene.resources.get(NAME)["status"]


@stories
def a_second_endpoint_that_comes_late_goes_again_and_the_first_stays(scene: Scene) -> None:
    mark = ask(scene, comment="orders")
    body = scene.resources.wait_reason(NAME, "WaitingForCloudEndpoint")
    first = body["status"]["reservation"]["endpointId"]
    late = put(scene, mark)
    scene.is_told("Normal", "EndpointDiscarded", late)
    wait_until(lambda: late not in there(scene), "the second to go")
    assert first in there(scene)
    assert [each["path"].rpartition("/")[2] for each in scene.calls("DELETE")] == [late]


@stories
def of_two_that_are_connected_one_is_taken_and_the_other_stays_and_is_named(scene: Scene) -> None:
    """And so does a third one that comes once the first is taken note of."""
    mark = ask(scene, suspend=True, cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.resources.wait_reason(NAME, "Suspended")
    ours = put(scene, mark, _id="6" + "0" * 23, status="AVAILABLE", cloudProviderEndpointId=CLOUD_ENDPOINT)
    other = put(scene, mark, _id="6" + "f" * 23, status="AVAILABLE", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    scene.edit(suspend=None)
    body = scene.becomes_ready()
    assert body["status"]["reservation"]["endpointId"] == ours
    scene.is_told("Normal", "EndpointRetained", other)

    late = put(scene, mark, status="AVAILABLE", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    looked = len(scene.calls("GET"))
    wait_until(lambda: len(scene.calls("GET")) >= looked + 3, "three rounds")
    assert {ours, other, late} <= there(scene)
    assert {each["method"] for each in scene.calls()} == {"GET"}
