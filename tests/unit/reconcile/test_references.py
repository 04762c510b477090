"""What a reference may lead to: only what can be an id or an address is ever sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.kinds.cloud_endpoint import is_cloud_id
from atlas_endpoints.reconcile.spec import is_object_id
from unit.reconcile.cases import CONSTANTS
from unit.reconcile.harness import ENDPOINT, VPCE, Harness

AZURE_ID = CONSTANTS["AZURE_ID"]
HOSTILE = (
    *("../../secrets/x", "vpce-../..", f"{VPCE}\n", f"{VPCE}/../x", f" {VPCE}", VPCE.upper(), "x" * 1000, AZURE_ID),
    *("vpce-\u202e0123456789abcdef", f"{AZURE_ID}/", f"{AZURE_ID}\x00", AZURE_ID + "p" * 300),
)


@pytest.mark.parametrize("value", HOSTILE)
async def test_an_invalid_value_is_reported_without_its_text_and_never_sent(value: str) -> None:
    for provider in ("AWS", "AZURE"):
        await check_cloud_id(provider, value)


@given(st.sampled_from(["AWS", "AZURE"]), st.text(min_size=1) | st.text().map(lambda text: VPCE + text))
async def test_only_a_valid_cloud_id_is_ever_sent(provider: str, value: str) -> None:
    await check_cloud_id(provider, value)


async def check_cloud_id(provider: str, value: str) -> None:
    if is_cloud_id(provider, value):  # type: ignore[arg-type]  # one of the two
        return
    harness = Harness()
    harness.atlas.put(ENDPOINT, status="RESERVED", provider_name=provider, endpoint_service_name="svc")
    harness.targets.held["VPCEndpoint vpc"] = value
    address = {"privateEndpointIpAddress": "10.0.0.4"} if provider == "AZURE" else {}
    resource = harness.create(providerName=provider, cloudProviderEndpointRef=CONSTANTS["REF"], **address)
    await harness.run_for(0)
    assert harness.atlas.calls == ["LIST"]
    assert resource.ready == ("False", "ReferenceNotReady")
    assert (resource.condition("ReferencesResolved") or {})["reason"] == "FieldMissing"
    assert len(value) < 20 or value not in resource.message
    assert ".status.vpcEndpointID of VPCEndpoint vpc" in resource.message


@given(st.text(min_size=1) | st.text("0123456789abcdefA/\n", min_size=22, max_size=26))
async def test_only_a_valid_project_id_is_ever_used(value: str) -> None:
    if is_object_id(value):
        return
    harness = Harness()
    harness.targets.held["AtlasProject orders"] = value
    resource = harness.create(endpoint_id=None, projectId=None, projectRef={"name": "orders"})
    await harness.run_for(0)
    assert harness.atlas.calls == []
    assert (resource.condition("ReferencesResolved") or {})["reason"] == "FieldMissing"
    assert ".status.id of AtlasProject orders" in resource.message
    assert len(value) < 20 or value not in resource.message
