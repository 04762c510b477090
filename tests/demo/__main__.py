"""The command `python -m demo`, which `make demo` calls. It ends with 0 only when all went as the story says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import httpx

from control_plane import ControlPlaneError, KubectlError, ProgramsError, provide_programs
from control_plane.go_build import BuildError
from control_plane.process import ServerExitedError
from control_plane.toolchain import ToolchainError
from demo import story
from demo.stage import ROOT, Stage, UnexpectedError
from demo.terminal import Terminal

if TYPE_CHECKING:
    from types import FrameType

KEEP = "KEEP"
"""The variable that leaves everything running at the end of the story."""
SERVERS_LOOK = 1.0
"""Seconds between two looks at whether everything still runs."""
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


def main() -> int:
    """Tell the story.

    Returns:
        0 done; 1 something happened otherwise than the story says; 130 interrupted.
    """
    os.chdir(ROOT)
    terminal = Terminal(sys.stdout)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that everything is cleaned up
    started = time.monotonic()
    try:
        with Stage(terminal, provide_programs()) as stage:
            try:
                return _tell(stage, started)
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


def _tell(stage: Stage, started: float) -> int:
    for scene in story.STORY:
        scene(stage)
    if os.environ.get(KEEP, "") not in {"", "0"}:
        _keep(stage)
        return 0
    story.delete(stage)
    stage.terminal.heading(f"That was the whole story, in {time.monotonic() - started:.0f} s")
    return 0


def _keep(stage: Stage) -> None:
    """Leave everything running and say how to use it, until Ctrl-C."""
    say = stage.terminal
    say.heading("Everything stays up until Ctrl-C. In another terminal:")
    say.output(f"export KUBECONFIG={stage.control_plane.kubeconfig}")
    say.output(f"alias kubectl={stage.kubectl_program}")
    say.output(f"kubectl edit spe {story.ORDERS}")
    say.output(
        f"curl -s {stage.atlas.url}/_simulator/requests  # what Atlas has received; docs/simulator.md tells more"
    )
    say.output(f"curl -s {stage.operator_url}/metrics  # /livez and /readyz, too")
    say.output(f"tail -f {stage.operator_log}")
    try:
        while True:
            stage.check()
            time.sleep(SERVERS_LOOK)
    except KeyboardInterrupt:
        say.say("\nStopping and cleaning up.")
    stage.stop_operator()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
