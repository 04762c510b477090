"""The simulator answers like Atlas: the recordings of tests/data, compared as comparison.yaml there says."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.recordings import comparisons, recordings
from unit.simulator.harness import (
    ABSENT_PROJECT,
    ACCEPT,
    BUCKETS_ACCEPT,
    CLUSTERS_ACCEPT,
    KEYS_ENDPOINT,
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

RECORDED, COMPARISONS = recordings(), comparisons()
BUCKETS = [{"bucketName": f"test-bucket-{number}"} for number in range(101)]
ENCRYPTION = {name: {"enabled": True, "requirePrivateNetworking": True} for name in ("awsKms", "azureKeyVault")}
KNOWN = {"id": PROJECT, "federatedDatabases": ["lake"], "exportBuckets": BUCKETS, "encryptionAtRest": ENCRYPTION}
EMPTY = SEED | {"projects": [KNOWN, {"id": OTHER_PROJECT}]}
NEW_SERVICE = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/endpointService"
SERVICE, CLUSTER = "d1" * 12, "orders"
VALUES = {
    "groupId": PROJECT,
    "absentGroupId": ABSENT_PROJECT,
    "serviceId": SERVICE,
    "clusterName": CLUSTER,
    "vpceId": VPCE,
    "endpointId": KEYS_ENDPOINT,
    "tenantName": "lake",
    "connectionId": STREAM_ENDPOINT,
    "subscriptionId": "0f0e0d0c-0b0a-0908-0706-050403020100",
    "17hex": "0123456789abcdef0",
    "region": "US_EAST_2",
}
"""What the placeholders of a request stand for."""
PATTERNS = VALUES | {
    "serviceId": "[0-9a-f]{24}",
    "connectionId": "[0-9a-f]{24}",
    "id": "[0-9a-f]{24}",
    "24hex": "[0-9a-f]{24}",
    "17hex": "[0-9a-f]{17}",
    "8alnum": "[0-9a-z]{8}",
    "p-24alnum": "p-[0-9a-z]{24}",
    "uuid": "[0-9a-f-]{36}",
    "account": "[0-9]{12}",
    "subscriptionId": "[0-9a-f-]{36}",
    "host": "[0-9a-z.-]+",
    "nonce": '[^"]+',
    "number": "[0-9]+",
}
"""What the placeholders of an answer stand for."""
VERSIONS = {"/clusters/": CLUSTERS_ACCEPT, "/streams": STREAMS_ACCEPT, "/exportBuckets": BUCKETS_ACCEPT}
NUMBERS = {"Content-Length": "{number}", "Ratelimit-Remaining": "{number}"}
"""IDs and names have other lengths, and the recorded project was asked before."""

LEFT_OUT = [name for name, each in COMPARISONS.items() if "left out" in each]
ANSWERS = [name for name, each in RECORDED.items() if each.get("response") and name not in LEFT_OUT]
SEQUENCES = [name for name, each in RECORDED.items() if "latest" in each]
REGIONS = {
    f"{name} {atlas}": (name.partition("-")[0].upper(), atlas, own)
    for name, each in RECORDED.items()
    for atlas, own in each.get("pairs", {}).items()
}
HEADERS = {header for name in ANSWERS for header in RECORDED[name]["response"]["headers"] or ()}


def test_each_recording_is_compared_or_left_out_for_a_reason() -> None:
    named = {name for name, each in RECORDED.items() if "pairs" in each}

    assert Counter([*ANSWERS, *SEQUENCES, *named, *LEFT_OUT]) == dict.fromkeys(RECORDED, 1)
    assert COMPARISONS.keys() <= RECORDED.keys()


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_simulator_answers_like_the_recording(name: str) -> None:
    recorded, comparison = RECORDED[name], COMPARISONS.get(name, {})
    expected, request = recorded["response"], filled(recorded["request"] | comparison.get("request", {}))
    async with start(EMPTY) as atlas:
        await arrange(atlas, recorded, filled(comparison.get("first", {})), request)
        answer = await ask(atlas, request)

    assert expected["status"] in {answer.status_code, None}
    found = {*differences(body_of(answer), expected["body"], recorded["fidelity"])}
    if expected["headers"]:
        shown = {header: answer.headers[header] for header in HEADERS if header in answer.headers}
        given = {header: NUMBERS.get(header, value) for header, value in expected["headers"].items()}
        found.update(differences(shown, given, "bytes"))
    assert found == comparison.get("differs", {}).keys()


def filled(value: Any) -> Any:
    return json.loads(re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], found[1]), json.dumps(value)))


async def arrange(atlas: Atlas, recorded: dict[str, Any], first: dict[str, Any], request: dict[str, Any]) -> None:
    """Bring about what a request finds, which its recorded answer mostly says itself."""
    op, body = recorded["op"], recorded["response"]["body"]
    shown = body[0] if op == "service_list" else body
    if op in {"service_get", "service_list"} and shown.get("id"):
        place = {"cloudProvider": shown["cloudProvider"], "regionName": shown["regionName"]}
        await put(atlas, "endpointServices", {"id": SERVICE, **place, "status": shown["status"], "advance": True})
    elif op == "service_delete":
        await put(atlas, "endpointServices", {"id": SERVICE, "cloudProvider": request["path"].split("/")[-3]})
    elif op == "cluster_get":
        known = {name: body[name] for name in ("clusterType", "stateName") if name in body}
        await put(atlas, "clusters", {"name": CLUSTER, **known})
    await atlas.token("everywhere")
    for what, value in first.items():
        match what:
            case "after":
                atlas.clock.advance(value)
            case "the same with":
                await ask(atlas, request | {"body": value})
            case "switches" | "faults":
                await atlas.control(what, value)
            case _:
                await put(atlas, what, value)


async def put(atlas: Atlas, what: str, value: dict[str, Any]) -> None:
    await atlas.control(what, {"projectId": PROJECT, **value})


async def ask(atlas: Atlas, request: dict[str, Any]) -> httpx.Response:
    path = re.sub(r"/v1\.\d/", "/v2/", request["path"])
    accept = next((each for text, each in VERSIONS.items() if text in path), ACCEPT)
    rest = {"headers": request.get("headers", {})} | ({"json": request["body"]} if request["body"] else {})
    return await atlas.call(request["method"], path, who="everywhere", accept=accept, **rest)


def body_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except json.JSONDecodeError:
        return None


def differences(shown: Any, expected: Any, fidelity: str, at: str = "") -> Iterator[str]:
    """Return the fields that differ from a recording, in name, presence, type, or value.

    ``fidelity`` as in the README: what is no whole body may have more fields, and documentation has other values.
    """
    if isinstance(expected, dict) and isinstance(shown, dict):
        for name in expected.keys() | shown.keys():
            where = f"{at}.{name}".lstrip(".")
            if name not in shown:
                yield f"{where} is absent"
            elif name in expected:
                yield from differences(shown[name], expected[name], fidelity, where)
            elif fidelity == "bytes" or (fidelity == "part" and at):
                yield f"{where} is new"
    elif isinstance(expected, list) and isinstance(shown, list):
        if len(shown) != len(expected):
            yield f"{at} has another length"
        for one, each in zip(shown, expected, strict=False):
            yield from differences(one, each, fidelity, at)
    elif type(shown) is not type(expected):
        yield f"{at} has another type"
    elif fidelity != "documentation" and not matches(shown, expected):
        yield at


def matches(shown: Any, expected: Any) -> bool:
    if not isinstance(expected, str):
        return bool(shown == expected)
    parts = re.split(r"\{([\w-]+)\}", expected)
    pattern = "".join(PATTERNS[part] if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.fullmatch(pattern, shown) is not None


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


@pytest.mark.parametrize("name", REGIONS)
async def test_a_region_has_the_recorded_names(name: str) -> None:
    cloud, atlas_name, own_name = REGIONS[name]
    async with start(EMPTY) as atlas:
        for region in (own_name, atlas_name):
            made = await atlas.call("POST", NEW_SERVICE, json={"providerName": cloud, "region": region})
            assert made.json()["regionName"] == atlas_name
            atlas.clock.advance(2)
            shown = await atlas.show(services(cloud, made.json()["id"]))
            coordinates = shown["endpointServiceName"] if cloud == "AWS" else shown["serviceAttachmentNames"][0]
            assert re.search(rf"[./]{own_name}[./]", coordinates)
            await atlas.call("DELETE", services(cloud, made.json()["id"]))
            atlas.clock.advance(2)
