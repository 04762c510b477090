"""Running kubectl against one control plane, whatever the user's own kubectl is set to."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  dataclass fields are read at run time by documentation tools

TIMEOUT = 120.0
"""Seconds a command may take."""


class KubectlError(Exception):
    """kubectl failed; the message holds the command and what it said.

    Attributes:
        stderr: What it said.
    """

    def __init__(self, command: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"`kubectl {' '.join(command)}` ended with code {code}: {stderr.strip()}")
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl that talks to one control plane.

    Attributes:
        program: The executable.
        kubeconfig: Whom it talks to, and as whom.
        cache: Where it remembers what discovery told; of its own, for another API server may have had this port before.
    """

    program: Path
    kubeconfig: Path
    cache: Path

    def __call__(self, *args: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command.

        Args:
            args: Its arguments; a `--kubeconfig` among them wins over this one's.
            stdin: What it reads from `-f -`.
            check: Whether a failure is an error.

        Raises:
            KubectlError: It failed, and `check` is set.
            subprocess.TimeoutExpired: It took longer than `TIMEOUT`.
        """
        done = subprocess.run(
            [self.program, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.cache}", *args],
            input=stdin,
            env=os.environ | {"KUBERC": "off"},  # no aliases and defaults of the user
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if check and done.returncode != 0:
            raise KubectlError(args, done.returncode, done.stderr)
        return done
