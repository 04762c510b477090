"""The workers: each takes a due key, runs its reconcile, and tells the queue when to look again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Generic, TypeVar, assert_never

from atlas_endpoints.controller import backoff
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.log_deduplication import LogDeduplicator
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter, TemporaryError
from atlas_endpoints.controller.workqueue import Queue

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)


class Loop(Generic[K]):
    """A number of workers over one queue.

    A reconcile that raises is a failure like any other: it is logged and retried, and neither its worker nor the other
    keys notice.

    Args:
        queue: where the keys come from.
        run: one reconcile of a key; tells when to look again.
        clock: for the age of running reconciles.
        workers: how many reconciles may run at once.
        random: for the jitter of the backoff.
        retried: told whenever a key is to be tried again with backoff.
    """

    def __init__(
        self,
        queue: Queue[K],
        run: Callable[[K], Awaitable[Requeue]],
        *,
        clock: Clock,
        workers: int,
        random: Random,
        retried: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._run = run
        self._clock = clock
        self._workers = workers
        self._random = random
        self._retried = retried
        self._failures: dict[K, int] = {}
        self._deduplicator: LogDeduplicator[K] = LogDeduplicator()
        self._held_up: set[K] = set()
        self._started: dict[K, float] = {}

    async def work(self) -> None:
        """Run the workers until the queue is closed and each has finished what it holds."""
        async with asyncio.TaskGroup() as workers:
            for number in range(self._workers):
                workers.create_task(self._worker(), name=f"worker {number}")

    def reset(self, key: K) -> None:
        """Forget the failures of a key: what it failed with has changed."""
        self._failures.pop(key, None)

    def forget(self, key: K) -> None:
        """Drop a key that is gone: what was asked for it and its failures; a reconcile of it that is running finishes."""
        self._queue.forget(key)
        self._held_up.discard(key)
        self._failures.pop(key, None)
        self._deduplicator.mended(key)

    def resume(self, again: Callable[[K], None]) -> None:
        """Have tried again at once what failed for want of something that is there again, as if it had never failed.

        Args:
            again: asks for a reconcile of a key.
        """
        held_up, self._held_up = self._held_up, set()
        for key in held_up:
            self.reset(key)
            again(key)

    @property
    def failing(self) -> int:
        """How many keys have failed and are to be tried again."""
        return len(self._failures)

    def longest_reconcile(self) -> float:
        """Tell for how many seconds the oldest running reconcile has been running; 0 when none is."""
        return max((self._clock.monotonic() - started for started in self._started.values()), default=0.0)

    async def _worker(self) -> None:
        while (key := await self._queue.get()) is not None:
            self._started[key] = self._clock.monotonic()
            try:
                following = await self._reconcile(key)
            finally:
                del self._started[key]
            self._queue.done(key, delay=self._delay(key, following))
            if key not in self._queue:  # it was forgotten while it ran
                self._failures.pop(key, None)
                self._held_up.discard(key)
                self._deduplicator.mended(key)

    async def _reconcile(self, key: K) -> Requeue:
        """Run a reconcile, whatever happens in it."""
        self._held_up.discard(key)
        try:
            following = await self._run(key)
        except asyncio.CancelledError:
            worker = asyncio.current_task()
            if worker is None or worker.cancelling():
                raise
            # Not this worker was cancelled but something that the reconcile waited for. Going on as if it were us would end
            # the worker without a word, with the key in its hands for ever.
            logger.exception(
                "A reconcile waited for what was cancelled; it will be tried again", extra=LogFields(key=str(key))
            )
        except TemporaryError as error:
            self._held_up.add(key)
            self._tell(key, error)
        except Exception:
            logger.exception("A reconcile failed; it will be tried again", extra=LogFields(key=str(key)))
        else:
            self._deduplicator.mended(key)
            return following
        return Backoff()

    def _tell(self, key: K, error: TemporaryError) -> None:
        """Have one line in the log for each cause, with a count when it meets many keys."""
        keys = 0 if error.told_elsewhere else self._deduplicator.failed(key, str(error))
        if keys > 1:
            logger.warning(
                "%d reconciles fail like this; they will be tried again: %s", keys, error, extra=LogFields(key=str(key))
            )
        else:
            level = logging.WARNING if keys else logging.DEBUG
            logger.log(level, "A reconcile failed; it will be tried again: %s", error, extra=LogFields(key=str(key)))

    def _delay(self, key: K, following: Requeue) -> float | None:
        match following:
            case Backoff(at_least):
                self._retried()
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                return backoff.delay(failures, random=self._random.random(), at_least=at_least)
            case RequeueAfter(delay):
                self._failures.pop(key, None)
                return delay
            case NoRequeue():
                self._failures.pop(key, None)
                return None
            case _:
                assert_never(following)
