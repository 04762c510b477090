"""What `deploy/` ships, as its files say it; what kustomize makes of them, tests/delivery looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = {path.name: path for path in sorted((DEPLOY / "overlays").iterdir())}
COMPONENTS = {path.name: path for path in sorted((DEPLOY / "components").iterdir())}
ACCESS = DEPLOY / "access"
"""What the operator may do in one namespace."""
POLICIES = DEPLOY / "policies"
"""What a cluster may forbid; nothing of it is installed by an overlay."""
INSTALL = DEPLOY / "install.yaml"
"""Built from the overlay `cluster`."""
NAME = "atlas-endpoints"
"""Of the namespace, the Deployment and the ServiceAccount."""


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader) if each]


def kustomization(folder: Path) -> dict[str, Any]:
    """Read the kustomization of a folder; that of `crds/` has another name."""
    (path,) = [each for each in folder.iterdir() if each.stem.lower() == "kustomization"]
    (document,) = documents(path)
    return document


def manifests(folder: Path) -> Iterator[dict[str, Any]]:
    """Return the objects of all files that a kustomization names, and those it names, as they are before its patches."""
    for name in kustomization(folder)["resources"]:
        path = folder / name
        yield from manifests(path) if path.is_dir() else documents(path)


def the(kind: str, objects: Iterable[dict[str, Any]], name: str = NAME) -> dict[str, Any]:
    """Pick the one object of a kind with a name."""
    found = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    if len(found) != 1:
        raise LookupError(f"deploy/ ships {len(found)} objects {kind}/{name}")
    return found[0]
