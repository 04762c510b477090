"""Clocks, as a collaborator that tests replace."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from typing_extensions import override


class Clock(Protocol):
    """Two times: one for intervals, one for people."""

    def monotonic(self) -> float:
        """Return seconds that only grow, for deadlines and ages within this process."""
        ...

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, for what is written down."""
        ...


class SystemClock(Clock):
    """The time of the running event loop, which its timers use too, and the machine's UTC time."""

    @override
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    @override
    def now(self) -> datetime:
        return datetime.now(UTC)


def boottime() -> float:
    """Return seconds that only grow, also while the host sleeps if the system has such a clock (Linux does)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
