"""Resources that refer to objects of other controllers, whose part the tests play: from nothing to AVAILABLE, and what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from support import clouds
from support.atlas import CLOUD_ENDPOINT, Atlas, place, seed
from support.audit import deeds
from support.clouds import ACK, ASO, CloudObject
from support.concurrent_cases import NAME, Env, Setup
from support.observed import Recorder
from support.resources import Resources, condition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Place
    from support.fixtures import MakeNamespace, RunOperator
    from support.operator_process import OperatorProcess

LABEL = "references"
OPERATOR = f"system:serviceaccount:default:operator-{LABEL}"
OTHER = "vpce-0123456789abcdef1"
AZURE_ENDPOINT = (
    "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe"
)
PATIENCE = 45.0


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    return start_operator(label=LABEL, atlas=atlas, namespace="default", sync_interval="3s", stall_grace="2s")


@pytest.fixture
def env(
    *,
    control_plane: ControlPlane,
    atlas: Atlas,
    operator: OperatorProcess,
    place: Place,
    make_namespace: MakeNamespace,
) -> Iterator[Env]:
    recorder = Recorder(control_plane)
    resources = Resources(control_plane, make_namespace(), {"served-by": LABEL}, recorder=recorder)
    resources.secret()
    env = Env(Setup(atlas, operator), place, resources, control_plane)
    yield env
    env.close()
    recorder.stop()


@pytest.fixture
def azure(
    *,
    control_plane: ControlPlane,
    start_operator: RunOperator,
    group: ServerGroup,
    make_namespace: MakeNamespace,
    tmp_path: Path,
) -> Iterator[Env]:
    """An environment whose instance is Azure's."""
    world = seed(1)
    world["projects"][0]["instances"][0] |= {"providerName": "AZURE", "regionName": "US_EAST_2"}
    atlas = Atlas.start(group, tmp_path, world)
    operator = start_operator(
        label="references-azure", atlas=atlas, namespace="default", sync_interval="3s", stall_grace="2s"
    )
    recorder = Recorder(control_plane)
    resources = Resources(control_plane, make_namespace(), {"served-by": "references-azure"}, recorder=recorder)
    resources.secret()
    env = Env(Setup(atlas, operator), place(0), resources, control_plane)
    yield env
    env.close()
    recorder.stop()
    operator.stop()
    atlas.close()


@pytest.fixture
def vpc_endpoint(control_plane: ControlPlane, env: Env) -> Iterator[CloudObject]:
    """A VPCEndpoint of ACK that is not there yet; its CRD is."""
    clouds.install(control_plane, ACK)
    found = CloudObject(control_plane, env.resources.namespace, ACK, "vpc")
    yield found
    found.close()


def resolved(body: dict[str, Any]) -> tuple[str, str]:
    found = condition(body, "ReferencesResolved")
    return (found["status"], found["reason"]) if found else ("", "")


def waits_for(env: Env, reason: str, *words: str) -> dict[str, Any]:
    """Wait until what the spec refers to is told to be missing, in these words, and give the resource."""

    def is_told(body: dict[str, Any]) -> bool:
        found = condition(body, "ReferencesResolved")
        return (
            found is not None
            and (found["status"], found["reason"]) == ("False", reason)
            and all(word in found["message"] for word in words)
        )

    return env.resources.wait(NAME, is_told, says=f"{reason}: {words}")


def test_a_resource_goes_from_nothing_to_available_while_its_vpc_endpoint_is_made(
    env: Env, vpc_endpoint: CloudObject
) -> None:
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    body = waits_for(env, "NotFound", "There is no VPCEndpoint vpc in namespace")
    ready = condition(body, "Ready")
    assert ready is not None
    assert ready["reason"] == "WaitingForCloudEndpoint"
    service = body["status"]["endpoint"]["endpointServiceName"]
    assert service in ready["message"]

    vpc_endpoint.create({"serviceName": service, "vpcEndpointType": "Interface"})
    waits_for(env, "NotReady", "has no .status.vpcEndpointID yet")
    assert env.patches() == []

    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT, state="pendingAcceptance")
    body = env.becomes_ready()
    assert resolved(body) == ("True", "Resolved")
    assert body["status"]["resolved"]["cloudProviderEndpointId"] == CLOUD_ENDPOINT
    assert env.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT}]
    for state in env.resources.states(NAME):
        assert condition(state, "Stalled") is None, "to wait for the other side is progress"


def test_a_private_endpoint_of_azure_is_connected_once_its_id_and_its_address_are_there(
    azure: Env, control_plane: ControlPlane
) -> None:
    """Azure Service Operator writes the one into a status, and the other into a ConfigMap."""
    clouds.install(control_plane, ASO)
    endpoint = CloudObject(control_plane, azure.resources.namespace, ASO, "pe")
    azure.create(
        providerName="AZURE",
        cloudProviderEndpointRef=endpoint.reference,
        privateEndpointIpAddressFrom={"configMapKeyRef": {"name": "address", "key": "ip"}},
    )
    body = waits_for(azure, "NotFound", "There is no PrivateEndpoint pe")
    shown = body["status"]["endpoint"]
    connection = {
        "name": shown["endpointServiceName"],
        "privateLinkServiceReference": {"armId": shown["privateLinkServiceResourceId"]},
    }

    endpoint.create({"manualPrivateLinkServiceConnections": [connection]})
    endpoint.report(id=AZURE_ENDPOINT, provisioningState="Succeeded")
    waits_for(azure, "NotFound", "There is no ConfigMap address")
    assert azure.patches() == []
    endpoint.export("address", ip="10.0.0.4")

    body = azure.becomes_ready()
    both = {"cloudProviderEndpointId": AZURE_ENDPOINT, "privateEndpointIpAddress": "10.0.0.4"}
    assert azure.patches() == [both]
    assert {name: body["status"]["resolved"][name] for name in both} == both
    endpoint.close()


def test_a_crd_that_is_installed_later_is_found_by_itself(
    env: Env, vpc_endpoint: CloudObject, control_plane: ControlPlane
) -> None:
    clouds.uninstall(control_plane, ACK)
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    waits_for(env, "NotFound", "no namespaced kind VPCEndpoint in ec2.services.k8s.aws/v1alpha1", "Install its CRD")

    clouds.install(control_plane, ACK)
    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)

    env.becomes_ready()


def test_an_object_that_goes_leaves_atlas_as_it_is(env: Env, vpc_endpoint: CloudObject) -> None:
    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    env.becomes_ready()

    vpc_endpoint.delete()

    body = env.becomes(
        "ReferenceNotReady",
        "Stalled",
        says=("There is no VPCEndpoint vpc", f"Atlas keeps the connection to {CLOUD_ENDPOINT}"),
        error={"operation": "readReference", "errorCode": "NotFound", "retryable": True},
    )
    assert resolved(body) == ("False", "NotFound")
    assert body["status"]["applied"]["cloudProviderEndpointId"] == CLOUD_ENDPOINT
    assert len(env.patches()) == 1

    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    env.becomes_ready()
    assert len(env.patches()) == 1


def test_an_object_that_is_being_deleted_is_not_connected_to(env: Env, vpc_endpoint: CloudObject) -> None:
    vpc_endpoint.create(finalizers=("example.com/keep",))
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    vpc_endpoint.delete()
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    waits_for(env, "NotReady", "is being deleted")
    assert env.patches() == []
    vpc_endpoint.release()
    waits_for(env, "NotFound")


def test_a_changed_value_is_noticed_by_itself_and_refused_in_the_words_of_atlas(
    env: Env, vpc_endpoint: CloudObject
) -> None:
    """An endpoint that is AVAILABLE takes no other private endpoint; nothing of it looks like drift."""
    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    body = env.becomes_ready()

    vpc_endpoint.report(vpcEndpointID=OTHER)

    body = env.becomes("UpdateRejected", "Stalled", error={"fields": ["cloudProviderEndpointId"]})
    assert body["status"]["drift"] == [{"field": "cloudProviderEndpointId", "desired": OTHER, "actual": CLOUD_ENDPOINT}]
    assert body["status"]["history"][0]["cause"] == "Edit"
    assert body["status"]["resolved"]["cloudProviderEndpointId"] == OTHER
    assert env.patches()[:2] == [{"cloudProviderEndpointId": CLOUD_ENDPOINT}, {"cloudProviderEndpointId": OTHER}]

    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    env.becomes_ready()


@pytest.mark.parametrize(
    "value", ["../../secrets/atlas-credentials", f"{CLOUD_ENDPOINT}\n", "x" * 5000, "vpce-\u202e0123456789abcdef"]
)
def test_a_value_that_is_none_is_told_and_never_sent(env: Env, vpc_endpoint: CloudObject, value: str) -> None:
    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=value)
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    body = env.becomes(
        "ReferenceNotReady",
        "Stalled",
        says=(".status.vpcEndpointID of VPCEndpoint vpc",),
        error={"errorCode": "FieldMissing"},
    )
    assert value not in str(body["status"])
    assert env.patches() == []


def test_a_field_that_holds_an_object_is_told(env: Env, vpc_endpoint: CloudObject) -> None:
    vpc_endpoint.create()
    vpc_endpoint.report(ackResourceMetadata={"arn": "arn:x"})
    env.create(cloudProviderEndpointRef={**vpc_endpoint.reference, "fieldPath": ".status.ackResourceMetadata"})
    waits_for(env, "FieldMissing", "holds no text", "Correct fieldPath")


def test_a_kind_that_is_not_among_the_settings_is_not_even_asked_for(env: Env, control_plane: ControlPlane) -> None:
    reference = {"apiVersion": "apps.example.com/v1", "kind": "Deployment", "name": "x", "fieldPath": ".status.id"}
    env.create(cloudProviderEndpointRef=reference)
    waits_for(env, "KindNotAllowed", "ATLAS_ENDPOINTS_REFERENCE_KINDS")
    env.becomes("ReferenceNotReady", "Stalled", error={"errorCode": "KindNotAllowed"})
    assert "deployments" not in {each.resource for each in deeds(control_plane, OPERATOR)}


def test_objects_are_read_by_name_and_never_listed(
    env: Env, vpc_endpoint: CloudObject, control_plane: ControlPlane
) -> None:
    vpc_endpoint.create()
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    env.becomes_ready()
    done = [each for each in deeds(control_plane, OPERATOR) if each.resource == "vpcendpoints"]
    assert {each.verb for each in done} == {"get"}


def test_waiting_costs_atlas_no_more_than_a_healthy_endpoint(env: Env, vpc_endpoint: CloudObject) -> None:
    env.create(cloudProviderEndpointRef=vpc_endpoint.reference)
    waits_for(env, "NotFound")
    assert len(env.calls_within(9)) <= 5
    wait_until(lambda: condition(env.resources.get(NAME), "Stalled") is None, "progress")
