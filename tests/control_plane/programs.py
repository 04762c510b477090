"""Which executables a control plane is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from control_plane.build import ensure_built

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""envtest's convention: a folder that holds a control plane's programs, of whatever release."""


class ProgramsError(Exception):
    """The folder of `KUBEBUILDER_ASSETS` is not one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The executables of a control plane.

    Attributes:
        kube_controller_manager: None in a set that lacks it, as envtest's do. Then namespaces never finish deleting,
            and Deployments get no Pods.
    """

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None


def programs_in(folder: Path) -> Programs:
    """Take the programs from a folder.

    Raises:
        ProgramsError: A program is missing that no control plane can do without.
    """
    missing = [name for name in ("etcd", "kube-apiserver", "kubectl") if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ProgramsError(
            f"{ASSETS_VARIABLE} is {folder}, and that folder has no executable {', '.join(missing)}. Set it to a folder "
            "that holds etcd, kube-apiserver, kubectl and kube-controller-manager, or unset it to have them built."
        )
    controller_manager = folder / "kube-controller-manager"
    return Programs(
        etcd=folder / "etcd",
        kube_apiserver=folder / "kube-apiserver",
        kubectl=folder / "kubectl",
        kube_controller_manager=controller_manager if os.access(controller_manager, os.X_OK) else None,
    )


def provide_programs() -> Programs:
    """Return the programs of `KUBEBUILDER_ASSETS` if that is set, else those of this checkout, built when needed.

    Raises:
        ProgramsError: The folder of `KUBEBUILDER_ASSETS` lacks one.
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    assets = os.environ.get(ASSETS_VARIABLE)
    return programs_in(Path(assets).absolute() if assets else ensure_built())
