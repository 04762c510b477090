"""The life of endpoints of Stream Processing, at the pace of a clock that the test turns: testdata/streams.yaml.

And the streams that use them.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from unit.simulator.harness import (
    CONFLUENT_ENDPOINT,
    DOMAIN_ACCEPT,
    PROJECT,
    SEED,
    STREAM_ENDPOINT,
    STREAMS_ACCEPT,
    Atlas,
    check,
    check_answer,
    start,
)

STREAMS = f"/api/atlas/v2/groups/{PROJECT}/streams"
ENDPOINTS = f"{STREAMS}/privateLinkConnections"
HUB = {"provider": "Azure", "region": "US_EAST_2", "serviceEndpointId": "/hub", "dnsDomain": "hub.example"}
ENTERPRISE = {"provider": "AWS", "region": "us_east_1", "serviceEndpointId": "service", "dnsSubDomain": []}
BODIES: dict[str, dict[str, Any]] = {
    "hub": HUB,
    "same_hub": HUB | {"provider": "AZURE", "vendor": "EventHub", "region": "eastus2", "serviceEndpointId": "/HUB"},
    "kafka": {"provider": "AWS", "vendor": "MSK", "arn": "arn:aws:kafka:us-east-1:123456789012:cluster/orders"},
    "enterprise": ENTERPRISE | {"vendor": "CONFLUENT"},
    "confluent": ENTERPRISE | {"vendor": "Confluent", "dnsDomain": "a.example"},
    "pubsub": {"provider": "GCP", "vendor": "PUBSUB", "region": "us-central1"},
}
LIVES = yaml.safe_load((Path(__file__).parent / "testdata" / "streams.yaml").read_text(encoding="utf-8"))


class Life:
    """Does the steps of a case, and remembers the ids of endpoints."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.ids: list[str] = []

    async def do(self, step: dict[str, Any]) -> None:
        if "switches" in step:
            await self.atlas.control("switches", step["switches"])
        answer = await self.ask(step)
        if answer is not None:
            self.expect(answer, step.get("answer", {}))
        if "put" in step:
            named = {"_id": self.ids[0]} if step["put"].get("_id") == "$0" else {}
            await self.atlas.control("streamEndpoints", {"projectId": PROJECT, **step["put"], **named})
        if "use" in step:
            used = None if step["use"] is None else self.ids[step["use"]]
            connection = {"projectId": PROJECT, "workspaceName": "sales", "name": "orders", "connectionId": used}
            await self.atlas.control("streamConnections", connection)
        self.atlas.clock.advance(step.get("after", 0))
        if "list" in step:
            listed = (await self.call("GET")).json()["results"]
            for shown, expected in zip(listed, step["list"], strict=True):
                self.see(shown)
                check(dict.fromkeys(expected) | shown, expected)
        for number, expected in step.get("get", {}).items():
            answer = await self.call("GET", number)
            assert (answer.status_code == 404) == (expected is None)
            check(answer.json(), expected or {})

    async def ask(self, step: dict[str, Any]) -> httpx.Response | None:
        if "post" in step:
            return await self.call("POST", json=BODIES[step["post"]])
        if "patch" in step:
            number, domain = step["patch"]
            return await self.call("PATCH", number, json={"dnsDomain": domain}, accept=DOMAIN_ACCEPT)
        if "delete" in step:
            answer = await self.call("DELETE", step["delete"])
            assert "answer" in step or (answer.status_code, answer.content) == (202, b"{}")
            return answer
        return None

    async def call(
        self, method: str, number: int | None = None, accept: str = STREAMS_ACCEPT, **rest: Any
    ) -> httpx.Response:
        path = ENDPOINTS if number is None else f"{ENDPOINTS}/{self.ids[number]}"
        return await self.atlas.call(method, path, accept=accept, **rest)

    def expect(self, answer: httpx.Response, expected: dict[str, Any] | str) -> None:
        if isinstance(expected, str):
            check_answer(answer, expected)
        else:
            assert answer.status_code in {200, 202}, answer.text
            check(dict.fromkeys(expected) | answer.json(), expected)
            self.see(answer.json())

    def see(self, shown: dict[str, Any]) -> None:
        if "_id" in shown and shown["_id"] not in self.ids:
            self.ids.append(shown["_id"])


@pytest.mark.parametrize("name", LIVES)
async def test_an_endpoint_of_streams_lives_like_in_atlas(name: str) -> None:
    clusters = [{"name": "orders", "regions": [{"providerName": "GCP", "regionName": "CENTRAL_US"}]}]
    project = {"id": PROJECT, "clusters": clusters}
    seed = SEED | {"projects": [project], "serviceAccounts": SEED["serviceAccounts"][:1], "apiKeys": []}
    async with start(seed) as atlas:
        life = Life(atlas)
        for step in LIVES[name]:
            await life.do(step)


async def test_endpoints_of_streams_come_in_pages_of_at_most_500(atlas: Atlas) -> None:
    many = [{"projectId": PROJECT, "_id": f"{number:024x}"} for number in range(500)]
    await atlas.control("streamEndpoints", many)

    pages = [
        (await atlas.call("GET", f"{ENDPOINTS}?itemsPerPage=500&pageNum={number}", accept=STREAMS_ACCEPT)).json()
        for number in (1, 2)
    ]

    assert [len(page["results"]) for page in pages] == [500, 2]
    assert [[each["rel"] for each in page["links"]] for page in pages] == [["self", "next"], ["previous", "self"]]


async def test_one_refusal_may_come_between_good_answers(atlas: Atlas) -> None:
    path = f"{ENDPOINTS}/{STREAM_ENDPOINT}"
    fault = {"match": {"method": "GET", "path": "/privateLinkConnections/"}, "status": 401, "times": 1}
    await atlas.control("faults", fault | {"errorCode": "USER_UNAUTHORIZED"})

    answers = [await atlas.call("GET", path, accept=STREAMS_ACCEPT) for _ in range(2)]

    assert [each.status_code for each in answers] == [401, 200]
    assert answers[0].json()["errorCode"] == "USER_UNAUTHORIZED"


async def test_a_person_changes_and_removes_what_uses_an_endpoint(atlas: Atlas) -> None:
    async def listed(path: str) -> list[dict[str, Any]]:
        answer = await atlas.call("GET", f"{STREAMS}{path}", accept=STREAMS_ACCEPT)
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    async def put(**fields: Any) -> None:
        await atlas.control("streamConnections", {"projectId": PROJECT, "workspaceName": "sales"} | fields)

    (workspace,) = await listed("")
    lake, public = await listed("/sales/connections")
    await put(name="lake", connectionId=CONFLUENT_ENDPOINT)
    await put(name="public", state="PENDING")
    changed = await listed("/sales/connections")
    await put(name="lake", connectionId=None)
    loosened = await listed("/sales/connections")
    await put(name="lake", remove=True)
    await put(name="none", remove=True)
    await put(name="none", remove=True, workspaceName="none")

    assert (workspace["name"], workspace["groupId"], "connections" in workspace) == ("sales", PROJECT, False)
    assert list(lake) == ["id", "name", "networking", "region", "state", "type"]
    assert (lake["name"], lake["type"], lake["state"]) == ("lake", "S3", "READY")
    assert lake["networking"] == {"access": {"connectionId": STREAM_ENDPOINT, "type": "PRIVATE_LINK"}}
    assert (public["type"], public["networking"]) == ("Kafka", {"access": {"type": "PUBLIC"}})
    access = {"connectionId": CONFLUENT_ENDPOINT, "type": "PRIVATE_LINK"}
    assert changed == [lake | {"networking": {"access": access}}, public | {"state": "PENDING"}]
    assert loosened[0]["networking"] == public["networking"]
    assert await listed("/sales/connections") == [changed[1]]
    assert await listed("") == [workspace]


async def test_the_state_shows_endpoints_of_streams_and_what_uses_them(atlas: Atlas) -> None:
    project = (await atlas.control("state"))["projects"][0]

    assert [each["_id"] for each in project["streamEndpoints"]] == [STREAM_ENDPOINT, CONFLUENT_ENDPOINT]
    assert [(each["workspaceName"], each["name"]) for each in project["streamConnections"]] == [
        ("sales", "lake"),
        ("sales", "public"),
    ]
