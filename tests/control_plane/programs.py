"""Which executables a control plane is made of: built from the Go module beside this file, or KUBEBUILDER_ASSETS."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from control_plane.go_build import CACHE, QUICK_FLAGS, BuildError, GoModule
from control_plane.go_build import ensure_built as ensure_module_built

MODULE = Path(__file__).resolve().parent
OLDEST_TARGET = CACHE / "control-plane-oldest"
NEWEST, OLDEST = "go.mod", "oldest.mod"
"""What is required for the newest release of Kubernetes that is supported, and for the oldest."""
BINARY = "control-plane"
PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
"""The names the binary answers to; the same as in its `main.go`."""
CONTROLLER_MANAGER = "kube-controller-manager"
"""The other binary, which the demo and most tests do without."""
ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""envtest's convention: a folder that holds a control plane's programs, of whatever release."""
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Where the servers, and the clients' user agent, keep the release they belong to."""


class ProgramsError(Exception):
    """The folder of `KUBEBUILDER_ASSETS` is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The executables of a control plane.

    Attributes:
        kube_controller_manager: None where nobody asked for it, or where it is missing, as in envtest's sets. Without
            it, namespaces never finish deleting, garbage is not collected, and Deployments get no Pods.
    """

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None


def provide_programs(*, controller_manager: bool = False, optimized: bool = False) -> Programs:
    """Return the programs of `KUBEBUILDER_ASSETS` if that is set, else those of this checkout, built when needed.

    Args:
        controller_manager: Whether kube-controller-manager is asked for.
        optimized: Whether programs that are built are to be fast, not their build.
    """
    manager: Path | None = None
    if assets := os.environ.get(ASSETS_VARIABLE):
        folder = Path(assets).absolute()
        _check_assets(folder)
        if controller_manager and os.access(folder / CONTROLLER_MANAGER, os.X_OK):
            manager = folder / CONTROLLER_MANAGER
    else:
        suffix = "-optimized" if optimized else ""
        folder = ensure_built(CACHE / f"{BINARY}{suffix}", optimized=optimized)
        if controller_manager:
            manager = ensure_controller_manager_built(CACHE / f"{CONTROLLER_MANAGER}{suffix}", optimized=optimized)
    return Programs(
        etcd=folder / "etcd",
        kube_apiserver=folder / "kube-apiserver",
        kubectl=folder / "kubectl",
        kube_controller_manager=manager,
    )


def _check_assets(folder: Path) -> None:
    missing = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ProgramsError(
            f"{ASSETS_VARIABLE} is {folder}, and that folder has no executable {', '.join(missing)}. Set it to a folder "
            "that holds etcd, kube-apiserver and kubectl, or unset it to have them built."
        )


def kubernetes_version(go_mod: str) -> str:
    """Read the Kubernetes release, such as `v1.37.2`, from the text of a go.mod."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)$", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError("go.mod requires no release of k8s.io/kubernetes")
    return found[1]


def stamp_flags(version: str) -> list[str]:
    """Return the flags of `go build` that write the release of Kubernetes into a binary, and leave symbols out.

    Kubernetes' own release script sets the same variables. A module has no commit, so none is claimed.
    """
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitCommit": "", "gitTreeState": "clean"}
    stamps = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items()]
    return ["-ldflags", " ".join(["-s -w", *stamps])]


def required_version(requirements: str = NEWEST) -> str:
    """Read the Kubernetes release that is built from a file of requirements."""
    return kubernetes_version((MODULE / requirements).read_text())


def ensure_built(target: Path, requirements: str = NEWEST, *, optimized: bool = False) -> Path:
    """Build etcd, kube-apiserver and kubectl into a folder, unless they are there and up to date."""
    version = required_version(requirements)
    module = GoModule(
        title="the control plane" if requirements == NEWEST else f"the control plane of Kubernetes {version}",
        folder=MODULE,
        programs={BINARY: "."},
        links={BINARY: PROGRAMS},
        flags=_flags(version, optimized=optimized),
        requirements=requirements,
        patience="5 to 10 minutes on 2 cores" if optimized else "2 to 5 minutes on 2 cores",
        way_out=f"set KUBEBUILDER_ASSETS to a folder that holds {', '.join(PROGRAMS[:-1])} and {PROGRAMS[-1]}"
        if requirements == NEWEST
        else "",
    )
    return ensure_module_built(module, target)


def ensure_controller_manager_built(target: Path, *, optimized: bool = False) -> Path:
    """Build kube-controller-manager into a folder, unless it is there and up to date, and return the executable."""
    module = GoModule(
        title=CONTROLLER_MANAGER,
        folder=MODULE,
        programs={CONTROLLER_MANAGER: "./controller-manager"},
        links={},
        flags=_flags(required_version(), optimized=optimized),
        patience="a minute or two after the control plane",
    )
    return ensure_module_built(module, target) / CONTROLLER_MANAGER


def _flags(version: str, *, optimized: bool) -> list[str]:
    return [*([] if optimized else QUICK_FLAGS), *stamp_flags(version)]
