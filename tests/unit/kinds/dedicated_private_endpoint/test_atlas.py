"""The calls are those of Atlas's API reference, and recorded answers are read without a loss."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from atlas_endpoints.atlas.errors import UpdateRejectedError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, Service
from support.recordings import recordings

PROJECT, SERVICE = "32b6e34b3d91647abb20e7b8", "5f7cac1adf5d6c6306f4b283"
RECORDED = recordings(serviceId=SERVICE)
VPCE = "vpce-0123456789abcdef0"
AZURE_ID = "/subscriptions/4e133d35/resourceGroups/RG/providers/Microsoft.Network/privateEndpoints/pe"
GROUP = f"/api/atlas/v2/groups/{PROJECT}"

PATH = "/privateEndpoint/{}/endpointService/" + SERVICE
RULES = [{"endpointName": "a", "ipAddress": "10.0.0.5"}, {"endpointName": "b", "ipAddress": "10.0.0.6"}]
REQUESTS: dict[str, tuple[Request, str, Mapping[str, Any] | None]] = {
    atlas.LIST: (atlas.list_of(PROJECT, "GCP"), "GET /privateEndpoint/GCP/endpointService", None),
    atlas.GET: (atlas.get_of(PROJECT, "AWS", SERVICE), f"GET {PATH.format('AWS')}", None),
    atlas.CREATE: (atlas.creation_of(PROJECT, "AWS", "eu-west-1"), "POST /privateEndpoint/endpointService", {"providerName": "AWS", "region": "eu-west-1"}),
    f"{atlas.CREATE} with port mapping": (
        atlas.creation_of(PROJECT, "GCP", "us-central1", port_mapping=True), "POST /privateEndpoint/endpointService",
        {"providerName": "GCP", "region": "us-central1", "portMappingEnabled": True},
    ),
    atlas.UPDATE: (
        atlas.remote_regions_of(PROJECT, SERVICE, {"US_EAST_1", "EU_WEST_2"}), f"PATCH /privateEndpoint/endpointService/{SERVICE}",
        {"cloudProvider": "AWS", "supportedRemoteRegions": ["EU_WEST_2", "US_EAST_1"]},
    ),
    atlas.DELETE: (atlas.deletion_of(PROJECT, "AZURE", SERVICE), f"DELETE {PATH.format('AZURE')}", None),
    atlas.GET_ENDPOINT: (
        atlas.get_of(PROJECT, "AZURE", atlas.entry_name(SERVICE, AZURE_ID)), f"GET {PATH.format('AZURE')}/endpoint/" + AZURE_ID.replace("/", "%2F"), None,
    ),
    f"{atlas.CREATE_ENDPOINT} on AWS": (atlas.registration_of(PROJECT, "AWS", SERVICE, VPCE), f"POST {PATH.format('AWS')}/endpoint", {"id": VPCE}),
    f"{atlas.CREATE_ENDPOINT} on Azure": (
        atlas.registration_of(PROJECT, "AZURE", SERVICE, AZURE_ID, address="10.0.0.4"), f"POST {PATH.format('AZURE')}/endpoint",
        {"id": AZURE_ID, "privateEndpointIPAddress": "10.0.0.4"},
    ),
    f"{atlas.CREATE_ENDPOINT} on Google Cloud": (
        atlas.registration_of(PROJECT, "GCP", SERVICE, "orders", gcp_project="my-project-1", rules={"b": "10.0.0.6", "a": "10.0.0.5"}),
        f"POST {PATH.format('GCP')}/endpoint", {"endpointGroupName": "orders", "gcpProjectId": "my-project-1", "endpoints": RULES},
    ),
    atlas.DELETE_ENDPOINT: (atlas.deletion_of(PROJECT, "GCP", atlas.entry_name(SERVICE, "orders")), f"DELETE {PATH.format('GCP')}/endpoint/orders", None),
    atlas.GET_CLUSTER: (atlas.cluster_of(PROJECT, "orders"), "GET /clusters/orders", None),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call(name: str) -> None:
    request, call, body = REQUESTS[name]
    method, _, path = call.partition(" ")
    assert (request.operation, request.method, request.path) == (name.partition(" ")[0], method, GROUP + path)
    assert request.body == body
    version = {atlas.GET_CLUSTER: "2024-08-05"}.get(request.operation, "2023-01-01")
    assert request.media_type == f"application/vnd.atlas.{version}+json"


def test_each_operation_has_a_template_and_a_call() -> None:
    assert {name.partition(" ")[0] for name in REQUESTS} == atlas.TEMPLATES.keys()


SERVICES = {
    f"{name} {number}": item
    for name, each in RECORDED.items()
    if each["op"] in {"service_create", "service_get", "service_list"} and each["response"]["status"] < 300
    for body in [each["response"]["body"]]
    for number, item in enumerate(body if isinstance(body, list) else [body])
}


SCOPE = "cloudProvider"
"""The path of the LIST names it."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_recorded_service_is_read_without_a_loss(name: str) -> None:
    sent = SERVICES[name]
    found = atlas.listed(sent)
    assert found is not None
    identifier, service = found
    assert identifier == SERVICE
    assert atlas.got(SERVICE, sent) == service
    read = TypeAdapter(atlas.Service).dump_python(service, mode="json", by_alias=True)
    assert {key: value for key, value in read.items() if value not in (None, [])} == {
        key: value for key, value in sent.items() if value not in (None, []) and key != SCOPE
    }
    assert service.endpoint_ids == ()


def test_the_documented_endpoint_is_read() -> None:
    sent = RECORDED["docs-endpoint-create-aws"]["response"]["body"]
    identifier = "vpce-08fb7e9319909ec7b"
    assert atlas.got(atlas.entry_name(SERVICE, identifier), sent) == Endpoint(
        status="PENDING", interface_endpoint_id=identifier, delete_requested=False
    )
    assert atlas.got(atlas.entry_name(SERVICE, VPCE), sent) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            {"id": SERVICE, "interfaceEndpoints": [VPCE], "supportedRemoteRegions": ["EU_WEST_2"]},
            Service(id=SERVICE, interface_endpoints=(VPCE,), supported_remote_regions=("EU_WEST_2",)),
            id="AWS",
        ),
        pytest.param(
            {"id": SERVICE, "privateEndpoints": [AZURE_ID], "privateLinkServiceName": "pls"},
            Service(id=SERVICE, private_endpoints=(AZURE_ID,), private_link_service_name="pls"),
            id="Azure",
        ),
        pytest.param(
            {"id": SERVICE, "endpointGroupNames": ["orders"], "portMappingEnabled": True},
            Service(id=SERVICE, endpoint_group_names=("orders",), port_mapping_enabled=True),
            id="Google Cloud",
        ),
        pytest.param({"id": SERVICE, "status": "RESTING", "new": {"a": 1}}, Service(id=SERVICE, status="RESTING"), id="a status that nobody knows"),
        pytest.param(
            {
                "id": SERVICE,
                "status": 5,
                "errorMessage": ["x"],
                "interfaceEndpoints": [None, {}, VPCE, ""],
                "serviceAttachmentNames": "x",
                "portMappingEnabled": "yes",
            },
            Service(id=SERVICE, status="5", interface_endpoints=(VPCE,)),
            id="values of other types",
        ),
        pytest.param({"id": SERVICE, "error_message": "x", "region_name": "x"}, Service(id=SERVICE), id="names of our own"),
        pytest.param({"status": "AVAILABLE"}, Service(id=SERVICE, status="AVAILABLE"), id="no id, but a status"),
        pytest.param({"id": SERVICE.upper()}, Service(id=SERVICE.upper()), id="the id in capitals"),
        pytest.param({}, None, id="nothing"),
        pytest.param({"id": "a" * 24, "status": "AVAILABLE"}, None, id="another service"),
        pytest.param({"errorCode": "ODD"}, None, id="an error"),
        pytest.param([], None, id="a list"),
        pytest.param(None, None, id="no JSON"),
    ],
)  # fmt: skip
def test_a_service_is_read_leniently(sent: object, expected: Service | None) -> None:
    assert atlas.got(SERVICE, sent) == expected


@pytest.mark.parametrize("item", [None, "x", [], {}, {"id": None}, {"id": 5}, {"id": ""}, {"status": "AVAILABLE"}])
def test_an_item_of_a_list_without_an_id_is_none(item: object) -> None:
    assert atlas.listed(item) is None


@pytest.mark.parametrize(
    ("identifier", "sent", "expected"),
    [
        pytest.param(
            VPCE,
            {"interfaceEndpointId": VPCE, "connectionStatus": "REJECTED", "errorMessage": "no", "cloudProvider": "AWS"},
            Endpoint(interface_endpoint_id=VPCE, status="REJECTED", error_message="no"),
            id="AWS",
        ),
        pytest.param(
            AZURE_ID.lower(),
            {
                "privateEndpointResourceId": AZURE_ID,
                "privateEndpointIPAddress": "10.0.0.4",
                "privateEndpointConnectionName": "pe.1",
                "status": "AVAILABLE",
                "connectionStatus": None,
            },
            Endpoint(
                private_endpoint_resource_id=AZURE_ID,
                private_endpoint_ip_address="10.0.0.4",
                private_endpoint_connection_name="pe.1",
                status="AVAILABLE",
            ),
            id="Azure, in another letter case",
        ),
        pytest.param(
            "orders",
            {"endpointGroupName": "orders", "portMappingEnabled": False, "endpoints": [{"endpointName": "a"}, None, 5]},
            Endpoint(
                endpoint_group_name="orders",
                port_mapping_enabled=False,
                endpoints=(atlas.ForwardingRule(endpoint_name="a"),),
            ),
            id="Google Cloud without port mapping",
        ),
        pytest.param(
            "a",
            {"endpointGroupName": "orders", "portMappingEnabled": False, "endpoints": [{"endpointName": "a"}]},
            None,
            id="a rule of another group",
        ),
        pytest.param(
            "a",
            {"endpointGroupName": "ignored", "portMappingEnabled": True, "endpoints": [{"endpointName": "a"}]},
            Endpoint(
                endpoint_group_name="ignored",
                port_mapping_enabled=True,
                endpoints=(atlas.ForwardingRule(endpoint_name="a"),),
            ),
            id="Google Cloud with port mapping, where the group is ignored",
        ),
        pytest.param(VPCE, {"connectionStatus": "RESTING"}, Endpoint(status="RESTING"), id="no id, but a status"),
        pytest.param(VPCE, {"interfaceEndpointId": "vpce-1", "connectionStatus": "AVAILABLE"}, None, id="another one"),
        pytest.param(VPCE, {}, None, id="nothing"),
        pytest.param(VPCE, {"errorMessage": "no"}, None, id="neither id nor status"),
        pytest.param(VPCE, [], None, id="a list"),
    ],
)
def test_an_endpoint_is_read_leniently(identifier: str, sent: object, expected: Endpoint | None) -> None:
    assert atlas.got(atlas.entry_name(SERVICE, identifier), sent) == expected


@pytest.mark.parametrize("identifier", [VPCE, AZURE_ID, "orders"])
def test_an_entry_is_a_service_or_an_endpoint(identifier: str) -> None:
    assert atlas.parts_of(SERVICE) == (SERVICE, None)
    assert atlas.parts_of(atlas.entry_name(SERVICE, identifier)) == (SERVICE, identifier)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "status", "endpoints", "name"]), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_no_answer_raises(answer: object) -> None:
    atlas.listed(answer)
    atlas.got(SERVICE, answer)
    atlas.got(f"{SERVICE}/{VPCE}", answer)


OUTDATED = {
    "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION": True,
    "PRIVATELINK_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION": True,
    "PRIVATELINK_INTERFACE_ENDPOINT_ALREADY_EXISTS": True,
    "CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS": True,
    "PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS": True,
    "INVALID_ATTRIBUTE": False,
    None: False,
}


@pytest.mark.parametrize("code", OUTDATED)
def test_which_refusals_show_that_an_observation_is_outdated(code: str | None) -> None:
    error = UpdateRejectedError("x", operation="x", http_status=409, error_code=code)
    assert atlas.is_outdated(error) is OUTDATED[code]
