"""What is reserved for a resource, from one resource alone to its end; what is only planned, and an endpoint too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from integration.life.deletions import FINALIZER, goes, writes
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases
from support.resources import ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

ANNOTATION = "atlas-endpoints.dev/endpoint-id"


def ask(env: Env, **fields: Any) -> str:
    """Create the resource without an endpoint; give the mark by which what is reserved for it is known."""
    body = env.resources.create(NAME, env.place.reserving(**fields))
    return f"atlas-endpoints.dev/{body['metadata']['uid']}"


def reserved(env: Env, name: str = NAME) -> dict[str, Any]:
    """Wait until an endpoint is reserved, and somebody else's is waited for."""
    return env.resources.wait_reason(name, "WaitingForCloudEndpoint", pair="Reconciling")


def reserve(env: Env, **fields: Any) -> dict[str, Any]:
    """Have an endpoint reserved for the resource."""
    ask(env, **fields)
    return reserved(env)


def id_of(body: dict[str, Any]) -> str:
    return str(body["status"]["reservation"]["endpointId"])


def put(env: Env, **fields: Any) -> str:
    """Have Atlas hold, change or remove an endpoint in the instance, as by a call that it took late; give its ID."""
    place = {"projectId": env.place.project, "instanceName": env.place.instance}
    put = env.atlas.post("endpoints", {**place, "endpoint": {"status": "RESERVED", **fields}})
    return str((put or fields)["_id"])


def there(env: Env) -> set[str]:
    """The IDs of all endpoints that Atlas has."""
    return {each["_id"] for each in env.atlas.endpoints()}


@cases
def one_resource_reserves_connects_and_takes_its_endpoint_along(env: Env) -> None:
    body = reserve(env, comment="orders", deletionPolicy="Delete")
    assert body["status"]["endpoint"]["endpointServiceName"] in ready(body)["message"]
    (endpoint,) = env.atlas.reserved(env.place)
    assert id_of(body) == endpoint["_id"]
    assert body["metadata"]["annotations"][ANNOTATION] == f"{endpoint['_id']}/{body['metadata']['uid']}"
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert endpoint["comment"] == "orders"

    env.edit(cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.becomes_ready()
    env.control_plane.kubectl("delete", "spe", NAME, f"--namespace={env.resources.namespace}", "--timeout=60s")

    assert env.atlas.reserved(env.place) == []
    assert writes(env) == [("POST", 201), ("PATCH", 200), ("PATCH", 200), ("DELETE", 204)]
    env.is_told("Normal", "EndpointDeleted", endpoint["_id"])


@cases
def the_finalizer_is_written_before_the_endpoint_is_asked_for(env: Env) -> None:
    env.atlas.fail(env.place, method="POST", status=429, headers={"Retry-After": "1"}, times=1)
    ask(env, deletionPolicy="Delete")
    wait_until(lambda: bool(env.calls("POST")), "the first POST")
    assert env.resources.get(NAME)["metadata"]["finalizers"] == [FINALIZER]
    reserved(env)
    assert len(env.atlas.reserved(env.place)) == 1
    env.resources.delete(NAME)
    goes(env)


@cases
def by_default_the_endpoint_stays_and_nothing_holds_the_resource(env: Env) -> None:
    assert "finalizers" not in reserve(env)["metadata"]
    env.resources.delete(NAME)
    assert not env.resources.exists(NAME)
    assert [each["status"] for each in env.atlas.reserved(env.place)] == ["RESERVED"]
    assert env.calls("DELETE") == []


@cases
def the_annotation_brings_a_restored_backup_its_endpoint_back(env: Env) -> None:
    backup = reserve(env, comment="orders")
    annotations = {ANNOTATION: backup["metadata"]["annotations"][ANNOTATION]}
    env.resources.create("copy", env.place.reserving(), annotations=annotations)
    assert id_of(reserved(env, "copy")) != id_of(backup)
    env.resources.delete(NAME)
    env.resources.create(NAME, env.place.reserving(comment="orders"), annotations=annotations)
    restored = reserved(env)
    assert id_of(restored) == id_of(backup)
    assert restored["status"]["reservation"]["adopted"] is True
    assert len(env.atlas.reserved(env.place)) == 2


@cases
def an_endpoint_that_has_expired_is_replaced(env: Env) -> None:
    first = id_of(reserve(env))
    # As if it had been reserved long ago.
    env.resources.write_status(NAME, {"reservation": {"requestedAt": "2026-01-01T00:00:00Z"}})
    put(env, _id=first, remove=True)
    told = ("Normal", "EndpointReserved")
    env.resources.wait_events(NAME, told, ("Warning", "EndpointLost"), told)
    env.resources.wait(NAME, lambda body: body["status"]["reservation"].get("endpointId") not in {None, first})
    reserved(env)


@cases
def a_reservation_is_shown_and_sent_once_the_policy_is_manage(env: Env) -> None:
    """The policy Plan, which an older manifest may have, means Observe, and needs no endpoint."""
    mark = ask(env, comment="orders", managementPolicy="Plan")
    body = env.becomes(
        "EndpointNotFound",
        "Reconciling",
        says=("reserves an endpoint",),
        error={"operation": "listServerlessPrivateEndpoint", "retryable": False},
    )
    assert body["status"]["plan"] == {"method": "POST", "reason": "Reservation", "body": {"comment": mark}}
    assert {each["method"] for each in env.calls()} == {"GET"}
    assert "reservation" not in body["status"]

    env.edit(managementPolicy="Manage")
    reserved(env)
    (sent,) = env.calls("POST")
    assert sent["body"] == body["status"]["plan"]["body"]
    assert "plan" not in env.resources.get(NAME)["status"]


@cases
def a_second_endpoint_that_comes_late_goes_again_and_the_first_stays(env: Env) -> None:
    mark = ask(env, comment="orders")
    first = id_of(reserved(env))
    late = put(env, comment=mark)
    env.is_told("Normal", "EndpointDiscarded", late)
    wait_until(lambda: late not in there(env), "the second to go")
    assert first in there(env)
    assert [each["path"].rpartition("/")[2] for each in env.calls("DELETE")] == [late]


@cases
def of_two_that_are_connected_one_is_taken_and_the_other_stays_and_is_named(env: Env) -> None:
    """And so does a third one that comes once the first is taken note of."""
    mark = ask(env, suspend=True, cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.resources.wait_reason(NAME, "Suspended")
    connected = {"comment": mark, "status": "AVAILABLE"}
    ours = put(env, **connected, _id="6" + "0" * 23, cloudProviderEndpointId=CLOUD_ENDPOINT)
    other = put(env, **connected, _id="6" + "f" * 23, cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    env.edit(suspend=None)
    assert id_of(env.becomes_ready()) == ours
    env.is_told("Normal", "EndpointRetained", other)

    late = put(env, **connected, cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    looked = len(env.calls("GET"))
    wait_until(lambda: len(env.calls("GET")) >= looked + 3, "three rounds")
    assert {ours, other, late} <= there(env)
    assert {each["method"] for each in env.calls()} == {"GET"}
