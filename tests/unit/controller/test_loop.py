"""What the workers make of reconciles that rest, wait, fail, hang or are cancelled, on virtual time."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle, pairwise
from random import Random

import pytest
from typing_extensions import override

from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter, TemporaryError
from atlas_endpoints.controller.workqueue import Queue
from support.virtual_time import VirtualClock


class Latest(Random):
    """Draws what makes every wait as long as it may be."""

    @override
    def random(self) -> float:
        return 1.0


class Work:
    """A running loop over keys with scripted reconciles, and the times at which each began."""

    def __init__(self, clock: VirtualClock, workers: int, random: Random) -> None:
        self.queue: Queue[str] = Queue(clock, flow_limit=100)
        self.retries = 0
        self.loop: Loop[str] = Loop(
            self.queue,
            self._run,
            clock=clock,
            workers=workers,
            random=random,
            retried=self._retried,
            waited_for="edit".__eq__,
        )
        self.reconciles: dict[str, Callable[[], Awaitable[Requeue]]] = {}
        self.began: defaultdict[str, list[float]] = defaultdict(list)
        self.ended: list[str] = []
        self.at_once = 0
        self._now = 0

    def gaps(self, key: str) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.began[key])]

    def _retried(self) -> None:
        self.retries += 1

    async def _run(self, key: str) -> Requeue:
        self.began[key].append(asyncio.get_running_loop().time())
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            return await self.reconciles[key]()
        finally:
            self._now -= 1
            self.ended.append(key)


@asynccontextmanager
async def working(clock: VirtualClock, *, workers: int = 2, random: Random | None = None) -> AsyncIterator[Work]:
    work = Work(clock, workers, random or Latest())
    task = asyncio.create_task(work.loop.work())
    yield work
    work.queue.close()
    await task


def answers(following: Requeue) -> Callable[[], Awaitable[Requeue]]:
    async def one_pass() -> Requeue:
        return following

    return one_pass


def fails(error: BaseException) -> Callable[[], Awaitable[Requeue]]:
    async def one_pass() -> Requeue:
        raise error

    return one_pass


def takes(seconds: float) -> Callable[[], Awaitable[Requeue]]:
    async def one_pass() -> Requeue:
        await asyncio.sleep(seconds)
        return NoRequeue()

    return one_pass


async def waits_for_what_is_cancelled() -> Requeue:
    shared = asyncio.create_task(asyncio.sleep(60), name="an answer that several wait for")
    shared.cancel()
    await shared
    return NoRequeue()


class TestWhenAKeyComesBack:
    @pytest.mark.parametrize(
        ("requeue", "gaps"),
        [
            pytest.param(NoRequeue(), [], id="never"),
            pytest.param(RequeueAfter(500), [500, 500], id="after its delay"),
            pytest.param(
                Backoff(), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300], id="with a backoff up to five minutes"
            ),
        ],
    )
    async def test_a_key_returns(self, clock: VirtualClock, requeue: Requeue, gaps: list[float]) -> None:
        async with working(clock) as work:
            work.reconciles["a"] = answers(requeue)
            work.queue.add("a")
            await asyncio.sleep(1300)
            assert work.gaps("a") == gaps

    async def test_a_key_that_somebody_waits_for_returns_before_routine_ones(self, clock: VirtualClock) -> None:
        async with working(clock, workers=1) as work:
            work.reconciles = {"edit": answers(RequeueAfter(5)), "slow": takes(6), "a": answers(NoRequeue())}
            work.queue.add("edit")
            work.queue.add("slow", delay=1)
            work.queue.add("a", delay=2)
            await asyncio.sleep(9)
            assert work.ended == ["edit", "slow", "edit", "a"]

    @pytest.mark.parametrize(
        ("begins", "ended"),
        [
            pytest.param(2.5, ["edit", "edit", "slow", "edit", "a"], id="still before routine ones"),
            pytest.param(6.5, ["edit", "edit", "edit", "slow", "a", "edit"], id="in its turn after a few failures"),
        ],
    )
    async def test_a_key_that_somebody_waits_for_and_that_fails_returns(
        self, clock: VirtualClock, begins: float, ended: list[str]
    ) -> None:
        """Its status may never be writable, and the workers for edits are for others, too."""
        async with working(clock, workers=1) as work:
            work.reconciles = {"edit": fails(TemporaryError("refused")), "slow": takes(1), "a": answers(NoRequeue())}
            work.queue.add("edit", urgent=True)  # and again after 1, 3 and 7 seconds
            work.queue.add("slow", delay=begins)
            work.queue.add("a", delay=begins + 0.2)
            await asyncio.sleep(begins + 1.1)
            assert work.ended == ended

    async def test_a_key_that_has_failed_is_urgent_again_once_it_is_reset(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            work.reconciles["edit"] = fails(TemporaryError("refused"))
            work.queue.add("edit", urgent=True)
            await asyncio.sleep(60)
            assert not work.loop.is_urgent("edit")
            work.loop.reset("edit")
            assert work.loop.is_urgent("edit")

    async def test_the_backoff_of_many_keys_spreads_over_the_whole_interval(self, clock: VirtualClock) -> None:
        async with working(clock, random=Random(7), workers=20) as work:  # noqa: S311  # jitter
            for number in range(1000):
                work.reconciles[f"{number}"] = answers(Backoff())
                work.queue.add(f"{number}")
            await asyncio.sleep(100)
            for nth, ceiling in enumerate([1, 2, 4, 8]):
                gaps = sorted(work.gaps(f"{number}")[nth] for number in range(1000))
                assert gaps[0] < 0.02 * ceiling
                assert 0.4 * ceiling < gaps[500] < 0.6 * ceiling
                assert 0.98 * ceiling < gaps[-1] <= ceiling

    async def test_a_backoff_is_never_shorter_than_at_least(self, clock: VirtualClock) -> None:
        async with working(clock, random=Random(7), workers=20) as work:  # noqa: S311  # jitter
            for number in range(100):
                work.reconciles[f"{number}"] = answers(Backoff(at_least=600))
                work.queue.add(f"{number}")
            await asyncio.sleep(1300)
            gaps = [work.gaps(f"{number}")[0] for number in range(100)]
            assert 600 <= min(gaps) < 610
            assert 650 < max(gaps) <= 660

    @pytest.mark.parametrize("progress", [RequeueAfter(5), NoRequeue()], ids=["waiting", "done"])
    async def test_a_success_resets_the_backoff(self, clock: VirtualClock, progress: Requeue) -> None:
        async with working(clock) as work:
            work.reconciles["a"] = answers(Backoff())
            work.queue.add("a")
            await asyncio.sleep(10)

            async def succeed() -> Requeue:
                work.reconciles["a"] = answers(Backoff())
                work.queue.add("a", delay=2)
                return progress

            work.reconciles["a"] = succeed
            await asyncio.sleep(15)
            assert work.gaps("a") == [1, 2, 4, 8, 2, 1, 2, 4]

    async def test_a_call_that_is_held_leaves_the_backoff_as_it_is(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            following: cycle[Requeue] = cycle([Backoff(), RequeueAfter(10, held=True)])

            async def fail_or_wait() -> Requeue:
                return next(following)

            work.reconciles["a"] = fail_or_wait
            work.queue.add("a")
            await asyncio.sleep(60)
            assert work.gaps("a") == [1, 10, 2, 10, 4, 10, 8, 10]

    async def test_a_new_generation_runs_at_once_and_resets_the_backoff(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            work.reconciles["a"] = answers(Backoff())
            work.queue.add("a")
            await asyncio.sleep(600)
            assert work.gaps("a")[-1] > 200
            work.loop.reset("a")
            work.queue.add("a", urgent=True)
            before = len(work.began["a"])
            await asyncio.sleep(10)
            assert work.began["a"][before] == 600
            assert work.gaps("a")[before:] == [1, 2, 4]

    async def test_a_new_generation_during_a_failing_reconcile_runs_right_after_it(self, clock: VirtualClock) -> None:
        async with working(clock) as work:

            async def slow_failure() -> Requeue:
                await asyncio.sleep(5)
                return Backoff(at_least=300)

            work.reconciles["a"] = slow_failure
            work.queue.add("a")
            await asyncio.sleep(2)
            work.loop.reset("a")
            work.queue.add("a", urgent=True)
            await asyncio.sleep(10)
            assert work.began["a"] == [0, 5]


class TestErrors:
    @pytest.mark.parametrize(
        "failing",
        [fails(RuntimeError("a bug")), fails(ExceptionGroup("two", [OSError()])), waits_for_what_is_cancelled],
        ids=["an exception", "a group of them", "somebody else's work was cancelled"],
    )
    async def test_a_reconcile_that_raises_is_retried_without_harm_to_other_keys(
        self, clock: VirtualClock, failing: Callable[[], Awaitable[Requeue]], caplog: pytest.LogCaptureFixture
    ) -> None:
        async with working(clock, workers=2) as work:
            work.reconciles |= {"bad": failing, "worse": failing, "good": answers(RequeueAfter(1))}
            for key in work.reconciles:
                work.queue.add(key)
            await asyncio.sleep(10)
            assert work.gaps("bad") == [1, 2, 4]
            assert work.gaps("worse") == [1, 2, 4]
            assert work.gaps("good") == [1] * 9
        assert {record.__dict__.get("key") for record in caplog.records} == {"bad", "worse"}

    async def test_the_end_of_the_workers_cancels_their_reconciles(self, clock: VirtualClock) -> None:
        work = Work(clock, 2, Latest())
        work.reconciles["a"] = takes(60)
        task = asyncio.create_task(work.loop.work())
        work.queue.add("a")
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (work.ended, clock.monotonic()) == (["a"], 1)


class TestWorkers:
    async def test_the_number_of_concurrent_reconciles_is_limited(self, clock: VirtualClock) -> None:
        async with working(clock, workers=3) as work:
            for number in range(10):
                work.reconciles[f"{number}"] = takes(1)
                work.queue.add(f"{number}")
            await asyncio.sleep(20)
            assert work.at_once == 3
            assert max(began[0] for began in work.began.values()) == 3

    async def test_the_longest_reconcile_is_the_oldest_one(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            work.reconciles |= {"first": takes(30), "second": takes(100)}
            assert work.loop.longest_reconcile() == 0
            work.queue.add("first")
            await asyncio.sleep(10)
            work.queue.add("second")
            await asyncio.sleep(10)
            assert work.loop.longest_reconcile() == 20
            await asyncio.sleep(30)
            assert work.loop.longest_reconcile() == 40
            await asyncio.sleep(100)
            assert work.loop.longest_reconcile() == 0

    async def test_closing_finishes_running_reconciles_and_starts_no_others(self, clock: VirtualClock) -> None:
        async with working(clock, workers=2) as work:
            for key, seconds in {"a": 5, "b": 10, "c": 5}.items():
                work.reconciles[key] = takes(seconds)
                work.queue.add(key)
            await asyncio.sleep(1)
            work.queue.close()
        assert (work.ended, clock.monotonic()) == (["a", "b"], 10)


class TestForgetting:
    @pytest.mark.parametrize("seconds", [1, 7], ids=["while it runs", "while it waits for a retry"])
    async def test_a_forgotten_key_is_not_run_again_and_leaves_nothing_behind(
        self, clock: VirtualClock, seconds: float
    ) -> None:
        async with working(clock) as work:

            async def slow_failure() -> Requeue:
                await asyncio.sleep(5)
                raise RuntimeError("too late")

            work.reconciles["a"] = slow_failure
            work.queue.add("a")
            await asyncio.sleep(seconds)
            work.loop.forget("a")
            before = len(work.began["a"])
            await asyncio.sleep(1000)
            assert len(work.began["a"]) == before
            assert (work.loop.failing, work.loop.longest_reconcile()) == (0, 0)


class TestResuming:
    async def test_resume_retries_only_keys_with_a_temporary_error(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            work.reconciles |= {
                "held up": fails(TemporaryError("away")),
                "failing": answers(Backoff()),
                "well": answers(NoRequeue()),
            }
            for key in work.reconciles:
                work.queue.add(key)
            await asyncio.sleep(100)
            before = {key: len(began) for key, began in work.began.items()}
            work.loop.resume(work.queue.add)
            await asyncio.sleep(0.1)
            after = {key: len(began) - before[key] for key, began in work.began.items()}
            assert after == {"held up": 1, "failing": 0, "well": 0}
            await asyncio.sleep(4)
            assert work.gaps("held up")[-2:] == [1, 2], "its backoff begins anew"

    async def test_resume_skips_keys_that_have_succeeded_or_were_forgotten_since(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            for key in ("recovers", "is forgotten"):
                work.reconciles[key] = fails(TemporaryError("away"))
                work.queue.add(key)
            await asyncio.sleep(0.5)
            work.reconciles["recovers"] = answers(RequeueAfter(60))
            work.loop.forget("is forgotten")
            await asyncio.sleep(10)
            again: list[str] = []
            work.loop.resume(again.append)
            assert again == []


class TestWhatTheLogSays:
    @pytest.mark.parametrize(
        ("error", "traceback"),
        [(TemporaryError("the API server is away"), False), (ZeroDivisionError("a defect"), True)],
        ids=["what is expected to pass takes one line", "a defect comes with its traceback"],
    )
    async def test_a_failed_reconcile_is_logged(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture, error: Exception, traceback: bool
    ) -> None:
        async with working(clock) as work:
            work.reconciles["a"] = fails(error)
            work.queue.add("a")
            await asyncio.sleep(0.1)
            work.loop.forget("a")

        record = caplog.records[0]
        assert (record.exc_info is not None) == traceback
        assert str(error) in caplog.text

    async def test_a_key_that_keeps_failing_is_logged_once(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And anew when it fails after it went well."""
        async with working(clock) as work:
            for _ in range(2):
                work.reconciles["a"] = fails(TemporaryError("the API server refuses"))
                work.queue.add("a")
                await asyncio.sleep(100)
                work.reconciles["a"] = answers(NoRequeue())
                await asyncio.sleep(100)
        assert len(work.began["a"]) > 10
        assert caplog.text.count("the API server refuses") == 2

    async def test_only_a_cause_that_is_not_logged_elsewhere_is_logged(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        away = TemporaryError("the API server is away")
        away.logged_elsewhere = True
        async with working(clock) as work:
            work.reconciles["a"] = fails(away)
            work.queue.add("a")
            await asyncio.sleep(10)
            work.reconciles["a"] = fails(TemporaryError("the API server refuses"))
            await asyncio.sleep(1000)
            work.loop.forget("a")
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
            "A reconcile failed and will be retried: the API server refuses"
        ]

    async def test_a_refusal_of_many_keys_is_logged_for_each_tenfold(
        self, clock: VirtualClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        keys = [f"key-{number}" for number in range(150)]
        async with working(clock) as work:
            for key in keys:
                work.reconciles[key] = fails(TemporaryError(f'endpoints "{key}" is forbidden'))
                work.queue.add(key)
            await asyncio.sleep(1000)
            for key in keys:
                work.loop.forget(key)
        lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert [line.partition(" ")[0] for line in lines] == ["A", "10", "100"]


async def test_reconciles_that_do_not_wait_leave_time_for_others(clock: VirtualClock) -> None:
    """Else a start with thousands of resources at rest would hold up the probes and the Lease."""
    first = asyncio.Event()

    async def at_rest() -> Requeue:
        first.set()
        return NoRequeue()

    async with working(clock) as work:
        for number in range(100):
            work.reconciles[str(number)] = at_rest
            work.queue.add(str(number))
        await first.wait()
        assert len(work.ended) < 100


async def test_retries_and_failing_keys_are_counted(clock: VirtualClock) -> None:
    async with working(clock) as work:
        work.reconciles = {
            "fails": answers(Backoff()),
            "breaks": fails(OSError("no")),
            "waits": answers(RequeueAfter(1)),
        }
        for key in work.reconciles:
            work.queue.add(key)
        await asyncio.sleep(0.5)
        assert (work.retries, work.loop.failing) == (2, 2)
        work.reconciles["fails"] = answers(NoRequeue())
        await asyncio.sleep(60)
        assert work.loop.failing == 1
        assert work.retries == 1 + len(work.began["breaks"])
