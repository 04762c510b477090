"""When a bar is shown."""

from __future__ import annotations

import io
import sys

import pytest
from typing_extensions import override

from atlas_endpoints.importing.progress import FEW, bar


class Terminal(io.StringIO):
    """Remembers what it was shown."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "steps", "shown"),
    [
        pytest.param(Terminal(), FEW + 1, True, id="somebody waits for many steps"),
        pytest.param(Terminal(), FEW, False, id="there are few"),
        pytest.param(io.StringIO(), FEW + 1, False, id="nobody watches"),
    ],
)
def test_a_bar_is_for_whoever_waits(
    stream: io.StringIO, steps: int, *, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)

    with bar("Instances", steps) as done:
        for _ in range(steps):
            done()

    assert ("Instances" in stream.getvalue()) == shown
