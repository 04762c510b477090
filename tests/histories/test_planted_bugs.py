"""The histories and the cases of dedicated private endpoints find the bugs that were planted."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from behaviour.cases import cases
from behaviour.dedicated import CONSTANTS, DedicatedSteps
from histories.dedicated.history import DedicatedHistory
from histories.dedicated.mutants import IN_CASES, IN_HISTORIES, Mutant
from support.virtual_time import run

pytestmark = pytest.mark.timeout(3600, method="thread")
"""A signal within a replay would be taken for what the operator does, so this one ends the process and says so."""

SEEDS = 300
"""The histories that are played at most until a bug is found."""
CASES = {each.name: each for each in cases(Path(__file__).parents[1] / "behaviour" / "dedicated", CONSTANTS)}


async def _play(seed: int) -> str | None:
    return await DedicatedHistory(seed).run()


async def _act(name: str) -> None:
    await DedicatedSteps().do(CASES[name].steps)


@pytest.mark.gate
def test_a_planted_bug_fits_what_it_replaces() -> None:
    for mutant in (*IN_HISTORIES, *IN_CASES):
        mutant.check_fits()


@pytest.mark.parametrize("mutant", IN_HISTORIES, ids=[each.bug for each in IN_HISTORIES])
def test_a_history_finds_a_planted_bug(mutant: Mutant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with mutant.planted():
        assert any(mutant.found in (run(_play(seed)) or "") for seed in range(SEEDS))


@pytest.mark.parametrize("mutant", IN_CASES, ids=[each.bug for each in IN_CASES])
def test_a_case_finds_a_planted_bug(mutant: Mutant) -> None:
    run(_act(mutant.found))
    with mutant.planted(), pytest.raises(AssertionError):
        run(_act(mutant.found))
