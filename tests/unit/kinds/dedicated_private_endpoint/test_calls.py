"""The calls are those of Atlas's API reference, and recorded answers are read without a loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import UpdateRejectedError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.dedicated_private_endpoint.calls import CHANGES, CLUSTER, ENDPOINTS
from atlas_endpoints.kinds.dedicated_private_endpoint.calls import SERVICES as CALLS
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Endpoint, Service
from support.recordings import recordings

PROJECT, SERVICE = "32b6e34b3d91647abb20e7b8", "5f7cac1adf5d6c6306f4b283"
RECORDED = recordings(serviceId=SERVICE)
VPCE = "vpce-0123456789abcdef0"
AZURE_ID = "/subscriptions/4e133d35/resourceGroups/RG/providers/Microsoft.Network/privateEndpoints/pe"
GROUP = f"/api/atlas/v2/groups/{PROJECT}"
AWS, AZURE, GCP = (Scope("", PROJECT, "DedicatedPrivateEndpoint", cloud) for cloud in ("AWS", "AZURE", "GCP"))

PATH = "/privateEndpoint/{}/endpointService/" + SERVICE
REQUESTS: dict[str, tuple[Request, str]] = {
    CALLS.list: (KIND.list_request(GCP), "GET /privateEndpoint/GCP/endpointService"),
    CALLS.get: (KIND.get_request(AWS, SERVICE), f"GET {PATH.format('AWS')}"),
    CALLS.delete: (CALLS.deletion_of(AZURE, SERVICE), f"DELETE {PATH.format('AZURE')}"),
    CHANGES.create: (CHANGES.creation_of(AWS, {}), "POST /privateEndpoint/endpointService"),
    CHANGES.update: (CHANGES.update_of(AWS, SERVICE, {}), f"PATCH /privateEndpoint/endpointService/{SERVICE}"),
    ENDPOINTS.get: (
        KIND.get_request(AZURE, f"{SERVICE}/{AZURE_ID}"), f"GET {PATH.format('AZURE')}/endpoint/" + AZURE_ID.replace("/", "%2F"),
    ),
    ENDPOINTS.create: (ENDPOINTS.creation_of(AWS, {}, SERVICE), f"POST {PATH.format('AWS')}/endpoint"),
    ENDPOINTS.delete: (ENDPOINTS.deletion_of(GCP, f"{SERVICE}/orders"), f"DELETE {PATH.format('GCP')}/endpoint/orders"),
    CLUSTER.operation: (CLUSTER.of(AWS, "orders"), "GET /clusters/orders"),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call(name: str) -> None:
    request, call = REQUESTS[name]
    method, _, path = call.partition(" ")
    assert (request.operation, request.method, request.path) == (name, method, GROUP + path)
    version = {CLUSTER.operation: "2024-08-05"}.get(request.operation, "2023-01-01")
    assert request.media_type == f"application/vnd.atlas.{version}+json"
    assert not request.paged


def test_each_operation_has_a_template_and_a_call() -> None:
    assert KIND.templates.keys() == REQUESTS.keys()


SERVICES = {
    f"{name} {number}": item
    for name, each in RECORDED.items()
    if each["op"] in {"service_create", "service_get", "service_list"} and each["response"]["status"] < 300
    for body in [each["response"]["body"]]
    for number, item in enumerate(body if isinstance(body, list) else [body])
}


SCOPE = "cloudProvider"
"""The path of the LIST names it."""


LISTS = {"interfaceEndpoints", "privateEndpoints", "endpointGroupNames"}
"""They are one list for the operator."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_recorded_service_is_read_without_a_loss(name: str) -> None:
    sent = SERVICES[name]
    found = KIND.listed(sent)
    assert found is not None
    identifier, service = found
    assert identifier == SERVICE
    assert KIND.got(SERVICE, sent) == service
    assert {"regionName" if key == "region" else key: value for key, value in service.to_json().items()} == {
        key: value for key, value in sent.items() if value not in (None, []) and key not in {SCOPE, *LISTS}
    }
    assert service.endpoint_ids == ()


def test_the_documented_endpoint_is_read() -> None:
    sent = RECORDED["docs-endpoint-create-aws"]["response"]["body"]
    identifier = "vpce-08fb7e9319909ec7b"
    assert KIND.got(f"{SERVICE}/{identifier}", sent) == Endpoint(id=identifier, status="PENDING")
    assert KIND.got(f"{SERVICE}/{VPCE}", sent) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            {"id": SERVICE, "interfaceEndpoints": [VPCE], "supportedRemoteRegions": ["EU_WEST_2"]},
            Service(id=SERVICE, endpoint_ids=(VPCE,), supported_remote_regions=("EU_WEST_2",)),
            id="AWS",
        ),
        pytest.param(
            {"id": SERVICE, "privateEndpoints": [AZURE_ID], "privateLinkServiceName": "pls"},
            Service(id=SERVICE, endpoint_ids=(AZURE_ID,), private_link_service_name="pls"),
            id="Azure",
        ),
        pytest.param(
            {"id": SERVICE, "endpointGroupNames": ["orders"], "portMappingEnabled": True},
            Service(id=SERVICE, endpoint_ids=("orders",), port_mapping_enabled=True),
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
            Service(id=SERVICE, status="5", endpoint_ids=(VPCE,)),
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
    assert KIND.got(SERVICE, sent) == expected


@pytest.mark.parametrize("item", [None, "x", [], {}, {"id": None}, {"id": 5}, {"id": ""}, {"status": "AVAILABLE"}])
def test_an_item_of_a_list_without_an_id_is_none(item: object) -> None:
    assert KIND.listed(item) is None


@pytest.mark.parametrize(
    ("identifier", "sent", "expected"),
    [
        pytest.param(
            VPCE,
            {"interfaceEndpointId": VPCE, "connectionStatus": "REJECTED", "errorMessage": "no", "cloudProvider": "AWS"},
            Endpoint(id=VPCE, status="REJECTED", error_message="no"),
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
            Endpoint(id=AZURE_ID, private_endpoint_ip_address="10.0.0.4", connection_name="pe.1", status="AVAILABLE"),
            id="Azure, in another letter case",
        ),
        pytest.param(
            "orders",
            {
                "endpointGroupName": "orders",
                "portMappingEnabled": False,
                "endpoints": [{"endpointName": "a", "ipAddress": "10.0.0.5"}, {"endpointName": "b"}, None, 5],
            },
            Endpoint(id="orders", rules={"a": "10.0.0.5"}, gcp_endpoints="a=10.0.0.5"),
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
            Endpoint(id="a"),
            id="Google Cloud with port mapping, where the group is ignored",
        ),
        pytest.param(
            VPCE, {"connectionStatus": "RESTING"}, Endpoint(id=VPCE, status="RESTING"), id="no id, but a status"
        ),
        pytest.param(VPCE, {"interfaceEndpointId": "vpce-1", "connectionStatus": "AVAILABLE"}, None, id="another one"),
        pytest.param(VPCE, {}, None, id="nothing"),
        pytest.param(VPCE, {"errorMessage": "no"}, None, id="neither id nor status"),
        pytest.param(VPCE, [], None, id="a list"),
    ],
)
def test_an_endpoint_is_read_leniently(identifier: str, sent: object, expected: Endpoint | None) -> None:
    assert KIND.got(f"{SERVICE}/{identifier}", sent) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "status", "endpoints", "name"]), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_no_answer_raises(answer: object) -> None:
    KIND.listed(answer)
    KIND.got(SERVICE, answer)
    KIND.got(f"{SERVICE}/{VPCE}", answer)


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
    assert KIND.is_outdated(error) is OUTDATED[code]
