"""Resources that refer to other objects: what is sent to Atlas, and what the resource says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import UpdateRejectedError
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, SecretProblem, UnreadableError
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.spec import is_cloud_id
from unit.reconcile.harness import (
    ENDPOINT,
    GRACE,
    TARGET_LOOK,
    VPCE,
    Harness,
    Resource,
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
    return UnreadableError(ReferenceProblem.NOT_READY, message, retry_in=TARGET_LOOK)


async def connected(harness: Harness, **spec: Any) -> Resource:
    """A resource that is ready, with what it refers to."""
    harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE)
    harness.targets.held[OBJECT] = VPCE
    resource = harness.create(cloudProviderEndpointRef=ACK, **spec)
    await harness.settle()
    assert resource.ready == ("True", "Available")
    return resource


class TestResolving:
    async def test_the_id_is_read_from_the_known_field_and_sent(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        harness.targets.held[OBJECT] = VPCE
        resource = harness.create(cloudProviderEndpointRef=ACK)
        await harness.run_for(0)
        (target, age) = harness.targets.reads[0]
        assert target == ("shop", "ec2.services.k8s.aws", "v1alpha1", "VPCEndpoint", "vpc", ("status", "vpcEndpointID"))
        assert age is Age.RECENT
        assert harness.atlas.calls == ["LIST", CONNECT]
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        assert resource.status["resolved"]["cloudProviderEndpointId"] == VPCE
        assert resource.status["applied"] == {"generation": 1, "cloudProviderEndpointId": VPCE}
        assert resolved(resource) == ("True", "Resolved")

    async def test_a_private_endpoint_of_azure_is_sent_with_the_address_of_the_spec(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        harness.targets.held["PrivateEndpoint pe"] = AZURE_ID
        harness.create(providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddress="10.0.0.4")
        await harness.run_for(0)
        assert harness.targets.reads[0][0].path == ("status", "id")
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == AZURE_ID
        assert harness.atlas.endpoints[ENDPOINT].private_endpoint_ip_address == "10.0.0.4"

    async def test_an_address_is_read_from_a_config_map(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        harness.targets.held |= {"PrivateEndpoint pe": AZURE_ID, "ConfigMap address": "10.0.0.4"}
        resource = harness.create(providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddressFrom=FROM)
        await harness.run_for(0)
        assert harness.targets.reads[1][0] == ("shop", "", "v1", "ConfigMap", "address", ("data", "ip.v4"))
        assert harness.atlas.endpoints[ENDPOINT].private_endpoint_ip_address == "10.0.0.4"
        assert resource.status["resolved"]["privateEndpointIpAddress"] == "10.0.0.4"
        assert resource.status["applied"]["privateEndpointIpAddress"] == "10.0.0.4"

    @pytest.mark.parametrize(
        "address", [None, "10.0.0.4\n", "10.0.0", "10.0.0.4/24", "fe80::1%eth0", "::ffff:10.0.0.4"]
    )
    async def test_without_a_usable_address_nothing_of_the_connection_is_sent(
        self, harness: Harness, address: str | None
    ) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        if address is not None:
            harness.targets.held["ConfigMap address"] = address
        resource = harness.create(
            providerName="AZURE", cloudProviderEndpointId=AZURE_ID, privateEndpointIpAddressFrom=FROM
        )
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST"]
        assert resolved(resource) == ("False", "NotFound" if address is None else "FieldMissing")
        harness.targets.held["ConfigMap address"] = "10.0.0.4"
        await harness.run_for(60)
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == AZURE_ID

    @pytest.mark.parametrize("path", [".status.atProvider.id", "status.atProvider.id"])
    async def test_any_kind_works_with_a_field_path(self, harness: Harness, path: str) -> None:
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE)
        harness.targets.held["Endpoint e"] = VPCE
        reference = {"apiVersion": "ec2.aws.upbound.io/v1beta1", "kind": "Endpoint", "name": "e", "fieldPath": path}
        resource = harness.create(cloudProviderEndpointRef=reference)
        await harness.run_for(0)
        assert harness.targets.reads[0][0].path == ("status", "atProvider", "id")
        assert resource.ready == ("True", "Available")

    async def test_without_references_there_is_no_condition(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = harness.create()
        await harness.run_for(0)
        assert resource.condition("ReferencesResolved") is None
        assert harness.targets.reads == []

    async def test_the_condition_is_removed_with_the_last_reference(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.edit(resource, cloudProviderEndpointRef=None, cloudProviderEndpointId=VPCE)
        await harness.run_for(0)
        assert resource.ready == ("True", "Available")
        assert resource.condition("ReferencesResolved") is None
        assert CONNECT not in harness.atlas.calls, "to name what is there is no change"

    async def test_a_forced_sync_reads_references_again(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert [age for _, age in harness.targets.reads] == [Age.FRESH]

    async def test_a_suspended_resource_reads_nothing(self, harness: Harness) -> None:
        harness.create(cloudProviderEndpointRef=ACK, suspend=True)
        await harness.run_for(0)
        assert harness.targets.reads == []


class TestWaiting:
    async def test_a_reservation_shows_the_service_while_the_object_is_missing(self, harness: Harness) -> None:
        """The object may be waiting for that very name: to stop before would be to wait for each other."""
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = harness.create(cloudProviderEndpointRef=ACK)
        await harness.run_for(0)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert resource.message == (
            f"The endpoint is reserved; connect to the service {SERVICE}. There is no VPCEndpoint vpc."
        )
        harness.atlas.put(ENDPOINT, private_link_service_resource_id="/link")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert f"connect to /link with a manual connection named {SERVICE}. There is no VPCEndpoint" in resource.message
        assert resolved(resource) == ("False", "NotFound")
        assert resource.status["endpoint"]["endpointServiceName"] == SERVICE
        synced = resource.condition("Synced")
        assert synced is not None
        assert (synced["status"], synced["reason"]) == ("Unknown", "ReferenceNotReady")
        await harness.run_for(GRACE.total_seconds() * 10)
        assert pair(resource) == ["Reconciling"], "to make the other side may take long"

    async def test_it_connects_once_the_object_exists(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = harness.create(cloudProviderEndpointRef=ACK)
        await harness.run_for(60)
        harness.targets.held[OBJECT] = not_ready()
        await harness.run_for(60)
        assert resolved(resource) == ("False", "NotReady")
        assert CONNECT not in harness.atlas.calls
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(TARGET_LOOK)
        assert CONNECT in harness.atlas.calls
        assert resolved(resource) == ("True", "Resolved")
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE

    async def test_waiting_makes_no_more_calls_than_a_healthy_resource(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        resource = harness.create(cloudProviderEndpointRef=ACK)
        await harness.settle()
        await harness.run_for(3 * INTERVAL)
        assert harness.atlas.calls == ["LIST"] * 3
        assert harness.writes["db"] == 0
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert len(harness.targets.reads) == pytest.approx(3 * INTERVAL / TARGET_LOOK, abs=5)

    async def test_other_fields_are_managed_meanwhile(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVATION_REQUESTED")
        resource = harness.create(cloudProviderEndpointRef=ACK, comment="one")
        await harness.run_for(0)
        assert resource.ready == ("False", "ReservationRequested")
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        await harness.run_for(60)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert harness.atlas.endpoints[ENDPOINT].comment == "one"

    async def test_an_address_without_an_id_is_not_sent(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", provider_name="AZURE", endpoint_service_name="pls")
        resource = harness.create(
            providerName="AZURE", cloudProviderEndpointRef=ASO, privateEndpointIpAddress="10.0.0.4"
        )
        await harness.run_for(0)
        assert resource.ready == ("False", "WaitingForCloudEndpoint")
        assert harness.atlas.calls == ["LIST"]
        assert "privateEndpointIpAddress" not in resource.status["resolved"]

    @pytest.mark.parametrize("reason", [ReferenceProblem.KIND_NOT_ALLOWED, ReferenceProblem.FIELD_MISSING])
    async def test_a_problem_for_a_person_is_stalled_after_the_grace_period(
        self, harness: Harness, reason: ReferenceProblem
    ) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name=SERVICE)
        harness.targets.held[OBJECT] = UnreadableError(reason, "Mend it.", retry_in=60.0)
        resource = harness.create(cloudProviderEndpointRef=ACK)
        await harness.run_for(0)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message == "Mend it."
        assert resolved(resource) == ("False", reason)
        error = resource.status["lastError"]
        assert (error["operation"], error["errorCode"], error["retryable"]) == ("readReference", reason, True)
        assert pair(resource) == ["Reconciling"]
        await harness.run_for(GRACE.total_seconds())
        assert pair(resource) == ["Stalled"]
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(60)
        assert CONNECT in harness.atlas.calls
        assert "lastError" not in resource.status

    async def test_an_unreachable_api_server_changes_nothing(self, harness: Harness) -> None:
        resource = await connected(harness)
        before = resource.status
        harness.targets.held[OBJECT] = ClusterUnavailableError("away")  # type: ignore[assignment]  # raised as it is
        harness.annotate(resource, force_sync="now")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(harness.targets, "read", _raise)
            await harness.run_for(5)
        assert resource.status == before
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(60)
        assert resource.ready == ("True", "Available")


async def _raise(*_: object, **__: object) -> str:
    raise ClusterUnavailableError("away")


class TestChange:
    async def test_a_changed_value_is_sent_as_an_edit_with_the_resync(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.targets.held[OBJECT] = OTHER_VPCE
        await harness.run_for(INTERVAL)
        assert CONNECT in harness.atlas.calls
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.status["history"][0]["cause"] == "Edit"
        assert resource.ready == ("True", "Available")
        assert resource.status["resolved"]["cloudProviderEndpointId"] == OTHER_VPCE

    async def test_a_changed_value_is_sent_with_drift_policy_report(self, harness: Harness) -> None:
        resource = await connected(harness, driftPolicy="Report")
        harness.targets.held[OBJECT] = OTHER_VPCE
        await harness.run_for(INTERVAL)
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.ready == ("True", "Available")

    async def test_a_refused_value_is_reported_with_the_words_of_atlas(self, harness: Harness) -> None:
        """The generation is the same: still it is neither drift nor something that Atlas has stored otherwise."""
        resource = await connected(harness)
        harness.targets.held[OBJECT] = OTHER_VPCE
        harness.atlas.stores = refuses
        await harness.run_for(INTERVAL)
        for _ in range(3):
            assert resource.ready == ("False", "UpdateRejected")
            assert "cannot be changed once AVAILABLE" in resource.message
            assert "stored another value" not in resource.message
            assert resource.status["drift"] == [
                {"field": "cloudProviderEndpointId", "desired": OTHER_VPCE, "actual": VPCE}
            ]
            assert resource.status["lastError"]["fields"] == ["cloudProviderEndpointId"]
            await harness.run_for(INTERVAL)
        assert harness.atlas.calls.count(CONNECT) <= 4, "as seldom as a healthy resource is looked at"
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(INTERVAL)
        assert resource.ready == ("True", "Available")

    async def test_another_comment_is_sent_without_the_refused_id(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.targets.held[OBJECT] = OTHER_VPCE
        harness.atlas.stores = refuses
        await harness.run_for(INTERVAL)
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.endpoints[ENDPOINT].comment == "two"

    async def test_a_value_that_atlas_stores_differently_is_reported(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.targets.held[OBJECT] = OTHER_VPCE
        third = "vpce-0123456789abcdef2"
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"cloud_provider_endpoint_id": third})
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "UpdateRejected")
        assert "stored another value" in resource.message
        await harness.run_for(INTERVAL)
        assert harness.atlas.calls.count(CONNECT) == 1

    async def test_a_change_in_atlas_is_still_drift(self, harness: Harness) -> None:
        resource = await connected(harness, driftPolicy="Report")
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert CONNECT not in harness.atlas.calls

    async def test_a_change_in_atlas_is_drift_after_the_object_was_missing(self, harness: Harness) -> None:
        resource = await connected(harness, driftPolicy="Report")
        del harness.targets.held[OBJECT]
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "ReferenceNotReady")
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert CONNECT not in harness.atlas.calls

    async def test_a_value_whose_write_was_lost_is_sent_again(self, harness: Harness) -> None:
        resource = await connected(harness, driftPolicy="Report")
        harness.targets.held[OBJECT] = OTHER_VPCE
        harness.atlas.fail_once("PATCH", lost())
        await harness.run_for(INTERVAL + 120)
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE
        assert resource.ready == ("True", "Available")

    async def test_a_value_that_changes_during_a_restart_is_sent(self, harness: Harness) -> None:
        resource = await connected(harness, driftPolicy="Report")
        harness.targets.held[OBJECT] = OTHER_VPCE
        harness.restart()
        harness.enqueue_all()
        await harness.run_for(0)
        assert resource.status["history"][0]["cause"] == "Edit"
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE

    async def test_another_reference_is_resolved_at_once(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.targets.held["VPCEndpoint new"] = OTHER_VPCE
        harness.edit(resource, cloudProviderEndpointRef={**ACK, "name": "new"})
        await harness.run_for(0)
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == OTHER_VPCE


class TestLoss:
    async def test_a_deleted_object_changes_nothing_in_atlas_and_is_reported(self, harness: Harness) -> None:
        resource = await connected(harness, comment="one")
        del harness.targets.held[OBJECT]
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message == (f"There is no VPCEndpoint vpc. Until then, Atlas keeps the connection to {VPCE}.")
        assert resource.status["applied"]["cloudProviderEndpointId"] == VPCE
        assert "cloudProviderEndpointId" not in resource.status["resolved"]
        assert not [call for call in harness.atlas.calls if call.startswith("PATCH")]
        await harness.run_for(GRACE.total_seconds())
        assert pair(resource) == ["Stalled"]
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.endpoints[ENDPOINT].comment == "two"
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        harness.targets.held[OBJECT] = VPCE
        await harness.run_for(TARGET_LOOK)
        assert resource.ready == ("True", "Available")
        assert CONNECT not in harness.atlas.calls

    async def test_the_status_of_the_endpoint_has_precedence(self, harness: Harness) -> None:
        resource = await connected(harness)
        del harness.targets.held[OBJECT]
        harness.atlas.put(ENDPOINT, status="FAILED", endpoint_service_name=SERVICE, error_message="gone")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointFailed")
        assert resolved(resource) == ("False", "NotFound")
        assert CONNECT not in harness.atlas.calls

    async def test_an_outage_of_atlas_causes_no_further_reads(self, harness: Harness) -> None:
        await connected(harness)
        harness.atlas.go_down(error=unavailable())
        await harness.run_for(INTERVAL)
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert len(harness.targets.reads) < 30

    async def test_missing_credentials_keep_the_applied_values(self, harness: Harness) -> None:
        resource = await connected(harness)
        harness.secrets.found[None] = NoCredentialsError(SecretProblem.NOT_FOUND, "none", source=None, retry_in=30.0)
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.status["applied"]["cloudProviderEndpointId"] == VPCE
        harness.secrets.found[None] = "operator-1"
        await harness.run_for(60)
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
async def test_an_invalid_value_is_reported_without_its_text_and_never_sent(provider: str, value: str) -> None:
    if is_cloud_id(provider, value):  # type: ignore[arg-type]  # one of the two
        pytest.skip("it is one, of this cloud")
    await _is_not_sent(provider, value)


@given(st.sampled_from(["AWS", "AZURE"]), st.text() | st.text().map(lambda text: VPCE + text))
async def test_only_a_valid_id_is_ever_sent(provider: str, value: str) -> None:
    if value and not is_cloud_id(provider, value):  # type: ignore[arg-type]  # one of the two
        await _is_not_sent(provider, value)


async def _is_not_sent(provider: str, value: str) -> None:
    harness = Harness()
    harness.atlas.put(ENDPOINT, status="RESERVED", provider_name=provider, endpoint_service_name=SERVICE)
    harness.targets.held[OBJECT] = value
    address = {"privateEndpointIpAddress": "10.0.0.4"} if provider == "AZURE" else {}
    resource = harness.create(providerName=provider, cloudProviderEndpointRef=ACK, **address)
    await harness.run_for(0)
    assert harness.atlas.calls == ["LIST"]
    assert resource.ready == ("False", "ReferenceNotReady")
    assert resolved(resource) == ("False", "FieldMissing")
    assert len(value) < 20 or value not in resource.message
    assert ".status.vpcEndpointID of VPCEndpoint vpc is not" in resource.message


async def test_another_cause_starts_a_new_grace_period_and_stalled_stays(harness: Harness) -> None:
    resource = await connected(harness)
    del harness.targets.held[OBJECT]
    await harness.run_for(INTERVAL + 200)
    assert (resolved(resource), pair(resource)) == (("False", "NotFound"), ["Stalled"])
    first = resource.status["lastError"]["since"]
    harness.targets.held[OBJECT] = not_ready()
    await harness.run_for(INTERVAL)
    assert (resolved(resource), pair(resource)) == (("False", "NotReady"), ["Stalled"])
    assert resource.status["lastError"]["since"] > first
