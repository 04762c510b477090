from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import Answer, Listing
from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    EndpointAbsentError,
    InvalidRequestError,
)
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from atlas_endpoints.reconcile.decision import Create
from atlas_endpoints.reconcile.reasons import Reason
from support.fake_atlas import FakeAtlas
from support.listing import list_endpoints

KEY = ApiKey("public", "private")
PROJECT = "5f7cac1adf5d6c6306f4b283"
ID = "66f4b283df5d6c635f7cac1a"
SCOPE = Scope("", PROJECT, "ServerlessPrivateEndpoint", "my-instance")
AZURE_ID = "/subscriptions/1/resourceGroups/RG/providers/Microsoft.Network/privateEndpoints/pe"


def holding(json: Any, status: int = 200) -> FakeAtlas:
    return FakeAtlas(lambda _: Answer(status, json))


FULL = {
    "_id": ID,
    "status": "AVAILABLE",
    "errorMessage": None,
    "providerName": "AZURE",
    "cloudProviderEndpointId": AZURE_ID,
    "privateEndpointIpAddress": "10.0.0.4",
    "endpointServiceName": "pls_1",
    "privateLinkServiceResourceId": "/subscriptions/1",
    "comment": "hello",
    "somethingNew": {"a": 1},
}

ITEMS: dict[str, tuple[dict[str, Any], EndpointStatus]] = {
    "all fields, and one that is new": (
        FULL,
        EndpointStatus(
            id=ID,
            status="AVAILABLE",
            provider_name="AZURE",
            cloud_provider_endpoint_id=AZURE_ID,
            private_endpoint_ip_address="10.0.0.4",
            endpoint_service_name="pls_1",
            private_link_service_resource_id="/subscriptions/1",
            comment="hello",
        ),
    ),
    "an id alone": ({"_id": ID}, EndpointStatus(id=ID)),
    "no providerName, as in the documentation's samples": ({"_id": ID, "status": "RESERVED"}, EndpointStatus(id=ID, status="RESERVED")),
    "a status that nobody knows": ({"_id": ID, "status": "RESTING"}, EndpointStatus(id=ID, status="RESTING")),
    "ids that break the published patterns": (
        {"_id": "x", "cloudProviderEndpointId": "vpce-fcac938279cd98dc894"},
        EndpointStatus(id="x", cloud_provider_endpoint_id="vpce-fcac938279cd98dc894"),
    ),
    "values of other types": (
        {"_id": ID, "status": 5, "comment": {"a": 1}, "errorMessage": ["x"], "providerName": True},
        EndpointStatus(id=ID, status="5", provider_name="True"),
    ),
    "a lone surrogate": ({"_id": ID, "comment": "a\ud800b"}, EndpointStatus(id=ID, comment="a?b")),
    "a text that is longer than any resource can ask for": ({"_id": ID, "comment": "x" * 2049}, EndpointStatus(id=ID, comment="x" * 2048)),
    "an empty comment": ({"_id": ID, "comment": ""}, EndpointStatus(id=ID)),
    "the names of our own fields, which are not Atlas's": ({"_id": ID, "id": "other", "error_message": "x", "provider_name": "x"}, EndpointStatus(id=ID)),
}  # fmt: skip


@pytest.mark.parametrize("name", ITEMS)
async def test_an_endpoint_is_parsed(name: str) -> None:
    item, expected = ITEMS[name]
    listing = await list_endpoints(holding([item]), KEY, PROJECT, "instance")
    assert listing == Listing({expected.id: expected})
    assert KIND.got(expected.id, item) == expected


async def test_a_list_keeps_the_order_and_omits_items_without_an_id() -> None:
    items = [{"_id": "b"}, {"status": "RESERVED"}, {"_id": ""}, {"_id": 5}, {"_id": None}, None, "x", [], {"_id": "a"}]
    listing = await list_endpoints(holding(items), KEY, PROJECT, "instance")
    assert (list(listing.entries), listing.skipped) == (["b", "a"], 7)


@pytest.mark.parametrize("json", [None, {}, {"results": []}, "[]", 5, {"errorCode": "ODD"}])
async def test_an_answer_that_is_no_array_is_unreadable(json: object) -> None:
    with pytest.raises(AtlasUnavailableError):
        await list_endpoints(holding(json), KEY, PROJECT, "instance")


async def test_an_endpoint_not_found_error_of_a_list_is_unavailable() -> None:
    absent = EndpointAbsentError("x", operation="op", http_status=404, error_code="TENANT_PRIVATE_ENDPOINT_NOT_FOUND")
    with pytest.raises(AtlasUnavailableError) as raised:
        await list_endpoints(FakeAtlas(lambda _: absent), KEY, PROJECT, "instance")
    assert raised.value.error_code == absent.error_code


UNREADABLE = [
    None,
    [],
    [FULL],
    {},
    {"errorCode": "ODD"},
    "x",
    {"status": None},
    {"_id": "another", "status": "RESERVED"},
]


@pytest.mark.parametrize("json", UNREADABLE)
def test_an_answer_with_another_endpoint_is_unreadable(json: object) -> None:
    assert KIND.got(ID, json) is None


def test_the_requested_id_may_be_missing_or_in_another_case() -> None:
    assert KIND.got(ID, {"status": "RESERVED"}) == EndpointStatus(id=ID, status="RESERVED")
    assert KIND.got(ID, {"_id": ID.upper()}) == EndpointStatus(id=ID.upper())


def test_the_id_of_a_created_endpoint_is_required() -> None:
    request = ENDPOINTS.creation_of(SCOPE, {"comment": "c"})
    write = Create(request, touches=("c",), name="c", reason=Reason.PENDING, intended="", searched="")
    assert KIND.written(write, {"status": "RESERVED"}) is None
    assert KIND.written(write, FULL) == (ID, ITEMS["all fields, and one that is new"][1])


async def test_requests_match_the_api_reference() -> None:
    client = holding([])
    await list_endpoints(client, KEY, PROJECT, "my-instance")
    base = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/my-instance/endpoint"
    assert [(each.method, each.path, each.json) for each in client.calls] == [("GET", base, None)]
    assert [
        KIND.get_request(SCOPE, ID),
        ENDPOINTS.creation_of(SCOPE, {"comment": "c"}),
        ENDPOINTS.update_of(SCOPE, ID, {"providerName": "AWS", "comment": "c"}),
        ENDPOINTS.deletion_of(SCOPE, ID),
    ] == [
        Request("getServerlessPrivateEndpoint", "GET", f"{base}/{ID}"),
        Request("createServerlessPrivateEndpoint", "POST", base, {"comment": "c"}),
        Request("updateServerlessPrivateEndpoint", "PATCH", f"{base}/{ID}", {"providerName": "AWS", "comment": "c"}),
        Request("deleteServerlessPrivateEndpoint", "DELETE", f"{base}/{ID}"),
    ]


async def test_path_segments_are_quoted() -> None:
    client = holding([])
    await list_endpoints(client, KEY, "a/b?c", "d e#f%")
    assert client.calls[0].path == (
        "/api/atlas/v2/groups/a%2Fb%3Fc/privateEndpoint/serverless/instance/d%20e%23f%25/endpoint"
    )


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_segment_that_changes_the_path_is_rejected(name: str) -> None:
    client = holding([])
    for call in (list_endpoints(client, KEY, name, "i"), list_endpoints(client, KEY, PROJECT, name)):
        with pytest.raises(InvalidRequestError, match="Correct it"):
            await call
    with pytest.raises(InvalidRequestError, match="Correct it"):
        ENDPOINTS.update_of(SCOPE, name, {})
    assert client.calls == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from([*FULL, "odd"]) | st.text(max_size=3), children, max_size=6)
    ),
    max_leaves=20,
)


@settings(deadline=None)  # a loaded machine is no failure
@given(JSON)
async def test_any_answer_is_an_endpoint_or_an_atlas_error(json: object) -> None:
    endpoints = [KIND.got(ID, json), EndpointStatus.read(json)]
    with suppress(AtlasError):
        endpoints += (await list_endpoints(holding(json), KEY, PROJECT, "i")).entries.values()
    for endpoint in endpoints:
        if endpoint is not None:
            assert endpoint.id
            str(endpoint.to_json()).encode()  # what cannot be encoded could not be shown either
