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
    InstanceNotFoundError,
    InvalidRequestError,
    MissingRoleError,
    ProjectNotFoundError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import DATABASE as READ_DATABASE
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND, Accepted, hostnames
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import EndpointStatus
from atlas_endpoints.reconcile.decision import Write

PROJECT = "32b6e34b3d91647abb20e7b8"
VPCE, OTHER = "vpce-0123456789abcdef0", "vpce-1123456789abcdef0"
AZURE_ID = "/subscriptions/4e133d35/resourceGroups/Größe/providers/Microsoft.Network/privateEndpoints/PE"
IN_LOWER_CASE = "%2Fsubscriptions%2F4e133d35%2Fresourcegroups%2Fgr%C3%B6%C3%9Fe%2Fproviders%2Fmicrosoft.network%2Fprivateendpoints%2Fpe"
ALL, GROUP = "/privateNetworkSettings/endpointIds", f"/api/atlas/v2/groups/{PROJECT}"
SCOPE = Scope("", PROJECT, "", "")
POST = KIND.api.creation_of(SCOPE, {"endpointId": VPCE, "provider": "AWS", "type": "DATA_LAKE", "comment": "orders"})
GET = KIND.get_request(SCOPE, VPCE)
DELETE = KIND.api.deletion_of(SCOPE, VPCE)
DATABASE = READ_DATABASE.of(SCOPE, "orders")

REQUESTS: dict[str, tuple[Request, str, Mapping[str, Any] | None]] = {
    "the LIST": (KIND.list_request(SCOPE), f"GET {ALL}", None),
    "a GET": (GET, f"GET {ALL}/{VPCE}", None),
    "a GET of an entry in Azure, whose letters stay the same ones": (KIND.api.get_of(SCOPE, KIND.key_of(AZURE_ID)), f"GET {ALL}/{IN_LOWER_CASE}", None),
    "a POST": (POST, f"POST {ALL}", {"endpointId": VPCE, "provider": "AWS", "type": "DATA_LAKE", "comment": "orders"}),
    "a DELETE": (DELETE, f"DELETE {ALL}/{VPCE}", None),
    "a GET of a federated database": (DATABASE, "GET /dataFederation/orders", None),
    "a GET of one with an odd name": (READ_DATABASE.of(SCOPE, "a?b#ö"), "GET /dataFederation/a%3Fb%23%C3%B6", None),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call(name: str) -> None:
    request, call, body = REQUESTS[name]
    method, _, path = call.partition(" ")
    assert (request.method, request.path, request.body) == (method, GROUP + path, body)
    assert request.media_type == "application/vnd.atlas.2023-01-01+json"
    assert request.paged is (name == "the LIST")


def test_each_operation_has_a_template_and_a_call() -> None:
    assert {request.operation for request, _, _ in REQUESTS.values()} == KIND.templates.keys()


def shown(id_: str, provider: str | None = None, status: str | None = None, **fields: str) -> EndpointStatus:
    return EndpointStatus.model_validate({"id": id_, "provider": provider, "status": status, **fields})


RECORDED = {"comment": "comment", "endpointId": VPCE, "provider": "AWS", "status": "OK", "type": "DATA_LAKE"}
READ = shown(VPCE, "AWS", "OK", comment="comment")
LONG = "x" * 4 * 1024 * 1024
ENTRIES: dict[str, tuple[object, EndpointStatus | None]] = {
    "as it is recorded": (RECORDED, READ),
    "with all fields of the specification": (
        {"endpointId": AZURE_ID, "provider": "AZURE", "status": "FAILED", "errorMessage": "no", "comment": "", "region": "US_EAST_2", "customerEndpointIPAddress": "10.0.0.4", "azureLinkId": "7"},
        shown(AZURE_ID, "AZURE", "FAILED", error_message="no", region="US_EAST_2", customer_endpoint_ip_address="10.0.0.4", azure_link_id="7"),
    ),
    "with the DNS name of AWS": ({"endpointId": VPCE, "customerEndpointDNSName": "a.example.com"}, shown(VPCE, customer_endpoint_dns_name="a.example.com")),
    "an id alone": ({"endpointId": VPCE}, shown(VPCE)),
    "an id in capitals": ({"endpointId": VPCE.upper()}, shown(VPCE.upper())),
    "nulls": (dict.fromkeys(RECORDED) | {"endpointId": VPCE}, shown(VPCE)),
    "values of other types": ({"endpointId": VPCE, "status": 5, "comment": ["x"], "region": {}, "provider": True}, shown(VPCE, "True", "5")),
    "a text of 4 MiB": ({"endpointId": VPCE, "comment": LONG}, shown(VPCE, comment="x" * 2048)),
    "a lone surrogate": ({"endpointId": VPCE, "comment": "a\ud800b"}, shown(VPCE, comment="a?b")),
    "names of our own": ({"endpointId": VPCE, "error_message": "x", "is_sent": True}, shown(VPCE)),
    "another endpoint": ({**RECORDED, "endpointId": OTHER}, None),
    "an id of 4 MiB": ({**RECORDED, "endpointId": LONG}, None),
    "no id, but a status": ({"status": "OK"}, None),
    "an empty id": ({"endpointId": ""}, None),
    "an id that is a number": ({"endpointId": 5}, None),
    "an error": ({"errorCode": "ODD"}, None),
    "a page": ({"results": [RECORDED]}, None),
    "a list": ([RECORDED], None),
    "no JSON": (None, None),
}  # fmt: skip
"""Answers to a GET."""


@pytest.mark.parametrize("name", ENTRIES)
def test_an_endpoint_is_read_leniently(name: str) -> None:
    answer, expected = ENTRIES[name]
    entry = KIND.key_of(AZURE_ID if isinstance(answer, dict) and answer.get("endpointId") == AZURE_ID else VPCE)
    assert KIND.got(entry, answer) == expected
    if expected is not None:
        assert KIND.listed(answer) == (entry, expected)


@pytest.mark.parametrize("item", [None, 5, "x", [], {}, {"endpointId": None}, {"endpointId": 5}, {"endpointId": ""}])
def test_an_item_of_a_list_without_an_id_is_none(item: object) -> None:
    assert KIND.listed(item) is None


SENT = Accepted(id=VPCE, provider="AWS", comment="orders")
ANSWERS: dict[str, tuple[object, EndpointStatus | None]] = {
    "the page as it is recorded": ({"links": [], "results": [RECORDED], "totalCount": 1}, READ),
    "another letter case": ({"results": [{**RECORDED, "endpointId": VPCE.upper()}]}, shown(VPCE.upper(), "AWS", "OK", comment="comment")),
    "a page with others only": ({"results": [None, {"endpointId": OTHER}, {}, 5]}, SENT),
    "an empty page": ({"results": []}, SENT),
    "a page without results": ({"totalCount": 1}, None),
    "results that are no array": ({"results": RECORDED}, None),
    "null results": ({"results": None}, None),
    "the endpoint itself": (RECORDED, None),
    "a list": ([RECORDED], None),
    "no JSON": (None, None),
}  # fmt: skip
"""Answers to a POST."""


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answer_to_a_post_is_a_page(name: str) -> None:
    answer, expected = ANSWERS[name]
    assert KIND.written(Write(POST), answer) == (None if expected is None else (VPCE, expected))


def test_what_is_sent_is_all_that_is_known_of_an_endpoint_on_a_later_page() -> None:
    values = {"region": "US_EAST_2", "customerEndpointIPAddress": "10.0.0.4"}
    post = KIND.api.creation_of(SCOPE, {"endpointId": AZURE_ID, "provider": "AZURE", "type": "DATA_LAKE", **values})
    found = KIND.written(Write(post), {"results": []})
    expected = Accepted(id=AZURE_ID, provider="AZURE", region="US_EAST_2", customer_endpoint_ip_address="10.0.0.4")
    assert found == (KIND.key_of(AZURE_ID), expected)


HOSTS: dict[str, tuple[object, Mapping[str, str] | None]] = {
    "none, as it is recorded": ({"name": "orders", "hostnames": ["orders.example.net"], "privateEndpointHostnames": []}, {}),
    "one, in another letter case": ({"name": "orders", "privateEndpointHostnames": [{"privateEndpoint": VPCE.upper(), "hostname": "a.example.net"}]}, {VPCE: "a.example.net"}),
    "null instead of a list": ({"name": "orders", "privateEndpointHostnames": None}, {}),
    "items of other forms": ({"name": "orders", "privateEndpointHostnames": [None, 5, {}, {"privateEndpoint": VPCE}, {"privateEndpoint": None, "hostname": "a"}]}, {}),
    "another database": ({"name": "billing", "privateEndpointHostnames": []}, None),
    "no name": ({"privateEndpointHostnames": []}, None),
    "a list": ([], None),
    "no JSON": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTS)
def test_hostnames(name: str) -> None:
    answer, expected = HOSTS[name]
    assert hostnames("orders", answer) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["endpointId", "status", "results", "name", "privateEndpointHostnames"]), inner)
    ),
    max_leaves=10,
)  # fmt: skip


@given(JSON)
def test_no_answer_raises(answer: object) -> None:
    KIND.listed(answer)
    KIND.got(VPCE, answer)
    KIND.written(Write(POST), answer)
    hostnames("orders", answer)


ABSENT = "DATA_FEDERATION_PRIVATE_ENDPOINT_NOT_FOUND"
REFUSED: dict[str, tuple[Request, int, str, type[AtlasError], str]] = {
    "a GET with a code that nobody knows": (GET, 404, ABSENT, EndpointAbsentError, "no private endpoint for Data Federation with this ID"),
    "a DELETE with it": (DELETE, 404, ABSENT, EndpointAbsentError, ""),
    "a GET with it by a 400": (GET, 400, ABSENT, EndpointAbsentError, ""),
    "a GET with it by a 403": (GET, 403, ABSENT, MissingRoleError, ""),
    "a GET with it by a 500": (GET, 500, ABSENT, AtlasUnavailableError, ""),
    "a POST, whose path names no endpoint": (POST, 404, "VPC_ENDPOINT_NOT_FOUND", UpdateRejectedError, ""),
    "a federated database": (DATABASE, 404, "DATA_FEDERATION_TENANT_NOT_FOUND", EndpointAbsentError, "Correct spec.federatedDatabases"),
    "the project": (GET, 404, "GROUP_NOT_FOUND", ProjectNotFoundError, ""),
    "a path": (GET, 404, "RESOURCE_NOT_FOUND", AtlasUnavailableError, ""),
    "a cluster": (GET, 404, "CLUSTER_NOT_FOUND", InstanceNotFoundError, ""),
    "an instance": (GET, 404, "SERVERLESS_INSTANCE_NOT_FOUND", InstanceNotFoundError, ""),
    "a code that is the end alone": (GET, 404, "NOT_FOUND", AtlasUnavailableError, ""),
    "an ID that Atlas cannot parse": (GET, 400, "PATH_PARAM_PARSE_ERROR", InvalidRequestError, "the ID of the endpoint is malformed"),
    "a region in the words of AWS": (POST, 400, "INVALID_ATTRIBUTE", UpdateRejectedError, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_refusal_means(name: str) -> None:
    request, status, code, expected, says = REFUSED[name]
    body = f'{{"errorCode": "{code}", "detail": "Atlas says so."}}'.encode()
    error = classify(RefusedAnswer(status, {}, body), request, now=datetime(2026, 11, 30, tzinfo=UTC))
    assert type(error) is expected
    assert says in error.message
