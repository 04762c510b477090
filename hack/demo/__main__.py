"""The command `python -m demo`, which `make demo` calls. It ends with 0 only when all went as the story says."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from demo import story
from demo.stage import perform

if TYPE_CHECKING:
    from demo.stage import Stage

KEEP = "KEEP"
"""The variable that leaves everything running at the end of the story."""
SERVERS_LOOK = 1.0
"""Seconds between two looks at whether everything still runs."""


def main() -> int:
    """Return the story.

    Returns:
        0 done; 1 something happened otherwise than the story says; 130 interrupted.
    """
    return perform(_tell)


def _tell(stage: Stage) -> None:
    started = time.monotonic()
    for scene in story.STORY:
        scene(stage)
    if os.environ.get(KEEP, "") not in {"", "0"}:
        _keep(stage)
        return
    story.delete(stage)
    stage.terminal.heading(f"The demo is complete, in {time.monotonic() - started:.0f} s")


def _keep(stage: Stage) -> None:
    """Leave everything running and say how to use it, until Ctrl-C."""
    say = stage.terminal
    say.heading("Everything keeps running until Ctrl-C. In another terminal:")
    say.output(f"export KUBECONFIG={stage.control_plane.kubeconfig}")
    say.output(f"alias kubectl={stage.kubectl_program}")
    say.output(f"kubectl edit dpe/{story.ORDERS} spe/{story.ORDERS}")
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


if __name__ == "__main__":
    sys.exit(main())
