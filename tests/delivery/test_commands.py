"""The commands that README.md and docs/install.md show, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from control_plane import ControlPlane, provide_programs
from control_plane.process import wait_until
from delivery.installing import says
from support.documentation import ROOT, section

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from delivery.helm import Helm

README, INSTALL = ROOT / "README.md", ROOT / "docs" / "install.md"
NOT_HERE = ("make image ", "docker ", "kubectl -n atlas-endpoints rollout status ")
"""Beginnings of commands that need more than there is here: something that builds images, and a kubelet that runs them."""
CLUSTER_WIDE = "clusterroles,clusterrolebindings,namespaces"
"""Kinds of which nothing with our label is left at the end; what else there was, was in the namespace."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell in a folder that looks like a checkout, with a kubectl and a Helm that act on a cluster of its own."""

    control_plane: ControlPlane
    folder: Path

    @classmethod
    def with_helm(cls, control_plane: ControlPlane, helm: Helm, folder: Path) -> Shell:
        """Make the folder."""
        (folder / "bin").mkdir()
        links = {name: ROOT / name for name in ("charts", "crds", "deploy")}
        for name, target in {**links, "bin/helm": helm.program, "bin/kubectl": provide_programs().kubectl}.items():
            (folder / name).symlink_to(target)
        return cls(control_plane, folder)

    def run(self, block: str) -> str:
        """Run a block of commands; the first that fails ends it, and is an error."""
        commands = "\n".join(line for line in block.splitlines() if not line.startswith(NOT_HERE))
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.defpath}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.control_plane.kubeconfig),
            "CLIENT_ID": "mdb_sa_id_0123456789abcdef01234567",
            "CLIENT_SECRET": "mdb_sa_sk_made-up",
        }
        bash = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(bash, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def serves_the_kind(self) -> bool:
        """Tell whether the API server knows endpoints by now."""
        return self.control_plane.kubectl("get", "spe", "--all-namespaces", check=False).returncode == 0

    def left(self) -> str:
        """What of ours is in the cluster, but for CRDs."""
        ours = ("get", CLUSTER_WIDE, "--selector=app.kubernetes.io/name=atlas-endpoints", "--output=name")
        return self.control_plane.kubectl(*ours).stdout


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this module's own, since the commands name what they install."""
    with ControlPlane(provide_programs(), directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running


def blocks(page: Path, title: str, language: str = "bash") -> list[str]:
    """Give the blocks of a section of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(page, title), re.MULTILINE | re.DOTALL)


def helm_of(block: str) -> str:
    """Give the command for Helm in a block."""
    (command,) = re.findall(r"^helm (?:.*\\\n)*.*$", block, re.MULTILINE)
    return str(command)


@pytest.mark.usefixtures("controller_manager")
@pytest.mark.parametrize("major", ["helm3", "helm4"])
def test_the_readme_installs_with_helm_and_makes_an_endpoint(
    major: str, request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path: Path
) -> None:
    helm: Helm = request.getfixturevalue(major)
    title = "Install it in your cluster"
    install, use = blocks(README, title)
    (orders,) = blocks(README, title, "yaml")
    (tmp_path / "orders.yaml").write_text(orders, encoding="utf-8")
    bash = Shell.with_helm(control_plane, helm, tmp_path)
    bash.run(install)
    wait_until(bash.serves_the_kind, "the API server to serve the kind")

    assert "orders" in bash.run(use)

    (uninstall,) = blocks(INSTALL, "Remove everything")
    bash.run(uninstall)
    assert bash.left() == ""
    assert not bash.serves_the_kind()
    bash.run("kubectl delete namespace shop")


@pytest.mark.usefixtures("controller_manager")
def test_the_page_installs_one_file_takes_it_over_with_helm_and_uninstalls_it(
    control_plane: ControlPlane, helm4: Helm, tmp_path: Path
) -> None:
    bash = Shell.with_helm(control_plane, helm4, tmp_path)
    (one_file,) = blocks(INSTALL, "One file")
    (take_over,) = blocks(INSTALL, "Upgrade")
    (uninstall,) = blocks(INSTALL, "Remove everything")

    bash.run(one_file)
    path = "--output=jsonpath={.spec.template.spec.containers[0].image}"
    image = ("get", "deployment", "atlas-endpoints", "--namespace=atlas-endpoints", path)
    assert control_plane.kubectl(*image).stdout == "registry.example.com/team/atlas-endpoints:0.1.0"
    with pytest.raises(AssertionError, match=says("field is immutable")):
        bash.run(helm_of(take_over))  # without what comes before it
    bash.run(take_over)
    assert control_plane.kubectl(*image).stdout == "registry.example.com/team/atlas-endpoints:0.1.0"
    assert "atlas-endpoints" in bash.run("helm list --namespace atlas-endpoints --short")
    wait_until(bash.serves_the_kind, "the API server to serve the kind")
    bash.run(uninstall)

    assert bash.left() == ""
    assert not bash.serves_the_kind()


def test_the_page_s_commands_for_helm_are_those_of_the_readme() -> None:
    assert helm_of(blocks(INSTALL, "Helm")[0]) == helm_of(blocks(README, "Install it in your cluster")[0])
