"""The life of endpoints that Atlas makes for a region, at the pace of a clock that the test turns: testdata/regionals.yaml.

And what needs them: encryption at rest, clusters, export buckets.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from unit.simulator.harness import (
    ACCEPT,
    BACKUP_ACCEPT,
    BUCKETS_ACCEPT,
    CLUSTERS_ACCEPT,
    KEYS_ENDPOINT,
    PROJECT,
    SEED,
    Atlas,
    check,
    check_answer,
    start,
)

GROUP = f"/api/atlas/v2/groups/{PROJECT}"
PRIVATE = {"enabled": True, "requirePrivateNetworking": True}
PUBLIC = {"awsKms": {"requirePrivateNetworking": False}}
PLACES = {
    "AWS": (f"{GROUP}/encryptionAtRest/AWS/privateEndpoints", "encryptionAtRestEndpoints", {"cloudProvider": "AWS"}),
    "AZURE": (
        f"{GROUP}/encryptionAtRest/AZURE/privateEndpoints",
        "encryptionAtRestEndpoints",
        {"cloudProvider": "AZURE", "regionName": "US_EAST_2"},
    ),
    "backup": (f"{GROUP}/backup/AWS/privateEndpoints", "backupEndpoints", {}),
}
"""The path of endpoints, the control that puts them, and what is said to it in any case."""
LIVES = yaml.safe_load((Path(__file__).parent / "testdata" / "regionals.yaml").read_text(encoding="utf-8"))


class Life:
    """Does the steps of a case, and remembers the ids of endpoints."""

    def __init__(self, atlas: Atlas, place: str) -> None:
        self.atlas = atlas
        self.path, self.control, self.known = PLACES[place]
        self.accept, self.created = (BACKUP_ACCEPT, 201) if place == "backup" else (ACCEPT, 202)
        self.ids: list[str] = []

    async def do(self, step: dict[str, Any]) -> None:
        if "switches" in step:
            await self.atlas.control("switches", step["switches"])
        if "keys" in step:
            await self.atlas.control("encryptionAtRest", {"projectId": PROJECT, **step["keys"]})
        if "post" in step:
            answer = await self.call("POST", json=step["post"])
            self.expect(answer, step.get("answer", {}))
        if "delete" in step:
            answer = await self.call("DELETE", step["delete"])
            if "answer" in step:
                self.expect(answer, step["answer"])
            else:
                assert (answer.status_code, answer.content) == (204, b"")
        if "put" in step:
            put = await self.atlas.control(self.control, {"projectId": PROJECT, **self.known, **step["put"]})
            self.see(put)
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

    async def call(self, method: str, number: int | None = None, **rest: Any) -> httpx.Response:
        path = self.path if number is None else f"{self.path}/{self.ids[number]}"
        return await self.atlas.call(method, path, accept=self.accept, **rest)

    def expect(self, answer: httpx.Response, expected: dict[str, Any] | str) -> None:
        if isinstance(expected, str):
            check_answer(answer, expected)
        else:
            assert answer.status_code == self.created, answer.text
            check(dict.fromkeys(expected) | answer.json(), expected)
            self.see(answer.json())

    def see(self, shown: dict[str, Any]) -> None:
        if "id" in shown and shown["id"] not in self.ids:
            self.ids.append(shown["id"])


@pytest.mark.parametrize("name", LIVES)
async def test_an_endpoint_that_atlas_makes_lives_like_in_atlas(name: str) -> None:
    project = {"id": PROJECT, "encryptionAtRest": {"awsKms": PRIVATE, "azureKeyVault": PRIVATE}}
    seed = SEED | {"projects": [project], "serviceAccounts": SEED["serviceAccounts"][:1], "apiKeys": []}
    async with start(seed) as atlas:
        life = Life(atlas, LIVES[name][0]["at"])
        for step in LIVES[name]:
            await life.do(step)


async def test_endpoints_that_atlas_makes_come_in_pages_of_at_most_500(atlas: Atlas) -> None:
    path = PLACES["backup"][0]
    many = [{"projectId": PROJECT, "id": f"{number:024x}"} for number in range(500)]
    await atlas.control("backupEndpoints", many)

    pages = [
        (await atlas.call("GET", f"{path}?itemsPerPage=500&pageNum={number}", accept=BACKUP_ACCEPT)).json()
        for number in (1, 2)
    ]

    assert [len(page["results"]) for page in pages] == [500, 1]
    assert len({each["id"] for page in pages for each in page["results"]}) == 501
    assert [[each["rel"] for each in page["links"]] for page in pages] == [["self", "next"], ["previous", "self"]]
    assert pages[0]["links"][1]["href"] == f"http://localhost:8080{path}?itemsPerPage=500&pageNum=2"


async def test_a_write_may_be_applied_although_the_answer_is_500(atlas: Atlas) -> None:
    path = PLACES["AWS"][0]
    await atlas.control("faults", {"match": {"path": "privateEndpoints$"}, "status": 500, "apply": True, "times": 1})

    answer = await atlas.call("POST", path, json={"regionName": "EU_WEST_1"})

    assert answer.status_code == 500
    assert [each["regionName"] for each in (await atlas.show(path))["results"]] == ["US_EAST_1", "EU_WEST_1"]


async def test_a_person_changes_the_encryption_at_rest(atlas: Atlas) -> None:
    vault = {"subscriptionID": "sub", "resourceGroupName": "group", "requirePrivateNetworking": True, "valid": False}
    change = {"projectId": PROJECT, "awsKms": None, "azureKeyVault": vault}

    put = await atlas.control("encryptionAtRest", change)

    shown = await atlas.show(f"{GROUP}/encryptionAtRest")
    assert shown == {
        "azureKeyVault": {"enabled": True, "keyVaultName": "vault", **vault},
        "googleCloudKms": {"enabled": False, "valid": False},
    }
    assert put == shown | {"projectId": PROJECT}


async def test_a_person_changes_and_removes_export_buckets(atlas: Atlas) -> None:
    async def listed() -> list[dict[str, Any]]:
        answer = await atlas.call("GET", f"{GROUP}/backup/exportBuckets", accept=BUCKETS_ACCEPT)
        assert answer.headers["Content-Type"].startswith(BUCKETS_ACCEPT)
        assert answer.headers["RateLimit-Limit"] == "1200"
        buckets: list[dict[str, Any]] = answer.json()["results"]
        return buckets

    (near, old), needs = await listed(), {"requirePrivateNetworking": True}
    await atlas.control("exportBuckets", {"projectId": PROJECT, "bucketName": "old", **needs})
    await atlas.control("exportBuckets", {"projectId": PROJECT, "bucketName": "near", "region": None, **needs})
    changed = await listed()
    await atlas.control("exportBuckets", {"projectId": PROJECT, "bucketName": "near", "remove": True})

    assert list(near) == ["_id", "bucketName", "cloudProvider", "iamRoleId", "region", "requirePrivateNetworking"]
    assert (near["region"], near["requirePrivateNetworking"]) == ("us-east-1", False)
    assert "region" not in old
    assert changed == [{name: value for name, value in near.items() if name != "region"} | needs, old | needs]
    assert await listed() == [old | needs]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"requirePrivateNetworking": True}, {"requirePrivateNetworking": True}),
        ({}, "400 MISSING_ATTRIBUTE"),
        ({"requirePrivateNetworking": "yes"}, "400 INVALID_JSON_ATTRIBUTE"),
        ({"requirePrivateNetworking": True, "region": "us-east-1"}, "400 INVALID_ATTRIBUTE"),
    ],
)
async def test_a_request_changes_whether_an_export_bucket_is_private(
    body: dict[str, Any], answer: dict[str, Any] | str, atlas: Atlas
) -> None:
    path = f"{GROUP}/backup/exportBuckets"
    near, old = (await atlas.call("GET", path, accept=BUCKETS_ACCEPT)).json()["results"]

    found = await atlas.call("PATCH", f"{path}/{old['_id']}", json=body, accept=BUCKETS_ACCEPT)

    check_answer(found, answer)
    changed = old | (answer if isinstance(answer, dict) else {})
    assert (await atlas.call("GET", path, accept=BUCKETS_ACCEPT)).json()["results"] == [near, changed]


async def test_private_networking_ends_once_the_endpoints_of_its_cloud_are_gone(atlas: Atlas) -> None:
    await atlas.call("POST", PLACES["AWS"][0], json={"regionName": "EU_WEST_1"})
    atlas.clock.advance(2)
    answers = []
    for each in (await atlas.show(PLACES["AWS"][0]))["results"]:
        await atlas.call("DELETE", f"{PLACES['AWS'][0]}/{each['id']}")
        answers.append(await atlas.call("PATCH", f"{GROUP}/encryptionAtRest", json=PUBLIC))
        atlas.clock.advance(2)
    last = await atlas.call("PATCH", f"{GROUP}/encryptionAtRest", json=PUBLIC)

    assert [each.json()["parameters"] for each in answers] == [["EU_WEST_1, US_EAST_1"], ["EU_WEST_1"]]
    assert last.json()["awsKms"] == {"enabled": True, "requirePrivateNetworking": False, "valid": True}
    assert last.json() == await atlas.show(f"{GROUP}/encryptionAtRest")


async def test_a_cluster_shows_whose_keys_it_uses_and_where_its_nodes_are(atlas: Atlas) -> None:
    regions = [{"regionName": "US_EAST_1"}, {"providerName": "AZURE", "regionName": "eastus2"}]
    cluster = {"projectId": PROJECT, "name": "orders", "encryptionAtRestProvider": "AZURE", "regions": regions}
    await atlas.control("clusters", cluster)

    page = (await atlas.call("GET", f"{GROUP}/clusters", accept=CLUSTERS_ACCEPT)).json()

    orders = next(each for each in page["results"] if each["name"] == "orders")
    assert orders["encryptionAtRestProvider"] == "AZURE"
    assert orders["replicationSpecs"][0]["regionConfigs"] == [
        {
            "electableSpecs": {"instanceSize": "M10", "nodeCount": nodes},
            "priority": priority,
            "providerName": cloud,
            "regionName": region,
        }
        for nodes, priority, cloud, region in ((3, 7, "AWS", "US_EAST_1"), (2, 6, "AZURE", "US_EAST_2"))
    ]


async def test_the_state_shows_endpoints_that_atlas_makes_and_what_needs_them(atlas: Atlas) -> None:
    project = (await atlas.control("state"))["projects"][0]

    assert [each["id"] for each in project["encryptionAtRestEndpoints"]] == [KEYS_ENDPOINT]
    assert [each["vpcRegionName"] for each in project["backupEndpoints"]] == ["EU_WEST_1"]
    assert [each["bucketName"] for each in project["exportBuckets"]] == ["near", "old"]
    assert project["encryptionAtRest"] == await atlas.show(f"{GROUP}/encryptionAtRest")
