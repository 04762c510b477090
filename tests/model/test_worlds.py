"""In no small world is there a story that breaks a law, and from everywhere the operator brings the world to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.conftest import WALKED
from model.explorer import Explorer
from model.worlds import GATE, WORLDS

if TYPE_CHECKING:
    from model.world import World
    from support.fixtures import RecordProperty


STRIKES = {
    "fault": {("fail", "before"), ("fail", "lost"), ("fail", "after"), ("fail", "late")},
    "lost answer": {("fail", "after")},
    "slow": {("hold", "")},
    "slow event": {("time", "and an event is slow")},
    "crash": {("crash", ""), ("crash", "status written")},
    "lost event": {("lose event", "")},
    "stale event": {("stale event", "an older version"), ("stale event", "an older generation")},
    "person": {("person", "")},
    "Atlas fails": {("Atlas fails", "")},
    "silence": {("silence", ""), ("zombie ends", "")},
    "hand over": {("hand over", "")},
    "late write": {("fail", "late")},
    "list lags": {("answer", "without what is new")},
    "expires": {("expires", "")},
    "patience": set[tuple[str, str]](),
}
"""How each kind of misfortune strikes, wherever a world has it."""
MORE = {("answer", "an older state"), ("stale event", "a former object")}
"""How some strike where there is something that they can strike at."""
USUAL = {"act", "deliver", "answer", "take over", "ghost arrives", "Atlas connects", "Atlas deletes", "time"}
"""What happens also where nothing goes wrong, or as a consequence."""


def strikes(world: World) -> set[tuple[str, str]]:
    """Tell which misfortunes have to strike in a world."""
    expected = {strike for misfortune in world.left for strike in STRIKES[misfortune]}
    if world.left["fault"] and world.lists_take_time:
        expected.add(("answer", "an older state"))
    if world.left["stale event"] and ("a", None) in world.script:
        expected.add(("stale event", "a former object"))
        expected.remove(("stale event", "an older generation"))
    return expected


@pytest.mark.parametrize(
    ("name", "world"),
    [
        pytest.param(name, world, id=name, marks=[pytest.mark.gate] if name in GATE else [])
        for name, world in WORLDS.items()
    ],
)
def test_everything_that_can_happen(name: str, world: World, record_property: RecordProperty) -> None:
    report = Explorer(name, world).explore()

    assert report.violation is None, f"\n{report}"
    assert report.complete
    assert {(kind, how) for kind, how in report.moves if how or kind not in USUAL} == strikes(world)
    record_property(WALKED, str(report))


@pytest.mark.gate
def test_the_gate_meets_each_kind_of_fault() -> None:
    assert set().union(*map(strikes, GATE.values())) == MORE.union(*STRIKES.values())
