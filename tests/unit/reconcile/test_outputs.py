"""The ConfigMaps of a resource: what they hold, what is done about one that is found, and how long that may take."""

from collections.abc import Mapping
from typing import Any

import pytest

from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KEYS, KIND, cloud_values
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from behaviour.atlas import PROJECT
from behaviour.serverless import ENDPOINT, INSTANCE, VPCE
from support.named import NAMED

SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
LINK = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/privateLinkServices/pls"
NAME = "orders-atlas"
UID = "uid-db"
HELD = {"endpointId": ENDPOINT, "endpointServiceName": SERVICE}


def body(**spec: Any) -> dict[str, Any]:
    """A resource, with more fields of its spec."""
    metadata = {"namespace": "shop", "name": "db", "uid": UID, "generation": 1, "resourceVersion": "1"}
    place = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS", "endpointId": ENDPOINT}
    return {**NAMED, "metadata": metadata, "spec": {**place, **spec}, "status": {"observedGeneration": -1}}


def shown(**fields: str | None) -> EndpointStatus:
    return EndpointStatus.model_validate({"id": ENDPOINT, **fields})


VALUES: dict[str, tuple[EndpointStatus | None, str, Mapping[str, str] | None]] = {
    "nothing is known of an endpoint": (None, "AWS", None),
    "an endpoint that is being reserved has no service yet": (shown(), "AWS", None),
    "a service without a name is none": (shown(endpoint_service_name=""), "AWS", None),
    "on AWS the name of the service is enough": (shown(endpoint_service_name=SERVICE), "AWS", HELD),
    "on Azure the name alone is not": (shown(endpoint_service_name="pls"), "AZURE", None),
    "on Azure all three are there": (
        shown(endpoint_service_name="pls", private_link_service_resource_id=LINK),
        "AZURE",
        dict(zip(KEYS, (ENDPOINT, "pls", LINK), strict=True)),
    ),
}


@pytest.mark.parametrize(("endpoint", "provider", "expected"), VALUES.values(), ids=VALUES)
def test_values(endpoint: EndpointStatus | None, provider: Any, expected: Mapping[str, str] | None) -> None:
    assert cloud_values(endpoint, provider) == expected


SRV = "mongodb+srv://orders-pe-1.abcde.mongodb.net"
OWN = PrivateStrings((Connected(VPCE.upper(), "AWS", "US_EAST_1"),), {"connectionStringSrv": SRV})
OTHER = PrivateStrings(
    (Connected("vpce-other", "AWS", "US_EAST_1"),),
    {"connectionStringSrv": "mongodb+srv://orders-pe-0.abcde.mongodb.net"},
)
STRING = {
    "clusterName": "orders",
    "connectionStringSrv": SRV,
    "endpointId": ENDPOINT,
    "providerName": "AWS",
    "region": "US_EAST_1",
}


@pytest.mark.parametrize(
    ("endpoint", "connections", "expected"),
    [
        pytest.param(None, (OWN,), None, id="nothing is known of an endpoint"),
        pytest.param(shown(), (OWN,), None, id="nothing is connected to the endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (), None, id="Atlas shows no string"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER,), None, id="Atlas shows that of another endpoint"),
        pytest.param(shown(cloud_provider_endpoint_id=VPCE), (OTHER, OWN), STRING, id="by its ID, in any letters"),
    ],
)
def test_connection_values(
    endpoint: EndpointStatus | None,
    connections: tuple[PrivateStrings, ...],
    expected: Mapping[str, str] | None,
) -> None:
    resource = ServerlessPrivateEndpoint.parse(body(connectionStringConfigMapRef={"name": NAME}))
    available = None if endpoint is None else endpoint.model_copy(update={"status": "AVAILABLE"})
    (strings,) = KIND.outputs(resource, {"endpoint": available})
    assert strings.fill(connections) == expected
