"""Single requests and how Atlas answers them: testdata/requests.yaml, whose head explains the format."""

from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from unit.simulator.harness import (
    ABSENT_ENDPOINT,
    ABSENT_PROJECT,
    ACCEPT,
    ARM_ID,
    OTHER_PROJECT,
    PROJECT,
    VPCE,
    Atlas,
    collection,
    endpoint,
)

TEXTS = {
    "$80": "x" * 80,
    "$80ü": "ü" * 80,
    "$81": "x" * 81,
    "$65/": collection("n" * 65),
    "$deep": "[" * 100_000,
    "$vpce": VPCE,
    "$vpce_lf": VPCE + "\n",
    "$upper_vpce": VPCE.upper(),
    "$arm": ARM_ID,
    "$upper_arm": ARM_ID.upper(),
    "$bare_arm": ARM_ID.partition("/resourceGroups")[2],
    "$nic": ARM_ID.replace("privateEndpoints", "networkInterfaces"),
    "$absent": endpoint(endpoint_id=ABSENT_ENDPOINT),
    "$absent_id": ABSENT_ENDPOINT,
    "$aws_path": collection().lstrip("/"),
    "$xyz_path": endpoint(endpoint_id="xyz"),
    "$project": PROJECT,
}
PROJECTS = {"project": PROJECT, "other_project": OTHER_PROJECT, "absent_project": ABSENT_PROJECT}
CASES = yaml.safe_load((Path(__file__).parent / "testdata" / "requests.yaml").read_text(encoding="utf-8"))


def path_of(short: str) -> str:
    if short.startswith("$"):
        return TEXTS[short]
    if short in {"aws", "azure"}:
        return endpoint(short)
    if short.startswith("/"):
        return Template(short).substitute(PROJECTS)
    instance, _, rest = short.partition("/")
    return f"{collection(instance)}/{rest}" if rest else collection(instance)


@pytest.mark.parametrize("name", CASES)
async def test_a_request_is_answered_like_by_atlas(atlas: Atlas, name: str) -> None:
    case = dict(CASES[name])
    ((request, body),) = ((key, value) for key, value in case.items() if " " in key)
    method, _, target = request.partition(" ")
    content: dict[str, Any] = {}
    if "raw" in case:
        content = {"content": TEXTS.get(case["raw"], case["raw"])}
    elif body is not None:
        provider = {"providerName": "AZURE" if target == "azure" else "AWS"} if method == "PATCH" else {}
        content = {"json": provider | {key: TEXTS.get(value, value) for key, value in body.items()}}
    headers = {"Content-Type": case.get("type", "application/json")} if content else {}
    await atlas.control("mode", {"mode": case.get("mode", "normal")})
    before = (await atlas.control("state"))["projects"]

    answer = await atlas.call(
        method,
        path_of(target),
        who=case.get("as", "owner"),
        accept=case.get("accept", ACCEPT),
        headers=headers,
        **content,
    )

    status, _, code = str(case["answer"]).partition(" ")
    assert str(answer.status_code) == status, answer.text
    if code:
        assert (answer.json()["error"], answer.json()["errorCode"]) == (answer.status_code, code)
        assert (await atlas.control("state"))["projects"] == before
    if "parameters" in case:
        assert answer.json()["parameters"] == [TEXTS.get(str(each), str(each)) for each in case["parameters"]]
