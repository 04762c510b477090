"""Whatever happens to a few resources, in the end Atlas is as they want it, and nobody else's is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from histories.data_federation.history import DataFederationHistory
from histories.dedicated.history import DedicatedHistory
from histories.regional.history import BackupHistory, EncryptionHistory
from histories.serverless.history import ServerlessHistory
from histories.streams.history import StreamHistory
from support.virtual_time import run

if TYPE_CHECKING:
    from histories.history import History

pytestmark = pytest.mark.timeout(3600, method="thread")
"""A signal within a replay would be taken for what the operator does, so this one ends the process and says so."""

TOGETHER = 50
SEEDS: dict[type[History[Any]], tuple[int, int]] = {
    ServerlessHistory: (50, 200),
    DedicatedHistory: (50, 400),
    DataFederationHistory: (50, 100),
    EncryptionHistory: (50, 100),
    BackupHistory: (50, 50),
    StreamHistory: (50, 100),
}
"""How many histories of each kind are played in the gate, and in all."""


async def play(kind: type[History[Any]], seed: int) -> tuple[str | None, list[str]]:
    history = kind(seed)
    return await history.run(), history.told


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        pytest.param(
            kind, first, id=f"{kind.__name__}-{first}", marks=[pytest.mark.gate] if first < of_the_gate else []
        )
        for kind, (of_the_gate, of_all) in SEEDS.items()
        for first in range(0, of_all, TOGETHER)
    ],
)
def test_a_history_ends_as_its_resources_want_it(kind: type[History[Any]], first: int) -> None:
    for seed in range(first, first + TOGETHER):
        wrong, told = run(play(kind, seed))
        assert wrong is None, "\n".join([f"seed {seed}: {wrong}", *told])
