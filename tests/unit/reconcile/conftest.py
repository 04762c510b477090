"""What the tests of reconciles share."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_defect_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A resync survives a defect in what it asks a resource, but here there shall be none."""
    yield
    assert not [each for each in caplog.get_records("call") if each.levelno >= logging.ERROR]
