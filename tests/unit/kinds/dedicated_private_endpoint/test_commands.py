"""The commands for the kind against the simulator: ``import`` and ``plan`` by their arguments, what ``check`` asks and says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import yaml

from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cli import main
from atlas_endpoints.commands import importing
from atlas_endpoints.commands.check.interview import Place, interview
from atlas_endpoints.commands.plan import command as plan_command
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.simulator.endpoint import EndpointDocument
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from atlas_endpoints.simulator.service import ServiceDocument
from behaviour.atlas import PROJECT, SimulatedAtlas
from behaviour.cases import filled
from behaviour.dedicated import CONSTANTS, DedicatedSteps
from support.virtual_time import run as on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
KNOWN = {
    **CONSTANTS,
    "FOLDER": "written",
    "OTHER_SERVICE": "b" * 24,
    "AZURE_ID_IN_CAPITALS": CONSTANTS["AZURE_ID"].upper(),
    "AZURE_ID_IN_OTHER_GROUP": CONSTANTS["AZURE_ID"].replace("/rg/", "/other/"),
}
READS = {"GET service", "GET endpoint", "LIST"}


class ReadAtlas(SimulatedAtlas):
    """The simulator with the endpoint services of a case, and the endpoints of its serverless instances, as a command has it."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        super().__init__(lambda: 1_800_000_000.0)
        world = self.simulator.world
        project, world.mode = world.projects[PROJECT], case.get("mode", "normal")
        for each in case.get("services", ()):
            self.simulator.services.put(project, ServiceDocument.model_validate(each))
        for each in case.get("federation", ()):
            self.simulator.federation.put(project, FederationEndpointDocument.model_validate(each))
        for name, endpoints in case.get("instances", {}).items():
            instance = world.add_instance(project, name, provider_name="AWS", region_name="US_EAST_1")
            for each in endpoints:
                world.put(instance, EndpointDocument.model_validate(each))

    async def aclose(self) -> None:
        pass


class Run(Protocol):
    """Runs a command against the project of a case, and returns its exit code and what it printed."""

    def __call__(self, case: Mapping[str, Any], *arguments: str) -> tuple[int, str, str]: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", "mdb_sa_id_1")
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "mdb_sa_sk_1")

    def run(case: Mapping[str, Any], *arguments: str) -> tuple[int, str, str]:
        atlas = ReadAtlas(case)
        for module in (importing, plan_command):
            monkeypatch.setattr(module, "client_of", lambda _: atlas)
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        assert set(atlas.calls) <= READS
        return code, printed.out, printed.err

    return run


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((HERE / name).read_text("utf-8"))
    return [pytest.param(filled(case, KNOWN), id=title) for title, case in found.items()]


def expected(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with what all have; null takes it away."""
    found = {"projectId": PROJECT, "deletionPolicy": "Retain", **spec}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("case", cases("imports.yaml"))
def test_import(case: Mapping[str, Any], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = ["--project", PROJECT]
    if objects := [*map(_endpoint, case.get("endpoints", {}).items()), *case.get("objects", [])]:
        (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(objects))
        source = ["-f", str(tmp_path / "objects.yaml")]
    if "terraform" in case:
        (tmp_path / "objects.yaml").write_text(json.dumps(_state(case["terraform"])))
        source = ["--terraform", str(tmp_path / "objects.yaml")]

    code, output, errors = run(case, "import", *source, *case.get("flags", ()))

    assert code == case.get("code", 0), errors
    assert "terraform" not in case or "secret" not in output + errors
    assert [each for each in case.get("says", ()) if each not in errors] == [], errors
    assert [each for each in case.get("comments", ()) if each not in output] == [], output
    files = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    assert files - {"objects.yaml"} == {f"{KNOWN['FOLDER']}/{each}" for each in case.get("files", ())}
    found = [each for each in yaml.safe_load_all(output) if each]
    by_name = {
        "/".join(filter(None, (each["metadata"].get("namespace"), each["metadata"]["name"]))): each["spec"]
        for each in found
    }
    assert by_name == {name: expected(spec) for name, spec in case.get("specs", {}).items()}
    if found and not case.get("changes"):
        _changes_nothing(case, output, run, tmp_path)


def _endpoint(named: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return an object of MongoDB's own operator."""
    (namespace, _, name), spec = named[0].partition("/"), named[1]
    project = {} if "projectRef" in spec else {"externalProjectRef": {"id": PROJECT}}
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "atlas.mongodb.com/v1",
        "kind": "AtlasPrivateEndpoint",
        "metadata": metadata,
        "spec": {**project, **spec},
    }


def _state(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a state of Terraform with resources in the modules that their addresses name, with secrets among them."""
    root: dict[str, Any] = {}
    for address, values in resources.items():
        *path, type_, _ = address.split(".")
        is_data = path[:1] == ["data"]
        module: dict[str, Any] = root
        for name in path[1::2]:
            children = module.setdefault("child_modules", [])
            module = next((each for each in children if each["address"] == name), {})
            children += [] if module else [module := {"address": name}]
        found = {"address": address, "type": type_, "mode": "data" if is_data else "managed"}
        module.setdefault("resources", []).append(
            {**found, "values": {"project_id": PROJECT, "unknown": "secret", **values}}
        )
    return {"format_version": "1.0", "values": {"outputs": {"key": {"value": "secret"}}, "root_module": root}}


def _changes_nothing(case: Mapping[str, Any], output: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "imported.yaml").write_text(output)
    code, planned, _ = run(case, "plan", "-o", "json", "-f", str(tmp_path / "imported.yaml"))
    assert (code, {each["action"] for each in json.loads(planned)["resources"]}) == (0, {"None"}), planned

    async def apply() -> None:
        actions = DedicatedSteps()
        await actions.do(
            [
                *({"service": each} for each in case["services"]),
                *(
                    {f"create {each['metadata']['name']}": each["spec"]}
                    for each in yaml.safe_load_all(output)
                    if each["kind"] == KIND.names.kind
                ),
                {"run": "1h"},
            ]
        )
        assert set(actions.atlas.calls) <= READS

    on_virtual_time(apply())


@pytest.mark.parametrize("case", cases("plans.yaml"))
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


@pytest.mark.parametrize("case", cases("checks.yaml"))
def test_check(case: Mapping[str, Any]) -> None:
    atlas = ReadAtlas(case)
    bodies = [_resource(name, spec) for name, spec in case["resources"].items()]
    metadata = {"namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "1"}
    resources = [KIND.resource.parse({**each, "metadata": {**metadata, **each["metadata"]}}) for each in bodies]
    scope = Scope("f", PROJECT, KIND.names.kind, resources[0].scope_name)

    place = Place(KIND, scope, (), tuple(resources), frozenset(map(KIND.named_by, bodies)))

    result = asyncio.run(interview(place, atlas, ApiKey("p", "k"), writes=True))

    found = [str(each) for each in result.findings]
    assert [each for each in case["says"] if not any(line.startswith(each) for line in found)] == [], found
    assert len([each for each in found if not each.startswith("ok")]) == len(
        [each for each in case["says"] if not each.startswith("ok")]
    ), found
    unnamed = [each.removeprefix("ok       ") for each in found if "that no resource" in each]
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
