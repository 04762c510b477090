"""The life of dedicated private endpoints."""

from pathlib import Path

import pytest

from support.virtual_time import on_virtual_time
from unit.kinds.dedicated_private_endpoint.cases import Actions, cases
from unit.reconcile.cases import Case


@pytest.mark.parametrize("case", list(cases(Path(__file__).parent / "cases")), ids=lambda case: case.name)
@on_virtual_time
async def test_case(case: Case) -> None:
    await Actions().do(case.steps)
