"""The loop: each due key is reconciled by a task of its own, and requeued."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import KW_ONLY, dataclass, field
from random import Random
from typing import Generic, TypeVar

from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.log_lines import LogDeduplicator, LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter, TemporaryError, backoff_delay
from atlas_endpoints.controller.workqueue import Queue

K = TypeVar("K", bound=Hashable)

logger = logging.getLogger(__name__)

URGENT_FAILURES = 3
"""Failures in a row after which a key is routine, though somebody waits for it: its status may never be writable."""


@dataclass(eq=False, repr=False)
class Loop(Generic[K]):
    """Reconciles over one queue; a failed one is logged and retried, and affects no other key.

    Attributes:
        run: reconciles a key.
        random: for the jitter of the backoff.
        retried: called for each key that is requeued with backoff.
        waited_for: returns whether somebody still waits for the result for a key; see ``is_urgent``.
    """

    queue: Queue[K]
    run: Callable[[K], Awaitable[Requeue]]
    _: KW_ONLY
    clock: Clock
    random: Random
    retried: Callable[[], None] = lambda: None
    waited_for: Callable[[K], bool] = lambda _: False
    _failures: dict[K, int] = field(init=False, default_factory=dict)
    _deduplicator: LogDeduplicator[K] = field(init=False, default_factory=LogDeduplicator)
    _started: dict[K, float] = field(init=False, default_factory=dict)

    async def work(self) -> None:
        """Reconcile due keys until the queue is closed and each reconcile has ended."""
        async with asyncio.TaskGroup() as reconciles:
            while (key := await self.queue.get()) is not None:
                reconciles.create_task(self._handle(key))

    def reset(self, key: K) -> None:
        self._failures.pop(key, None)

    def is_urgent(self, key: K) -> bool:
        """Return whether a key comes before routine ones: somebody waits for its result, and it has not failed often."""
        return self._failures.get(key, 0) < URGENT_FAILURES and self.waited_for(key)

    def forget(self, key: K) -> None:
        """Drop a deleted key, its requests and its failures; a running reconcile of it finishes."""
        self.queue.forget(key)
        self._drop(key)

    @property
    def failing(self) -> int:
        """The number of keys that have failed and wait for a retry."""
        return len(self._failures)

    def longest_reconcile(self) -> float:
        """Return the seconds since the oldest running reconcile began; 0 without one."""
        return max((self.clock.monotonic() - started for started in self._started.values()), default=0.0)

    async def _handle(self, key: K) -> None:
        self._started[key] = self.clock.monotonic()
        try:
            requeue = await self._reconcile(key)
        finally:
            del self._started[key]
        self.queue.done(key, delay=self._delay(key, requeue), urgent=self.is_urgent(key))
        if key not in self.queue:  # it was forgotten while it ran
            self._drop(key)

    def _drop(self, key: K) -> None:
        self._failures.pop(key, None)
        self._deduplicator.recovered(key)

    async def _reconcile(self, key: K) -> Requeue:
        try:
            requeue = await self.run(key)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this task was cancelled but one that the reconcile waited for. To raise would leave the key running for ever.
            logger.exception(
                "A call that a reconcile waited for was cancelled; the reconcile will be retried",
                extra=LogFields(key=str(key)),
            )
        except TemporaryError as error:
            level = logging.WARNING if self._deduplicator.failed(key, str(error)) else logging.DEBUG
            logger.log(level, "A reconcile failed and will be retried: %s", error, extra=LogFields(key=str(key)))
            return Backoff(at_most=error.retry_within)
        except Exception:
            logger.exception("A reconcile failed and will be retried", extra=LogFields(key=str(key)))
        else:
            self._deduplicator.recovered(key)
            return requeue
        return Backoff()

    def _delay(self, key: K, requeue: Requeue) -> float | None:
        match requeue:
            case Backoff(at_least, at_most):
                self.retried()
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                return backoff_delay(failures, random=self.random.random(), at_least=at_least, at_most=at_most)
            case RequeueAfter(delay, held):
                if not held:
                    self._failures.pop(key, None)
                return delay
            case NoRequeue():
                self._failures.pop(key, None)
                return None
