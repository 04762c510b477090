"""What ``import`` writes, by its arguments, of what the simulator has, of files and of states of Terraform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from behaviour.atlas import PROJECT
from behaviour.dedicated import DedicatedSteps
from behaviour.regional import BackupSteps, EncryptionSteps
from behaviour.streams import StreamSteps
from support.virtual_time import run as on_virtual_time
from unit.kinds.read_atlas import KNOWN, cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from behaviour.steps import Steps
    from unit.kinds.read_atlas import Run

HERE = Path(__file__).parent
APPLIED: Sequence[tuple[type[Steps], str, str]] = (
    (DedicatedSteps, "service", "services"),
    (EncryptionSteps, "endpoint", "encryption"),
    (BackupSteps, "endpoint", "backups"),
    (StreamSteps, "connection", "streams"),
)
"""The kinds that are applied, too: the step that puts what a case has in Atlas, and its name there."""


def expected(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec with what all have; null takes it away."""
    found = {"projectId": PROJECT, "deletionPolicy": "Retain", **spec}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("case", cases(HERE / "imports.yaml"))
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

    made = [each for each in yaml.safe_load_all(output) if each]
    for steps, step, name in APPLIED:
        if found := [each for each in made if each["kind"] == steps.kind.names.kind]:
            put = [{step: each} for each in case[name]]
            creations = [{f"create {each['metadata']['name']}": each["spec"]} for each in found]
            on_virtual_time(_apply(steps, [*put, *creations]))


async def _apply(steps: type[Steps], made: list[Any]) -> None:
    actions = steps()
    await actions.do([*made, {"run": "1h"}])
    assert {each.partition(" ")[0] for each in actions.atlas.calls} <= {"GET", "LIST"}
