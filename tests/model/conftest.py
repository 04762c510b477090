"""What was walked is told at the end of the run: it is the figure that says how much the silence of a test is worth."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from atlas_endpoints.kinds.dedicated_private_endpoint import service
from model.models import SOON

if TYPE_CHECKING:
    from collections.abc import Iterator

WALKED = "walked"
"""The property of a test under which it records its report."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Have the operator log nothing: in thousands of states, hundreds of thousands of lines."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LASTING", SOON)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        str(text)
        for test in terminalreporter.stats.get("passed", ())
        for name, text in getattr(test, "user_properties", ())
        if name == WALKED
    ]
    if lines:
        terminalreporter.section("explored")
        for line in sorted(lines):
            terminalreporter.write_line(line)
