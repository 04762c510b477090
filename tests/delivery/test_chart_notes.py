"""What `helm install` says in the end. Helm 3 would need a cluster for that; it is the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.helm import CHART

if TYPE_CHECKING:
    from pathlib import Path

    from delivery.helm import Helm

GIVEN = "image.repository=registry.example.com/team/atlas-endpoints"
SUNSET = "MongoDB ended serverless instances on 2026-01-22"


def notes(helm: Helm, *settings: str, values: Path | None = None) -> str:
    arguments = [f"--set={setting}" for setting in settings]
    arguments += [] if values is None else [f"--values={values}"]
    printed = helm("install", "endpoints", CHART, "--namespace=team", "--dry-run=client", *arguments)
    return printed.partition("NOTES:\n")[2]


def warnings(text: str) -> list[str]:
    return [line.removeprefix("WARNING: ") for line in text.splitlines() if line.startswith("WARNING: ")]


@pytest.mark.parametrize(
    ("setting", "warning"),
    [
        ("image.repository=registry.example.com/atlas-endpoints", "image.repository is the example's"),
        ("settings.writes=false", "settings.writes is false: nothing is written to Atlas"),
        ("simulator.enabled=true", "simulator.enabled is true: the operator talks to a simulated Atlas, the Service "),
        ("settings.allowPlainHttp=true", "settings.allowPlainHttp is true"),
        ("rbac.create=false", "rbac.create is false: the operator can do nothing until"),
        ("crds.install=false", "crds.install is false: the operator waits until somebody installs the CRDs."),
        (
            "crds.install=false,watchNamespaces={shop}",
            "crds.install is false: the operator waits until somebody installs the CRDs, which have to be there before",
        ),
        (
            "crds.keep=false",
            "crds.keep is false: uninstalling the release deletes the CRDs, as does an upgrade with crds.install false",
        ),
        (
            "podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1",
            "podDisruptionBudget.minAvailable is as many as there are replicas",
        ),
    ],
)
def test_they_warn_of_what_may_be_a_slip(helm4: Helm, setting: str, warning: str) -> None:
    first, last = warnings(notes(helm4, GIVEN, setting))
    assert first.startswith(warning)
    assert last.startswith(SUNSET)


@pytest.mark.parametrize(
    "setting",
    [
        "settings.writes=true",
        "podDisruptionBudget.enabled=true",
        "replicas=2,podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=1",
    ],
)
def test_they_do_not_warn_of_what_is_fine(helm4: Helm, setting: str) -> None:
    assert len(warnings(notes(helm4, GIVEN, setting))) == len([SUNSET])
