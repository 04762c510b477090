"""Endpoints of the user's network: what refers to them, what replaces them, what Atlas refuses, and Google's two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from integration.dedicated.project import (
    GCP,
    VPCE,
    Project,
)
from support.clouds import ACK, ADDRESS, FORWARDING_RULE, CloudObject
from support.concurrent_cases import NAME, Cases
from support.resources import condition, ready

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.concurrent_cases import Env

cases = Cases()

NOT_READY = {"type": "Ready", "status": "False", "reason": "WaitingForApproval"}
"""What other operators say of their objects until Atlas has accepted them, for which it needs their IDs."""


def outputs(env: Env, name: str) -> dict[str, str] | None:
    """Return the data of a ConfigMap, or None."""
    with env.control_plane.client() as http:
        answer = http.get(f"/api/v1/namespaces/{env.resources.namespace}/configmaps/{name}")
    return dict(answer.json()["data"]) if answer.is_success else None


def waits_for_its_cloud(env: Env, **fields: Any) -> Mapping[str, str]:
    """Create a resource that refers to what is not there yet; return what its ConfigMap says to connect to."""
    Project(env).create(NAME, **fields, outputConfigMapRef={"name": "service"})
    env.becomes("WaitingForCloudEndpoint", "Reconciling")
    wait_until(lambda: outputs(env, "service") is not None, "the coordinates")
    return outputs(env, "service") or {}


def connected(env: Env, *sent: Mapping[str, Any]) -> None:
    """Wait until the resource is ready, which was progress all the time; Atlas was asked to register just this."""
    env.becomes_ready()
    assert [body for body in env.resources.states(NAME) if condition(body, "Stalled")] == []
    assert Project(env).bodies("POST endpoint") == list(sent)


@cases
def from_nothing_to_a_vpc_endpoint_of_ack_whose_id_is_all_that_is_waited_for(env: Env) -> None:
    vpc = CloudObject(env.control_plane, env.resources.namespace, ACK, "vpc")
    given = waits_for_its_cloud(env, cloudProviderEndpointRef=vpc.reference)
    assert set(given) == {"serviceId", "endpointServiceName"}
    vpc.create({"serviceName": given["endpointServiceName"], "vpcEndpointType": "Interface"})
    vpc.report(state="pendingAcceptance", vpcEndpointID=VPCE, conditions=[NOT_READY])

    connected(env, {"id": VPCE})
    vpc.close()


@cases
def from_nothing_to_a_forwarding_rule_of_config_connector_and_its_address(env: Env) -> None:
    address = CloudObject(env.control_plane, env.resources.namespace, ADDRESS, "address")
    rule = CloudObject(env.control_plane, env.resources.namespace, FORWARDING_RULE, "rule")
    given = waits_for_its_cloud(
        env,
        **GCP,
        cloudProviderEndpointRef={**rule.reference, "fieldPath": ".spec.resourceID"},
        privateEndpointIpAddressFrom={"objectRef": address.reference},
    )
    (attachment,) = given["serviceAttachmentNames"].split(",")
    rule.create({"target": {"serviceAttachmentRef": {"external": attachment}}, "resourceID": "atlas-orders"})
    rule.report(pscConnectionStatus="PENDING", conditions=[NOT_READY])
    address.create({"addressType": "INTERNAL"})
    message = "no .status.observedState.address"
    env.resources.wait(NAME, lambda body: message in ready(body)["message"], says="waiting for the address")
    address.report(observedState={"address": "10.0.0.5"})

    rules = [{"endpointName": "atlas-orders", "ipAddress": "10.0.0.5"}]
    connected(env, {"endpointGroupName": "atlas-orders", "gcpProjectId": "my-project-1", "endpoints": rules})
    rule.close()
    address.close()
