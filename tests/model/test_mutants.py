"""The explorer finds the bugs that were planted, each in the model that shows it, and tells a trace of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from model.data_federation import mutants as data_federation
from model.dedicated import mutants as dedicated
from model.explorer import Explorer
from model.invariants import Invariant
from model.models import DEEPER, MODELS
from model.regional import mutants as regional
from model.serverless import mutants as serverless
from model.streams import mutants as streams

if TYPE_CHECKING:
    from model.mutants import Mutant

pytestmark = pytest.mark.timeout(3600, method="thread")
"""A signal within a replay would be taken for what the operator does, so this one ends the process and says so."""

MUTANTS = [*serverless.MUTANTS, *dedicated.MUTANTS, *data_federation.MUTANTS, *regional.MUTANTS, *streams.MUTANTS]
FURTHER = [
    mutant
    for number, mutant in enumerate(MUTANTS)
    if mutant.model not in {**MODELS, **DEEPER}.values()
    and mutant.model not in [each.model for each in MUTANTS[:number]]
]
"""One mutant for each model that is neither one of ``MODELS`` nor, since it is large, of ``DEEPER``."""


def first_of(invariant: Invariant) -> Mutant:
    return next(mutant for mutant in MUTANTS if mutant.invariant is invariant)


GATE = [
    first_of(invariant)
    for invariant in (
        Invariant.CLAIMS,
        Invariant.ONE_AT_A_TIME,
        Invariant.FORWARD,
        Invariant.RELEASE,
        Invariant.ONCE,
        Invariant.PRESENT,
        Invariant.OWNER,
        Invariant.KEPT,
        Invariant.NAMED,
        Invariant.LIVE,
        Invariant.BOUND,
        Invariant.REGIONS,
        Invariant.SHARED,
        Invariant.GUARDED,
        Invariant.PACED,
    )
]
"""The gate plants one bug for each invariant that finds one in a second."""


@pytest.mark.gate
def test_a_planted_bug_fits_what_it_replaces() -> None:
    for mutant in MUTANTS:
        mutant.check_fits()


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(each, id=each.bug, marks=[pytest.mark.gate] if each in GATE else []) for each in MUTANTS],
)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    with mutant.planted():
        report = Explorer(mutant.bug, mutant.model).explore()

        assert report.violation is not None
        assert report.violation.invariant is mutant.invariant, f"\n{report}"
        assert report.trace is not None
        assert len(report.trace.rows) > 2


@pytest.mark.parametrize("mutant", FURTHER, ids=[mutant.bug for mutant in FURTHER])
def test_without_the_bug_its_world_breaks_no_law(mutant: Mutant) -> None:
    report = Explorer(mutant.bug, mutant.model).explore()

    assert report.violation is None, f"\n{report}"
    assert report.complete
