"""What Atlas answered about private endpoints and clusters (testdata/recorded.json), and that the simulator does, too.

``{name}`` in a recorded text stands for what differs in each project. ``fidelity`` is ``bytes`` for a whole body, ``part``
for some of its fields, ``decoded`` and ``documentation`` for what others wrote about one.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from unit.simulator.harness import (
    ABSENT_PROJECT,
    ACCEPT,
    ARM_ID,
    CLUSTERS_ACCEPT,
    OTHER_PROJECT,
    PROJECT,
    SEED,
    STREAM_ENDPOINT,
    STREAMS_ACCEPT,
    VPCE,
    Atlas,
    services,
    start,
)

RECORDED = {
    each["name"]: each
    for each in json.loads((Path(__file__).parent / "testdata" / "recorded.json").read_text(encoding="utf-8"))
}
NEW_SERVICE = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/endpointService"
EMPTY = SEED | {"projects": [{"id": PROJECT, "federatedDatabases": ["lake"]}, {"id": OTHER_PROJECT}]}
SERVICE, CLUSTER = "d1" * 12, "orders"
VALUES = {
    "groupId": PROJECT,
    "serviceId": SERVICE,
    "clusterName": CLUSTER,
    "endpointId": VPCE,
    "tenantName": "lake",
    "connectionId": STREAM_ENDPOINT,
    "id": PROJECT,
}
"""What the placeholders of a request's path stand for."""
PATTERNS = {
    "serviceId": "[0-9a-f]{24}",
    "17hex": "[0-9a-f]{17}",
    "24hex": "[0-9a-f]{24}",
    "8alnum": "[0-9a-z]{8}",
    "p-24alnum": "p-[0-9a-z]{24}",
    "subscriptionId": "[0-9a-f-]{36}",
    "groupId": PROJECT,
    "id": "[0-9a-f]{24}",
    "clusterName": CLUSTER,
    "vpceId": VPCE,
    "connectionId": "[0-9a-f]{24}",
    "tenantName": "lake",
    "host": "[0-9a-z.-]+",
}
NOT_SIMULATED = {
    "error-404-code-says-nothing": "another operation's; a fault can answer with it",
    "error-409-project-has-services": "projects cannot be deleted by the API here",
    "docs-error-codes-privatelink": "the names that API v1.0 had for the codes; a fault can answer with them",
}
ELSEWHERE: dict[str, tuple[str, str]] = {
    "error-404-group-not-found": ("GET", services(project=ABSENT_PROJECT)),
    "error-404-resource-not-found": ("GET", services() + "/none/none"),
}
"""Requests of ours that end in an error which was recorded with an operation that is not simulated."""
NO_CAPACITY: dict[str, Any] = {"switches": {"dedicated": {"noCapacity": True}}}
FEDERATED = {"federation": {"comment": "comment"}}
EVENT_HUB = f"/subscriptions/{ARM_ID.split('/')[2]}/resourceGroups/test-rg/providers/Microsoft.EventHub/namespaces/test-namespace"
HUB = {
    "provider": "AZURE",
    "region": "US_EAST_2",
    "serviceEndpointId": EVENT_HUB,
    "dnsDomain": "test-namespace.servicebus.windows.net",
}
KAFKA = {
    "authentication": {"mechanism": "SCRAM-256", "username": "admin"},
    "bootstrapServers": "example.com:8080,fraud.example.com:8000",
    "config": {"auto.offset.reset": "earliest"},
    "security": {"protocol": "PLAINTEXT"},
}
FIRST: dict[str, dict[str, Any]] = {
    "gcp-legacy-get-initiating-some-attachments": {"after": 1},
    "aws-create-2025-without-supported-remote-regions": {"switches": {"missingFields": ["supportedRemoteRegions"]}},
    "aws-list-initiating": {"switches": {"missingFields": ["supportedRemoteRegions"]}},
    "gcp-create-2025-without-port-mapping": {"switches": {"missingFields": ["portMappingEnabled"]}},
    "aws-create-announced-deprecation": {
        "switches": {"dedicated": {"deprecation": "2026-04-30", "sunset": "2027-04-30"}},
        "body": {"supportedRemoteRegions": []},
    },
    "regional-mode-disable": {"regional": True},
    "cluster-replica-set-idle-without-strings": {"cluster": {"connectionStrings": {}}},
    "error-404-cluster-not-found": {"cluster": {"remove": True}},
    "error-400-flex-in-cluster-api": {"cluster": {"clusterType": "FLEX"}},
    "error-400-atlas-general-error": NO_CAPACITY,
    "error-400-no-capacity": NO_CAPACITY,
    "error-409-shape": {"service": {}},
    "error-409-service-exists": {"service": {"regionName": "US_EAST_1"}},
    "error-500-unexpected": {"fault": {"status": 500}},
    "error-403-empty": {
        "fault": {"status": 403, "body": {"errorCode": "", "detail": "", "reason": "", "parameters": []}}
    },
    "error-503-not-json": {"fault": {"status": 503, "body": "<html>Service Unavailable</html>"}},
    "error-401-digest-challenge": {"anonymous": True},
    "endpoint-rejected-new-words": {"service": {"endpoints": [{"id": VPCE, "status": "REJECTED"}]}},
    "docs-endpoint-create-aws": {"service": {}},
    "data-federation-list": FEDERATED,
    "data-federation-describe": FEDERATED,
    "data-federation-create": {"body": {"endpointId": VPCE}},
    "data-federation-delete": FEDERATED,
    "stream-create": {"body": {"serviceEndpointId": EVENT_HUB}},
    "stream-get-idle": {"stream": HUB | {"state": "IDLE"}},
    "stream-get-unknown-field": {"stream": HUB | {"state": "IDLE", "extra": {"mskAuthType": ""}}},
    "stream-list-idle": {"stream": HUB | {"state": "IDLE"}},
    "stream-list-working": {"stream": HUB | {"state": "IDLE"}, "after": 2},
    "stream-delete": {"stream": HUB | {"state": "IDLE"}},
    "stream-delete-in-use": {"stream": HUB, "connection": {"name": "orders", "connectionId": STREAM_ENDPOINT}},
    "stream-workspaces-list": {"connection": {"name": "orders"}},
    "stream-connections-list": {"connection": {"name": "connection-290", "extra": KAFKA}},
    "docs-cluster-private-endpoint-strings": {"service": {"endpoints": [{"id": "vpce-0c86b555d9a233152"}]}},
}
"""What has to be so before the request: a switch, a fault, what a person put, or how much time has passed."""
VERSIONS = {"/clusters/": CLUSTERS_ACCEPT, "/streams": STREAMS_ACCEPT}
LOOSE = {
    "error-404-resource-not-found": "the parameter names the resource, in other words for each",
    "gcp-legacy-get-initiating-some-attachments": "Atlas had two of six attachments, the simulator has three",
    "error-400-atlas-general-error": "the reason is that of another operation",
    "federated-database-get": "the names of the database, its host and the role are those of the project",
    "error-409-shape": "the code is that of another operation",
    "error-500-unexpected": "the words are the simulator's",
}
"""Answers of which only the status, the keys and the types are compared, with the reason."""

ANSWERS = [name for name, each in RECORDED.items() if each.get("response") and name not in NOT_SIMULATED]
SEQUENCES = [name for name, each in RECORDED.items() if "latest" in each]
REGIONS = [
    (name.partition("-")[0].upper(), atlas, own)
    for name, each in RECORDED.items()
    for atlas, own in each.get("pairs", {}).items()
]
OTHERWISE = {"stuck-services": "services.yaml keeps services INITIATING and DELETING"}


def test_each_recording_is_compared_or_left_out_for_a_reason() -> None:
    counts = Counter([*ANSWERS, *SEQUENCES, *NOT_SIMULATED, *OTHERWISE, "aws-region-names", "gcp-region-names"])

    assert counts == dict.fromkeys(RECORDED, 1)
    assert len(RECORDED) == 69
    assert {*FIRST, *LOOSE, *ELSEWHERE} <= set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_simulator_answers_like_the_recording(name: str) -> None:
    recorded, first = RECORDED[name], FIRST.get(name, {})
    expected, op = recorded["response"], recorded["op"]
    async with start(EMPTY) as atlas:
        await arrange(atlas, recorded, first)
        request = recorded["request"]
        path = re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], "x"), request["path"])
        path = path.replace("/v1.0/", "/v2/").replace("/v1.5/", "/v2/")
        method = request["method"]
        if op == "error_elsewhere":
            method, path = ELSEWHERE.get(name, ("POST", NEW_SERVICE))
        body = (request.get("body") or {"providerName": "AWS", "region": "us-east-1"}) | first.get("body", {})
        answer = await atlas.call(
            method,
            path,
            who="everywhere",
            accept=next((each for text, each in VERSIONS.items() if text in path), ACCEPT),
            headers={"Authorization": ""} if "anonymous" in first else {},
            **({"json": body} if method in {"POST", "PATCH"} else {}),
        )

    assert expected["status"] in {answer.status_code, None}
    if expected["body"] is None:
        with pytest.raises(json.JSONDecodeError):
            answer.json()
        return
    whole, texts = recorded["fidelity"] == "bytes", recorded["fidelity"] in {"bytes", "decoded"}
    compare(answer.json(), expected["body"], whole=whole, texts=texts and name not in LOOSE)
    if recorded["fidelity"] == "part":
        for field in ("clusterType", "stateName"):
            assert answer.json()[field] == expected["body"][field]
        assert answer.json()["connectionStrings"].keys() == expected["body"]["connectionStrings"].keys()
    if op.startswith(("service", "regional", "data_federation", "federated_database", "stream")):
        assert ("Sunset" in answer.headers) == ("Sunset" in expected["headers"])
        for header in expected["headers"]:
            assert answer.headers[header] == expected["headers"][header]


async def arrange(atlas: Atlas, recorded: dict[str, Any], first: dict[str, Any]) -> None:
    """Bring about what a request finds, which its recorded answer mostly says itself."""
    op, body = recorded["op"], recorded["response"]["body"]
    shown = body[0] if op == "service_list" else body
    await atlas.control("switches", first.get("switches", {}))
    if op in {"service_get", "service_list"} and shown.get("id"):
        place = {"cloudProvider": shown["cloudProvider"], "regionName": shown["regionName"]}
        await put(atlas, place | {"status": shown["status"], "advance": True})
    elif op == "service_delete":
        await put(atlas, {"cloudProvider": recorded["request"]["path"].split("/")[-3]})
    if "federation" in first:
        endpoint = {"projectId": PROJECT, "endpointId": VPCE, **first["federation"]}
        await atlas.control("dataFederationEndpoints", endpoint)
    if "service" in first:
        await put(atlas, first["service"])
    if "stream" in first:
        await atlas.control("streamEndpoints", {"projectId": PROJECT, "_id": STREAM_ENDPOINT, **first["stream"]})
    if "connection" in first:
        connection = {"projectId": PROJECT, "workspaceName": "lake", **first["connection"]}
        await atlas.control("streamConnections", connection)
    if op == "cluster_get":
        known = {name: body[name] for name in ("clusterType", "stateName") if name in body}
        cluster = {"projectId": PROJECT, "name": CLUSTER, **known, **first.get("cluster", {})}
        await atlas.control("clusters", cluster)
    if "regional" in first:
        await atlas.call(
            "PATCH", f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/regionalMode", json={"enabled": True}
        )
    await atlas.token("everywhere")
    atlas.clock.advance(first.get("after", 0))
    if "fault" in first:
        await atlas.control("faults", first["fault"])


async def put(atlas: Atlas, service: dict[str, Any]) -> None:
    await atlas.control("endpointServices", {"projectId": PROJECT, "id": SERVICE, **service})


def compare(shown: Any, expected: Any, *, whole: bool, texts: bool) -> None:
    """Compare two values.

    Args:
        whole: No key may be there that is not expected.
        texts: The values have to be the same, but for what stands between braces; else only their types.
    """
    if isinstance(expected, dict):
        assert shown.keys() == expected.keys() if whole else shown.keys() >= expected.keys()
        for key, value in expected.items():
            compare(shown[key], value, whole=whole, texts=texts)
    elif isinstance(expected, list) and texts:
        assert len(shown) == len(expected)
        for one, each in zip(shown, expected, strict=True):
            compare(one, each, whole=whole, texts=texts)
    elif isinstance(expected, str) and texts:
        assert re.fullmatch(pattern(expected), shown), (shown, expected)
    else:
        assert shown == expected if texts else type(shown) is type(expected)


def pattern(text: str) -> str:
    parts = re.split(r"\{([\w-]+)\}", text)
    return "".join(PATTERNS[part] if number % 2 else re.escape(part) for number, part in enumerate(parts))


@pytest.mark.parametrize("name", SEQUENCES)
async def test_a_service_goes_through_the_recorded_statuses(name: str) -> None:
    cloud, service_id, before = name.partition("-")[0].upper(), "", None
    async with start(EMPTY, transition=60) as atlas:
        for step in RECORDED[name]["latest"]:
            if step["status"] == "AVAILABLE" != before:
                atlas.clock.advance(60)
            before = step["status"]
            match step["op"]:
                case "service_create":
                    body = {"providerName": cloud, "region": "eastus" if cloud == "AZURE" else "us-east-1"}
                    answer = await atlas.call("POST", NEW_SERVICE, json=body)
                    service_id = answer.json()["id"]
                case "service_delete":
                    answer = await atlas.call("DELETE", services(cloud, service_id))
                case op:
                    answer = await atlas.call("GET", services(cloud, "" if op == "service_list" else service_id))
            shown = answer.json()[0] if step["op"] == "service_list" else answer.json()
            assert (answer.status_code, shown.get("status")) == (step["http_status"], step["status"])


@pytest.mark.parametrize(("cloud", "atlas_name", "own_name"), REGIONS)
async def test_a_region_has_the_recorded_names(cloud: str, atlas_name: str, own_name: str) -> None:
    async with start(EMPTY) as atlas:
        for name in (own_name, atlas_name):
            made = await atlas.call("POST", NEW_SERVICE, json={"providerName": cloud, "region": name})
            assert made.json()["regionName"] == atlas_name
            atlas.clock.advance(2)
            shown = await atlas.show(services(cloud, made.json()["id"]))
            coordinates = shown["endpointServiceName"] if cloud == "AWS" else shown["serviceAttachmentNames"][0]
            assert re.search(rf"[./]{own_name}[./]", coordinates)
            await atlas.call("DELETE", services(cloud, made.json()["id"]))
            atlas.clock.advance(2)
