from __future__ import annotations

import re

import pytest

from control_plane.go_build import BuildError
from delivery.programs import MODULE, PACKAGES, build_flags, required_version

GO_MOD = (MODULE / "go.mod").read_text()


def test_the_release_is_that_of_the_module_and_of_none_that_begins_alike() -> None:
    go_mod = "require (\n\tk8s.io/client-go/extra v9.9.9\n\tk8s.io/client-go v0.37.2 // indirect\n)\n"
    assert required_version(go_mod, "k8s.io/client-go") == "v0.37.2"


def test_a_module_that_is_not_required_is_named() -> None:
    with pytest.raises(BuildError, match=r"no release of helm\.sh/helm/v3"):
        required_version("module delivery\n", "helm.sh/helm/v3")


def test_the_programs_are_told_which_releases_they_are_and_helm_3_the_kubernetes_that_it_renders_for() -> None:
    _, flags = build_flags(GO_MOD)
    assert re.search(r"-X helm\.sh/helm/v3/internal/version\.version=v3\.\d+\.\d+ ", flags)
    assert re.search(r"-X helm\.sh/helm/v4/internal/version\.version=v4\.\d+\.\d+ ", flags)
    assert re.search(r"-X helm\.sh/helm/v3/pkg/chartutil\.k8sVersionMinor=3\d ", flags)


def test_go_mod_names_as_tools_what_is_built() -> None:
    tools = re.findall(r"^\t(\S+)$", GO_MOD.split("tool (")[1].split(")")[0], re.MULTILINE)
    assert sorted(tools) == sorted(PACKAGES.values())
