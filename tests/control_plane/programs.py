"""Which executables a control plane is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from control_plane.build import BINARY, CONTROLLER_MANAGER, PROGRAMS, ensure_built, ensure_controller_manager_built
from control_plane.go_build import CACHE

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""envtest's convention: a folder that holds a control plane's programs, of whatever release."""


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


def programs_in(folder: Path, *, controller_manager: bool = False) -> Programs:
    """Take the programs from a folder.

    Raises:
        ProgramsError: A program is missing that no control plane can do without.
    """
    missing = [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        raise ProgramsError(
            f"{ASSETS_VARIABLE} is {folder}, and that folder has no executable {', '.join(missing)}. Set it to a folder "
            "that holds etcd, kube-apiserver and kubectl, or unset it to have them built."
        )
    manager = folder / CONTROLLER_MANAGER
    return _programs(folder, manager if controller_manager and os.access(manager, os.X_OK) else None)


def provide_programs(*, controller_manager: bool = False, optimized: bool = False) -> Programs:
    """Return the programs of `KUBEBUILDER_ASSETS` if that is set, else those of this checkout, built when needed.

    Args:
        controller_manager: Whether kube-controller-manager is asked for.
        optimized: Whether programs that are built are to be fast, not their build.

    Raises:
        ProgramsError: The folder of `KUBEBUILDER_ASSETS` lacks one.
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    assets = os.environ.get(ASSETS_VARIABLE)
    if assets:
        return programs_in(Path(assets).absolute(), controller_manager=controller_manager)
    suffix = "-optimized" if optimized else ""
    folder = ensure_built(CACHE / f"{BINARY}{suffix}", optimized=optimized)
    manager = CACHE / f"{CONTROLLER_MANAGER}{suffix}"
    return _programs(
        folder, ensure_controller_manager_built(manager, optimized=optimized) if controller_manager else None
    )


def _programs(folder: Path, controller_manager: Path | None) -> Programs:
    return Programs(
        etcd=folder / "etcd",
        kube_apiserver=folder / "kube-apiserver",
        kubectl=folder / "kubectl",
        kube_controller_manager=controller_manager,
    )
