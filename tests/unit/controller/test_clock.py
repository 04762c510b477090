"""The clock of the running operator."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.controller.clock import SystemClock, boottime


def test_the_system_clock_has_the_seconds_of_the_loop_and_utc() -> None:
    async def read() -> tuple[float, float, float, datetime]:
        clock, loop = SystemClock(), asyncio.get_running_loop()
        return loop.time(), clock.monotonic(), loop.time(), clock.now()

    before, reading, after, now = asyncio.run(read())
    assert before <= reading <= after
    assert now.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_boottime_is_never_behind_monotonic_time() -> None:
    before = time.monotonic()
    first, second = boottime(), boottime()
    assert before <= first <= second


def test_boottime_falls_back_to_monotonic_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before = time.monotonic()
    assert before <= boottime() <= time.monotonic()
