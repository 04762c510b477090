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

Reconcile = Callable[[], Awaitable[Requeue]]


class Latest(Random):
    """Draws what makes every wait as long as it may be."""

    @override
    def random(self) -> float:
        return 1.0


class Work:
    """A running loop over keys with scripted reconciles, and the times at which each began; somebody waits for ``edit``."""

    def __init__(self, clock: VirtualClock, workers: int, random: Random) -> None:
        self.queue: Queue[str] = Queue(clock, workers=workers)
        self.retries = 0
        self.loop: Loop[str] = Loop(
            self.queue,
            self._run,
            clock=clock,
            random=random,
            retried=self._retried,
            waited_for="edit".__eq__,
        )
        self.reconciles: dict[str, Reconcile] = {}
        self.began: defaultdict[str, list[float]] = defaultdict(list)
        self.ended: list[str] = []
        self.at_once = 0
        self._now = 0

    def start(self, **reconciles: Reconcile) -> None:
        self.reconciles |= reconciles
        for key in reconciles:
            self.queue.add(key)

    def edit(self, key: str) -> None:
        """Make a key due as for a new generation."""
        self.loop.reset(key)
        self.queue.add(key, urgent=True)

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


@pytest.fixture
async def work(clock: VirtualClock) -> AsyncIterator[Work]:
    async with working(clock) as work:
        yield work


def answers(*following: Requeue) -> Reconcile:
    """Answer in turns."""
    turns = cycle(following)

    async def one_pass() -> Requeue:
        return next(turns)

    return one_pass


def fails(error: BaseException) -> Reconcile:
    async def one_pass() -> Requeue:
        raise error

    return one_pass


def takes(seconds: float, following: Requeue | None = None) -> Reconcile:
    async def one_pass() -> Requeue:
        await asyncio.sleep(seconds)
        return following or NoRequeue()

    return one_pass


async def waits_for_what_is_cancelled() -> Requeue:
    shared = asyncio.create_task(asyncio.sleep(60), name="an answer that several wait for")
    shared.cancel()
    await shared
    return NoRequeue()


RETURNS: dict[str, tuple[list[Requeue], list[float]]] = {
    "never": ([NoRequeue()], []),
    "after its delay": ([RequeueAfter(500)], [500, 500]),
    "with a backoff up to five minutes": ([Backoff()], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
    "with the backoff of its first failure after a success": ([Backoff(), Backoff(), RequeueAfter(500)], [1, 2, 500, 1, 2, 500, 1, 2]),
    "with its backoff as it was after a call that was held": (
        [Backoff(), RequeueAfter(100, held=True)],
        [1, 100, 2, 100, 4, 100, 8, 100, 16, 100, 32, 100, 64, 100, 128, 100],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("requeues", "gaps"), RETURNS.values(), ids=RETURNS)
async def test_a_key_returns(work: Work, requeues: list[Requeue], gaps: list[float]) -> None:
    work.start(a=answers(*requeues))
    await asyncio.sleep(1300)
    assert work.gaps("a") == gaps


async def test_a_success_after_which_nothing_is_due_resets_the_backoff(work: Work) -> None:
    work.start(a=answers(Backoff(), Backoff(), NoRequeue()))
    await asyncio.sleep(10)
    work.queue.add("a")
    await asyncio.sleep(10)
    assert work.gaps("a") == [1, 2, 7, 1, 2]


class TestWhatSomebodyWaitsFor:
    async def test_it_returns_before_routine_keys(self, clock: VirtualClock) -> None:
        async with working(clock, workers=1) as work:
            work.start(edit=answers(RequeueAfter(5)))
            await asyncio.sleep(1)
            work.start(slow=takes(6))
            await asyncio.sleep(1)
            work.start(a=answers(NoRequeue()))
            await asyncio.sleep(7)
            assert work.ended == ["edit", "slow", "edit", "a"]

    @pytest.mark.parametrize(
        ("begins", "ended"),
        [
            pytest.param(2.5, ["edit", "edit", "slow", "edit", "a"], id="still before routine ones"),
            pytest.param(6.5, ["edit", "edit", "edit", "slow", "a", "edit"], id="in its turn after a few failures"),
        ],
    )
    async def test_when_it_fails_it_returns(self, clock: VirtualClock, begins: float, ended: list[str]) -> None:
        """Its status may never be writable, and the workers for edits are for others, too."""
        async with working(clock, workers=1) as work:
            work.reconciles = {"edit": fails(TemporaryError("refused"))}
            work.queue.add("edit", urgent=True)  # and again after 1, 3 and 7 seconds
            await asyncio.sleep(begins)
            work.start(slow=takes(1))
            await asyncio.sleep(0.2)
            work.start(a=answers(NoRequeue()))
            await asyncio.sleep(0.9)
            assert work.ended == ended
            work.loop.reset("edit")
            assert work.loop.is_urgent("edit"), "its failures count no more"

    async def test_a_new_generation_runs_at_once_and_resets_the_backoff(self, work: Work) -> None:
        work.start(a=answers(Backoff()))
        await asyncio.sleep(600)
        assert work.gaps("a")[-1] > 200
        before = len(work.began["a"])
        work.edit("a")
        await asyncio.sleep(10)
        assert work.began["a"][before] == 600
        assert work.gaps("a")[before:] == [1, 2, 4]

    async def test_a_new_generation_during_a_failing_reconcile_runs_right_after_it(self, work: Work) -> None:
        work.start(a=takes(5, Backoff(at_least=300)))
        await asyncio.sleep(2)
        work.edit("a")
        await asyncio.sleep(10)
        assert work.began["a"] == [0, 5]


async def test_the_backoff_of_many_keys_spreads_over_the_whole_interval(clock: VirtualClock) -> None:
    async with working(clock, random=Random(7), workers=20) as work:  # noqa: S311  # jitter
        keys = [f"{number}" for number in range(1000)]
        work.start(**{key: answers(Backoff()) for key in keys})
        work.start(**{f"late {key}": answers(Backoff(at_least=600)) for key in keys[:100]})
        await asyncio.sleep(1300)
        for nth, ceiling in enumerate([1, 2, 4, 8]):
            gaps = sorted(work.gaps(key)[nth] for key in keys)
            assert gaps[0] < 0.02 * ceiling
            assert 0.4 * ceiling < gaps[500] < 0.6 * ceiling
            assert 0.98 * ceiling < gaps[-1] <= ceiling
        gaps = [work.gaps(f"late {key}")[0] for key in keys[:100]]
        assert 600 <= min(gaps) < 610, "never shorter than what was asked for"
        assert 650 < max(gaps) <= 660


class TestErrors:
    @pytest.mark.parametrize(
        "failing",
        [fails(RuntimeError("a bug")), fails(ExceptionGroup("two", [OSError()])), waits_for_what_is_cancelled],
        ids=["an exception", "a group of them", "somebody else's work was cancelled"],
    )
    async def test_a_reconcile_that_raises_is_retried_without_harm_to_other_keys(
        self, work: Work, failing: Reconcile, caplog: pytest.LogCaptureFixture
    ) -> None:
        work.start(bad=failing, worse=failing, good=answers(RequeueAfter(1)))
        await asyncio.sleep(10)
        assert work.gaps("bad") == work.gaps("worse") == [1, 2, 4]
        assert work.gaps("good") == [1] * 9
        assert {vars(record).get("key") for record in caplog.records} == {"bad", "worse"}

    async def test_the_end_of_the_workers_cancels_their_reconciles(self, clock: VirtualClock) -> None:
        work = Work(clock, 2, Latest())
        task = asyncio.create_task(work.loop.work())
        work.start(a=takes(60))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (work.ended, clock.monotonic()) == (["a"], 1)

    async def test_retries_and_failing_keys_are_counted(self, work: Work) -> None:
        work.start(fails=answers(Backoff()), breaks=fails(OSError("no")), waits=answers(RequeueAfter(1)))
        await asyncio.sleep(0.5)
        assert (work.retries, work.loop.failing) == (2, 2)
        work.reconciles["fails"] = answers(NoRequeue())
        await asyncio.sleep(60)
        assert work.loop.failing == 1
        assert work.retries == 1 + len(work.began["breaks"])


class TestWorkers:
    async def test_the_number_of_concurrent_reconciles_is_limited(self, clock: VirtualClock) -> None:
        async with working(clock, workers=3) as work:
            work.start(**{f"{number}": takes(1) for number in range(10)})
            await asyncio.sleep(20)
            assert work.at_once == 3
            assert max(began[0] for began in work.began.values()) == 3

    async def test_the_longest_reconcile_is_the_oldest_one(self, work: Work) -> None:
        found = [work.loop.longest_reconcile()]
        work.start(first=takes(30))
        await asyncio.sleep(10)
        work.start(second=takes(100))
        for seconds in (10, 30, 100):
            await asyncio.sleep(seconds)
            found.append(work.loop.longest_reconcile())
        assert found == [0, 20, 40, 0]

    async def test_closing_finishes_running_reconciles_and_starts_no_others(self, clock: VirtualClock) -> None:
        async with working(clock) as work:
            work.start(a=takes(5), b=takes(10), c=takes(5))
            await asyncio.sleep(1)
            work.queue.close()
        assert (work.ended, clock.monotonic()) == (["a", "b"], 10)

    async def test_reconciles_that_do_not_wait_leave_time_for_others(self, work: Work) -> None:
        """Else a start with thousands of resources at rest would hold up the probes and the Lease."""
        first = asyncio.Event()

        async def at_rest() -> Requeue:
            first.set()
            return NoRequeue()

        work.start(**{f"{number}": at_rest for number in range(100)})
        await first.wait()
        assert len(work.ended) < 100

    @pytest.mark.parametrize("seconds", [1, 7], ids=["while it runs", "while it waits for a retry"])
    async def test_a_forgotten_key_is_not_run_again_and_leaves_nothing_behind(self, work: Work, seconds: float) -> None:
        async def slow_failure() -> Requeue:
            await asyncio.sleep(5)
            raise RuntimeError("too late")

        work.start(a=slow_failure)
        await asyncio.sleep(seconds)
        work.loop.forget("a")
        before = len(work.began["a"])
        await asyncio.sleep(1000)
        assert len(work.began["a"]) == before
        assert (work.loop.failing, work.loop.longest_reconcile()) == (0, 0)


async def test_a_temporary_error_may_have_a_short_backoff(work: Work) -> None:
    away = TemporaryError("away")
    away.retry_within = 10.0
    work.start(away=fails(away), refused=fails(TemporaryError("refused")))
    await asyncio.sleep(2000)
    assert max(work.gaps("away")) == 10
    assert max(work.gaps("refused")) == 300


class TestWhatTheLogSays:
    @pytest.fixture
    def said(self, caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
        return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    async def test_only_a_defect_comes_with_its_traceback(self, work: Work, caplog: pytest.LogCaptureFixture) -> None:
        work.start(a=fails(TemporaryError("is away")), b=fails(ZeroDivisionError("a defect")))
        await asyncio.sleep(0.1)
        assert "is away" in caplog.text
        assert "a defect" in caplog.text
        assert [each.exc_info is not None for each in caplog.records] == [False, True]

    async def test_a_key_that_keeps_failing_is_logged_once_and_anew_after_it_went_well(
        self, work: Work, said: Callable[[], list[str]]
    ) -> None:
        for _ in range(2):
            work.start(a=fails(TemporaryError("the API server refuses")))
            await asyncio.sleep(100)
            work.start(a=answers(NoRequeue()))
            await asyncio.sleep(100)
        assert len(work.began["a"]) > 10
        assert len(said()) == 2

    async def test_a_refusal_of_many_keys_is_logged_once(self, work: Work, said: Callable[[], list[str]]) -> None:
        keys = [f"key-{number}" for number in range(150)]
        work.start(**{key: fails(TemporaryError(f'endpoints "{key}" is forbidden')) for key in keys})
        await asyncio.sleep(1000)
        for key in keys:
            work.loop.forget(key)
        assert len(said()) == 1
