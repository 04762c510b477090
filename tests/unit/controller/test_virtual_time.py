"""Virtual time, which passes without waiting and in a fixed order."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.controller.clock import Clock
from support.virtual_time import DeadlockError, VirtualClock, VirtualTimeLoop, run


def test_a_long_sleep_takes_no_real_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(100 * 3600)
        return asyncio.get_running_loop().time()

    before = time.monotonic()
    assert run(sleep()) == 100 * 3600
    assert time.monotonic() - before < 60


def test_shorter_sleeps_end_earlier_and_code_takes_no_virtual_time() -> None:
    async def steps() -> list[tuple[str, float]]:
        events: list[tuple[str, float]] = []

        async def actor(name: str, seconds: float) -> None:
            for _ in range(2):
                await asyncio.sleep(seconds)
                events.append((name, asyncio.get_running_loop().time()))

        async with asyncio.TaskGroup() as group:
            group.create_task(actor("slow", 3))
            group.create_task(actor("fast", 2))
        return events

    assert run(steps()) == [("fast", 2), ("slow", 3), ("fast", 4), ("slow", 6)]


def test_a_deadlock_raises_an_error_that_names_the_waiting_tasks() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(wait_for_nothing(), name="hopeless")

    with pytest.raises(DeadlockError, match=r"At 0 s .*\n(.*\n)*.*hopeless at .*locks\.py:\d+, Event\.wait"):
        run(main())


def test_a_deadlock_can_be_caught_late_and_leaves_no_task_behind() -> None:
    ended: list[str] = []

    async def main() -> None:
        await asyncio.sleep(7)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with pytest.raises(DeadlockError, match="At 7 s"):
        run(main())
    assert ended == ["cleaned up"]


class TestStepByStep:
    def test_running_for_zero_seconds_runs_all_ready_tasks(self) -> None:
        loop = VirtualTimeLoop()
        happened: list[str] = []

        async def chain() -> None:
            for step in ("first", "second", "third"):
                await asyncio.sleep(0)
                happened.append(step)
            await asyncio.sleep(0.001)
            happened.append("later")

        task = loop.create_task(chain())
        loop.run_for(0)
        assert (happened, loop.time(), task.done()) == (["first", "second", "third"], 0, False)
        loop.run_for(0.001)
        assert happened[-1] == "later"
        loop.close()

    def test_running_for_a_time_advances_the_clock_and_runs_what_is_due(self) -> None:
        loop = VirtualTimeLoop()
        due: list[float] = []
        for seconds in (1, 2, 3):
            loop.call_later(seconds, due.append, seconds)
        loop.run_for(2)
        assert (due, loop.time()) == ([1, 2], 2)
        loop.run_for(0.5)
        assert (due, loop.time()) == ([1, 2], 2.5)
        loop.run_for(10)
        assert (due, loop.time()) == ([1, 2, 3], 12.5)
        loop.close()


def test_the_clock_advances_both_times_together() -> None:
    async def times(clock: Clock) -> list[tuple[float, datetime]]:
        found = [(clock.monotonic(), clock.now())]
        await asyncio.sleep(90)
        return [*found, (clock.monotonic(), clock.now())]

    async def main() -> list[tuple[float, datetime]]:
        return await times(VirtualClock(asyncio.get_running_loop(), start=datetime(2026, 1, 31, tzinfo=UTC)))

    (before, began), (after, ended) = run(main())
    assert (before, began) == (0, datetime(2026, 1, 31, tzinfo=UTC))
    assert (after - before, ended - began) == (90, timedelta(seconds=90))
