"""What `helm install` warns of in the end. Helm 3 would need a cluster for that; it is the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.helm import CHART

if TYPE_CHECKING:
    from delivery.helm import Helm

SUNSET = "MongoDB ended serverless instances on 2026-01-22"
WARNINGS = {
    "image.repository=registry.example.com/atlas-endpoints": "image.repository is the example's",
    "settings.writes=false": "settings.writes is false: nothing is written to Atlas",
    "simulator.enabled=true": "simulator.enabled is true: the operator talks to a simulated Atlas, the Service ",
    "settings.allowPlainHttp=true": "settings.allowPlainHttp is true",
    "rbac.create=false": "rbac.create is false: the operator can do nothing until",
    "crds.install=false,watchNamespaces={shop}": "crds.install is false: the operator waits until somebody installs",
    "crds.keep=false": "crds.keep is false: uninstalling the release deletes the CRDs",
    "podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1": "podDisruptionBudget.minAvailable is as many",
    "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1": "",
}


@pytest.mark.parametrize("setting", WARNINGS)
def test_they_warn_of_what_may_be_a_slip(helm4: Helm, setting: str) -> None:
    given = "--set=image.repository=registry.example.com/team/atlas-endpoints"
    text = helm4("install", "endpoints", CHART, "--namespace=team", "--dry-run=client", given, f"--set={setting}")
    *found, last = [line.removeprefix("WARNING: ") for line in text.splitlines() if line.startswith("WARNING: ")]
    assert len(found) == bool(WARNINGS[setting])
    assert all(each.startswith(WARNINGS[setting]) for each in found)
    assert last.startswith(SUNSET)
