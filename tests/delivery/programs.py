"""The programs that delivery is proven with, built from the Go modules beside this file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from control_plane.go_build import CACHE, QUICK_FLAGS, BuildError, GoModule, ensure_built

MODULE = Path(__file__).resolve().parent
TARGET = CACHE / "delivery"
PACKAGES = {
    "helm3": "helm.sh/helm/v3/cmd/helm",
    "helm4": "helm.sh/helm/v4/cmd/helm",
    "helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs",
}
"""What is built, by the name that it gets; go.mod names the same as its tools."""
APART = {
    "actionlint": (MODULE / "actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    "oras": (MODULE / "release", "oras.land/oras/cmd/oras"),
    "registry": (MODULE / "release", "github.com/google/go-containerregistry/cmd/registry"),
    "operator-verify": (MODULE / "olm", "github.com/operator-framework/api/cmd/operator-verify"),
}
"""What is built from modules of its own, so that it has no say in what Helm is made of."""


def required_version(go_mod: str, module: str) -> str:
    """Read which release of a module is required, such as `v3.22.0`, from the text of a go.mod."""
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


@cache
def provide(name: str, target: Path = TARGET) -> Path:
    """Build one of `PACKAGES` or `APART`, unless it is there and up to date, and return the executable."""
    folder, package = APART[name] if name in APART else (MODULE, PACKAGES[name])
    flags = ["-ldflags", "-s -w"] if name in APART else build_flags((MODULE / "go.mod").read_text())
    module = GoModule(
        title=name,
        folder=folder,
        programs={name: package},
        links={},
        flags=[*QUICK_FLAGS, *flags],
        patience="a minute or two on 2 cores",
    )
    return ensure_built(module, target / name) / name
