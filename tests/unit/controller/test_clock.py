"""The clock of the running operator."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.controller.clock import SystemClock, boottime


def test_it_shows_the_loop_s_own_seconds_and_the_time_in_utc() -> None:
    async def read() -> tuple[float, float, float, datetime]:
        clock, loop = SystemClock(), asyncio.get_running_loop()
        return loop.time(), clock.monotonic(), loop.time(), clock.now()

    before, reading, after, now = asyncio.run(read())
    assert before <= reading <= after
    assert now.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_a_clock_that_goes_on_while_the_host_sleeps_is_never_behind_one_that_does_not() -> None:
    before = time.monotonic()
    first, second = boottime(), boottime()
    assert before <= first <= second


def test_a_system_without_such_a_clock_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    before = time.monotonic()
    assert before <= boottime() <= time.monotonic()
