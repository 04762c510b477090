"""What is reserved for a resource, what is only planned, and what becomes of an endpoint too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()


def ask(env: Env, **fields: Any) -> str:
    """Create the resource without an endpoint; give the mark by which what is reserved for it is known."""
    spec = env.place.spec(**fields)
    del spec["endpointId"]
    body = env.resources.create(NAME, spec)
    return f"atlas-endpoints.dev/{body['metadata']['uid']}"


def put(env: Env, comment: str, **fields: Any) -> str:
    """Have Atlas hold one more endpoint in the instance, as by a call that it took late; give its ID."""
    place = {"projectId": env.place.project, "instanceName": env.place.instance}
    put = env.atlas.post("endpoints", {**place, "endpoint": {"status": "RESERVED", "comment": comment, **fields}})
    return str(put["_id"])


def there(env: Env) -> set[str]:
    """The IDs of all endpoints that Atlas has."""
    return {each["_id"] for each in env.atlas.endpoints()}


@cases
def a_reservation_is_planned_and_sent_once_the_policy_is_manage(env: Env) -> None:
    mark = ask(env, comment="orders", managementPolicy="Plan")
    body = env.becomes("Planned", "Stalled", says=("reserves an endpoint", "until you set it to Manage"))
    assert body["status"]["plan"] == {"method": "POST", "reason": "Reservation", "body": {"comment": mark}}
    assert {each["method"] for each in env.calls()} == {"GET"}
    assert "reservation" not in body["status"]

    env.edit(managementPolicy="Manage")
    env.resources.wait_reason(NAME, "WaitingForCloudEndpoint")
    (sent,) = env.calls("POST")
    assert sent["body"] == body["status"]["plan"]["body"]
    assert "plan" not in env.resources.get(NAME)["status"]


@cases
def a_second_endpoint_that_comes_late_goes_again_and_the_first_stays(env: Env) -> None:
    mark = ask(env, comment="orders")
    body = env.resources.wait_reason(NAME, "WaitingForCloudEndpoint")
    first = body["status"]["reservation"]["endpointId"]
    late = put(env, mark)
    env.is_told("Normal", "EndpointDiscarded", late)
    wait_until(lambda: late not in there(env), "the second to go")
    assert first in there(env)
    assert [each["path"].rpartition("/")[2] for each in env.calls("DELETE")] == [late]


@cases
def of_two_that_are_connected_one_is_taken_and_the_other_stays_and_is_named(env: Env) -> None:
    """And so does a third one that comes once the first is taken note of."""
    mark = ask(env, suspend=True, cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.resources.wait_reason(NAME, "Suspended")
    ours = put(env, mark, _id="6" + "0" * 23, status="AVAILABLE", cloudProviderEndpointId=CLOUD_ENDPOINT)
    other = put(env, mark, _id="6" + "f" * 23, status="AVAILABLE", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    env.edit(suspend=None)
    body = env.becomes_ready()
    assert body["status"]["reservation"]["endpointId"] == ours
    env.is_told("Normal", "EndpointRetained", other)

    late = put(env, mark, status="AVAILABLE", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    looked = len(env.calls("GET"))
    wait_until(lambda: len(env.calls("GET")) >= looked + 3, "three rounds")
    assert {ours, other, late} <= there(env)
    assert {each["method"] for each in env.calls()} == {"GET"}
