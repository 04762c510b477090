"""Random histories as in ``histories``, on the real control plane: whatever happens, the world ends as the resources want it.

``make soak`` plays them. ``make histories SEEDS=15-19`` plays one again with those that share its operator, whose deaths
are its own, too. The same happens to it at the same times; what the operator is at by then is up to the machine.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from histories.batch import Batch
from histories.live import LiveHistory
from support.observed import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from faults.environment import Env
    from histories.live import Verdict

SHARE = 5
"""Histories before one operator: each of its deaths is one in all of them."""
AT_ONCE = 5
"""Operators at a time."""


def seeds(text: str) -> list[int]:
    """Read seeds such as ``0-4,17``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def play(env: Env, recorder: Recorder, folder: Path, chosen: Sequence[int]) -> tuple[list[Verdict], str]:
    """Play a few histories before one operator."""
    label = f"history-{chosen[0]}"
    with Batch(env, label, folder, len(chosen)) as batch:
        histories = [
            LiveHistory(seed, batch, number, env.resources(label), recorder) for number, seed in enumerate(chosen)
        ]
        with ThreadPoolExecutor(len(histories)) as pool:
            list(pool.map(LiveHistory.play, histories))
            batch.atlas.post("switches", {"listLag": 0})
            list(pool.map(LiveHistory.judge, histories))
        verdicts = [each.verdict for each in histories]
        slowest = max(each.seconds for each in verdicts)
        assert not batch.exits, f"the operator ends by itself, with {batch.exits}; see {folder}"
        told = f"seeds {chosen[0]} to {chosen[-1]}: killed {batch.kills} times, as wanted {slowest:.0f} s after the end"
        return verdicts, told


def _together(seed: int, batches: Sequence[Sequence[int]]) -> str:
    """Give the seeds that were played before the operator of one."""
    batch = next(each for each in batches if seed in each)
    return ",".join(str(each) for each in batch)


@pytest.mark.timeout(0)
def test_a_history_ends_as_its_resources_want_it(
    request: pytest.FixtureRequest, env: Env, crd: str, tmp_path: Path
) -> None:
    text = request.config.getoption("--seeds", default=None)
    if text is None:
        pytest.skip("`make soak` plays histories of true time, and `make histories SEEDS=0-4` some of them")
    chosen, began = seeds(text), time.monotonic()
    batches = [chosen[first : first + SHARE] for first in range(0, len(chosen), SHARE)]
    recorder = Recorder(env.control_plane)
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:

            def one(batch: Sequence[int]) -> list[Verdict]:
                folder = tmp_path / str(batch[0])
                folder.mkdir()
                verdicts, told = play(env, recorder, folder, batch)
                sys.stdout.write(f"{told}\n")
                return verdicts

            verdicts = [each for batch in pool.map(one, batches) for each in batch]
    finally:
        recorder.stop()
    sys.stdout.write(f"{len(verdicts)} histories of true time in {time.monotonic() - began:.0f} s\n")
    wrong = [
        "\n".join(
            [f"seed {each.seed}: {each.wrong}", *each.told, f"make histories SEEDS={_together(each.seed, batches)}"]
        )
        for each in verdicts
        if each.wrong is not None
    ]
    assert not wrong, "\n\n".join(wrong)
