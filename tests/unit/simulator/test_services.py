"""The life of services and their endpoints at the pace of a clock that the test turns: testdata/services.yaml.

And that of endpoints of Data Federation: testdata/federations.yaml.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from unit.simulator.harness import (
    ARM_ID,
    CLUSTERS_ACCEPT,
    OTHER_VPCE,
    PROJECT,
    SEED,
    VPCE,
    Atlas,
    check,
    check_answer,
    filled,
    services,
    start,
)

ROOT = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint"
WEST, EAST = {"regionName": "EU_WEST_1"}, {"regionName": "US_EAST_1"}
CLUSTERS = [
    {"name": "single", "regions": [WEST]},
    {"name": "sharded", "clusterType": "SHARDED", "regions": [WEST]},
    {"name": "double", "clusterType": "GEOSHARDED", "regions": [WEST, EAST]},
]
PROJECT_SEED = {"id": PROJECT, "clusters": CLUSTERS}
TEXTS: dict[str, Any] = {
    "$vpce": VPCE,
    "$other": OTHER_VPCE,
    "$arm": ARM_ID,
    "$lower_arm": ARM_ID.lower(),
    "$upper_arm": ARM_ID.upper().replace("MICROSOFT.NETWORK", "Microsoft.Network"),
    "$capital_arm": ARM_ID.upper(),
    "$rule": {"endpointName": "rule-0", "ipAddress": "10.0.0.5"},
}
TESTDATA = Path(__file__).parent / "testdata"
LIVES = yaml.safe_load((TESTDATA / "services.yaml").read_text(encoding="utf-8"))
FEDERATIONS = yaml.safe_load((TESTDATA / "federations.yaml").read_text(encoding="utf-8"))
ENDPOINT_IDS = f"/api/atlas/v2/groups/{PROJECT}/privateNetworkSettings/endpointIds"


class Life:
    """Does the steps of a case, and remembers which service and endpoint they are about."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.cloud = "AWS"
        self.service_id = ""
        self.endpoint_id = VPCE

    async def do(self, step: dict[str, Any]) -> None:
        self.atlas.clock.advance(step.get("after", 0))
        if "switches" in step:
            await self.atlas.control("switches", step["switches"])
        if "put" in step:
            put = await self.atlas.control("endpointServices", {"projectId": PROJECT, **step["put"]})
            self.cloud, self.service_id = step["put"]["cloudProvider"], put.get("id", self.service_id)
            self.endpoint_id = next((each["id"] for each in step["put"].get("endpoints", ())), self.endpoint_id)
        await self._call(step)
        await self._expect(step)

    async def _call(self, step: dict[str, Any]) -> None:
        answer = None
        if "create" in step:
            self.cloud = step["create"]["providerName"]
            answer = await self.atlas.call("POST", f"{ROOT}/endpointService", json=step["create"])
            self.service_id = answer.json().get("id", self.service_id)
        if "register" in step:
            self.endpoint_id = step["register"].get("id") or self._google_name(step["register"])
            answer = await self.atlas.call("POST", f"{self.path}/endpoint", json=step["register"])
        if "regional" in step:
            answer = await self.atlas.call("PATCH", f"{ROOT}/regionalMode", json={"enabled": step["regional"]})
        if "deregister" in step:
            assert (await self.atlas.call("DELETE", self.endpoint_path)).status_code == step["deregister"]
        if "delete" in step:
            assert (await self.atlas.call("DELETE", self.path)).status_code == step["delete"]
        if answer is not None:
            check_answer(answer, step.get("answer", {}))

    async def _expect(self, step: dict[str, Any]) -> None:
        for what, path in (("service", self.path), ("endpoint", self.endpoint_path)):
            if what in step:
                shown = await self.atlas.call("GET", path)
                assert (shown.status_code == 404) == (step[what] is None), shown.text
                check(shown.json(), step[what] or {})
        if "list" in step:
            listed = (await self.atlas.call("GET", services(self.cloud))).json()
            assert len(listed) == len(step["list"])
            for each, expected in zip(listed, step["list"], strict=True):
                check(each, expected)
        if "strings" in step:
            path = f"/api/atlas/v2/groups/{PROJECT}/clusters"
            clusters = (await self.atlas.call("GET", path, accept=CLUSTERS_ACCEPT)).json()["results"]
            entries = {each["name"]: each["connectionStrings"].get("privateEndpoint", []) for each in clusters}
            assert {
                name: [[each["endpointId"] for each in entry["endpoints"]] for entry in found]
                for name, found in entries.items()
                if found
            } == step["strings"]

    def _google_name(self, body: dict[str, Any]) -> str:
        is_group = len(body["endpoints"]) > 1
        name: str = body["endpointGroupName"] if is_group else body["endpoints"][0]["endpointName"]
        return name

    @property
    def path(self) -> str:
        return services(self.cloud, self.service_id)

    @property
    def endpoint_path(self) -> str:
        return f"{self.path}/endpoint/{quote(self.endpoint_id, safe='')}"


@pytest.mark.parametrize("name", LIVES)
async def test_a_service_lives_like_in_atlas(name: str) -> None:
    async with start(
        SEED | {"projects": [PROJECT_SEED], "serviceAccounts": SEED["serviceAccounts"][:1], "apiKeys": []}
    ) as atlas:
        life = Life(atlas)
        for step in filled(LIVES[name], TEXTS):
            await life.do(step)


@pytest.mark.parametrize("name", FEDERATIONS)
async def test_an_endpoint_of_data_federation_lives_like_in_atlas(name: str) -> None:
    project = {"id": PROJECT, "federatedDatabases": ["lake"]}
    async with start(
        SEED | {"projects": [project], "serviceAccounts": SEED["serviceAccounts"][:1], "apiKeys": []}
    ) as atlas:
        for step in FEDERATIONS[name]:
            await live(atlas, {key: filled(value, TEXTS) for key, value in step.items()})


async def live(atlas: Atlas, step: dict[str, Any]) -> None:
    """Do a step of a life in Data Federation."""
    pages = []
    if "switches" in step:
        await atlas.control("switches", step["switches"])
    for put in step["put"] if isinstance(step.get("put"), list) else [step["put"]] if "put" in step else []:
        await atlas.control("dataFederationEndpoints", {"projectId": PROJECT, **put})
    if "post" in step:
        answer = await atlas.call("POST", ENDPOINT_IDS, json=step["post"])
        check_answer(answer, step.get("answer", {}))
        pages.append(answer.json())
    if "delete" in step:
        assert (await atlas.call("DELETE", one(step["delete"]))).status_code == 204
    atlas.clock.advance(step.get("after", 0))
    if "list" in step:
        for page in [*pages, await atlas.show(ENDPOINT_IDS)]:
            for shown, expected in zip(page["results"], step["list"], strict=True):
                check(dict.fromkeys(expected) | shown, expected)
    for endpoint_id, expected in step.get("get", {}).items():
        answer = await atlas.call("GET", one(TEXTS[endpoint_id]))
        assert (answer.status_code == 404) == (expected is None)
        check(dict.fromkeys(expected or {}) | answer.json(), expected or {})
    if "hosts" in step:
        database = await atlas.show(f"/api/atlas/v2/groups/{PROJECT}/dataFederation/lake")
        assert [each["privateEndpoint"] for each in database["privateEndpointHostnames"]] == step["hosts"]
        assert len({each["hostname"] for each in database["privateEndpointHostnames"]}) == len(step["hosts"])


def one(endpoint_id: str) -> str:
    return f"{ENDPOINT_IDS}/{quote(endpoint_id, safe='')}"
