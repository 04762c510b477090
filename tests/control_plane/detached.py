"""A control plane that outlives the command that started it: one for each checkout."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from control_plane.access import write_private
from control_plane.cluster import ControlPlane
from control_plane.go_build import CACHE
from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane.programs import Programs

KUBECONFIG = "kubeconfig"
RECORD = "control-plane.up.json"
STOP_TIMEOUT = 15.0
"""Seconds until killed servers have to be gone."""


@dataclass(frozen=True, slots=True)
class Record:
    """What `up` remembers of the control plane it started.

    Attributes:
        url: Where its API server listens.
        directory: Where it keeps its data and logs; each of its servers names it on its command line.
        pids: The process ids of its servers, by program.
    """

    url: str
    directory: str
    pids: dict[str, int]

    @classmethod
    def read(cls, cache: Path) -> Self | None:
        """Read what was remembered in the folder, if anything."""
        path = cache / RECORD
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def write(self, cache: Path) -> None:
        write_private(cache / RECORD, json.dumps(asdict(self), indent=2) + "\n")

    def running(self) -> dict[str, int]:
        """Return those of the servers that still run.

        A process id alone proves nothing: the system gives it to a stranger some time after its owner has ended.
        """
        return {name: pid for name, pid in self.pids.items() if self.directory in command_of(pid)}


def command_of(pid: int) -> str:
    """Return a process's command line, empty if there is no such process or it is dead and only waits to be reaped."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    answer = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout


def up(programs: Programs, cache: Path = CACHE) -> tuple[Record, bool]:
    """Start a control plane that stays, unless the one of this checkout runs already.

    Args:
        programs: What it is made of.
        cache: The folder that gets its `kubeconfig` and remembers its processes.

    Returns:
        What runs, and whether it was started just now.
    """
    with _locked(cache):
        record = Record.read(cache)
        if record is not None:
            if record.running() == record.pids:
                return record, False
            _remove(record, cache)  # a reboot or a crash left a part of it, or nothing but the record
        # In a folder outside of the checkout: a copied or cleaned checkout must not take running servers' data along.
        directory = Path(tempfile.mkdtemp(prefix="control-plane-"))
        control_plane = ControlPlane(programs, directory=directory, detached=True)
        control_plane.start()
        record = Record(control_plane.url, str(control_plane.directory), control_plane.pids)
        record.write(cache)
        write_private(cache / KUBECONFIG, control_plane.kubeconfig.read_text())
        return record, True


def down(cache: Path = CACHE) -> Record | None:
    """Stop the control plane of this checkout, and nothing else, and forget its data.

    Returns:
        What ran; None if there was nothing to stop.
    """
    with _locked(cache):
        record = Record.read(cache)
        if record is not None:
            _remove(record, cache)
        return record


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{RECORD}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove(record: Record, cache: Path) -> None:
    for pid in record.running().values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not record.running(), "the servers to end", timeout=STOP_TIMEOUT)
    shutil.rmtree(record.directory, ignore_errors=True)
    (cache / KUBECONFIG).unlink(missing_ok=True)
    (cache / RECORD).unlink()
