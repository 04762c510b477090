"""The control plane's one binary, built from the Go module beside this file."""

from __future__ import annotations

import re
from pathlib import Path

from control_plane.go_build import CACHE, BuildError, GoModule
from control_plane.go_build import ensure_built as ensure_module_built

MODULE = Path(__file__).resolve().parent
TARGET = CACHE / "control-plane"
OLDEST_TARGET = CACHE / "control-plane-oldest"
NEWEST, OLDEST = "go.mod", "oldest.mod"
"""What is required for the newest release of Kubernetes that is supported, and for the oldest."""
BINARY = "control-plane"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
"""The names the binary answers to; the same as in its `main.go`."""
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Where the servers, and the clients' user agent, keep the release they belong to."""


def kubernetes_version(go_mod: str) -> str:
    """Read the Kubernetes release, such as `v1.37.2`, from the text of a go.mod."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)$", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError("go.mod requires no release of k8s.io/kubernetes")
    return found[1]


def build_flags(version: str) -> list[str]:
    """Say how `go build` makes a small binary that knows which Kubernetes release it is.

    Kubernetes' own release script sets the same variables. A module has no commit, so none is claimed.
    """
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitCommit": "", "gitTreeState": "clean"}
    stamps = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items()]
    return ["-ldflags", " ".join(["-s -w", *stamps])]


def required_version(requirements: str = NEWEST) -> str:
    """Read the Kubernetes release that is built from a file of requirements."""
    return kubernetes_version((MODULE / requirements).read_text())


def ensure_built(target: Path = TARGET, requirements: str = NEWEST) -> Path:
    """Build the programs into a folder, unless they are there and up to date.

    Args:
        target: The folder.
        requirements: Which release: `NEWEST` or `OLDEST`.

    Returns:
        The folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    version = required_version(requirements)
    module = GoModule(
        title="the control plane" if requirements == NEWEST else f"the control plane of Kubernetes {version}",
        folder=MODULE,
        programs={BINARY: "."},
        links={BINARY: PROGRAMS},
        flags=build_flags(version),
        requirements=requirements,
        patience="5 to 10 minutes on 2 cores",
        way_out=f"set KUBEBUILDER_ASSETS to a folder that holds {', '.join(PROGRAMS[:-1])} and {PROGRAMS[-1]}"
        if requirements == NEWEST
        else "",
    )
    return ensure_module_built(module, target)
