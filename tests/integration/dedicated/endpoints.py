"""Endpoints of the user's network: what refers to them, what replaces them, what Atlas refuses, and Google's two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from integration.dedicated.project import (
    AZURE,
    AZURE_ID,
    CENTRAL_US,
    GCP,
    LEGACY,
    OTHER,
    STRANGER,
    VPCE,
    Project,
    goes,
    has,
)
from support.clouds import ACK, ADDRESS, ASO, FORWARDING_RULE, CloudObject
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
def from_nothing_to_a_private_endpoint_of_azure_whose_address_is_in_a_config_map(env: Env) -> None:
    endpoint = CloudObject(env.control_plane, env.resources.namespace, ASO, "pe")
    address = {"configMapKeyRef": {"name": "address", "key": "ip"}}
    given = waits_for_its_cloud(
        env, **AZURE, cloudProviderEndpointRef=endpoint.reference, privateEndpointIpAddressFrom=address
    )
    link = {"name": given["privateLinkServiceName"]}
    link["privateLinkServiceReference"] = {"armId": given["privateLinkServiceResourceId"]}  # type: ignore[assignment]
    endpoint.create({"manualPrivateLinkServiceConnections": [link]})
    endpoint.report(id=AZURE_ID, conditions=[NOT_READY])
    env.resources.wait(NAME, lambda body: "ConfigMap address" in ready(body)["message"], says="waiting for the address")
    endpoint.export("address", ip="10.0.0.4")

    connected(env, {"id": AZURE_ID, "privateEndpointIPAddress": "10.0.0.4"})
    endpoint.close()


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


@cases
def google_s_attachments_are_published_when_all_are_there_and_not_in_halves(env: Env) -> None:
    project = Project(env)
    names = [f"projects/p/regions/us-central1/serviceAttachments/sa-{number}" for number in range(6)]
    project.put(CENTRAL_US, "GCP", status="INITIATING", advance=False, extra={"serviceAttachmentNames": names[1::2]})
    no_endpoint = {"projectId": "my-project-1", "portMappingEnabled": False}
    project.create(NAME, **{**GCP, "gcp": no_endpoint}, outputConfigMapRef={"name": "service"})
    body = env.becomes("ServiceInitiating", "Reconciling")
    env.next_calls()
    assert "serviceAttachmentNames" not in env.resources.get(NAME)["status"]["service"], body
    assert outputs(env, "service") is None

    project.put(CENTRAL_US, "GCP", status="AVAILABLE", extra={"serviceAttachmentNames": names})
    body = env.becomes("WaitingForCloudEndpoint", "Reconciling")
    assert body["status"]["service"]["serviceAttachmentNames"] == names
    wait_until(lambda: outputs(env, "service") is not None, "the coordinates")
    assert (outputs(env, "service") or {})["serviceAttachmentNames"] == ",".join(names)


@cases
def both_ways_of_google_stand_in_one_region_and_the_old_one_has_an_announced_end(env: Env) -> None:
    project = Project(env)
    project.create(
        "new",
        **GCP,
        cloudProviderEndpointId="atlas-orders",
        privateEndpointIpAddress="10.0.0.4",
        deletionPolicy="Delete",
    )
    project.create("old", **LEGACY, deletionPolicy="Delete")
    assert condition(env.becomes_ready("new"), "Deprecated") is None
    deprecated = condition(env.becomes_ready("old"), "Deprecated") or {}
    assert "2027-04-30" in deprecated["message"]
    assert "atlas-orders" in str(project.endpoints(CENTRAL_US))
    assert len(project.endpoints(f"{CENTRAL_US} legacy")) == 1

    goes(env.resources, "old")
    env.becomes_ready("new")
    assert set(project.services()) == {CENTRAL_US}


@cases
def a_rotation_is_a_second_resource_beside_the_first_one_and_has_no_gap(env: Env) -> None:
    project = Project(env)
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    env.becomes_ready()
    project.create("next", cloudProviderEndpointId=OTHER, deletionPolicy="Delete")
    env.becomes_ready("next")
    assert project.endpoints() == {VPCE: "AVAILABLE", OTHER: "AVAILABLE"}

    goes(env.resources, NAME)
    env.becomes_ready("next")
    assert project.endpoints() == {OTHER: "AVAILABLE"}
    assert project.writes() == [
        *("POST service 201", "POST endpoint 201", "POST endpoint 201", "DELETE endpoint 202"),
    ]


@cases
def a_refusal_has_atlas_s_words_and_holds_up_no_other_endpoint_of_the_service(env: Env) -> None:
    project = Project(env)
    project.put()
    words = "Verify endpoint ID and accepted regions"
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    env.becomes_ready()
    project.put(endpoints=[{"id": VPCE, "status": "REJECTED"}])
    env.becomes("EndpointFailed", "Stalled", says=("REJECTED", words, "force-sync"))
    project.create("other", cloudProviderEndpointId=OTHER)
    env.becomes_ready("other")
    project.put(endpoints=[{"id": STRANGER, "status": "REJECTED"}])
    project.create("adopted", cloudProviderEndpointId=STRANGER)
    env.becomes("EndpointFailed", "Stalled", name="adopted", says=("REJECTED", words))

    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "now"})
    env.becomes_ready()
    assert project.writes().count("DELETE endpoint 202") == 1
    project.put(endpoints=[{"id": VPCE, "status": "FAILED", "errorMessage": "gone"}])
    env.resources.wait(NAME, lambda body: ready(body)["status"] == "False", says="refused again")
    goes(env.resources, NAME)
    assert project.endpoints() == {OTHER: "AVAILABLE", STRANGER: "REJECTED"}


@cases
def each_cluster_s_private_strings_are_beside_the_application_and_never_a_public_one(env: Env) -> None:
    project = Project(env)
    for cluster, kind in (("orders", "REPLICASET"), ("billing", "SHARDED"), ("flex", "FLEX")):
        project.put_cluster(cluster, clusterType=kind, regions=[{"regionName": "EU_WEST_1"}])
    strings = [
        {"clusterName": name, "configMapRef": {"name": f"{name}-strings"}} for name in ("orders", "billing", "flex")
    ]
    project.create("other", cloudProviderEndpointId=OTHER)
    env.becomes_ready("other")
    project.create(NAME, cloudProviderEndpointId=VPCE, connectionStrings=strings)
    body = env.becomes_ready()
    wait_until(lambda: None not in (outputs(env, f"{name}-strings") for name in ("orders", "billing")), "strings")

    entries = {
        each["endpoints"][0]["endpointId"]: each
        for cluster in env.atlas.project(env.place)["clusters"]
        if cluster["name"] == "orders"
        for each in cluster["connectionStrings"]["privateEndpoint"]
    }
    assert outputs(env, "orders-strings") == {
        "clusterName": "orders",
        "connectionString": entries[VPCE]["connectionString"],
        "connectionStringSrv": entries[VPCE]["srvConnectionString"],
        "endpointId": VPCE,
        "providerName": "AWS",
        "region": "EU_WEST_1",
    }
    assert "connectionStringSrvShardOptimized" in (outputs(env, "billing-strings") or {})
    body = env.resources.wait(NAME, lambda body: "Flex" in (condition(body, "OutputsWritten") or {})["message"])
    assert not has(body, "OutputsWritten", "True", "Written")
    assert ready(body)["status"] == "True"
    assert outputs(env, "flex-strings") is None

    env.edit(connectionStrings=strings[:2])
    env.resources.wait(NAME, lambda body: has(body, "OutputsWritten", "True", "Written"), says="written")
    before = outputs(env, "orders-strings")
    public = {"standard": "mongodb://public.example.net:27017", "standardSrv": "mongodb+srv://public.example.net"}
    project.put_cluster("orders", stateName="UPDATING", connectionStrings=public)
    env.next_calls(6)
    assert outputs(env, "orders-strings") == before


@cases
def what_a_person_removes_is_registered_anew_or_only_reported(env: Env) -> None:
    project = Project(env)
    project.create("corrected", cloudProviderEndpointId=VPCE)
    project.create("reported", cloudProviderEndpointId=OTHER, driftPolicy="Report")
    for name in ("corrected", "reported"):
        env.becomes_ready(name)
    project.put(endpoints=[{"id": VPCE, "remove": True}, {"id": OTHER, "remove": True}])

    env.becomes("Drifted", "Stalled", name="reported", says=(OTHER, "driftPolicy is Report"))
    wait_until(lambda: project.endpoints() == {VPCE: "AVAILABLE"}, "the one to be registered anew", timeout=120)
    env.becomes_ready("corrected")
