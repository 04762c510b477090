"""The bundle for OLM: operator-framework's own validator takes it, the API server knows each field, nothing of the chart is missing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from control_plane.toolchain import find_go
from delivery import bundle
from delivery.helm import Helm, rendered
from delivery.programs import APART, provide

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.fixtures import MakeNamespace

VERSION = Path("manifests/atlas-endpoints.clusterserviceversion.yaml")
CRD = "atlas-endpoints.dev_backupprivateendpoints.yaml"


@pytest.fixture(name="folder")
def bundled(tmp_path: Path) -> Path:
    """A folder with the bundle."""
    bundle.write(tmp_path)
    return tmp_path


def complaints(folder: Path) -> str:
    """Give what operator-verify says; it ends with 0 also when it has found errors."""
    done = subprocess.run(
        [provide("operator-verify"), "manifests", folder], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_validator_of_the_operator_framework_takes_it_and_misses_a_crd(folder: Path) -> None:
    assert complaints(folder) == ""
    (folder / "manifests" / CRD).unlink()
    assert "Kind=BackupPrivateEndpoint" in complaints(folder)


def test_the_api_server_knows_each_of_its_fields(
    folder: Path, control_plane: ControlPlane, make_namespace: MakeNamespace
) -> None:
    """By OLM's own CRD, from the module that the validator is built of."""
    module, package = APART["operator-verify"]
    go, environment = find_go(module, folder, builds="the validator of bundles")
    command = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", package.partition("/cmd/")[0]]
    found = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=True).stdout
    crd = Path(found.strip()) / "crds" / "operators.coreos.com_clusterserviceversions.yaml"
    control_plane.kubectl("apply", "--server-side", f"--filename={crd}")
    control_plane.wait_for_crds("clusterserviceversions.operators.coreos.com")
    version = yaml.safe_load((folder / VERSION).read_text(encoding="utf-8"))
    version["metadata"]["namespace"] = make_namespace()
    control_plane.kubectl("create", "--validate=strict", "--filename=-", stdin=yaml.safe_dump(version))
    control_plane.kubectl("delete", f"--filename={crd}")


def test_rights_and_pod_are_those_of_the_chart_on_openshift(folder: Path, helm4: Helm) -> None:
    objects: dict[str, Any] = {each["kind"]: each for each in rendered(helm4, flags=["--set=openshift.enabled=true"])}
    install = yaml.safe_load((folder / VERSION).read_text(encoding="utf-8"))["spec"]["install"]["spec"]
    template = install["deployments"][0]["spec"]["template"]
    assert template["spec"] == objects["Deployment"]["spec"]["template"]["spec"]
    assert template["metadata"]["annotations"]["openshift.io/required-scc"] == "restricted-v2"
    for permissions, kind in (("clusterPermissions", "ClusterRole"), ("permissions", "Role")):
        assert install[permissions] == [{"serviceAccountName": "atlas-endpoints", "rules": objects[kind]["rules"]}]
