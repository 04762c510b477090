"""Reconciles: the cases of ``cases/``."""

import pytest

from unit.reconcile.cases import Actions, Case, cases


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
async def test_case(case: Case) -> None:
    await Actions().do(case.steps)
