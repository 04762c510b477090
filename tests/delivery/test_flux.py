"""What is shown for Flux and Argo CD: an API server that has their CRDs takes it, and health checks judge recorded objects right."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel

from delivery.recorded import KINDS, ROOT, SERVERLESS, recorded
from support.kstatus import kstatus
from support.resources import ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from control_plane import ControlPlane
    from delivery.helm import Helm

TESTDATA = ROOT / "tests" / "delivery" / "testdata"
FLUX = sorted((ROOT / "deploy" / "flux").glob("*.yaml"))
STATES = [(kind, state) for kind in KINDS for state, body in recorded(kind).items() if "status" in body]


def documents(*paths: Path) -> list[dict[str, Any]]:
    return [each for path in paths for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def gitops(control_plane: ControlPlane) -> ControlPlane:
    """The API server, with what Argo CD and Flux bring along: every field that an example uses, and no other."""
    crds = [*TESTDATA.glob("argoproj.io/*.yaml"), *TESTDATA.glob("toolkit.fluxcd.io/*.yaml")]
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in ("argocd", "flux-system")
    ]
    manifests = yaml.safe_dump_all([*documents(*crds), *namespaces])
    control_plane.kubectl("apply", "--server-side", "--filename=-", stdin=manifests)
    for crd in documents(*crds):
        control_plane.wait_for_crds(crd["metadata"]["name"])
    return control_plane


@pytest.mark.parametrize("path", [ROOT / "deploy" / "argocd" / "applications.yaml", *FLUX], ids=lambda path: path.name)
def test_an_example_is_taken_and_its_values_by_the_chart(
    path: Path, gitops: ControlPlane, helm4: Helm, tmp_path: Path
) -> None:
    trying = ("apply", "--server-side", "--dry-run=server", "--validate=strict", f"--filename={path}")
    assert len(gitops.kubectl(*trying).stdout.splitlines()) == len(documents(path))
    for each in documents(path):
        argo = each["spec"].get("source", {}).get("helm", {}).get("valuesObject")
        if values := argo or each["spec"].get("values"):
            (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
            assert f"{values['image']['repository']}:" in helm4.template(values=[tmp_path / "values.yaml"])


@cache
def expressions() -> list[dict[str, str]]:
    """All health checks that are shown."""
    return [check for each in documents(*FLUX) for check in each["spec"].get("healthCheckExprs", ())]


@cache
def program(expression: str) -> celpy.Runner:
    """Compile an expression."""
    environment = celpy.Environment()
    return environment.program(environment.compile(expression))


def judge(body: Mapping[str, Any]) -> str:
    """Tell what Flux makes of an object that has a status (RFC 0009; fluxcd/pkg/runtime/cel, StatusEvaluator)."""
    check = next(each for each in expressions() if each["kind"] == body["kind"])
    if body["status"]["observedGeneration"] != body["metadata"]["generation"]:
        return "InProgress"
    for name in ("inProgress", "failed", "current"):
        if program(check[name]).evaluate({key: json_to_cel(value) for key, value in body.items()}):
            return name[0].upper() + name[1:]
    return "InProgress"


def test_each_example_that_waits_for_endpoints_has_the_same_checks_of_all_kinds() -> None:
    shown = expressions()
    assert len(shown) == 2 * len(KINDS)
    assert shown[: len(KINDS)] == shown[len(KINDS) :]
    told = {(each["apiVersion"], each["kind"]) for each in shown}
    assert told == {("atlas-endpoints.dev/v1alpha1", kind) for kind in KINDS}


@pytest.mark.parametrize(("kind", "state"), STATES)
def test_flux_judges_as_kstatus_does_but_does_not_wait_for_what_is_suspended(kind: str, state: str) -> None:
    body = recorded(kind)[state]
    said = "Current" if ready(body)["reason"] == "Suspended" else kstatus(body)
    if said == "Terminating":  # which is nothing special to Flux
        said = "Failed" if ready(body)["reason"] == "DeletionBlocked" else "InProgress"
    assert judge(body) == said


def test_a_status_without_conditions_is_waited_for() -> None:
    assert judge({**recorded(SERVERLESS)["available"], "status": {"observedGeneration": 1}}) == "InProgress"
