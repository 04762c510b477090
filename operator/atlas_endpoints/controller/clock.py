"""Time as a collaborator, so that tests and explorations can run on a clock of their own."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings of time: one for intervals, one for people."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; for deadlines and ages within this process."""
        ...

    def now(self) -> datetime:
        """Wall-clock time in UTC; for what is written down."""
        ...


class SystemClock:
    """The event loop's own clock and the machine's UTC time."""

    def monotonic(self) -> float:
        """Seconds of the running event loop, the same that its timers use."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        return datetime.now(UTC)


def believed(time: datetime, *, now: datetime) -> datetime:
    """Return a time that somebody has written down, or now if it is in the future: the clock it was read from ran ahead.

    Who measures a wait from it has to write it down anew, or the wait begins again at each look.
    """
    return min(time, now)


def boottime() -> float:
    """Seconds that only grow, and do so while the host sleeps too, where the system has such a clock (Linux does)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
