"""What a DataFederationPrivateEndpoint stands for, what is compared, what its ConfigMaps contain, and what an import writes."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.drafts import Draft, drafts_of
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import IMPORTER, KIND
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import (
    DataFederationPrivateEndpoint,
    DataFederationStatus,
    EndpointStatus,
)
from atlas_endpoints.kinds.data_federation_private_endpoint.service_names import doubt, service_name
from atlas_endpoints.kinds.importer import Found, LeftOut, Options
from atlas_endpoints.reconcile.compare import compare
from support.cases import DATA_FEDERATION, PROJECT, manifest

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
VPCE, OTHER = "vpce-0123456789abcdef0", "vpce-1123456789abcdef0"
AZURE_ID = manifest("AZURE_CONNECTED", kind=DATA_FEDERATION)["spec"]["cloudProviderEndpointId"]
ACK = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "orders"}
ID, DNS, IP, REGION = "cloudProviderEndpointId", "customerEndpointDnsName", "privateEndpointIpAddress", "region"
SERVICE = "com.amazonaws.vpce.eu-west-1.vpce-svc-0824460b72e1a420e"
NAME = f"{VPCE}-abcdefgh.vpce-svc-0824460b72e1a420e.eu-west-1.vpce.amazonaws.com"


def body(base: str = "AWS", spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    made = manifest(base, spec, kind=DATA_FEDERATION)
    metadata = {"namespace": "default", "uid": "0c2cbb4e", "generation": 1, "resourceVersion": "7"}
    return made | {"metadata": metadata | made["metadata"], "status": {"observedGeneration": 1, **status}}


def resource(base: str = "AWS", spec: dict[str, Any] | None = None, **status: Any) -> DataFederationPrivateEndpoint:
    return DataFederationPrivateEndpoint.parse(body(base, spec, **status))


RESOLVED: dict[str, Any] = {"resolved": {ID: VPCE}}
ENTRIES = [
    pytest.param(body(), None, id="no endpoint is named"),
    pytest.param(body(spec={ID: VPCE}), VPCE, id="an ID"),
    pytest.param(body("AZURE_CONNECTED"), AZURE_ID.lower(), id="an ID in Azure, in any letter case"),
    pytest.param(body(spec={"cloudProviderEndpointRef": ACK}, **RESOLVED), VPCE, id="what a reference resolved to"),
    pytest.param(body(spec={"cloudProviderEndpointRef": ACK}), None, id="a reference that leads nowhere"),
    pytest.param(body(**RESOLVED), None, id="a private endpoint that was removed"),
]


@pytest.mark.parametrize(("given", "entry"), ENTRIES)
def test_the_entry_is_that_of_the_plain_object(given: dict[str, Any], entry: str | None) -> None:
    assert DataFederationPrivateEndpoint.parse(given).entry == entry
    assert KIND.entry_of(given) == entry


@pytest.mark.parametrize("given", [{}, {"spec": 7, "status": []}, {"spec": {ID: 7}, "status": {"endpoint": {"id": 5}}}])
def test_an_object_of_any_shape_has_no_entry(given: dict[str, Any]) -> None:
    assert KIND.entry_of(given) is None


@pytest.mark.parametrize(
    ("status", "ids"), [({}, ()), ({"endpoint": []}, ()), ({"endpoint": {"id": 5}}, ()), ({"endpoint": {"id": VPCE}}, (VPCE,))]
)  # fmt: skip
def test_what_a_status_shows(status: dict[str, Any], ids: tuple[str, ...]) -> None:
    assert KIND.shown_in(status) == ids


DESIRED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "nothing": ("AWS", {}, {}),
    "on AWS, the region is not sent alone": ("AWS", {ID: VPCE, "comment": ""}, {ID: VPCE, "comment": ""}),
    "on AWS, Atlas's region goes with the DNS name": ("AWS", {DNS: NAME}, {REGION: "EU_WEST_1", DNS: NAME}),
    "on AWS, a name that is not resolved is not sent": ("AWS", {"customerEndpointDnsNameFrom": {"objectRef": ACK}}, {}),
    "on Azure, the region is sent": ("AZURE", {"region": "eastus2"}, {REGION: "US_EAST_2"}),
    "on Azure, with an address": ("AZURE_CONNECTED", {}, {ID: AZURE_ID, REGION: "EUROPE_NORTH", IP: "10.0.0.4"}),
}


@pytest.mark.parametrize(("base", "spec", "desired"), DESIRED.values(), ids=DESIRED)
def test_what_is_compared(base: str, spec: dict[str, Any], desired: dict[str, str]) -> None:
    found = resource(base, spec)
    assert found.spec.desired == desired
    assert found.connection == {name: desired.get(name) for name in (ID, REGION, DNS, IP)}


@pytest.mark.parametrize(
    ("base", "field", "one", "other", "same"),
    [
        ("AZURE", ID, AZURE_ID, AZURE_ID.upper(), True),
        ("AWS", ID, VPCE, OTHER, False),
        ("AWS", REGION, "eu-west-1", "EU_WEST_1", True),
        ("AZURE", REGION, "eastus2", "US_EAST_2", True),
        ("AWS", REGION, "EU_WEST_1", "EU_WEST_2", False),
        ("AWS", REGION, "EU_WEST_1", None, False),
        ("AWS", REGION, None, "", True),
        ("AWS", DNS, "a.example.com", "A.example.com.", True),
        ("AWS", DNS, "a.example.com", None, False),
        ("AZURE", IP, "fd00::4", "FD00:0:0::4", True),
        ("AWS", "comment", None, "", True),
        ("AWS", "comment", "orders", "Orders", False),
    ],
)
def test_values_are_compared_by_meaning(base: str, field: str, one: str | None, other: str | None, same: bool) -> None:
    assert resource(base).same(field, one, other) is same
    assert resource(base).same(field, other, one) is same


def shown(id_: str, provider: str | None = None, status: str | None = None, **fields: str) -> EndpointStatus:
    return EndpointStatus.model_validate({"id": id_, "provider": provider, "status": status, **fields})


def replace(endpoint: EndpointStatus, **fields: str | None) -> EndpointStatus:
    return endpoint.model_copy(update=fields)


FULL = shown(
    VPCE,
    "AWS",
    "OK",
    comment="orders",
    region="EU_WEST_1",
    customer_endpoint_dns_name=NAME,
    customer_endpoint_ip_address="10.0.0.4",
    azure_link_id="7",
)


def test_what_atlas_shows_and_the_status_of_it() -> None:
    assert resource().shown(FULL) == {ID: VPCE, REGION: "EU_WEST_1", DNS: NAME, IP: "10.0.0.4", "comment": "orders"}
    assert FULL.model_copy(update={"status_since": NOON}).to_json() == {
        "id": VPCE,
        "provider": "AWS",
        "status": "OK",
        "statusSince": "2026-11-30T12:00:00Z",
        "comment": "orders",
        "region": "EU_WEST_1",
        "customerEndpointDnsName": NAME,
        "customerEndpointIpAddress": "10.0.0.4",
        "azureLinkId": "7",
    }
    assert resource().basis(replace(FULL, error_message="a")) == resource().basis(replace(FULL, error_message="b"))


@pytest.mark.parametrize(
    ("status", "bound"), [({}, False), (RESOLVED, False), ({"endpoint": {"id": VPCE}}, True), ({"applied": {"generation": 1}}, True)]
)  # fmt: skip
def test_a_resource_is_bound_to_its_project_by_an_endpoint(status: dict[str, Any], bound: bool) -> None:
    assert resource(**status).is_bound is bound


UPBOUND = {"apiVersion": "ec2.aws.upbound.io/v1beta1", "kind": "VPCEndpoint", "name": "orders"}
SOURCES: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "ACK": ({"objectRef": ACK}, ("status", "dnsEntries", "0", "dnsName"), ".status.dnsEntries[0].dnsName"),
    "another kind": ({"objectRef": {**UPBOUND, "fieldPath": "status.a[12][3].b"}}, ("status", "a", "12", "3", "b"), ".status.a[12][3].b"),
    "a ConfigMap": ({"configMapKeyRef": {"name": "orders", "key": "dns"}}, ("data", "dns"), ".data.dns"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "path", "shown"), SOURCES.values(), ids=SOURCES)
def test_references_lead_to_the_endpoint_and_to_its_dns_name(
    source: dict[str, Any], path: tuple[str, ...], shown: str
) -> None:
    spec = {"cloudProviderEndpointRef": ACK, "customerEndpointDnsNameFrom": source}
    endpoint, name = resource(spec=spec).references
    assert (endpoint.field, endpoint.target.path) == ("cloud_provider_endpoint_id", ("status", "vpcEndpointID"))
    assert (name.field, name.target.path, name.target.field) == ("customer_endpoint_dns_name", path, shown)
    found = [text for text in (NAME, VPCE, "10.0.0.4", "a b.example.com", "l." * 126 + "com") if name.is_valid(text)]
    assert found == [NAME]


def test_references_that_do_not_resolve_keep_what_they_are_bound_to() -> None:
    spec = {"cloudProviderEndpointRef": ACK, "customerEndpointDnsNameFrom": {"objectRef": ACK}}
    found = resource(spec=spec, resolved={ID: VPCE, DNS: NAME})
    assert found.unconnected() == {"cloud_provider_endpoint_id": VPCE, "customer_endpoint_dns_name": NAME}
    assert resource(spec=spec).unconnected() == dict.fromkeys(found.unconnected())


@pytest.mark.parametrize(
    ("provider", "region", "name"),
    [
        ("AWS", "eu-west-1", SERVICE),
        ("AWS", "EU_WEST_1", SERVICE),
        ("AWS", "eu-north-1", None),
        ("AWS", None, None),
        ("AZURE", "EU_WEST_1", None),
    ],
)
def test_the_service_of_a_region(provider: str, region: str | None, name: str | None) -> None:
    assert service_name(provider, region) == name


@pytest.mark.parametrize(
    ("region", "name", "says"),
    [
        ("eu-west-1", NAME, ""),
        ("eu-west-1", NAME.upper(), ""),
        ("eu-west-1", NAME.replace("0824", "0825"), "vpce-svc-0824460b72e1a420e, the service of Data Federation in eu-west-1"),
        ("eu-west-1", NAME.replace(".vpce-svc", ".a-vpce-svc"), "vpce-svc-0824460b72e1a420e"),
        ("eu-north-1", NAME, ""),
        ("eu-wset-1", None, " eu-wset-1 is not a region of AWS that this version knows. Did you mean "),
        (None, NAME, ""),
        (None, NAME.replace("vpce-0", "vpce-1"), " The DNS name does not begin with vpce-"),
        ("eu-west-1", None, ""),
    ],
)  # fmt: skip
def test_a_dns_name_of_another_service_is_doubted(region: str | None, name: str | None, says: str) -> None:
    found = doubt("AWS", region, name, VPCE)
    assert says in found
    assert bool(found) == bool(says)


MAPS = {
    "outputConfigMapRef": {"name": "cloud"},
    "federatedDatabases": [{"name": "orders", "configMapRef": {"name": "application"}}],
}
HOST = {"federatedDatabaseName": "orders", "hostname": "a.example.net", "endpointId": VPCE, "providerName": "AWS", "region": "EU_WEST_1"}  # fmt: skip
OUTPUTS: dict[str, tuple[dict[str, Any], EndpointStatus | None, dict[str, str] | None, dict[str, str] | None]] = {
    "before an endpoint is named": ({}, None, {"endpointServiceName": SERVICE}, None),
    "in a region that is not known, before an endpoint is named": ({"region": "eu-north-1"}, None, None, None),
    "an endpoint that works": ({ID: VPCE}, FULL, {"endpointServiceName": SERVICE, "endpointId": VPCE}, HOST),
    "one whose region Atlas does not show": ({ID: VPCE}, shown(VPCE, "AWS", "OK"), {"endpointServiceName": SERVICE, "endpointId": VPCE}, HOST),
    "one without a status": ({ID: VPCE}, shown(VPCE), {"endpointServiceName": SERVICE, "endpointId": VPCE}, HOST),
    "one that failed": ({ID: VPCE}, shown(VPCE, "AWS", "FAILED"), {"endpointServiceName": SERVICE, "endpointId": VPCE}, None),
}  # fmt: skip
"""Fields of the spec, the endpoint, and the data for the cloud's side and for applications."""


@pytest.mark.parametrize(("spec", "endpoint", "cloud", "application"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs(
    spec: dict[str, Any],
    endpoint: EndpointStatus | None,
    cloud: dict[str, str] | None,
    application: dict[str, str] | None,
) -> None:
    shown = None if endpoint is None else endpoint.model_copy(update={"status_since": NOON})
    ours, theirs = KIND.outputs(resource(spec={**MAPS, **spec}), {"endpoint": shown})
    assert (ours.name, ours.values) == ("cloud", cloud)
    assert (theirs.name, theirs.values, theirs.request is not None) == ("application", None, application is not None)
    assert cloud is None or cloud.keys() <= {*ours.keys}
    if theirs.request is not None and application is not None:
        assert theirs.request(Scope("f", PROJECT, "k", "s")).path.endswith("/dataFederation/orders")
        answer = {"name": "orders", "privateEndpointHostnames": [{"privateEndpoint": VPCE, "hostname": "a.example.net"}]}  # fmt: skip
        assert theirs.fill(theirs.parse(answer)) == application
        assert theirs.fill(theirs.parse({**answer, "privateEndpointHostnames": []})) is None
        assert application.keys() == {*theirs.keys}


def test_the_status_shows_that_an_endpoint_is_being_deleted() -> None:
    found = [DataFederationStatus(endpoint=EndpointStatus(id=VPCE, status=status)) for status in ("OK", "DELETING")]
    assert [each.is_being_deleted for each in (*found, DataFederationStatus())] == [False, True, False]


AZURE = shown(AZURE_ID, "AZURE", "PENDING", region="US_EAST_2", customer_endpoint_ip_address="10.0.0.4")
IMPORTED: dict[str, tuple[EndpointStatus, dict[str, Any], str]] = {
    "as it is recorded": (shown(VPCE, "AWS", "OK", comment="orders"), {"providerName": "AWS", ID: VPCE, "comment": "orders"}, ""),
    "without a provider": (shown(VPCE, comment=""), {"providerName": "AWS", ID: VPCE}, ""),
    "with a DNS name": (replace(FULL, customer_endpoint_ip_address=None), {"providerName": "AWS", ID: VPCE, REGION: "EU_WEST_1", DNS: NAME, "comment": "orders"}, ""),
    "in Azure": (AZURE, {"providerName": "AZURE", ID: AZURE_ID, REGION: "US_EAST_2", IP: "10.0.0.4"}, ""),
    "in Azure, without a provider": (replace(AZURE, provider=None), {"providerName": "AZURE", ID: AZURE_ID, REGION: "US_EAST_2", IP: "10.0.0.4"}, ""),
    "with a comment that no spec may have": (shown(VPCE, "AWS", comment=" x"), {"providerName": "AWS", ID: VPCE}, "# comment is not managed, so Atlas keeps ' x'. "),
    "with a DNS name and no region": (shown(VPCE, "AWS", customer_endpoint_dns_name=NAME), {"providerName": "AWS", ID: VPCE}, "# customerEndpointDnsName is not managed"),
}  # fmt: skip
"""Endpoints in Atlas, their specs without what all have, and a remark."""


def imported(endpoint: EndpointStatus) -> Draft | LeftOut:
    made = IMPORTER.of_entries([Found(PROJECT, "data federation", None, endpoint)], Options("shop", "keys"))
    (found,) = drafts_of(IMPORTER.kind, made)
    return found


@pytest.mark.parametrize(("endpoint", "spec", "remark"), IMPORTED.values(), ids=IMPORTED)
def test_an_imported_manifest_changes_nothing_in_atlas(
    endpoint: EndpointStatus, spec: dict[str, Any], remark: str
) -> None:
    found = imported(endpoint)
    assert isinstance(found, Draft), found
    written = yaml.safe_load(found.text)
    common = {"projectId": PROJECT, "deletionPolicy": "Retain", "credentialsSecretRef": {"name": "keys"}}
    assert written["spec"] == {**common, **spec}
    assert found.name == ("data-federation-pe" if endpoint.id == AZURE_ID else f"data-federation-{VPCE}")
    assert remark in found.text
    parsed = resource().model_copy(update={"spec": type(resource().spec).parse(written["spec"])})
    assert compare(parsed, parsed.spec.desired, endpoint) == ()


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        (shown(VPCE, "AWS", "DELETING"), "Atlas is deleting it"),
        (shown("vpce-odd", "AWS"), "spec.cloudProviderEndpointId: "),
        (shown(VPCE, "GCP"), "spec.providerName: Unsupported value"),
        (replace(AZURE, customer_endpoint_ip_address=None), "spec.privateEndpointIpAddress: Required value"),
        (shown("x" * 2048, "AWS"), "spec.cloudProviderEndpointId: Too long"),
    ],
)
def test_an_endpoint_without_a_valid_resource_is_left_out_with_the_reason(endpoint: EndpointStatus, why: str) -> None:
    found = imported(endpoint)
    assert isinstance(found, LeftOut)
    assert found.why.startswith(why)
    assert found.expected == (endpoint.status == "DELETING")
