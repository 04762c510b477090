"""In no small model is there a trace that breaks an invariant, and from everywhere the operator brings the model to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.conftest import WALKED
from model.explorer import Explorer
from model.models import GATE, MODELS

if TYPE_CHECKING:
    from model.environment import Environment
    from support.fixtures import RecordProperty

pytestmark = pytest.mark.timeout(3600, method="thread")
"""A signal within a replay would be taken for what the operator does, so this one ends the process and says so."""


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
    **{
        each: {(each, "")}
        for each in (
            "another's service",
            "Atlas rejects",
            "approval",
            "away",
            "need",
            "recreation",
            "region",
            "registration",
            "removal",
            "restore",
            "service fails",
            "stranger",
            "switch",
        )
    },
}
"""How each kind of fault strikes, wherever a model has it."""
MORE = {("answer", "an older state"), ("stale event", "a former object")}
"""How some strike where there is something that they can strike at."""
USUAL = {
    "act",
    "deliver",
    "answer",
    "take over",
    "ghost arrives",
    "Atlas connects",
    "Atlas deletes",
    "Atlas goes on",
    "time",
}
"""What happens also where nothing goes wrong, or as a consequence."""


def strikes(model: Environment) -> set[tuple[str, str]]:
    """Tell which faults have to strike in a model."""
    expected = {strike for fault in model.left for strike in STRIKES[fault]}
    if model.left["fault"] and model.lists_take_time:
        expected.add(("answer", "an older state"))
    if model.left["stale event"] and ("a", None) in model.script:
        expected.add(("stale event", "a former object"))
        expected.remove(("stale event", "an older generation"))
    return expected


@pytest.mark.parametrize(
    ("name", "model"),
    [
        pytest.param(name, model, id=name, marks=[pytest.mark.gate] if name in GATE else [])
        for name, model in MODELS.items()
    ],
)
def test_everything_that_can_happen(name: str, model: Environment, record_property: RecordProperty) -> None:
    report = Explorer(name, model).explore()

    assert report.violation is None, f"\n{report}"
    assert report.complete
    assert {(kind, how) for kind, how in report.moves if how or kind not in USUAL} == strikes(model)
    record_property(WALKED, str(report))


@pytest.mark.gate
def test_the_gate_meets_each_kind_of_fault() -> None:
    assert set().union(*map(strikes, GATE.values())) == MORE.union(*STRIKES.values())
