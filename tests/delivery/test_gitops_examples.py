"""What is shown for Argo CD and Flux is taken by an API server that has their CRDs, which knows every field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from delivery.recorded import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from delivery.helm import Helm

TESTDATA = ROOT / "tests" / "delivery" / "testdata"
CRDS = sorted([*(TESTDATA / "argoproj.io").iterdir(), *(TESTDATA / "toolkit.fluxcd.io").iterdir()])
EXAMPLES = [ROOT / "deploy" / "argocd" / "applications.yaml", *sorted((ROOT / "deploy" / "flux").glob("*.yaml"))]
TRY = ("apply", "--server-side", "--dry-run=server", "--validate=strict")


@pytest.fixture(scope="module")
def gitops(control_plane: ControlPlane) -> ControlPlane:
    """The API server, with what Argo CD and Flux bring along."""
    for path in CRDS:
        control_plane.kubectl("apply", "--server-side", f"--filename={path}")
        name = yaml.safe_load(path.read_text(encoding="utf-8"))["metadata"]["name"]
        control_plane.wait_for_crds(name)
    for name in ("argocd", "flux-system"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        control_plane.kubectl("apply", "--filename=-", stdin=yaml.safe_dump(namespace))
    return control_plane


@pytest.mark.parametrize(
    ("path", "where"),
    [
        pytest.param("argocd/applications.yaml", ("spec", "source", "helm", "valuesObject"), id="of Argo CD"),
        pytest.param("flux/operator.yaml", ("spec", "values"), id="of a HelmRelease"),
    ],
)
def test_the_chart_takes_the_values_of_an_example(
    path: str, where: tuple[str, ...], helm4: Helm, tmp_path: Path
) -> None:
    documents = yaml.safe_load_all((ROOT / "deploy" / path).read_text(encoding="utf-8"))
    (values,) = [found for document in documents if (found := _get(document, where))]
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    assert f"{values['image']['repository']}:" in helm4.template(values=[tmp_path / "values.yaml"])


def _get(document: Any, where: tuple[str, ...]) -> Any:
    for name in where:
        document = document.get(name, {})
    return document


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_taken(path: Path, gitops: ControlPlane) -> None:
    taken = gitops.kubectl(*TRY, f"--filename={path}").stdout.splitlines()
    assert len(taken) == len(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
