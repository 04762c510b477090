"""Run targets of make in lanes beside each other, each target whatever came of the others, and record the result.

`python -m support.suites TARGET... -- TARGET...`: one lane on each side of `--`, for one of them mostly waits.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT = Path(".cache", "test-all.txt")
"""Three lines: the commit (`-dirty` if files differ from it), the date, and which targets were red."""
_PRINTING = Lock()


def run(lanes: Sequence[Sequence[str]]) -> bool:
    """Run all targets, print and record the result, and return whether all were green."""
    RESULT.unlink(missing_ok=True)
    commit, began = _commit(), time.monotonic()
    with ThreadPoolExecutor(len(lanes)) as pool:
        red = [each for lane in pool.map(_red, lanes) for each in lane]
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


def _red(lane: Sequence[str]) -> list[str]:
    """Run the targets of a lane one after the other, and return the red ones."""
    return [each for each in lane if not _is_green(each)]


def _is_green(target: str) -> bool:
    """Run a target, and print what it has said when it ends."""
    began = time.monotonic()
    command = ["make", "--no-print-directory", target]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    with _PRINTING:
        sys.stdout.write(f"{done.stdout}==> {target}: {time.monotonic() - began:.0f} s\n")
        sys.stdout.flush()
    return not done.returncode


def _commit() -> str:
    head, changes = (_git(*arguments) for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain")))
    return f"{head}-dirty" if changes else head


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(not run([lane.split() for lane in " ".join(sys.argv[1:]).split(" -- ")]))
