"""The explorer finds the bugs that were planted, each in the world that shows it, and tells a story of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.explorer import Explorer
from model.laws import Law
from model.mutants import MUTANTS
from model.worlds import WORLDS

if TYPE_CHECKING:
    from model.mutant import Mutant

FURTHER = [
    mutant
    for number, mutant in enumerate(MUTANTS)
    if mutant.world not in WORLDS.values() and mutant.world not in [each.world for each in MUTANTS[:number]]
]
"""One mutant for each world that is not walked as one of ``WORLDS``."""


def first_of(law: Law) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.law is law)


GATE = [
    first_of(law)
    for law in (Law.CLAIMS, Law.ONE_AT_A_TIME, Law.FORWARD, Law.RELEASE, Law.ONCE, Law.PRESENT, Law.OWNER, Law.KEPT)
]
"""The gate plants one bug for each invariant that finds one in a second."""


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(each, id=each.bug, marks=[pytest.mark.gate] if each in GATE else []) for each in MUTANTS],
)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    with mutant.planted():
        report = Explorer(mutant.bug, mutant.world).explore()

        assert report.violation is not None
        assert report.violation.law is mutant.law, f"\n{report}"
        assert report.story is not None
        assert len(report.story.rows) > 2


@pytest.mark.parametrize("mutant", FURTHER, ids=[mutant.bug for mutant in FURTHER])
def test_without_the_bug_its_world_breaks_no_law(mutant: Mutant) -> None:
    report = Explorer(mutant.bug, mutant.world).explore()

    assert report.violation is None, f"\n{report}"
    assert report.complete
