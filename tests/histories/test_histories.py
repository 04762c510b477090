"""Whatever happens to a few resources, in the end the world is as they want it, and nobody else's is touched."""

import pytest

from histories.serverless.history import ServerlessHistory
from support.virtual_time import run

SEEDS, OF_THE_GATE, TOGETHER = 1000, 100, 50


async def play(seed: int) -> tuple[str | None, list[str]]:
    history = ServerlessHistory(seed)
    return await history.run(), history.told


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=[pytest.mark.gate] if first < OF_THE_GATE else [])
        for first in range(0, SEEDS, TOGETHER)
    ],
)
def test_a_history_ends_as_its_resources_want_it(first: int) -> None:
    for seed in range(first, first + TOGETHER):
        wrong, told = run(play(seed))
        assert wrong is None, "\n".join([f"seed {seed}: {wrong}", *told])
