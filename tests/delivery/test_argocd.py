"""Argo CD's view of a resource, by its own engine: health and actions, as its settings have them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from delivery.argo_lua import ArgoLua, provide_argo_lua
from delivery.argocd import FORCE_SYNC, LONG_AGO, PATCH, setting_of
from delivery.kustomize import from_here, objects, write
from delivery.recorded import KINDS, SERVERLESS, folder_of, recorded

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane

ARGOCD_CM = """
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm, namespace: argocd, labels: {app.kubernetes.io/part-of: argocd}}
data: {url: "https://argocd.example.com"}
"""


def table(path: str, name: str) -> list[Any]:
    """Read the rows of the test files of all kinds in Argo CD's layout, each after its kind."""
    return [
        pytest.param(kind, row, id=" ".join((kind, row.get("action", ""), row["inputPath"])).replace("  ", " "))
        for kind in KINDS
        for row in yaml.safe_load((folder_of(kind) / path).read_text(encoding="utf-8"))[name]
    ]


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


class Scripts(NamedTuple):
    """The scripts of a kind."""

    health: str
    discovery: str
    actions: dict[str, str]


@cache
def scripts_of(kind: str) -> Scripts:
    """Give those in the settings, which are made from the files of the layout of Argo CD's own repository."""
    data = loaded(PATCH)["data"]
    actions = yaml.safe_load(data[f"resource.customizations.actions.{setting_of(kind)}"])
    scripts = {each["name"]: each["action.lua"] for each in actions["definitions"]}
    return Scripts(data[f"resource.customizations.health.{setting_of(kind)}"], actions["discovery.lua"], scripts)


@pytest.fixture(params=[True, False], ids=["with useOpenLibs", "without"])
def lua(request: pytest.FixtureRequest) -> ArgoLua:
    """Argo CD's engine, which gives built-in scripts all libraries, and those in the settings if it is told to."""
    return ArgoLua(provide_argo_lua(), open_libs=request.param)


@pytest.mark.parametrize(("kind", "row"), table("health_test.yaml", "tests"))
def test_health_is_as_the_table_says(kind: str, row: dict[str, Any], lua: ArgoLua) -> None:
    body = loaded(folder_of(kind) / row["inputPath"])
    assert lua.health(scripts_of(kind).health, body) == row["healthStatus"]


READY = {"Ready": "True"}
MADE_UP: dict[str, tuple[int | None, dict[str, str], str]] = {
    "a status that somebody has emptied": (None, {}, "Progressing"),
    "a status without conditions": (1, {}, "Progressing"),
    "a status of a generation before the last": (0, READY, "Progressing"),
    "a status of a generation to come": (2, READY, "Progressing"),
    "Ready that is contradicted by Reconciling": (1, {**READY, "Reconciling": "True"}, "Progressing"),
    "Ready that is contradicted by Stalled": (1, {**READY, "Stalled": "True"}, "Degraded"),
    "a pair that is there and not true": (1, {"Reconciling": "False", "Stalled": "False", **READY}, "Healthy"),
    "neither ready nor stalled nor on its way": (1, {"Ready": "False"}, "Progressing"),
}
"""The generation that a status is about, its conditions, and the health."""


@pytest.mark.parametrize("case", MADE_UP)
def test_health_is_told_also_of_a_status_that_no_operator_writes(case: str, lua: ArgoLua) -> None:
    generation, given, health = MADE_UP[case]
    conditions = [{"type": name, "status": each, "reason": "Why", "message": "So."} for name, each in given.items()]
    status = {"observedGeneration": generation, "conditions": conditions}
    body = {
        **recorded()["available"],
        "status": {name: value for name, value in status.items() if value not in (None, [])},
    }
    assert lua.health(scripts_of(SERVERLESS).health, body)["status"] == health


@pytest.mark.parametrize(("kind", "row"), table("actions/action_test.yaml", "discoveryTests"))
def test_only_actions_that_do_something_are_offered(kind: str, row: dict[str, Any], lua: ArgoLua) -> None:
    scripts = scripts_of(kind)
    expected = {action["name"]: action["disabled"] for action in row["result"]}
    assert lua.discover(scripts.discovery, loaded(folder_of(kind) / "actions" / row["inputPath"])) == expected
    assert scripts.actions.keys() == expected.keys()


@pytest.mark.parametrize(("kind", "row"), table("actions/action_test.yaml", "actionTests"))
def test_an_action_changes_what_it_is_for_and_nothing_else(kind: str, row: dict[str, Any], lua: ArgoLua) -> None:
    actions = folder_of(kind) / "actions"
    after = lua.act(scripts_of(kind).actions[row["action"]], loaded(actions / row["inputPath"]))
    if row["action"] == "reconcile":
        asked = datetime.fromisoformat(after["metadata"]["annotations"][FORCE_SYNC])
        assert abs(datetime.now(UTC) - asked) < timedelta(minutes=1)
        after["metadata"]["annotations"][FORCE_SYNC] = LONG_AGO
    assert after == loaded(actions / row["expectedOutputPath"])


def test_the_action_reconcile_keeps_what_else_is_annotated(lua: ArgoLua) -> None:
    body = recorded()["available"]
    body["metadata"] |= {"labels": {}, "annotations": {"argocd.argoproj.io/tracking-id": "shop:1"}}
    metadata = lua.act(scripts_of(SERVERLESS).actions["reconcile"], body)["metadata"]
    assert metadata["annotations"].keys() == {"argocd.argoproj.io/tracking-id", FORCE_SYNC}
    assert metadata["labels"] == {}


def test_the_settings_reach_an_argo_cd_that_is_installed_by_kustomize(tmp_path: Path) -> None:
    """Which has settings of its own."""
    folder = write(tmp_path, {"resources": ["argocd-cm.yaml"], "components": from_here(tmp_path, [PATCH.parent])})
    (folder / "argocd-cm.yaml").write_text(ARGOCD_CM)
    (patched,) = objects(folder)
    assert patched["metadata"] == yaml.safe_load(ARGOCD_CM)["metadata"]
    assert patched["data"] == {"url": "https://argocd.example.com", **loaded(PATCH)["data"]}


def test_the_settings_reach_an_argo_cd_that_runs(control_plane: ControlPlane, namespace: str) -> None:
    manifest = re.sub("namespace: argocd,", f"namespace: {namespace},", ARGOCD_CM)
    control_plane.kubectl("apply", "--filename=-", stdin=manifest)
    patch = ("patch", "configmap", "argocd-cm", f"--namespace={namespace}", f"--patch-file={PATCH}")
    assert "patched" in control_plane.kubectl(*patch).stdout
    assert "(no change)" in control_plane.kubectl(*patch).stdout
    found = control_plane.kubectl("get", "configmap", "argocd-cm", f"--namespace={namespace}", "--output=yaml").stdout
    assert yaml.safe_load(found)["data"] == {"url": "https://argocd.example.com", **loaded(PATCH)["data"]}
