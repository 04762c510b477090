"""What an earlier build has left behind: its CRDs, and what its operator wrote into a resource in each of its states.

It is the build of commit d58304f, the last one that people have run before 0.1.0, which had two kinds. The objects are its own
records for Argo CD's health checks, the CRDs are without their texts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "earlier"


def objects(kind: str) -> dict[str, Mapping[str, Any]]:
    """Return the objects of a kind by their states, which are also their names."""
    return {each["metadata"]["name"]: each for each in _read("objects") if each["kind"] == kind}


def crds() -> dict[str, Mapping[str, Any]]:
    """Return the CRDs by their kinds."""
    return {each["spec"]["names"]["kind"]: each for each in _read("crds")}


def _read(name: str) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
