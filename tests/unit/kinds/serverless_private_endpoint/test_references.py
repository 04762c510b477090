"""Stories about resources that refer to other objects: what is sent to Atlas, and what the resource says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint.model import is_cloud_id
from unit.kinds.serverless_private_endpoint.world import (
    ENDPOINT,
    GRACE,
    TARGET_LOOK,
    VPCE,
    Resource,
    World,
    lost,
    unavailable,
)

OTHER_VPCE = "vpce-0123456789abcdef1"
AZURE_ID = (
    "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe"
)
ACK = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"}
ASO = {"apiVersion": "network.azure.com/v1api20240301", "kind": "PrivateEndpoint", "name": "pe"}
FROM = {"configMapKeyRef": {"name": "address", "key": "ip.v4"}}
OBJECT = "VPCEndpoint vpc"
SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
INTERVAL = 600.0
CONNECT = "PATCH cloudProviderEndpointId"


def resolved(resource: Resource) -> tuple[str, str]:
    found = resource.condition("ReferencesResolved")
    return (found["status"], found["reason"]) if found else ("", "")


def pair(resource: Resource) -> list[str]:
    return [each for each in ("Reconciling", "Stalled") if resource.condition(each)]


def not_ready(message: str = "VPCEndpoint vpc has no .status.vpcEndpointID yet.") -> UnreadableError:
    return UnreadableError("NotReady", message, retry_in=TARGET_LOOK)


async def connected(world: World, **spec: Any) -> Resource:
    """A resource that is ready, with what it refers to."""
    world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE)
    world.targets.held[OBJECT] = VPCE
    resource = world.create(cloudProviderEndpointRef=ACK, **spec)
    await world.settle()
    assert resource.ready == ("True", "Available")
    return resource


class TestResolving:
    async def test_the_id_is_taken_from_the_field_of_its_kind_and_sent(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        world.targets.held[OBJECT] = VPCE
        resource = world.create(cloudProviderEndpointRef=ACK)
        await world.run_for(0)
        (target, age) = world.targets.reads[0]
        assert target == ("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "vpc", ("status", "vpcEndpointID"))
        assert age is Age.RECENT
        assert world.atlas.calls == ["LIST", CONNECT]
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        assert resource.status["resolved"]["cloudProviderEndpointId"] == VPCE
        assert resource.status["applied"] == {"generation": 1, "cloudProviderEndpointId": VPCE}
        assert resolved(resource) == ("True", "Resolved")

    async def test_a_private_endpoint_of_azure_is_sent_with_the_address_of_the_spec(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        world.targets.held["PrivateEndpoint pe"] = AZURE_ID
        world.create(providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddress="10.0.0.4")
        await world.run_for(0)
        assert world.targets.reads[0][0].path == ("status", "id")
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == AZURE_ID
        assert world.atlas.endpoints[ENDPOINT].private_endpoint_ip_address == "10.0.0.4"

    async def test_an_address_is_taken_from_a_config_map(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        world.targets.held |= {"PrivateEndpoint pe": AZURE_ID, "ConfigMap address": "10.0.0.4"}
        resource = world.create(providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddressFrom=FROM)
        await world.run_for(0)
        assert world.targets.reads[1][0] == ("shop", "", "v1", "ConfigMap", "address", ("data", "ip.v4"))
        assert world.atlas.endpoints[ENDPOINT].private_endpoint_ip_address == "10.0.0.4"
        assert resource.status["resolved"]["privateEndpointIpAddress"] == "10.0.0.4"
        assert resource.status["applied"]["privateEndpointIpAddress"] == "10.0.0.4"

    @pytest.mark.parametrize(
        "address", [None, "10.0.0.4\n", "10.0.0", "10.0.0.4/24", "fe80::1%eth0", "::ffff:10.0.0.4"]
    )
    async def test_without_a_usable_address_nothing_of_the_connection_is_sent(
        self, world: World, address: str | None
    ) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        if address is not None:
            world.targets.held["ConfigMap address"] = address
        resource = world.create(
            providerName="AZURE", cloudProviderEndpointId=AZURE_ID, privateEndpointIpAddressFrom=FROM
        )
        await world.run_for(0)
        assert world.atlas.calls == ["LIST"]
        assert resolved(resource) == ("False", "NotFound" if address is None else "FieldMissing")
        world.targets.held["ConfigMap address"] = "10.0.0.4"
        await world.run_for(60)
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == AZURE_ID

    @pytest.mark.parametrize("path", [".status.atProvider.id", "status.atProvider.id"])
    async def test_any_kind_will_do_with_the_path_of_its_field(self, world: World, path: str) -> None:
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE)
        world.targets.held["Endpoint e"] = VPCE
        reference = {"apiVersion": "ec2.aws.upbound.io/v1beta1", "kind": "Endpoint", "name": "e", "fieldPath": path}
        resource = world.create(cloudProviderEndpointRef=reference)
        await world.run_for(0)
        assert world.targets.reads[0][0].path == ("status", "atProvider", "id")
        assert resource.ready == ("True", "Available")

    async def test_a_resource_that_refers_to_nothing_says_nothing_about_it(self, world: World) -> None:
        world.atlas.put(ENDPOINT)
        resource = world.create()
        await world.run_for(0)
        assert resource.condition("ReferencesResolved") is None
        assert world.targets.reads == []

    async def test_nor_does_one_that_does_not_any_more(self, world: World) -> None:
        resource = await connected(world)
        world.edit(resource, cloudProviderEndpointRef=None, cloudProviderEndpointId=VPCE)
        await world.run_for(0)
        assert resource.ready == ("True", "Available")
        assert resource.condition("ReferencesResolved") is None
        assert CONNECT not in world.atlas.calls, "to name what is there is no change"

    async def test_what_a_person_asks_for_by_force_is_read_afresh(self, world: World) -> None:
        resource = await connected(world)
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert [age for _, age in world.targets.reads] == [Age.FRESH]

    async def test_a_suspended_resource_reads_nothing(self, world: World) -> None:
        world.create(cloudProviderEndpointRef=ACK, suspend=True)
        await world.run_for(0)
        assert world.targets.reads == []


class TestWaiting:
    async def test_a_reservation_shows_the_service_while_the_object_is_not_there(self, world: World) -> None:
        """The object may be waiting for that very name: to stop before would be to wait for each other."""
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = world.create(cloudProviderEndpointRef=ACK)
        await world.run_for(0)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert resource.message == (
            f"The endpoint is reserved; the service to connect to is {SERVICE}. There is no VPCEndpoint vpc."
        )
        assert resolved(resource) == ("False", "NotFound")
        assert resource.status["endpoint"]["endpointServiceName"] == SERVICE
        synced = resource.condition("Synced")
        assert synced is not None
        assert (synced["status"], synced["reason"]) == ("Unknown", "ReferenceNotReady")
        await world.run_for(GRACE.total_seconds() * 10)
        assert pair(resource) == ["Reconciling"], "to make the other side may take long"

    async def test_it_connects_by_itself_once_the_object_is_there(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = world.create(cloudProviderEndpointRef=ACK)
        await world.run_for(60)
        world.targets.held[OBJECT] = not_ready()
        await world.run_for(60)
        assert resolved(resource) == ("False", "NotReady")
        assert CONNECT not in world.atlas.calls
        world.targets.held[OBJECT] = VPCE
        await world.run_for(TARGET_LOOK)
        assert CONNECT in world.atlas.calls
        assert resolved(resource) == ("True", "Resolved")
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE

    async def test_waiting_asks_atlas_no_more_often_than_a_healthy_resource_does(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = world.create(cloudProviderEndpointRef=ACK)
        await world.settle()
        await world.run_for(3 * INTERVAL)
        assert world.atlas.calls == ["LIST"] * 3
        assert world.writes["db"] == 0
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert len(world.targets.reads) == pytest.approx(3 * INTERVAL / TARGET_LOOK, abs=5)

    async def test_what_is_known_of_the_endpoint_goes_on_meanwhile(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVATION_REQUESTED")
        resource = world.create(cloudProviderEndpointRef=ACK, comment="one")
        await world.run_for(0)
        assert resource.ready == ("False", "ReservationRequested")
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        await world.run_for(60)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert world.atlas.endpoints[ENDPOINT].comment == "one"

    async def test_an_address_alone_connects_nothing(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        resource = world.create(providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddress="10.0.0.4")
        await world.run_for(0)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert world.atlas.calls == ["LIST"]
        assert "privateEndpointIpAddress" not in resource.status["resolved"]

    @pytest.mark.parametrize("reason", ["KindNotAllowed", "FieldMissing"])
    async def test_what_only_a_person_can_mend_is_stalled_after_the_grace(self, world: World, reason: str) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        world.targets.held[OBJECT] = UnreadableError(reason, "Mend it.", retry_in=60.0)
        resource = world.create(cloudProviderEndpointRef=ACK)
        await world.run_for(0)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message == "Mend it."
        assert resolved(resource) == ("False", reason)
        error = resource.status["lastError"]
        assert (error["operation"], error["errorCode"], error["retryable"]) == ("readReference", reason, True)
        assert pair(resource) == ["Reconciling"]
        await world.run_for(GRACE.total_seconds())
        assert pair(resource) == ["Stalled"]
        world.targets.held[OBJECT] = VPCE
        await world.run_for(60)
        assert CONNECT in world.atlas.calls
        assert "lastError" not in resource.status

    async def test_an_api_server_that_is_away_is_no_answer(self, world: World) -> None:
        resource = await connected(world)
        before = resource.status
        world.targets.held[OBJECT] = ClusterUnavailableError("away")  # type: ignore[assignment]  # raised as it is
        world.annotate(resource, force_sync="now")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.targets, "read", _raise)
            await world.run_for(5)
        assert resource.status == before
        world.targets.held[OBJECT] = VPCE
        await world.run_for(60)
        assert resource.ready == ("True", "Available")


async def _raise(*_: object, **__: object) -> str:
    raise ClusterUnavailableError("away")


class TestChange:
    async def test_a_changed_value_is_noticed_with_the_resync_and_sent_as_an_edit(self, world: World) -> None:
        resource = await connected(world)
        world.targets.held[OBJECT] = OTHER_VPCE
        await world.run_for(INTERVAL)
        assert CONNECT in world.atlas.calls
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.status["history"][0]["cause"] == "Edit"
        assert resource.ready == ("True", "Available")
        assert resource.status["resolved"]["cloudProviderEndpointId"] == OTHER_VPCE

    async def test_it_is_sent_where_drift_is_only_reported(self, world: World) -> None:
        resource = await connected(world, driftPolicy="Report")
        world.targets.held[OBJECT] = OTHER_VPCE
        await world.run_for(INTERVAL)
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.ready == ("True", "Available")

    async def test_one_that_atlas_refuses_is_told_in_its_words_and_not_as_something_else(self, world: World) -> None:
        """The generation is the same: still it is neither drift nor something that Atlas has stored otherwise."""
        resource = await connected(world)
        world.targets.held[OBJECT] = OTHER_VPCE
        world.atlas.stores = refuses
        await world.run_for(INTERVAL)
        for _ in range(3):
            assert resource.ready == ("False", "UpdateRejected")
            assert "cannot be changed once AVAILABLE" in resource.message
            assert "stored something else" not in resource.message
            assert resource.status["drift"] == [
                {"field": "cloudProviderEndpointId", "desired": OTHER_VPCE, "actual": VPCE}
            ]
            assert resource.status["lastError"]["fields"] == ["cloudProviderEndpointId"]
            await world.run_for(INTERVAL)
        assert world.atlas.calls.count(CONNECT) <= 4, "as seldom as a healthy resource is looked at"
        world.targets.held[OBJECT] = VPCE
        await world.run_for(INTERVAL)
        assert resource.ready == ("True", "Available")

    async def test_another_comment_goes_without_the_refused_id(self, world: World) -> None:
        resource = await connected(world)
        world.targets.held[OBJECT] = OTHER_VPCE
        world.atlas.stores = refuses
        await world.run_for(INTERVAL)
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.endpoints[ENDPOINT].comment == "two"

    async def test_a_value_that_atlas_stores_otherwise_is_told_so(self, world: World) -> None:
        resource = await connected(world)
        world.targets.held[OBJECT] = OTHER_VPCE
        third = "vpce-0123456789abcdef2"
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"cloud_provider_endpoint_id": third})
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "UpdateRejected")
        assert "stored something else" in resource.message
        await world.run_for(INTERVAL)
        assert world.atlas.calls.count(CONNECT) == 1

    async def test_what_somebody_changes_in_atlas_is_still_drift(self, world: World) -> None:
        resource = await connected(world, driftPolicy="Report")
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert CONNECT not in world.atlas.calls

    async def test_and_is_drift_also_after_the_object_was_away(self, world: World) -> None:
        resource = await connected(world, driftPolicy="Report")
        del world.targets.held[OBJECT]
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "ReferenceNotReady")
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        world.targets.held[OBJECT] = VPCE
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert CONNECT not in world.atlas.calls

    async def test_one_whose_write_was_lost_is_sent_again(self, world: World) -> None:
        resource = await connected(world, driftPolicy="Report")
        world.targets.held[OBJECT] = OTHER_VPCE
        world.atlas.fail_once("PATCH", lost())
        await world.run_for(INTERVAL + 120)
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.ready == ("True", "Available")

    async def test_one_that_changes_between_two_processes_is_sent_by_the_second(self, world: World) -> None:
        resource = await connected(world, driftPolicy="Report")
        world.targets.held[OBJECT] = OTHER_VPCE
        world.restart()
        world.see_all()
        await world.run_for(0)
        assert resource.status["history"][0]["cause"] == "Edit"
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE

    async def test_another_reference_is_followed_at_once(self, world: World) -> None:
        resource = await connected(world)
        world.targets.held["VPCEndpoint new"] = OTHER_VPCE
        world.edit(resource, cloudProviderEndpointRef={**ACK, "name": "new"})
        await world.run_for(0)
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE


class TestLoss:
    async def test_an_object_that_goes_leaves_atlas_as_it_is_and_is_told(self, world: World) -> None:
        resource = await connected(world, comment="one")
        del world.targets.held[OBJECT]
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message == (f"There is no VPCEndpoint vpc. Until then Atlas keeps its connection to {VPCE}.")
        assert resource.status["applied"]["cloudProviderEndpointId"] == VPCE
        assert "cloudProviderEndpointId" not in resource.status["resolved"]
        assert not [call for call in world.atlas.calls if call.startswith("PATCH")]
        await world.run_for(GRACE.total_seconds())
        assert pair(resource) == ["Stalled"]
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.endpoints[ENDPOINT].comment == "two"
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        world.targets.held[OBJECT] = VPCE
        await world.run_for(TARGET_LOOK)
        assert resource.ready == ("True", "Available")
        assert CONNECT not in world.atlas.calls

    async def test_what_atlas_does_meanwhile_is_more_urgent(self, world: World) -> None:
        resource = await connected(world)
        del world.targets.held[OBJECT]
        world.atlas.put(ENDPOINT, status="FAILED", endpoint_service_name=SERVICE, error_message="gone")
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointFailed")
        assert resolved(resource) == ("False", "NotFound")
        assert CONNECT not in world.atlas.calls

    async def test_an_atlas_that_is_away_is_no_reason_to_read_it_over_and_over(self, world: World) -> None:
        await connected(world)
        world.atlas.go_down(error=unavailable())
        await world.run_for(INTERVAL)
        world.reset_log()
        await world.run_for(INTERVAL)
        assert len(world.targets.reads) < 30

    async def test_missing_credentials_are_told_and_keep_what_was_known(self, world: World) -> None:
        resource = await connected(world)
        world.secrets.found[None] = NoCredentialsError("SecretNotFound", "none", source=None, retry_in=30.0)
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.status["applied"]["cloudProviderEndpointId"] == VPCE
        world.secrets.found[None] = "operator-1"
        await world.run_for(60)
        assert resource.ready == ("True", "Available")


def refuses(endpoint: Endpoint) -> Endpoint:
    """Refuse another connection, as Atlas does once an endpoint is AVAILABLE."""
    if endpoint.cloud_provider_endpoint_id != VPCE:
        raise UpdateRejectedError(
            "Atlas refuses the change. Atlas says: cloudProviderEndpointId cannot be changed once AVAILABLE",
            operation="updateServerlessPrivateEndpoint",
            http_status=400,
            error_code="INVALID_ATTRIBUTE",
            detail="cloudProviderEndpointId cannot be changed once AVAILABLE",
        )
    return endpoint


HOSTILE = (
    "../../secrets/x",
    "vpce-../..",
    f"{VPCE}\n",
    f"{VPCE}/../x",
    f" {VPCE}",
    VPCE.upper(),
    "vpce-\u202e0123456789abcdef",
    "x" * 1000,
    AZURE_ID,
    f"{AZURE_ID}/",
    f"{AZURE_ID}\x00",
    AZURE_ID + "p" * 300,
)


@pytest.mark.parametrize("provider", ["AWS", "AZURE"])
@pytest.mark.parametrize("value", HOSTILE)
async def test_a_value_that_is_none_is_told_without_being_shown_and_never_sent(provider: str, value: str) -> None:
    if is_cloud_id(provider, value):  # type: ignore[arg-type]  # one of the two
        pytest.skip("it is one, of this cloud")
    await _is_not_sent(provider, value)


@given(st.sampled_from(["AWS", "AZURE"]), st.text() | st.text().map(lambda text: VPCE + text))
async def test_whatever_an_object_holds_only_an_id_is_ever_sent(provider: str, value: str) -> None:
    if value and not is_cloud_id(provider, value):  # type: ignore[arg-type]  # one of the two
        await _is_not_sent(provider, value)


async def _is_not_sent(provider: str, value: str) -> None:
    world = World()
    world.atlas.put(ENDPOINT, status="RESERVED", provider_name=provider, endpoint_service_name=SERVICE)
    world.targets.held[OBJECT] = value
    address = {"privateEndpointIpAddress": "10.0.0.4"} if provider == "AZURE" else {}
    resource = world.create(providerName=provider, cloudProviderEndpointRef=ACK, **address)
    await world.run_for(0)
    assert world.atlas.calls == ["LIST"]
    assert resource.ready == ("False", "ReferenceNotReady")
    assert resolved(resource) == ("False", "FieldMissing")
    assert len(value) < 20 or value not in resource.message
    assert ".status.vpcEndpointID of VPCEndpoint vpc does not hold" in resource.message


async def test_another_cause_begins_anew_and_what_is_stalled_stays_so(world: World) -> None:
    resource = await connected(world)
    del world.targets.held[OBJECT]
    await world.run_for(INTERVAL + 200)
    assert (resolved(resource), pair(resource)) == (("False", "NotFound"), ["Stalled"])
    first = resource.status["lastError"]["since"]
    world.targets.held[OBJECT] = not_ready()
    await world.run_for(INTERVAL)
    assert (resolved(resource), pair(resource)) == (("False", "NotReady"), ["Stalled"])
    assert resource.status["lastError"]["since"] > first
