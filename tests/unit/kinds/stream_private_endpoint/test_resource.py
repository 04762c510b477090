"""What a resource sends, how its fields are compared, what its ConfigMap and its status have, and what it is called."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.kinds.stream_private_endpoint.kind import KEYS, KIND
from atlas_endpoints.kinds.stream_private_endpoint.resource import Connection, Spec, StreamPrivateEndpoint
from support.cases import STREAM, manifest

ID = "64b6e34b3d91647abb20e7b8"
AZURE = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers"


def resource(base: str, status: Mapping[str, Any] | None = None, **fields: Any) -> StreamPrivateEndpoint:
    body = manifest(base, fields, kind=STREAM)
    body["metadata"] |= {"namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "1"}
    return StreamPrivateEndpoint.parse({**body, "status": status or {}})


def spec(base: str, **fields: Any) -> Spec:
    return Spec.parse(manifest(base, fields, kind=STREAM)["spec"])


BODIES: dict[str, tuple[Spec, Mapping[str, Any]]] = {
    "a service of AWS, in Atlas's name of the region": (
        spec("AWS"),
        {"provider": "AWS", "vendor": "S3", "region": "EU_WEST_1", "serviceEndpointId": "com.amazonaws.eu-west-1.s3"},
    ),
    "MSK, without a region": (
        spec("MSK", authenticationScheme="IAM"),
        {"provider": "AWS", "vendor": "MSK", "arn": spec("MSK").arn, "authenticationScheme": "IAM"},
    ),
    "Confluent in AWS, always with zones": (
        spec("AWS_CONFLUENT"),
        {
            "provider": "AWS",
            "vendor": "CONFLUENT",
            "region": "EU_WEST_1",
            "serviceEndpointId": spec("AWS_CONFLUENT").service_endpoint_id,
            "dnsSubDomain": [],
        },
    ),
    "Event Hubs, without a vendor": (
        spec("EVENTHUB"),
        {
            "provider": "AZURE",
            "region": "EUROPE_NORTH",
            "serviceEndpointId": f"{AZURE}/Microsoft.EventHub/namespaces/orders",
            "dnsDomain": "orders.servicebus.windows.net",
        },
    ),
    "lists": (
        spec("GCP_CONFLUENT", gcpServiceAttachmentUris=["projects/a/regions/b/serviceAttachments/c"]),
        {
            "provider": "GCP",
            "vendor": "CONFLUENT",
            "region": "CENTRAL_US",
            "gcpServiceAttachmentUris": ["projects/a/regions/b/serviceAttachments/c"],
            "dnsDomain": "orders.us-central1.gcp.confluent.cloud",
        },
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_body_of_the_post(name: str) -> None:
    given, expected = BODIES[name]
    assert given.body == expected


def test_lists_are_compared_as_one_text_without_an_order() -> None:
    one, other = (spec("AWS_CONFLUENT", dnsDomain="a", dnsSubDomain=zones) for zones in (["b", "c"], ["c", "b"]))
    assert one.desired["dnsSubDomain"] == other.desired["dnsSubDomain"] == "b,c"


def test_it_waits_for_three_hours_by_default() -> None:
    assert spec("AWS").provisioning_timeout == timedelta(hours=3)
    assert spec("AWS", provisioningTimeout="5m").provisioning_timeout == timedelta(minutes=5)


REGIONS = {"AWS": "EU_WEST_1", "MSK": "EU_WEST_1", "EVENTHUB": "EUROPE_NORTH", "PUBSUB": "CENTRAL_US"}


@pytest.mark.parametrize("base", REGIONS)
def test_the_region_of_atlas_account(base: str) -> None:
    assert spec(base).region_in_atlas == REGIONS[base]


SAME: dict[str, tuple[str, str | None, str | None, bool]] = {
    "a final dot": ("dnsDomain", "a.example", "a.example.", True),
    "the letter case of a domain": ("dnsDomain", "A.example", "a.EXAMPLE", True),
    "another domain": ("dnsDomain", "a.example", "b.example", False),
    "no domain": ("dnsDomain", "a.example", None, False),
    "none and an empty one": ("dnsDomain", None, "", True),
    "zones in another order": ("dnsSubDomain", "a,b", "b.,A", True),
    "other zones": ("dnsSubDomain", "a,b", "a,c", False),
    "another scheme": ("authenticationScheme", "IAM", "TLS", False),
}


@pytest.mark.parametrize("name", SAME)
def test_whether_two_values_are_the_same(name: str) -> None:
    field, one, other, expected = SAME[name]
    assert resource("AWS").same(field, one, other) is expected


DEDICATED: Mapping[str, Any] = {"dnsDomain": "a.example", "dnsSubDomain": ["b.example"]}
SHOWN: dict[str, tuple[Connection, Mapping[str, str | None]]] = {
    "nothing, which is no domain": (Connection(id=ID), {"dnsDomain": None, "dnsSubDomain": "b.example"}),
    "other values": (
        Connection(id=ID, dns_domain="x", described={"dnsSubDomain": ("y", "z")}),
        {"dnsDomain": "x", "dnsSubDomain": "y,z", "region": "eu-west-1", "vendor": "CONFLUENT"},
    ),
    "a scheme that was not sent": (
        Connection(id=ID, described={"authenticationScheme": "TLS"}),
        {"authenticationScheme": "TLS"},
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_atlas_shows_of_the_fields(name: str) -> None:
    connection, expected = SHOWN[name]
    shown = resource("AWS_CONFLUENT", **DEDICATED).shown(connection)
    assert {field: shown.get(field) for field in expected} == expected


CONNECTION = {"id": ID, "state": "DONE", "interfaceEndpointId": "vpce-1", "dnsDomain": "a"}
OUTPUTS: dict[str, tuple[Mapping[str, Any], Mapping[str, str] | None]] = {
    "nothing is known": ({}, None),
    "the account": ({"account": {"awsAccountId": "1", "vpcId": "x"}}, {"awsAccountId": "1"}),
    "a connection": ({"connection": CONNECTION}, {"connectionId": ID, "interfaceEndpointId": "vpce-1", "dnsDomain": "a"}),
    "a connection that Atlas makes": ({"connection": {"id": ID}}, {"connectionId": ID}),
    "both": ({"connection": {"id": ID, "providerAccountId": "7"}, "account": {"gcpProjectId": "p"}}, {"connectionId": ID, "providerAccountId": "7", "gcpProjectId": "p"}),
    "one that failed": ({"connection": {**CONNECTION, "state": "FAILED"}, "account": {"awsAccountId": "1"}}, None),
    "one that goes": ({"connection": {**CONNECTION, "state": "DELETE_REQUESTED"}, "account": {"awsAccountId": "1"}}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_config_map(name: str) -> None:
    status, expected = OUTPUTS[name]
    (output,) = KIND.outputs(resource("AWS", status, outputConfigMapRef={"name": "out"}), {})
    assert (output.name, output.keys, output.values) == ("out", KEYS, expected)


def test_without_a_config_map_there_is_none() -> None:
    assert KIND.outputs(resource("AWS", {"connection": CONNECTION}), {}) == ()


@pytest.mark.parametrize(("state", "goes"), [("DELETING", True), ("DELETE_REQUESTED", True), ("DONE", False)])
def test_whether_atlas_deletes_it(*, state: str, goes: bool) -> None:
    assert resource("AWS", {"connection": {"id": ID, "state": state}}).status.is_being_deleted is goes


DOUBTS = {"eu-west-1": [], "eu-wset-1": ["Did you mean"], "westeurope": ["AZURE", "providerName"]}


@pytest.mark.parametrize("region", DOUBTS)
def test_a_region_that_is_not_known_is_doubted(region: str) -> None:
    found = KIND.doubt_about(resource("AWS", region=region).spec)
    assert bool(found) is bool(DOUBTS[region])
    assert all(words in found for words in DOUBTS[region])


def test_it_is_called_by_its_target() -> None:
    assert resource("AWS").place == "AWS S3 EU_WEST_1 com.amazonaws.eu-west-1.s3"
    assert resource("AWS").called == "connection to AWS S3 EU_WEST_1 com.amazonaws.eu-west-1.s3"
