"""What a DedicatedPrivateEndpoint stands for, what is compared, and what its status shows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    DedicatedPrivateEndpoint,
    DedicatedStatus,
    Endpoint,
    EndpointStatus,
    RemoteRegions,
    Service,
    ServiceStatus,
    gcp_endpoints_text,
)
from atlas_endpoints.reconcile.spec import InvalidSpecError
from support.cases import DEDICATED, manifest

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SERVICE, VPCE = "5f7cac1adf5d6c6306f4b283", "vpce-0123456789abcdef0"
AZURE_ID = manifest("AZURE_CONNECTED", kind=DEDICATED)["spec"]["cloudProviderEndpointId"]
REF = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "orders"}
GROUP = {
    "projectId": "my-project-1",
    "portMappingEnabled": False,
    "endpointGroupName": "orders",
    "endpoints": [{"name": "orders-1", "ipAddress": "10.0.0.6"}, {"name": "orders-0", "ipAddress": "fd00:0::5"}],
}
RULE = {"cloudProviderEndpointId": "orders", "privateEndpointIpAddress": "10.0.0.4"}


def body(base: str = "AWS", spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    made = manifest(base, spec, kind=DEDICATED)
    metadata = {"namespace": "default", "uid": "0c2cbb4e", "generation": 1, "resourceVersion": "7"}
    return made | {"metadata": metadata | made["metadata"], "status": {"observedGeneration": 1, **status}}


def resource(base: str = "AWS", spec: dict[str, Any] | None = None, **status: Any) -> DedicatedPrivateEndpoint:
    return DedicatedPrivateEndpoint.parse(body(base, spec, **status))


READY: dict[str, Any] = {"service": {"id": SERVICE}}
RESOLVED: dict[str, Any] = {"resolved": {"cloudProviderEndpointId": VPCE}}
ENTRIES = [
    pytest.param(body("AWS"), None, id="nothing is known"),
    pytest.param(body("AWS", **READY), None, id="the service alone"),
    pytest.param(body("AWS", {"cloudProviderEndpointId": VPCE}), None, id="the private endpoint alone"),
    pytest.param(body("AWS", {"cloudProviderEndpointId": VPCE}, **READY), f"{SERVICE}/{VPCE}", id="both"),
    pytest.param(body("AZURE_CONNECTED", **READY), f"{SERVICE}/{AZURE_ID}", id="the ID as it is written"),
    pytest.param(body("GCP", RULE, **READY), f"{SERVICE}/orders", id="a forwarding rule"),
    pytest.param(body("GCP_LEGACY", {"gcp": GROUP}, **READY), f"{SERVICE}/orders", id="a group"),
    pytest.param(body("GCP"), None, id="the service with port mapping"),
    pytest.param(body("GCP_LEGACY"), None, id="the service without port mapping"),
    pytest.param(body("AWS", {"cloudProviderEndpointRef": REF}, **READY, **RESOLVED), f"{SERVICE}/{VPCE}", id="what a reference resolved to"),
    pytest.param(body("AWS", {"cloudProviderEndpointRef": REF}, **READY), None, id="a reference that leads nowhere"),
    pytest.param(body("AWS", **READY, **RESOLVED), None, id="a private endpoint that was removed"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "entry"), ENTRIES)
def test_the_entry_is_that_of_the_plain_object(given: dict[str, Any], entry: str | None) -> None:
    parsed = DedicatedPrivateEndpoint.parse(given)
    assert parsed.entry == entry
    assert KIND.entry_of(given) == entry


@pytest.mark.parametrize(
    "given", [{}, {"spec": 7, "status": []}, {"spec": {"gcp": []}, "status": {"service": {"id": 5}}}]
)
def test_an_object_of_any_shape_has_no_entry(given: dict[str, Any]) -> None:
    assert KIND.entry_of(given) is None


@pytest.mark.parametrize(
    ("base", "spec", "desired"),
    [
        ("AWS", {}, {}),
        ("AWS", {"cloudProviderEndpointId": VPCE}, {"cloudProviderEndpointId": VPCE}),
        ("AZURE_CONNECTED", {}, {"cloudProviderEndpointId": AZURE_ID, "privateEndpointIpAddress": "10.0.0.4"}),
        ("GCP", RULE, RULE),
        ("GCP_LEGACY", {"gcp": GROUP}, {"cloudProviderEndpointId": "orders", "gcpEndpoints": "orders-0=fd00::5,orders-1=10.0.0.6"}),
        ("GCP_LEGACY", {}, {}),
    ],
)  # fmt: skip
def test_what_is_compared(base: str, spec: dict[str, Any], desired: dict[str, str]) -> None:
    assert resource(base, spec).spec.desired == desired


SHOWN = [
    pytest.param(("AWS", {"cloudProviderEndpointId": VPCE}), Endpoint(id=VPCE), {"cloudProviderEndpointId": VPCE}, id="AWS"),
    pytest.param(
        ("AZURE_CONNECTED", {}),
        Endpoint(id=AZURE_ID.upper(), private_endpoint_ip_address="10.0.0.5"),
        {"cloudProviderEndpointId": AZURE_ID.upper(), "privateEndpointIpAddress": "10.0.0.5"},
        id="Azure",
    ),
    pytest.param(
        ("GCP", RULE),
        Endpoint(id="orders", rules={"orders": "10.0.0.4"}),
        RULE,
        id="Google Cloud",
    ),
    pytest.param(
        ("GCP_LEGACY", {"gcp": GROUP}),
        Endpoint(id="orders", rules={"orders-1": "10.0.0.6", "orders-0": "fd00::5"}),
        {"cloudProviderEndpointId": "orders", "gcpEndpoints": "orders-0=fd00::5,orders-1=10.0.0.6"},
        id="Google Cloud without port mapping",
    ),
    pytest.param(("AWS", {}), Service(id=SERVICE), {}, id="a service has no managed fields"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "value", "shown"), SHOWN)
def test_what_atlas_shows(given: tuple[str, dict[str, Any]], value: Service | Endpoint, shown: dict[str, str]) -> None:
    found = resource(*given).shown(value)
    assert {field: text for field, text in found.items() if text is not None} == shown


@pytest.mark.parametrize(
    ("field", "one", "other", "same"),
    [
        ("cloudProviderEndpointId", AZURE_ID, AZURE_ID.upper(), True),
        ("cloudProviderEndpointId", VPCE, "vpce-1123456789abcdef0", False),
        ("privateEndpointIpAddress", "fd00::4", "FD00:0:0::4", True),
        ("privateEndpointIpAddress", "10.0.0.4", "10.0.0.5", False),
        ("privateEndpointIpAddress", None, "", True),
        ("gcpEndpoints", "a=10.0.0.4", "a=10.0.0.4", True),
        ("gcpEndpoints", "a=10.0.0.4", None, False),
    ],
)
def test_values_are_compared_by_meaning(field: str, one: str | None, other: str | None, same: bool) -> None:
    assert resource().same(field, one, other) is same
    assert resource().same(field, other, one) is same


def test_many_forwarding_rules_still_fit_into_a_status_and_differ() -> None:
    many = {f"a-forwarding-rule-{number}": f"10.0.0.{number}" for number in range(100)}
    text, other = gcp_endpoints_text(many), gcp_endpoints_text(many | {"a-forwarding-rule-7": "10.0.1.7"})
    assert text.startswith("100 forwarding rules, sha256:")
    assert text != other
    assert gcp_endpoints_text(dict(reversed(many.items()))) == text
    assert EndpointStatus(id="orders", gcp_endpoints=text).gcp_endpoints == text


def test_another_text_of_a_failure_changes_no_decision() -> None:
    one, other = (
        Endpoint(id=VPCE, status="REJECTED", error_message="a"),
        Endpoint(id=VPCE, status="REJECTED", error_message="b"),
    )
    assert resource().basis(one) == resource().basis(other)
    assert resource().basis(Endpoint(id=VPCE, status="AVAILABLE")) != resource().basis(one)


@pytest.mark.parametrize(("status", "bound"), [({}, False), (RESOLVED, False), (READY, True)])
def test_a_resource_is_bound_to_its_project_by_a_service(status: dict[str, Any], bound: bool) -> None:
    assert resource(**status).is_bound is bound


COMPUTE_ADDRESS = {"apiVersion": "compute.cnrm.cloud.google.com/v1beta1", "kind": "ComputeAddress", "name": "orders"}


@pytest.mark.parametrize(
    ("source", "kind", "path"),
    [
        ({"configMapKeyRef": {"name": "orders-address", "key": "ip"}}, "ConfigMap", ("data", "ip")),
        ({"objectRef": COMPUTE_ADDRESS}, "ComputeAddress", ("status", "observedState", "address")),
        ({"objectRef": {**COMPUTE_ADDRESS, "fieldPath": ".spec.address"}}, "ComputeAddress", ("spec", "address")),
    ],
)
def test_references_lead_to_the_private_endpoint_and_to_its_address(
    source: dict[str, Any], kind: str, path: tuple[str, ...]
) -> None:
    spec = {
        "cloudProviderEndpointRef": {
            "apiVersion": "compute.cnrm.cloud.google.com/v1beta1",
            "kind": "ComputeForwardingRule",
            "name": "orders",
            "fieldPath": ".metadata.name",
        },
        "privateEndpointIpAddressFrom": source,
    }
    rule, address = resource("GCP", spec).references
    assert (rule.field, rule.target.kind, rule.target.path) == (
        "cloud_provider_endpoint_id",
        "ComputeForwardingRule",
        ("metadata", "name"),
    )
    assert rule.is_valid("orders")
    assert not rule.is_valid("Orders")
    assert "forwarding rule" in rule.expected
    assert (address.field, address.target.kind, address.target.path) == ("private_endpoint_ip_address", kind, path)


def test_a_status_of_another_version_is_read_as_far_as_it_is_readable() -> None:
    raw = {
        "service": {
            "id": SERVICE,
            "origin": "Found",
            "remoteRegions": {"added": ["EU_WEST_2"], "confirmed": ["EU_WEST_2"]},
        },
        "registrations": [{"serviceId": "x"}],
    }
    read = DedicatedStatus.parse(raw, now=NOON + timedelta(days=1))
    assert read == DedicatedStatus(
        service=ServiceStatus(id=SERVICE, remote_regions=RemoteRegions(confirmed=("EU_WEST_2",)))
    )


def test_a_problem_names_the_item_of_a_list_as_the_api_server_does() -> None:
    with pytest.raises(InvalidSpecError) as refusal:
        resource(spec={"supportedRemoteRegions": ["us-east-1", "eu west 2", 7]})
    assert [problem.split(": ")[0] for problem in refusal.value.problems] == [
        "spec.supportedRemoteRegions[1]",
        "spec.supportedRemoteRegions[2]",
    ]
