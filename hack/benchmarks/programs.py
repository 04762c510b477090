"""The peer and the stub of Atlas, built from the Go module in `peer/`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from control_plane.go_build import CACHE, GoModule, ensure_built

MODULE = Path(__file__).resolve().parent / "peer"
PACKAGES = {"peer": "./cmd/peer", "stub": "./cmd/stub"}


@dataclass(frozen=True, slots=True)
class GoPrograms:
    """The executables."""

    peer: Path
    stub: Path


def provide_go_programs(target: Path = CACHE / "benchmark" / "bin") -> GoPrograms:
    """Build the programs, unless they are there and up to date.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    module = GoModule(
        title="the benchmark's peer and stub",
        folder=MODULE,
        programs=PACKAGES,
        links={},
        flags=["-ldflags", "-s -w"],
        patience="2 to 4 minutes on 2 cores",
    )
    folder = ensure_built(module, target)
    return GoPrograms(peer=folder / "peer", stub=folder / "stub")


def controller_runtime_version(go_mod: str) -> str:
    """Read which controller-runtime the peer is made of from the text of its go.mod."""
    found = re.search(r"^\s*sigs\.k8s\.io/controller-runtime (v\S+)$", go_mod, re.MULTILINE)
    return found[1] if found else "unknown"
