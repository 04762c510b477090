"""The calls are those of Atlas's API reference, recorded answers are read, and so is what no right Atlas sends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import RefusedAnswer, classify
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    EndpointAbsentError,
    MissingRoleError,
    ProjectNotFoundError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.resource import Connection
from atlas_endpoints.kinds.stream_private_endpoint.targets import leads_elsewhere, target_of
from atlas_endpoints.reconcile.decision import Write
from atlas_endpoints.reconcile.kind import Named
from support.recordings import recordings

PROJECT = "32b6e34b3d91647abb20e7b8"
ID, OTHER = "64b6e34b3d91647abb20e7b8", "74b6e34b3d91647abb20e7b8"
SCOPE = Scope("", PROJECT, KIND.names.kind, "Stream Processing")
LINKS, STREAMS = "/streams/privateLinkConnections", f"/api/atlas/v2/groups/{PROJECT}"
S3 = {"provider": "AWS", "vendor": "S3", "region": "EU_WEST_1", "serviceEndpointId": "com.amazonaws.eu-west-1.s3"}
TARGET = "AWS S3 EU_WEST_1 com.amazonaws.eu-west-1.s3"
POST, PATCH = KIND.api.creation_of(SCOPE, S3), KIND.api.update_of(SCOPE, ID, {"dnsDomain": "a.example"})
LIST, GET, DELETE = KIND.list_request(SCOPE), KIND.get_request(SCOPE, ID), KIND.api.deletion_of(SCOPE, ID)
ACCOUNT = KIND.get_request(SCOPE, "account/aws/EU_WEST_1")

REQUESTS: dict[str, tuple[Request, str, Mapping[str, Any] | None, str]] = {
    "the LIST": (LIST, f"GET {LINKS}", None, "2023-02-01"),
    "a GET": (GET, f"GET {LINKS}/{ID}", None, "2023-02-01"),
    "a POST": (POST, f"POST {LINKS}", S3, "2023-02-01"),
    "a PATCH": (PATCH, f"PATCH {LINKS}/{ID}", {"dnsDomain": "a.example"}, "2025-03-12"),
    "a DELETE": (DELETE, f"DELETE {LINKS}/{ID}", None, "2023-02-01"),
    "Atlas's account": (ACCOUNT, "GET /streams/accountDetails?cloudProvider=aws&regionName=EU_WEST_1", None, "2024-11-13"),
    "the workspaces": (KIND.get_request(SCOPE, "workspaces"), "GET /streams", None, "2023-02-01"),
    "the connections of one": (KIND.get_request(SCOPE, "streams/a b"), "GET /streams/a%20b/connections", None, "2023-02-01"),
}  # fmt: skip
PAGED = {"the LIST", "the workspaces", "the connections of one"}
OPTIONAL = {"Atlas's account", "the workspaces", "the connections of one"}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call(name: str) -> None:
    request, call, body, version = REQUESTS[name]
    method, _, path = call.partition(" ")
    assert (request.method, request.path, request.body) == (method, STREAMS + path, body)
    assert request.media_type == f"application/vnd.atlas.{version}+json"
    assert request.paged is (name in PAGED)
    assert request.optional is (name in OPTIONAL)


def test_each_operation_has_a_template_and_a_call() -> None:
    operations = {request.operation: name for name, (request, *_) in REQUESTS.items()}
    assert operations.keys() == KIND.templates.keys()
    assert {operations[each] for each in KIND.reads_beside} == OPTIONAL


SHOWN = {"_id": ID, "state": "DONE", **S3}
S3_IN_AWS = ("AWS", "S3")
DESCRIBED = {"vendor": "S3", "region": "EU_WEST_1", "serviceEndpointId": S3["serviceEndpointId"]}


def connection(status: str | None = None, **fields: Any) -> Connection:
    return Connection.model_validate({"id": ID, "status": status, "target": "", **fields})


READ = connection("DONE", target=TARGET, service=S3_IN_AWS, described=DESCRIBED)
ENTRIES: dict[str, tuple[object, Connection | None]] = {
    "as the specification has it": (SHOWN, READ),
    "with all its fields": (
        {
            **SHOWN,
            "errorMessage": "no",
            "dnsDomain": "a.example.",
            "dnsSubDomain": ["b", "c"],
            "authenticationScheme": "IAM",
            "interfaceEndpointId": "vpce-1",
            "interfaceEndpointName": "x",
            "providerAccountId": "7",
        },
        connection(
            "DONE",
            error_message="no",
            target=TARGET,
            dns_domain="a.example.",
            interface_endpoint_id="vpce-1",
            interface_endpoint_name="x",
            provider_account_id="7",
            service=S3_IN_AWS,
            described={
                **DESCRIBED,
                "dnsDomain": "a.example.",
                "dnsSubDomain": ("b", "c"),
                "authenticationScheme": "IAM",
            },
        ),
    ),
    "an id alone": ({"_id": ID}, connection()),
    "nulls": (dict.fromkeys(SHOWN) | {"_id": ID}, connection()),
    "empty texts": (dict.fromkeys(SHOWN, "") | {"_id": ID}, connection()),
    "values of other types": ({"_id": ID, "state": 5, "region": ["x"], "dnsSubDomain": "x"}, connection("5")),
    "another connection": ({**SHOWN, "_id": OTHER}, None),
    "an id that leads to another path": ({**SHOWN, "_id": "../x"}, None),
    "an id that is something beside": ({**SHOWN, "_id": "workspaces"}, None),
    "the other name of an id": ({**SHOWN, "_id": None, "id": ID}, None),
    "no id": ({"state": "DONE"}, None),
    "a page": ({"results": [SHOWN]}, None),
    "a list": ([SHOWN], None),
    "no JSON": (None, None),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_connection_is_read_leniently(name: str) -> None:
    answer, expected = ENTRIES[name]
    assert KIND.got(ID, answer) == expected
    if expected is not None:
        assert KIND.listed(answer) == (ID, expected)


@pytest.mark.parametrize("name", ["stream-get-idle", "stream-get-unknown-field", "stream-list-idle", "stream-create"])
def test_a_recorded_answer_names_what_it_leads_to(name: str) -> None:
    body = recordings(connectionId=ID)[name]["response"]["body"]
    (shown,) = body.get("results", [body])
    found = KIND.listed(shown)
    assert found is not None
    assert found[1].target.startswith("AZURE EVENTHUB US_EAST_2 /subscriptions/")
    assert found[1].status == (None if name == "stream-create" else "IDLE")


AZURE_ID = "/subscriptions/4e133d35/resourceGroups/RG/providers/Microsoft.EventHub/namespaces/Orders"
EVENTHUB = {"provider": "AZURE", "region": "EUROPE_NORTH", "serviceEndpointId": AZURE_ID}
CONFLUENT = {"provider": "GCP", "vendor": "CONFLUENT", "region": "us-central1", "gcpServiceAttachmentUris": ["projects/a/b", "projects/c/d"]}  # fmt: skip
MSK = {"provider": "AWS", "vendor": "MSK", "arn": "arn:aws:kafka:eu-west-1:1:cluster/Orders/1"}
TARGETS: dict[str, tuple[Mapping[str, Any], str]] = {
    "as Atlas spells it": (S3, TARGET),
    "as people spell it": ({**S3, "provider": "aws", "vendor": "s3", "region": "eu-west-1"}, TARGET),
    "with fields of something else": ({**S3, "arn": None, "dnsDomain": "x", "azureResourceIds": []}, TARGET),
    "Event Hubs, without a vendor": (EVENTHUB, f"AZURE EVENTHUB EUROPE_NORTH {AZURE_ID.lower()}"),
    "Event Hubs, in Atlas's words": ({**EVENTHUB, "vendor": "GENERIC", "region": "northeurope"}, f"AZURE EVENTHUB EUROPE_NORTH {AZURE_ID.lower()}"),
    "MSK, whose ARN has the region": (MSK, "AWS MSK arn:aws:kafka:eu-west-1:1:cluster/orders/1"),
    "MSK, with the region that Atlas found": ({**MSK, "region": "EU_WEST_1"}, "AWS MSK arn:aws:kafka:eu-west-1:1:cluster/orders/1"),
    "MSK, with the service that Atlas found": ({**MSK, "serviceEndpointId": "x"}, "AWS MSK arn:aws:kafka:eu-west-1:1:cluster/orders/1"),
    "Confluent in AWS": ({**S3, "vendor": "CONFLUENT", "serviceEndpointId": "vpce-svc-0A"}, "AWS CONFLUENT EU_WEST_1 vpce-svc-0a"),
    "Confluent in AWS, by its whole name": (
        {**S3, "vendor": "CONFLUENT", "serviceEndpointId": "com.amazonaws.vpce.eu-west-1.vpce-svc-0A"},
        "AWS CONFLUENT EU_WEST_1 vpce-svc-0a",
    ),
    "Confluent": (CONFLUENT, "GCP CONFLUENT CENTRAL_US projects/a/b,projects/c/d"),
    "Confluent, in another order and with the host": (
        {**CONFLUENT, "gcpServiceAttachmentUris": ["https://www.googleapis.com/compute/v1/projects/c/d", "projects/a/b"]},
        "GCP CONFLUENT CENTRAL_US projects/a/b,projects/c/d",
    ),
    "Kinesis, which is one in a region": ({**S3, "vendor": "KINESIS"}, "AWS KINESIS EU_WEST_1"),
    "Pub/Sub": ({"provider": "GCP", "vendor": "PUBSUB", "region": "us-central1"}, "GCP PUBSUB CENTRAL_US"),
    "no region": ({**S3, "region": None}, ""),
    "no service": ({**S3, "serviceEndpointId": ""}, ""),
    "no cloud": ({**S3, "provider": None}, ""),
    "values of other types": ({**S3, "provider": ["AWS"], "serviceEndpointId": {}}, ""),
    "nothing": ({}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_connection_leads_to_is_named_by_its_meaning(name: str) -> None:
    fields, expected = TARGETS[name]
    assert target_of(fields) == expected


@pytest.mark.parametrize("name", TARGETS)
def test_an_object_names_the_target_in_its_spec_and_shows_that_of_its_status(name: str) -> None:
    fields, expected = TARGETS[name]
    spec = {**fields, "providerName": fields.get("provider")}
    assert KIND.named_by({"spec": spec}) == Named(expected or None)
    assert KIND.label(connection(target=expected)) == Named(expected or None).exclusive
    assert KIND.shown_in({"connection": {"id": ID, "target": expected}}) == (expected, ID)


ELSEWHERE = {
    "AWS S3 EU_WEST_1 x": False,
    "AWS S3 Dublin, Ireland x": False,
    "AWS S3 EU_WEST_1 y": True,
    "AWS LAMBDA EU_WEST_1 x": True,
    "GCP S3 EU_WEST_1 x": True,
    "AWS KINESIS EU_WEST_1": True,
    "": False,
}


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_region_alone_is_no_proof_that_a_connection_leads_elsewhere(target: str) -> None:
    assert leads_elsewhere(target, "AWS S3 EU_WEST_1 x") is ELSEWHERE[target]
    assert not leads_elsewhere("AWS KINESIS EU_WEST_1", "AWS KINESIS DUBLIN")
    assert leads_elsewhere("AWS MSK arn:1", "AWS MSK arn:2")


@pytest.mark.parametrize("body", [{}, {"spec": 7, "status": []}, {"spec": {"providerName": 7}, "status": {"connection": {"id": 5, "target": []}}}])  # fmt: skip
def test_an_object_of_any_shape_names_and_shows_nothing(body: dict[str, Any]) -> None:
    assert KIND.named_by(body) == Named(None)
    assert KIND.entry_of(body) is None
    assert KIND.shown_in(body.get("status") or {}) == ()


def test_what_is_deleted_is_not_found_by_its_target() -> None:
    assert KIND.label(connection("DELETED", target=TARGET)) is None


def test_what_no_object_names_is_found_by_its_target() -> None:
    odd, gone = connection(), connection("DELETED", target="y")
    entries = {ID: READ, OTHER: connection(target="AWS x"), "odd": odd, "gone": gone}
    assert KIND.unnamed(SCOPE, entries, [Named(TARGET)]) == {"Connections": [f"{OTHER} for AWS x", "odd"]}


CREATED: dict[str, tuple[object, tuple[str | None, str] | None]] = {
    "what Atlas shows": ({**SHOWN, "region": "US_EAST_1"}, ("DONE", TARGET.replace("EU_WEST_1", "US_EAST_1"))),
    "what was sent besides": ({"_id": ID}, (None, TARGET)),
    "nulls": ({"_id": ID, "vendor": None, "region": ""}, (None, TARGET)),
    "no id": ({"state": "IDLE"}, None),
    "nothing": ({}, None),
    "a list": ([{"_id": ID}], None),
}  # fmt: skip


@pytest.mark.parametrize("name", CREATED)
def test_the_answer_to_a_post(name: str) -> None:
    answer, expected = CREATED[name]
    found = KIND.written(Write(POST), answer)
    assert (found and (found[1].status, found[1].target)) == expected


USERS: dict[str, tuple[object, Mapping[str, list[str]]]] = {
    "one that uses a connection": ([{"name": "a", "networking": {"access": {"type": "PRIVATE_LINK", "connectionId": ID}}}], {ID: ["a"]}),
    "one of Blob Storage": ([{"name": "a", "publicPrivateNetworking": {"access": {"connectionId": ID}}}], {ID: ["a"]}),
    "two of one, one of another": (
        [{"name": name, "networking": {"access": {"connectionId": used}}} for name, used in (("a", ID), ("b", OTHER), ("c", ID))],
        {ID: ["a", "c"], OTHER: ["b"]},
    ),
    "a public one": ([{"name": "a", "networking": {"access": {"type": "PUBLIC"}}}], {}),
    "one without a network": ([{"name": "a"}], {}),
    "one without a name": ([{"networking": {"access": {"connectionId": ID}}}], {}),
    "values of other types": ([5, {"name": "a", "networking": []}, {"name": "b", "networking": {"access": "x"}}], {}),
    "no list": ({}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", USERS)
def test_which_streams_use_a_connection(name: str) -> None:
    items, expected = USERS[name]
    assert KIND.got("streams/orders", items) == expected


def test_the_workspaces_are_read_by_their_names() -> None:
    assert KIND.got("workspaces", [{"name": "a"}, {"name": ""}, {"name": None}, 7, {"name": "x/y"}, {"name": "b"}]) == (
        "a",
        "b",
    )


ACCOUNTS: dict[str, tuple[object, Mapping[str, str] | None]] = {
    "AWS": ({"awsAccountId": "1", "cidrBlock": "10.0.0.0/8"}, {"awsAccountId": "1", "cidrBlock": "10.0.0.0/8"}),
    "empty values": ({"awsAccountId": "", "vpcId": None, "links": []}, None),
    "a list": ([{"awsAccountId": "1"}], None),
    "no JSON": (None, None),
}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_the_account_of_atlas(name: str) -> None:
    answer, expected = ACCOUNTS[name]
    assert KIND.got("account/aws/EU_WEST_1", answer) == expected


def refusal(request: Request, status: int, code: str = "", detail: str = "") -> AtlasError:
    body = f'{{"errorCode": "{code}", "detail": "{detail}"}}'.encode()
    return classify(RefusedAnswer(status, {}, body), request, now=datetime(2026, 11, 30, tzinfo=UTC))


THERE: dict[str, tuple[Request, int, str, bool]] = {
    "its code": (POST, 400, "STREAM_PRIVATE_LINK_ALREADY_EXISTS", True),
    "a 409": (POST, 409, "ODD", True),
    "a wrong region": (POST, 400, "INVALID_ENUM_VALUE", False),
    "a PATCH of a domain that exists": (PATCH, 400, "DNS_DOMAIN_EXISTS", False),
    "a DELETE in use": (DELETE, 400, "STREAM_PRIVATE_LINK_IN_USE", False),
    "a failure": (POST, 500, "EXISTS", False),
}


@pytest.mark.parametrize("name", THERE)
def test_whether_a_post_was_refused_since_the_connection_is_there(name: str) -> None:
    request, status, code, expected = THERE[name]
    assert KIND.is_outdated(refusal(request, status, code)) is expected


REFUSED: dict[str, tuple[Request, int, str, type[AtlasError], str]] = {
    "a GET with a code that nobody knows": (GET, 404, "STREAM_PRIVATE_LINK_NOT_FOUND", EndpointAbsentError, "force-sync"),
    "a DELETE with it": (DELETE, 404, "STREAM_PRIVATE_LINK_NOT_FOUND", EndpointAbsentError, ""),
    "a POST with it, whose path names no connection": (POST, 404, "STREAM_PRIVATE_LINK_NOT_FOUND", UpdateRejectedError, ""),
    "in use": (DELETE, 400, "STREAM_PRIVATE_LINK_IN_USE", UpdateRejectedError, ""),
    "the project": (GET, 404, "GROUP_NOT_FOUND", ProjectNotFoundError, ""),
    "a path": (GET, 404, "RESOURCE_NOT_FOUND", AtlasUnavailableError, ""),
    "no role to write": (POST, 403, "", MissingRoleError, "Project Owner or Project Stream Processing Owner"),
    "no role to delete": (DELETE, 401, "USER_UNAUTHORIZED", MissingRoleError, "Project Stream Processing Manager"),
    "no role to read": (LIST, 401, "USER_UNAUTHORIZED", MissingRoleError, "Project Read Only"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_refusal_means(name: str) -> None:
    request, status, code, expected, says = REFUSED[name]
    error = refusal(request, status, code)
    assert type(error) is expected
    assert says in error.message


NAMES = ["_id", "state", "provider", "vendor", "region", "arn", "azureResourceIds", "name", "networking", "access", "connectionId"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=10,
)


@given(JSON)
def test_no_answer_raises(answer: object) -> None:
    KIND.listed(answer)
    KIND.written(Write(POST), answer)
    for entry in (ID, "account/aws/EU_WEST_1", "workspaces", "streams/orders"):
        KIND.got(entry, answer)
