"""Wall clocks that jump: after a correction, work goes on within the usual waits. The work is in ``clocks.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unit.reconcile.cases import CONSTANTS, Actions, filled, load, seconds

WORK: Mapping[str, Any] = filled(load("clocks.yaml"), CONSTANTS)
MONTH, INTERVAL = timedelta(days=30), 600.0


@dataclass(frozen=True)
class Phase:
    """A step at one state of the clock.

    Attributes:
        ahead: by how much the clock is wrong.
        seconds: for which it is so.
        restart: whether another process begins with it.
    """

    ahead: timedelta
    seconds: float
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


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
@settings(max_examples=10, deadline=None)
@given(phases=PHASES, restart=st.booleans())
@example(phases=[Phase(MONTH, 3, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=False)
@example(phases=[Phase(MONTH, INTERVAL / 2, restart=False)] * 5, restart=False)
async def test_after_the_clock_is_corrected(work: Mapping[str, Any], phases: list[Phase], *, restart: bool) -> None:
    actions = Actions()
    harness = actions.harness
    harness.clock.ahead = phases[0].ahead
    await actions.do(work["begin"])
    for phase in phases:
        harness.clock.ahead = phase.ahead
        if phase.restart:
            actions.restart(None, "")
        await harness.run_for(phase.seconds)
        await actions.do(work.get("disturb", ()))
        await harness.run_for(phase.seconds)
    harness.clock.ahead = timedelta(0)
    if restart:
        actions.restart(None, "")
    await harness.run_for(1)
    await actions.do(work.get("at_last", ()))
    await harness.run_for(seconds(work["wait"]))
    actions.expect(work["done"], "")
    assert len(harness.atlas.endpoints) <= 1
