"""kustomize, as kubectl has it, on what `deploy/` ships."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from control_plane import provide_programs
from support.deploy import OVERLAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

HEADER = "# Built from deploy/overlays/cluster by `make generate`: do not edit.\n"


def build(folder: Path) -> str:
    """Render a kustomization; a ValueError holds why kustomize cannot, or what it warns of."""
    command: list[str | Path] = [provide_programs().kubectl, "kustomize", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise ValueError(done.stderr)
    return done.stdout


def objects(folder: Path) -> list[dict[str, Any]]:
    """Render a kustomization into objects."""
    return list(yaml.safe_load_all(build(folder)))


def install_manifest() -> str:
    """Render what deploy/install.yaml holds."""
    return HEADER + build(OVERLAYS["cluster"])


def write(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write a kustomization as a user's own, and give its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(dict(document)), encoding="utf-8")
    return folder


def from_here(folder: Path, targets: Iterable[Path]) -> list[str]:
    """Name folders as kustomize wants it in a kustomization: by relative paths."""
    return [os.path.relpath(target, folder.resolve()) for target in targets]


def moved(folder: Path, namespace: str, overlay: str, components: Iterable[Path] = ()) -> Path:
    """Write a kustomization that installs an overlay into another namespace than it says."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"namespace": namespace, "resources": from_here(folder, [OVERLAYS[overlay]])}
    return write(folder, document | {"components": from_here(folder, components)})
