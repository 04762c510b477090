"""Every test of the controller runs on virtual time: it may sleep for hours, and a wake-up that is lost is an error at once."""

import asyncio
from collections.abc import Callable

import pytest

from support.virtual_time import VirtualClock, VirtualTimeLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual-time": VirtualTimeLoop}


@pytest.fixture
async def clock() -> VirtualClock:
    return VirtualClock(asyncio.get_running_loop())
