"""The clock of the running operator."""

import asyncio
from datetime import UTC, datetime, timedelta

from atlas_endpoints.engine.clock import SystemClock


def test_it_shows_the_loop_s_own_seconds_and_the_time_in_utc() -> None:
    async def read() -> tuple[float, float, float, datetime]:
        clock, loop = SystemClock(), asyncio.get_running_loop()
        return loop.time(), clock.monotonic(), loop.time(), clock.now()

    before, reading, after, now = asyncio.run(read())
    assert before <= reading <= after
    assert now.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
