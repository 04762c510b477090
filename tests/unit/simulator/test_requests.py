"""Single requests and how Atlas answers them: testdata/requests.yaml, whose head explains the format, dedicated.yaml,
federation.yaml, regional.yaml, and stream.yaml.
"""

from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from unit.simulator.harness import (
    ABSENT_ENDPOINT,
    ABSENT_PROJECT,
    ACCEPT,
    ARM_ID,
    AWS_SERVICE,
    AZURE_SERVICE,
    BACKUP_ACCEPT,
    BACKUP_ENDPOINT,
    BUCKETS_ACCEPT,
    CLUSTERS_ACCEPT,
    CONFLUENT_ENDPOINT,
    DOMAIN_ACCEPT,
    GCP_SERVICE,
    KEYS_ENDPOINT,
    MAPPED_SERVICE,
    OTHER_PROJECT,
    OTHER_VPCE,
    PROJECT,
    STREAM_ENDPOINT,
    STREAMS_ACCEPT,
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
    "$other": OTHER_VPCE,
    "$aws_service": AWS_SERVICE,
    "$vpce_lf": VPCE + "\n",
    "$upper_vpce": VPCE.upper(),
    "$arm": ARM_ID,
    "$upper_arm": ARM_ID.upper(),
    "$bare_arm": ARM_ID.partition("/resourceGroups")[2],
    "$nic": ARM_ID.replace("privateEndpoints", "networkInterfaces"),
    "$absent": endpoint(endpoint_id=ABSENT_ENDPOINT),
    "$absent_id": ABSENT_ENDPOINT,
    "$aws_path": collection().lstrip("/"),
    "$project_id": PROJECT,
    "$xyz_path": endpoint(endpoint_id="xyz"),
    "$project": PROJECT,
}
IDS = {
    "project": PROJECT,
    "other_project": OTHER_PROJECT,
    "absent_project": ABSENT_PROJECT,
    "aws": AWS_SERVICE,
    "azure": AZURE_SERVICE,
    "gcp": GCP_SERVICE,
    "mapped": MAPPED_SERVICE,
    "vpce": VPCE,
    "other": OTHER_VPCE,
    "arm": quote(ARM_ID, safe=""),
    "bare_arm": ARM_ID,
    "keys": KEYS_ENDPOINT,
    "backup": BACKUP_ENDPOINT,
    "s3": STREAM_ENDPOINT,
    "confluent": CONFLUENT_ENDPOINT,
}
"""What stands in a path for what begins with $."""
VERSIONS = {
    "/clusters": CLUSTERS_ACCEPT,
    "/exportBuckets": BUCKETS_ACCEPT,
    "/backup/": BACKUP_ACCEPT,
    "/accountDetails": BACKUP_ACCEPT,
    "PATCH ~/streams/": DOMAIN_ACCEPT,
    "/streams": STREAMS_ACCEPT,
}
"""The Accept header of requests whose method and path contain a text; the first one counts."""
TESTDATA = Path(__file__).parent / "testdata"
CASES = yaml.safe_load((TESTDATA / "requests.yaml").read_text(encoding="utf-8"))
CASES |= yaml.safe_load((TESTDATA / "dedicated.yaml").read_text(encoding="utf-8"))
CASES |= yaml.safe_load((TESTDATA / "federation.yaml").read_text(encoding="utf-8"))
CASES |= yaml.safe_load((TESTDATA / "regional.yaml").read_text(encoding="utf-8"))
CASES |= yaml.safe_load((TESTDATA / "stream.yaml").read_text(encoding="utf-8"))


def text_of(value: Any) -> Any:
    return TEXTS.get(value, value) if isinstance(value, str) else value


def path_of(short: str) -> str:
    if short.startswith("$"):
        return TEXTS[short]
    if short in {"aws", "azure"}:
        return endpoint(short)
    if short.startswith("/"):
        return Template(short).substitute(IDS)
    if short.startswith("~"):
        return Template(f"/api/atlas/v2/groups/$project{short[1:]}").substitute(IDS)
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
        provider = {"providerName": "AZURE" if target == "azure" else "AWS"}
        known = provider if method == "PATCH" and not target.startswith("~") else {}
        content = {"json": known | {key: text_of(value) for key, value in body.items()}}
    headers = {"Content-Type": case.get("type", "application/json")} if content else {}
    await atlas.control("mode", {"mode": case.get("mode", "normal")})
    await atlas.control("switches", case.get("switches", {}))
    before = (await atlas.control("state"))["projects"]

    answer = await atlas.call(
        method,
        path_of(target),
        who=case.get("as", "owner"),
        accept=case.get("accept", next((each for text, each in VERSIONS.items() if text in request), ACCEPT)),
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
    if "shows" in case:
        assert answer.json().items() >= {key: text_of(value) for key, value in case["shows"].items()}.items()
