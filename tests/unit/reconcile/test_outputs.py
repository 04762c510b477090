"""The ConfigMaps of a resource: what they hold, and what is done about one that is found."""

from collections.abc import Mapping
from typing import Any

import pytest

from atlas_endpoints.cluster.api import ConfigMap
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import PrivateConnection
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KEYS, connection_values, values_of
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.outputs import Write, decide
from unit.reconcile.harness import ENDPOINT, VPCE, Harness

SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"
LINK = "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/privateLinkServices/pls"
NAME = "orders-atlas"
UID = "uid-db"
HELD = {"endpointId": ENDPOINT, "endpointServiceName": SERVICE}


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
    assert values_of(endpoint, provider) == expected


def found(data: Mapping[str, str], *owners: str, deleting: bool = False) -> ConfigMap:
    return ConfigMap("uid-map", "1", frozenset(owners), deleting, data)


STEPS: dict[str, tuple[ConfigMap | None, object]] = {
    "there is none: it is created": (None, Write.CREATE),
    "ours holds it all: nothing is to be done": (found(HELD, UID), Write.NOTHING),
    "ours holds it all and a key of somebody else's": (found({**HELD, "more": "x"}, UID), Write.NOTHING),
    "ours lacks a key": (found({"endpointId": ENDPOINT}, UID), Write.UPDATE),
    "ours holds another service": (found({**HELD, "endpointServiceName": "other"}, UID), Write.UPDATE),
    "ours holds what Atlas tells no more": (found({**HELD, "privateLinkServiceResourceId": LINK}, UID), Write.UPDATE),
    "ours is empty": (found({}, UID), Write.UPDATE),
    "ours has another owner, too": (found({}, "uid-other", UID), Write.UPDATE),
    "it has no owner, and holds the very same": (found(HELD), "NotOurs"),
    "it is of another resource, or of an earlier one of this name": (found(HELD, "uid-other"), "NotOurs"),
    "it is somebody else's and is being deleted": (found({}, deleting=True), "NotOurs"),
    "ours is being deleted": (found({}, UID, deleting=True), "Pending"),
}


@pytest.mark.parametrize(("config_map", "expected"), STEPS.values(), ids=STEPS)
def test_decide(config_map: ConfigMap | None, expected: object) -> None:
    step = decide(NAME, HELD, config_map, UID, KEYS)
    assert (step if isinstance(step, Write) else step.reason) == expected


SRV = "mongodb+srv://orders-pe-1.abcde.mongodb.net"
OWN = PrivateConnection(SRV, "US_EAST_1", frozenset({VPCE.upper()}))
OTHER = PrivateConnection("mongodb+srv://orders-pe-0.abcde.mongodb.net", "US_EAST_1", frozenset({"vpce-other"}))
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
    harness: Harness,
    endpoint: EndpointStatus | None,
    connections: tuple[PrivateConnection, ...],
    expected: Mapping[str, str] | None,
) -> None:
    resource = ServerlessPrivateEndpoint.parse(harness.create().body)
    assert connection_values(resource, endpoint, connections) == expected
