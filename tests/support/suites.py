"""Run targets of make, each whatever came of the others, and record the result: `python -m support.suites TARGET...`."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = Path(".cache", "test-all.txt")
"""Three lines: the commit (`-dirty` if files differ from it), the date, and which targets were red."""


def run(targets: Sequence[str]) -> bool:
    """Run all targets, print and record the result, and return whether all were green."""
    RESULT.unlink(missing_ok=True)
    commit, began = _commit(), time.monotonic()
    red = [each for each in targets if subprocess.run(["make", "--no-print-directory", each], check=False).returncode]
    result = f"red ({', '.join(red)})" if red else "green"
    lines = [
        commit,
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"{result} after {time.monotonic() - began:.0f} s",
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    sys.stdout.write(f"{' '.join(lines)}\n")
    return not red


def _commit() -> str:
    head, changes = (_git(*arguments) for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain")))
    return f"{head}-dirty" if changes else head


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(not run(sys.argv[1:]))
