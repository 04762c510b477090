"""Cases of the life of an endpoint that run at the same time; those that need an Atlas or an operator of their own are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.life import deletions, reservations

if TYPE_CHECKING:
    from support.concurrent_cases import Running

pytestmark = pytest.mark.gate

CASES = {**reservations.cases.table, **deletions.cases.table}


@pytest.mark.parametrize("sentence", CASES)
def test_life(running: Running, sentence: str) -> None:
    running.outcome(sentence)
