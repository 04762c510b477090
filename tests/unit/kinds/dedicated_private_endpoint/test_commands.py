"""The commands for the kind against the simulator: ``plan`` by its arguments, what ``check`` asks and says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.interview import Place, interview
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from behaviour.atlas import PROJECT
from unit.kinds.read_atlas import ReadAtlas, cases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from unit.kinds.read_atlas import Run

HERE = Path(__file__).parent


@pytest.mark.parametrize("case", cases(HERE / "plans.yaml"))
def test_plan(case: Mapping[str, Any], run: Run, tmp_path: Path) -> None:
    objects = [_resource(name, spec) for name, spec in case["manifests"].items()] + case.get("objects", [])
    for name, status in case.get("exports", {}).items():
        objects.append({**_resource(name, case["manifests"][name]), "status": {"observedGeneration": 1, **status}})
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))

    flags = case.get("flags", ["--use-statuses"])
    code, output, errors = run(
        case, "plan", "-o", "json", "--namespace", "shop", "-f", str(tmp_path / "all.yaml"), *flags
    )

    assert (code, errors) == (case["code"], ""), output
    document = json.loads(output)
    for text in case.get("warns", ()):
        assert any(text in each for each in document["warnings"]), document["warnings"]
    assert bool(document["warnings"]) == bool(case.get("warns"))
    resources = {each["name"]: each for each in document["resources"]}
    for name in case["manifests"]:
        _compare(resources[name], case[name])


@pytest.mark.parametrize("case", cases(HERE / "checks.yaml"))
def test_check(case: Mapping[str, Any]) -> None:
    atlas = ReadAtlas(case)
    bodies = [_resource(name, spec) for name, spec in case["resources"].items()]
    metadata = {"namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "1"}
    resources = [KIND.resource.parse({**each, "metadata": {**metadata, **each["metadata"]}}) for each in bodies]
    scope = Scope("f", PROJECT, KIND.names.kind, resources[0].scope_name)

    place = Place(KIND, scope, "", tuple(resources), frozenset(map(KIND.named_by, bodies)))

    result = asyncio.run(interview(place, atlas, ApiKey("p", "k"), writes=True))

    found = [str(each) for each in result.findings]
    assert [each for each in case["says"] if not any(line.startswith(each) for line in found)] == [], found
    assert len([each for each in found if not each.startswith("ok")]) == len(
        [each for each in case["says"] if not each.startswith("ok")]
    ), found
    unnamed = [each.removeprefix("ok       ") for each in found if "that no live resource" in each]
    assert "unnamed" not in case or unnamed == case["unnamed"]
    assert set(atlas.calls) <= {"LIST", "PATCH service"}


def _resource(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "DedicatedPrivateEndpoint",
        "metadata": {"name": name},
        "spec": {"projectId": PROJECT, **spec},
    }


def _compare(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    request = found["request"] or {}
    path = request.get("path", "").rpartition("/privateEndpoint/")[2].removeprefix(f"{found['scopeName']}/")
    shown = {
        "action": found["action"],
        "reason": found["reason"],
        "status": found["status"],
        "endpoint": found["endpointId"],
        "changes": [each["field"] for each in found["changes"]],
        "request": f"{request['method']} {path}" if request else None,
        "body": request.get("body"),
    }
    if str(expected.get("request", "")).endswith("DELETE endpoint"):
        shown["request"] = f"{request['method']} endpoint" if "/endpoint/" in path else path
    assert {name: shown[name] for name in shown if name in expected} == {
        name: value for name, value in expected.items() if name in shown
    }, found
    assert [each for each in expected.get("says", ()) if each not in found["message"]] == [], found["message"]
    assert [each for each in expected.get("says_not", ()) if each in found["message"]] == [], found["message"]
