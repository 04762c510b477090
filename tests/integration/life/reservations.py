"""What is reserved for a resource, from one resource alone to its end; what is only planned, and an endpoint too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration.life.deletions import FINALIZER, writes
from support.atlas import CLOUD_ENDPOINT
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
def the_annotation_brings_a_restored_backup_its_endpoint_back(env: Env) -> None:
    backup = reserve(env, comment="orders")
    annotations = {ANNOTATION: backup["metadata"]["annotations"][ANNOTATION]}
    env.resources.create("copy", env.place.reserving(), annotations=annotations)
    env.resources.wait_reason("copy", "Conflict")
    env.resources.delete("copy")
    env.resources.delete(NAME)
    env.resources.create(NAME, env.place.reserving(comment="orders"), annotations=annotations)
    restored = reserved(env)
    assert id_of(restored) == id_of(backup)
    assert restored["status"]["reservation"]["adopted"] is True
    assert len(env.atlas.reserved(env.place)) == 1
