from __future__ import annotations

from typing import Any

import pytest

from benchmarks.watcher import Watcher, is_at_rest


def body(*, generation: int = 2, observed: int = 2, ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "Synced", "status": "True"}, {"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": "one", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(body(), True, id="ready in its generation is at rest"),
        pytest.param(body(observed=1), False, id="whose status speaks of an older generation is not"),
        pytest.param(body(ready="False"), False, id="that is not ready is not"),
        pytest.param({"metadata": {"name": "one", "generation": 1}}, False, id="without a status is not"),
    ],
)
def test_a_resource(state: dict[str, Any], expected: bool) -> None:
    assert is_at_rest(state) is expected


async def test_who_comes_late_is_told_the_moment_at_which_a_resource_came_to_rest() -> None:
    watcher = Watcher()
    watcher.see(body(generation=1, observed=1), 5.0)
    watcher.see(body(), 7.0)
    watcher.see(body(), 9.0)  # later events of the same state, such as a label's change, are none of its business
    assert await watcher.rested("one", 2, timeout=1) == 7.0


async def test_who_waits_is_told_at_the_generation_that_is_waited_for() -> None:
    watcher = Watcher()
    with pytest.raises(TimeoutError, match="one has not come to rest in generation 2"):
        await watcher.rested("one", 2, timeout=0)
    watcher.see(body(generation=1, observed=1), 5.0)
    with pytest.raises(TimeoutError):
        await watcher.rested("one", 2, timeout=0)
    watcher.see(body(generation=3, observed=3), 6.0)
    assert await watcher.rested("one", 2, timeout=0) == 6.0
