"""Wall clocks that jump: after a correction, work goes on within the usual waits. The work is in ``clocks.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from behaviour.cases import filled, load, play
from behaviour.serverless import CONSTANTS, ServerlessSteps
from support.virtual_time import run

WORK: Mapping[str, Any] = filled(load(Path(__file__).with_name("clocks.yaml")), CONSTANTS)
MONTH, INTERVAL = timedelta(days=30), 600


@dataclass(frozen=True)
class Phase:
    """A step at one state of the clock.

    Attributes:
        ahead: by how much the clock is wrong.
        seconds: for which it is so.
        restart: whether another process begins with it.
    """

    ahead: timedelta
    seconds: int
    restart: bool


PHASES = st.lists(
    st.builds(
        Phase,
        st.sampled_from(
            [MONTH, timedelta(hours=5), timedelta(minutes=10), timedelta(seconds=20), timedelta(0)]
        ).flatmap(lambda each: st.sampled_from([each, -each])),
        st.sampled_from([0, 3, 45, INTERVAL + 60]),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


async def corrected(work: Mapping[str, Any], phases: list[Phase], *, restart: bool) -> None:
    steps = ServerlessSteps()
    steps.clock.ahead = phases[0].ahead
    async with steps.running():
        await play(steps, work["begin"])
        for phase in phases:
            steps.clock.ahead = phase.ahead
            if phase.restart:
                steps.restart(None, "")
            await steps.run(f"{phase.seconds}s", "")
            await play(steps, work.get("disturb", ()))
            await steps.run(f"{phase.seconds}s", "")
        steps.clock.ahead = timedelta(0)
        if restart:
            steps.restart(None, "")
        await steps.run("1s", "")
        await play(steps, work.get("at_last", ()))
        await steps.run(work["wait"], "")
        steps.expect(work["done"], "")
        assert len(steps.instance.endpoints) <= 1


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
@settings(max_examples=10, deadline=None)
@given(phases=PHASES, restart=st.booleans())
@example(phases=[Phase(MONTH, 3, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=False)
@example(phases=[Phase(MONTH, INTERVAL // 2, restart=False)] * 5, restart=False)
def test_after_the_clock_is_corrected(work: Mapping[str, Any], phases: list[Phase], *, restart: bool) -> None:
    run(corrected(work, phases, restart=restart))
