"""From the start of a performance to its end, however it ends: everything is cleaned up, and the exit status tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import httpx

from control_plane import ControlPlaneError, KubectlError, ProgramsError, provide_programs
from control_plane.go_build import BuildError
from control_plane.process import ServerExitedError
from control_plane.toolchain import ToolchainError
from demo.stage import ROOT, Stage, UnexpectedError
from demo.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INTERRUPTED = 128 + signal.SIGINT

FAILURES = (
    UnexpectedError,
    KubectlError,
    ControlPlaneError,
    ServerExitedError,
    TimeoutError,
    subprocess.TimeoutExpired,
    httpx.HTTPError,
    ToolchainError,
    BuildError,
    ProgramsError,
)


def perform(tell: Callable[[Stage], None]) -> int:
    """Tell something on a stage of its own.

    Args:
        tell: What happens; it raises one of `FAILURES` when something happens otherwise.

    Returns:
        0 done; 1 something happened otherwise; 130 interrupted.
    """
    os.chdir(ROOT)
    terminal = Terminal(sys.stdout)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that everything is cleaned up
    try:
        with Stage(terminal, provide_programs()) as stage:
            try:
                tell(stage)
            except FAILURES:
                terminal.heading("The end of the operator's log")
                terminal.output(stage.last_words() or "(nothing)")
                raise
    except FAILURES as error:
        terminal.bad(f"\nFAILED: {error}")
        return 1
    except KeyboardInterrupt:
        terminal.say("\nStopped; everything is cleaned up.")
        return INTERRUPTED
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
