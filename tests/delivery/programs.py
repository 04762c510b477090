"""The programs that delivery is proven with, built from the Go module beside this file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from control_plane.go_build import CACHE, BuildError, GoModule, ensure_built

MODULE = Path(__file__).resolve().parent
TARGET = CACHE / "delivery"
PACKAGES = {
    "helm3": "helm.sh/helm/v3/cmd/helm",
    "helm4": "helm.sh/helm/v4/cmd/helm",
    "helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs",
}
"""What is built, by the name that it gets; go.mod names the same as its tools."""


@dataclass(frozen=True, slots=True)
class DeliveryPrograms:
    """The executables."""

    helm3: Path
    helm4: Path
    helm_docs: Path


def required_version(go_mod: str, module: str) -> str:
    """Read which release of a module is required, such as `v3.22.0`, from the text of a go.mod.

    Raises:
        BuildError: None is.
    """
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError(f"go.mod requires no release of {module}")
    return found[1]


def build_flags(go_mod: str) -> list[str]:
    """Say how `go build` makes programs that know which release they are, as their own Makefiles do.

    Helm 3 is also told which Kubernetes it renders for; it would take 1.20 for granted. Helm 4 finds that out by itself.
    """
    _, minor, _ = required_version(go_mod, "k8s.io/client-go").split(".")
    values = {
        f"helm.sh/helm/{major}/internal/version.version": required_version(go_mod, f"helm.sh/helm/{major}")
        for major in ("v3", "v4")
    }
    values["main.version"] = required_version(go_mod, "github.com/norwoodj/helm-docs").removeprefix("v")
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        values |= {
            f"helm.sh/helm/v3/{package}.k8sVersionMajor": "1",
            f"helm.sh/helm/v3/{package}.k8sVersionMinor": minor,
        }
    return ["-ldflags", " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])]


def provide_delivery_programs(target: Path = TARGET) -> DeliveryPrograms:
    """Build the programs, unless they are there and up to date.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    module = GoModule(
        title="Helm 3, Helm 4 and helm-docs",
        folder=MODULE,
        programs=PACKAGES,
        links={},
        flags=build_flags((MODULE / "go.mod").read_text()),
        patience="2 to 4 minutes on 2 cores",
    )
    folder = ensure_built(module, target)
    return DeliveryPrograms(helm3=folder / "helm3", helm4=folder / "helm4", helm_docs=folder / "helm-docs")
