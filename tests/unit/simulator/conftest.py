from collections.abc import AsyncIterator

import pytest

from unit.simulator.harness import Atlas, start


@pytest.fixture
async def atlas() -> AsyncIterator[Atlas]:
    async with start() as running:
        yield running
