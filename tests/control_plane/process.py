"""Server processes that are certain to end.

A control plane that a killed test run leaves behind eats the machine, and nobody ends it. `atexit` and fixtures do not
run on SIGKILL, so somebody outside of this process has to watch it.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

POLL = 0.02
"""Seconds between two looks at something that is expected soon."""
GRACE = 15.0
"""Seconds a server gets to end by itself."""
PATIENCE = 90.0
"""Seconds until what is expected soon has to be there, on a busy machine too."""


class ServerExitedError(Exception):
    """A server ended that should run.

    Attributes:
        log: The last lines it wrote.
    """

    def __init__(self, name: str, code: int, log: str) -> None:
        super().__init__(f"{name} ended with code {code}; its last words:\n{log}")
        self.log = log


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; its output goes to a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Make sure that it runs."""
        code = self.process.poll()
        if code is not None:
            raise ServerExitedError(self.name, code, "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]))

    def stop(self, *, kill: bool) -> None:
        """End it, and return when it has ended.

        Args:
            kill: With SIGKILL at once, as a crash would; else with SIGTERM, and SIGKILL after `GRACE`.
        """
        if not kill:
            self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                pass
            else:
                return
        self.process.kill()
        self.process.wait()


class ServerGroup:
    """Starts servers, and ends them when this process ends, however it ends.

    A guard, a shell of one line, reads from a pipe whose other end only this process holds. The kernel closes that end
    when this process is gone, also after SIGKILL; then the guard kills its process group, to which all servers belong.

    Linux has PR_SET_PDEATHSIG for this, but that fires when the *thread* that started a server ends (a fixture may run
    in a worker thread), needs Python code between fork and exec (unsafe in a process with threads), and other systems
    lack it. A list of process ids in the guard would leave a gap between the start of a server and its entry, in which
    it could be orphaned; a group has none, and its number is not used again while the guard lives.

    Not covered: a child that this process forked without exec (multiprocessing's "fork") holds the pipe open too.
    """

    def __init__(self, *, detached: bool) -> None:
        """Make a group.

        Args:
            detached: Do without the guard: the servers are meant to outlive this process and its terminal.
        """
        self._guard = (
            None
            if detached
            else subprocess.Popen(
                ["/bin/sh", "-c", "read -r _; kill -KILL 0"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        )

    def start(self, name: str, command: Sequence[str], *, folder: Path) -> Server:
        """Start a server; its output is appended to `<name>.log` in the folder, which is also its home."""
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                # Of this process's environment nothing: ETCD_* are flags to etcd, and a proxy is not for loopback. Garbage is
                # collected at four times its usual size, since memory is there and processor time is what tests wait for.
                env={"PATH": os.defpath, "HOME": str(folder), "GOGC": "400"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=None if self._guard is None else self._guard.pid,
                start_new_session=self._guard is None,
            )
        return Server(name, process, log)

    def close(self) -> None:
        if self._guard is not None:
            self._guard.communicate()  # closes the pipe and waits for the guard, which kills itself last


def wait_until(
    is_met: Callable[[], bool], what: str, *, servers: Sequence[Server] = (), timeout: float = PATIENCE
) -> None:
    """Wait for something that is expected soon.

    Args:
        is_met: Whether it is so by now.
        what: What is waited for, in words that follow "in vain for".
        servers: The servers that have to run for that.
        timeout: Seconds to wait at most.
    """
    deadline = time.monotonic() + timeout
    while not is_met():
        for server in servers:
            server.check()
        if time.monotonic() > deadline:
            logs = ", ".join(str(server.log) for server in servers)
            raise TimeoutError(f"waited {timeout:.0f} s in vain for {what}" + (f"; see {logs}" if logs else ""))
        time.sleep(POLL)
