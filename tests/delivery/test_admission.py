"""Where the Pod Security Standard `restricted` is enforced, every Pod of ours is admitted, and none that is looser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from delivery.admission import RESTRICTED, objections
from delivery.helm import CHART, documents
from delivery.kustomize import objects
from support.deploy import OVERLAYS, the

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from delivery.helm import Helm
    from support.fixtures import MakeNamespace

VALUES = {"defaults": (), **{path.stem: (path,) for path in sorted((CHART / "ci").glob("*-values.yaml"))}}


@pytest.fixture(scope="module")
def control_plane_with_sandbox(control_plane: ControlPlane) -> ControlPlane:
    """A cluster with the runtime class that one of the values asks for."""
    manifest = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}"
    control_plane.kubectl("apply", "--filename=-", stdin=manifest)
    return control_plane


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pod_of_an_overlay(overlay: str, control_plane: ControlPlane, make_namespace: MakeNamespace) -> None:
    deployment = the("Deployment", objects(OVERLAYS[overlay]))

    assert objections(control_plane, make_namespace(RESTRICTED), deployment) == []


@pytest.mark.parametrize("values", VALUES)
def test_the_pods_of_the_chart(
    values: str, control_plane_with_sandbox: ControlPlane, helm4: Helm, make_namespace: MakeNamespace
) -> None:
    """That of `helm test` as well."""
    namespace = make_namespace(RESTRICTED)
    chart = documents(helm4.template(values=VALUES[values]))
    found = {each["kind"]: each for each in chart if each["kind"] in {"Deployment", "Pod"}}

    assert "Deployment" in found
    for each in found.values():
        assert objections(control_plane_with_sandbox, namespace, each) == []
