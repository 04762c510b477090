"""Objects that are read by name, each by one GET at a time: no LIST, no watch, few calls, and never older than promised."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.refusals import is_refused
from atlas_endpoints.controller.backoff import doubled
from atlas_endpoints.controller.sweep import Sweep

MAX_AGE = 30.0
"""Seconds for which a reading is recent."""

FRESH = 2.0
"""Seconds for which it is fresh."""

RETRY_FIRST, RETRY_LAST = 5.0, 60.0
"""Seconds between readings of an object that cannot be had; doubled from the first to the last, whoever waits for it."""

IDLE = 3600.0
"""Seconds after which an object that nobody asked for is dropped from memory."""

MISSED = 2 * 86400.0
"""Seconds after which it is dropped that an object could not be had: longer than the longest interval, so that a refusal is met
a second time, however seldom somebody asks."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    """What came of reading an object.

    Attributes:
        value: what was wanted of it, if it could be had.
        status: of the API server's answer, if it could not.
        at: when, in monotonic seconds.
        misses: how many readings in a row ended like this one, if it has no value, or none that suffices.
    """

    value: T | None
    status: int | None
    at: float
    misses: int

    @property
    def due(self) -> float:
        """When to read again: with a value, when somebody asks later than this."""
        if self.misses == 0:
            return self.at + MAX_AGE
        return self.at + doubled(RETRY_FIRST, self.misses - 1, RETRY_LAST)

    @property
    def lasts(self) -> float:
        """For how many seconds it is remembered."""
        return IDLE if self.value is not None else MISSED


class Readings(Generic[K, T]):
    """Reads objects of one kind, and remembers what came of it.

    Args:
        kind: of the objects, for people.
        get: asks the API server for what is wanted of an object; may raise ``ApiException``.
        problem: tells what it means that there is no such object (404), or that it may not be read (403); its last
            argument is after how many seconds it is worth reading again, shared by all who wait for this object.
        monotonic: seconds that only grow.
        suffices: tells whether a value is what one waits for; if not, it is given all the same, and read again soon.
    """

    def __init__(
        self,
        kind: str,
        get: Callable[[K], Awaitable[T]],
        problem: Callable[[K, int, float], Exception],
        monotonic: Callable[[], float],
        *,
        suffices: Callable[[T], bool] = lambda _: True,
    ) -> None:
        self._kind = kind
        self._get = get
        self._problem = problem
        self._monotonic = monotonic
        self._suffices = suffices
        self._readings: dict[K, _Reading[T]] = {}
        self._reads: dict[K, asyncio.Task[_Reading[T]]] = {}
        self._sweep = Sweep()

    async def read(self, key: K, *, age: Age) -> T:
        """Give what is wanted of an object.

        Args:
            key: names it.
            age: the oldest reading that will do.

        Raises:
            ClusterUnavailableError: the API server could not be reached.
            Exception: what ``problem`` gives.
        """
        if age is Age.ANEW and (begun := self._reads.get(key)) is not None:
            await asyncio.wait({begun})
        reading, task = self._readings.get(key), self._reads.get(key)
        if reading is None or self._is_too_old(reading, age) or (task is not None and age is not Age.RECENT):
            if task is None:
                task = self._reads[key] = asyncio.create_task(self._read(key), name=f"read {self._kind}")
                task.add_done_callback(_take_note)
            # Whoever gives up waiting must not take the answer from the others, which to await the task itself would do.
            await asyncio.wait({task})
            reading = task.result()
        if reading.value is not None:
            return reading.value
        if reading.status == HTTPStatus.FORBIDDEN and reading.misses == 1:
            # An API server that has just started refuses for a moment what it permits: only the second time it is believed.
            raise ClusterUnavailableError(f"The API server refused to show a {self._kind}: 403. It is asked once more.")
        raise self._problem(key, reading.status or 0, self.due_in(key))

    def due_in(self, key: K) -> float:
        """Tell after how many seconds it is worth reading an object again that was read before."""
        reading = self._readings.get(key)
        return max(0.0, reading.due - self._monotonic()) if reading is not None else 0.0

    def _is_too_old(self, reading: _Reading[T], age: Age) -> bool:
        match age:
            case Age.RECENT:
                return self._monotonic() >= reading.due
            case Age.FRESH:
                return self._monotonic() >= reading.at + FRESH
            case Age.ANEW:
                return True

    async def _read(self, key: K) -> _Reading[T]:
        try:
            value, status = await self._answer(key)
        finally:
            del self._reads[key]
        now = self._monotonic()
        before = self._readings.get(key)
        misses = 0
        if value is None or not self._suffices(value):
            misses = 1 + (before.misses if before is not None and before.status == status else 0)
        if self._sweep.is_due(now):
            self._readings = {name: kept for name, kept in self._readings.items() if now < kept.at + kept.lasts}
        reading = self._readings[key] = _Reading(value, status, now, misses)
        return reading

    async def _answer(self, key: K) -> tuple[T | None, int | None]:
        """Give what is wanted of an object, or the status that says why not."""
        try:
            return await call(self._get(key)), None
        except ApiException as error:
            if not any(is_refused(error, each) for each in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)):
                # It may be somebody in front of the API server who says so. Not chained: what else is in the answer is nobody's business.
                raise ClusterUnavailableError(
                    f"The API server refused to show a {self._kind}: {error.status}."
                ) from None
            return None, error.status


def _take_note(task: "asyncio.Task[_Reading[T]]") -> None:
    """Keep the event loop from complaining of a failure for which nobody waits any more; who waits is told."""
    if not task.cancelled():
        task.exception()
