"""The CRD takes away nothing that a release has given, and refuses nothing that it took."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from support.crd_compatibility import incompatibilities

Crd: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).parent / "released"
NAMES = sorted({path.name for path in RELEASED.glob("*/*.yaml")})

PATH = r"""self.matches("^[.]?[a-zA-Z0-9_-]+([.][a-zA-Z0-9_-]+|\\[[0-9]{1,3}\\])*$")"""
MEANT: dict[str, str] = {
    f"v1alpha1 spec.{reference}.fieldPath: the rule is new, and may refuse what was accepted: {PATH}": (
        "It accepts all that the one before accepted, and indices of lists."
    )
    for reference in ("projectRef", "cloudProviderEndpointRef")
}
"""Incompatibilities that are accepted: the problem as it is reported, and the reason."""


def read(path: Path) -> Crd:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def last_released(name: str) -> Crd:
    """Give the CRD of the last release, by its file's name."""
    releases = [path for path in RELEASED.iterdir() if (path / name).exists()]
    newest = max(releases, key=lambda path: [int(part) for part in path.name.split(".")])
    return read(newest / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_crd_only_adds_to_the_last_released_one(name: str) -> None:
    found = incompatibilities(last_released(name), read(ROOT / "crds" / name))
    assert [problem for problem in found if problem not in MEANT] == []
    assert [problem for problem in MEANT if problem not in found] == []  # what is not found any more has to go


def test_every_crd_was_released_or_is_new() -> None:
    assert set(NAMES) <= {path.name for path in (ROOT / "crds").glob("*.yaml")}
