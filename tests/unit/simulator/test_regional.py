"""The life of endpoints that Atlas makes for a region, at the pace of a clock that the test turns: testdata/regionals.yaml.

And what needs them: encryption at rest, clusters, export buckets.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from unit.simulator.harness import ACCEPT, CLUSTERS_ACCEPT, PROJECT, SEED, Atlas, check, check_answer, start

GROUP = f"/api/atlas/v2/groups/{PROJECT}"
BACKUP_ACCEPT = "application/vnd.atlas.2024-11-13+json"
BUCKETS_ACCEPT = "application/vnd.atlas.2024-05-30+json"
PRIVATE = {"enabled": True, "requirePrivateNetworking": True}
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
