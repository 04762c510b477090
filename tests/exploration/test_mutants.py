"""The explorer finds the bugs that were planted, each in the world that shows it, and tells a story of each."""

from __future__ import annotations

import pytest

from exploration.explorer import Explorer
from exploration.mutants import MUTANTS, Mutant


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.bug for mutant in MUTANTS])
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    with mutant.planted():
        report = Explorer(mutant.bug, mutant.world).explore()

        assert report.violation is not None
        assert report.story is not None
        assert len(report.story.rows) > 2
