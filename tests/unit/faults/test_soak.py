"""How a soak judges what Atlas was told."""

from __future__ import annotations

from typing import Any

import pytest

from faults.soak import repeated


def _patch(
    index: int, comment: str, *, status: int | None = 200, fault: bool = False, dropped: str | None = None
) -> dict[str, Any]:
    body = {"comment": comment}
    return {"index": index, "path": "/e", "body": body, "status": status, "fault": fault, "dropped": dropped}


REPEATS: dict[str, tuple[list[dict[str, Any]], int]] = {
    "each change once": ([_patch(1, "a"), _patch(2, "b")], 0),
    "one change twice": ([_patch(1, "a"), _patch(2, "a")], 1),
    "again after the answer was lost": ([_patch(1, "a", status=None, dropped="after"), _patch(2, "a")], 0),
    "again after a refusal": ([_patch(1, "a", status=500, fault=True), _patch(2, "a")], 0),
    "there and back": ([_patch(1, "a"), _patch(2, "b"), _patch(3, "a")], 0),
}


@pytest.mark.parametrize(("patches", "count"), REPEATS.values(), ids=REPEATS)
def test_what_counts_as_told_twice(patches: list[dict[str, Any]], count: int) -> None:
    assert len(repeated(patches)) == count
