from __future__ import annotations

from typing import Any

import pytest

from benchmarks.api_server import Watcher, is_at_rest


def body(*, generation: int = 2, observed: int = 2, ready: str = "True") -> dict[str, Any]:
    conditions = [{"type": "Synced", "status": "True"}, {"type": "Ready", "status": ready}]
    status = {"observedGeneration": observed, "conditions": conditions}
    return {"metadata": {"name": "one", "generation": generation}, "status": status}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(body(), True, id="ready in its generation"),
        pytest.param(body(observed=1), False, id="ready in an older generation"),
        pytest.param(body(ready="False"), False, id="not ready"),
        pytest.param({"metadata": {"name": "one", "generation": 1}}, False, id="without a status"),
    ],
)
def test_a_resource_is_at_rest(state: dict[str, Any], expected: bool) -> None:
    assert is_at_rest(state) is expected


async def test_the_moment_is_the_first_at_which_the_generation_was_at_rest() -> None:
    watcher = Watcher()
    watcher.see(body(generation=1, observed=1), 5.0)
    with pytest.raises(TimeoutError, match="one has not come to rest in generation 2"):
        await watcher.rested("one", 2, timeout=0)
    watcher.see(body(), 7.0)
    watcher.see(body(), 9.0)

    assert await watcher.rested("one", 2, timeout=1) == 7.0
