"""The ConfigMaps of a resource: their data, their owner, and the condition."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from atlas_endpoints.cluster.config_maps import ConfigMap
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import PrivateConnection
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KEYS, connection_values, values_of
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.outputs import Write, decide
from atlas_endpoints.reconcile.pacing import FLOOR
from unit.reconcile.harness import ENDPOINT, PROJECT, VPCE, Harness, Resource

SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
LINK = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/privateLinkServices/pls"
NAME = "orders-atlas"
REF = {"name": NAME}
UID = "uid-db"
INTERVAL = 600.0
HELD = {"endpointId": ENDPOINT, "endpointServiceName": SERVICE}


def shown(**fields: str | None) -> EndpointStatus:
    return EndpointStatus.model_validate({"id": ENDPOINT, **fields})


VALUES: dict[str, tuple[EndpointStatus | None, str, Mapping[str, str] | None]] = {
    "nothing is known of an endpoint": (None, "AWS", None),
    "an endpoint that is being reserved has no service yet": (shown(), "AWS", None),
    "a service without a name is none": (shown(endpoint_service_name=""), "AWS", None),
    "on AWS the name of the service is enough": (shown(endpoint_service_name=SERVICE), "AWS", HELD),
    "on Azure the name alone is not": (shown(endpoint_service_name="pls"), "AZURE", None),
    "on Azure all three are there": (
        shown(endpoint_service_name="pls", private_link_service_resource_id=LINK),
        "AZURE",
        dict(zip(KEYS, (ENDPOINT, "pls", LINK), strict=True)),
    ),
}


@pytest.mark.parametrize(("endpoint", "provider", "expected"), VALUES.values(), ids=VALUES)
def test_values(endpoint: EndpointStatus | None, provider: Any, expected: Mapping[str, str] | None) -> None:
    assert values_of(endpoint, provider) == expected


def found(data: Mapping[str, str], *owners: str, deleting: bool = False) -> ConfigMap:
    return ConfigMap("uid-map", "1", frozenset(owners), deleting, data)


STEPS: dict[str, tuple[ConfigMap | None, object]] = {
    "there is none: it is created": (None, Write.CREATE),
    "ours holds it all: nothing is to be done": (found(HELD, UID), Write.NOTHING),
    "ours holds it all and a key of somebody else's": (found({**HELD, "more": "x"}, UID), Write.NOTHING),
    "ours lacks a key": (found({"endpointId": ENDPOINT}, UID), Write.UPDATE),
    "ours holds another service": (found({**HELD, "endpointServiceName": "other"}, UID), Write.UPDATE),
    "ours holds what Atlas tells no more": (found({**HELD, "privateLinkServiceResourceId": LINK}, UID), Write.UPDATE),
    "ours is empty": (found({}, UID), Write.UPDATE),
    "ours has another owner, too": (found({}, "uid-other", UID), Write.UPDATE),
    "it has no owner, and holds the very same": (found(HELD), "NotOurs"),
    "it is of another resource, or of an earlier one of this name": (found(HELD, "uid-other"), "NotOurs"),
    "it is somebody else's and is being deleted": (found({}, deleting=True), "NotOurs"),
    "ours is being deleted": (found({}, UID, deleting=True), "Pending"),
}


@pytest.mark.parametrize(("config_map", "expected"), STEPS.values(), ids=STEPS)
def test_decide(config_map: ConfigMap | None, expected: object) -> None:
    step = decide(NAME, HELD, config_map, UID, KEYS)
    assert (step if isinstance(step, Write) else step.reason) == expected


def outputs_written(resource: Resource) -> tuple[str, str]:
    condition = resource.condition("OutputsWritten")
    return (condition["status"], condition["reason"]) if condition else ("", "")


async def settled(harness: Harness, **spec: Any) -> Resource:
    """Return a resource that is ready and has written its ConfigMap."""
    harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE, endpoint_service_name=SERVICE)
    resource = harness.create(cloudProviderEndpointId=VPCE, outputConfigMapRef=REF, **spec)
    await harness.settle()
    assert resource.ready == ("True", "Available")
    return resource


async def test_it_is_written_once_atlas_shows_the_service(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, status="RESERVATION_REQUESTED")
    resource = harness.create(outputConfigMapRef=REF)
    await harness.run_for(30)
    assert outputs_written(resource) == ("Unknown", "Pending")
    assert harness.config_maps.calls == []

    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
    await harness.run_for(60)
    assert harness.config_maps.held(NAME) == HELD
    assert harness.config_maps.found[NAME].owners == {UID}
    assert outputs_written(resource) == ("True", "Written")
    assert resource.ready == ("False", "WaitingForCloudEndpoint")


async def test_a_reserved_endpoint_and_its_replacement_are_written(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None, outputConfigMapRef=REF)
    await harness.run_for(10)
    (first,) = harness.atlas.endpoints
    harness.atlas.put(first, status="RESERVED", endpoint_service_name=SERVICE)
    await harness.run_for(60)
    assert harness.config_maps.held(NAME) == {"endpointId": first, "endpointServiceName": SERVICE}

    harness.atlas.vanish(first)
    await harness.run_for(INTERVAL + 120)
    (second,) = harness.atlas.endpoints
    assert outputs_written(resource) == ("Unknown", "Pending")
    harness.atlas.put(second, status="RESERVED", endpoint_service_name="svc-2")
    await harness.run_for(INTERVAL)
    assert harness.config_maps.held(NAME) == {"endpointId": second, "endpointServiceName": "svc-2"}
    assert outputs_written(resource) == ("True", "Written")


async def test_a_settled_resource_reads_it_once_in_each_interval(harness: Harness) -> None:
    await settled(harness)
    await harness.run_for(10 * INTERVAL)
    assert harness.config_maps.calls == ["GET"] * 10
    assert harness.writes == {}
    assert harness.atlas.calls == ["LIST"] * 10


async def test_a_polled_resource_does_not_read_it_each_time(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, status="INITIATING", cloud_provider_endpoint_id=VPCE, endpoint_service_name=SERVICE)
    harness.create(cloudProviderEndpointId=VPCE, outputConfigMapRef=REF)
    await harness.run_for(29)
    assert harness.reconciles["db"] > 2
    assert harness.config_maps.calls == ["GET", "POST"]


@pytest.mark.parametrize("change", ["changed", "deleted"])
async def test_a_change_by_others_is_undone_with_the_next_resync(harness: Harness, change: str) -> None:
    resource = await settled(harness)
    if change == "changed":
        harness.config_maps.put(NAME, {"endpointServiceName": "elsewhere", "more": "kept"}, UID)
    else:
        del harness.config_maps.found[NAME]
    await harness.run_for(INTERVAL)
    kept = {"more": "kept"} if change == "changed" else {}
    assert harness.config_maps.held(NAME) == {**HELD, **kept}
    assert resource.ready == ("True", "Available")
    assert harness.atlas.calls == ["LIST"]


async def test_a_forced_sync_reads_it_at_once(harness: Harness) -> None:
    resource = await settled(harness)
    for request in ("1", "2"):
        del harness.config_maps.found[NAME]
        harness.annotate(resource, force_sync=request)
        await harness.run_for(0)
        assert harness.config_maps.held(NAME) == HELD
        await harness.run_for(FLOOR)


@pytest.mark.parametrize("owners", [(), ("uid-other",)])
async def test_the_config_map_of_others_is_not_written_and_atlas_is(harness: Harness, owners: tuple[str, ...]) -> None:
    harness.config_maps.put(NAME, {"endpointServiceName": "theirs"}, *owners)
    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
    resource = harness.create(outputConfigMapRef=REF, comment="orders")
    await harness.run_for(60)
    assert outputs_written(resource) == ("False", "NotOurs")
    assert f"ConfigMap {NAME} exists and does not belong to this resource" in resource.message
    assert resource.ready == ("False", "WaitingForCloudEndpoint")
    assert harness.atlas.endpoints[ENDPOINT].comment == "orders"

    harness.edit(resource, cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    harness.atlas.put(ENDPOINT, status="AVAILABLE")
    await harness.run_for(60)
    assert resource.ready == ("True", "Available")
    assert outputs_written(resource) == ("False", "NotOurs")
    assert harness.config_maps.held(NAME) == {"endpointServiceName": "theirs"}
    assert {*harness.config_maps.calls} == {"GET"}

    del harness.config_maps.found[NAME]
    await harness.run_for(INTERVAL)
    assert outputs_written(resource) == ("True", "Written")
    assert harness.config_maps.held(NAME) == HELD


async def test_a_concurrent_change_is_kept(harness: Harness) -> None:
    await settled(harness)
    harness.config_maps.put(NAME, {"endpointServiceName": "elsewhere"}, UID)
    harness.config_maps.meanwhile = lambda: harness.config_maps.put(NAME, {"more": "newer"}, UID)
    await harness.run_for(INTERVAL)
    assert harness.config_maps.calls == ["GET", "PATCH", "GET", "PATCH"]
    assert harness.config_maps.held(NAME) == {**HELD, "more": "newer"}


async def test_a_concurrently_created_config_map_is_not_written(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
    harness.config_maps.meanwhile = lambda: harness.config_maps.put(NAME, {"endpointServiceName": "theirs"})
    resource = harness.create(outputConfigMapRef=REF)
    await harness.run_for(0)
    assert outputs_written(resource) == ("False", "NotOurs")
    assert harness.config_maps.held(NAME) == {"endpointServiceName": "theirs"}


async def test_a_config_map_that_keeps_changing_is_retried_later(harness: Harness) -> None:
    resource = await settled(harness)

    def change() -> None:
        harness.config_maps.put(NAME, {}, UID)
        harness.config_maps.meanwhile = change

    change()
    await harness.run_for(INTERVAL)
    assert harness.config_maps.calls[:6] == ["GET", "PATCH"] * 3
    assert resource.ready == ("True", "Available")
    harness.config_maps.meanwhile = lambda: None
    await harness.run_for(30)
    assert harness.config_maps.held(NAME) == HELD


async def test_without_an_answer_it_is_retried_and_the_condition_stays(harness: Harness) -> None:
    resource = await settled(harness)
    del harness.config_maps.found[NAME]
    harness.config_maps.error = ClusterUnavailableError("no answer")
    await harness.run_for(INTERVAL)
    assert (resource.ready, outputs_written(resource)) == (("True", "Available"), ("True", "Written"))
    harness.config_maps.error = None
    await harness.run_for(30)
    assert harness.config_maps.held(NAME) == HELD
    assert harness.writes == {}


async def test_a_refusal_names_the_required_permissions(harness: Harness) -> None:
    harness.config_maps.error = RefusedError('403 Forbidden: configmaps is forbidden: User "x" cannot create')
    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
    resource = harness.create(outputConfigMapRef=REF)
    await harness.run_for(60)
    assert outputs_written(resource) == ("False", "Refused")
    assert "get, create and patch configmaps" in resource.message
    assert "cannot create" in resource.message
    harness.config_maps.error = None
    await harness.run_for(INTERVAL)
    assert outputs_written(resource) == ("True", "Written")


async def test_disabled_outputs_name_the_setting(harness: Harness) -> None:
    harness.restart(outputs=False)
    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
    resource = harness.create(outputConfigMapRef=REF)
    await harness.run_for(INTERVAL)
    assert outputs_written(resource) == ("False", "Disabled")
    assert "ATLAS_ENDPOINTS_OUTPUTS=on" in resource.message
    assert harness.config_maps.calls == []

    harness.restart()
    harness.enqueue_all()
    await harness.run_for(0)
    assert outputs_written(resource) == ("True", "Written")


async def test_a_restart_writes_nothing(harness: Harness) -> None:
    await settled(harness)
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(0)
    assert harness.config_maps.calls == ["GET"]
    assert harness.writes == {}


async def test_another_name_in_the_spec_is_written(harness: Harness) -> None:
    resource = await settled(harness)
    harness.edit(resource, outputConfigMapRef={"name": "other"})
    await harness.run_for(0)
    assert harness.config_maps.held("other") == HELD


async def test_without_a_name_in_the_spec_the_condition_is_removed(harness: Harness) -> None:
    resource = await settled(harness)
    harness.edit(resource, outputConfigMapRef=None)
    await harness.run_for(0)
    assert resource.condition("OutputsWritten") is None
    assert harness.config_maps.calls == []


async def test_another_resource_of_the_same_name_does_not_adopt_it(harness: Harness) -> None:
    """The garbage collector removes the ConfigMap of the one that has gone."""
    first = await settled(harness)
    harness.vanish(first)
    harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE, endpoint_service_name=SERVICE)
    second = Resource("db", ENDPOINT, {"outputConfigMapRef": REF, "projectId": PROJECT})
    second.uid = "uid-second"
    harness.resources[second.key] = second
    harness.changed(second)
    await harness.run_for(0)
    assert outputs_written(second) == ("False", "NotOurs")
    del harness.config_maps.found[NAME]
    await harness.run_for(INTERVAL)
    assert harness.config_maps.found[NAME].owners == {"uid-second"}


async def test_a_suspended_resource_writes_nothing(harness: Harness) -> None:
    resource = await settled(harness)
    harness.edit(resource, suspend=True)
    del harness.config_maps.found[NAME]
    await harness.run_for(INTERVAL)
    assert harness.config_maps.calls == []
    harness.edit(resource, suspend=None)
    await harness.run_for(0)
    assert harness.config_maps.held(NAME) == HELD


SRV = "mongodb+srv://orders-pe-1.abcde.mongodb.net"
OWN = PrivateConnection(SRV, "US_EAST_1", frozenset({VPCE.upper()}))
OTHER = PrivateConnection("mongodb+srv://orders-pe-0.abcde.mongodb.net", "US_EAST_1", frozenset({"vpce-other"}))
STRING = {
    "clusterName": "orders",
    "connectionStringSrv": SRV,
    "endpointId": ENDPOINT,
    "providerName": "AWS",
    "region": "US_EAST_1",
}


@pytest.mark.parametrize(
    ("endpoint", "connections", "expected"),
    [
        pytest.param(None, (OWN,), None, id="nothing is known of an endpoint"),
        pytest.param(shown(), (OWN,), None, id="nothing is connected to the endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (), None, id="Atlas shows no string"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER,), None, id="Atlas shows that of another endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER, OWN), STRING, id="by its ID, in any letters"),
    ],
)
def test_connection_values(
    harness: Harness,
    endpoint: EndpointStatus | None,
    connections: tuple[PrivateConnection, ...],
    expected: Mapping[str, str] | None,
) -> None:
    resource = ServerlessPrivateEndpoint.parse(harness.create().body)
    assert connection_values(resource, endpoint, connections) == expected


async def test_the_connection_string_is_pending_until_atlas_shows_it_and_kept_afterwards(harness: Harness) -> None:
    harness.atlas.shown_connections = (OTHER,)
    harness.atlas.put(ENDPOINT, status="INITIATING", cloud_provider_endpoint_id=VPCE)
    resource = harness.create(cloudProviderEndpointId=VPCE, connectionStringConfigMapRef=REF)
    await harness.run_for(60)
    assert "STRINGS" not in harness.atlas.calls
    harness.atlas.put(ENDPOINT, status="AVAILABLE")
    await harness.run_for(120)
    assert resource.ready == ("True", "Available")
    assert outputs_written(resource) == ("Unknown", "Pending")
    assert harness.config_maps.calls == []

    harness.atlas.shown_connections = (OTHER, OWN)
    await harness.run_for(60)
    assert harness.config_maps.held(NAME) == STRING
    assert outputs_written(resource) == ("True", "Written")

    harness.atlas.shown_connections = (OTHER,)
    await harness.run_for(2 * INTERVAL)
    assert harness.config_maps.held(NAME) == STRING
    harness.atlas.shown_connections = (replace(OWN, srv="mongodb+srv://new.mongodb.net"),)
    await harness.run_for(2 * INTERVAL)
    assert harness.config_maps.held(NAME) == {**STRING, "connectionStringSrv": "mongodb+srv://new.mongodb.net"}


async def test_an_unreadable_connection_string_blocks_nothing_else(harness: Harness) -> None:
    harness.atlas.shown_connections = (OWN,)
    harness.atlas.go_down("STRINGS")
    resource = await settled(harness, connectionStringConfigMapRef={"name": "orders-string"})
    assert outputs_written(resource) == ("Unknown", "Pending")
    assert harness.config_maps.held(NAME) == HELD
    harness.atlas.come_back()
    await harness.run_for(60)
    assert harness.config_maps.held("orders-string") == STRING
    assert outputs_written(resource) == ("True", "Written")


async def test_a_settled_resource_reads_the_connection_string_once_in_each_interval(harness: Harness) -> None:
    harness.atlas.shown_connections = (OWN,)
    await settled(harness, connectionStringConfigMapRef={"name": "orders-string"})
    harness.atlas.calls.clear()
    await harness.run_for(5 * INTERVAL)
    assert harness.atlas.calls == ["LIST", "STRINGS"] * 5
    assert harness.writes == {}
