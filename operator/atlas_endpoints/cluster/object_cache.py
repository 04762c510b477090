"""Cache objects that are read by name, with one GET at a time for each: no LIST and no watch."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, TypeVar

from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.refusals import is_refused
from atlas_endpoints.controller.bookkeeping import Sweep
from atlas_endpoints.controller.requeue import doubled

MAX_AGE = 30.0
"""Seconds for which an entry is recent."""

FRESH = 2.0
"""Seconds for which an entry is fresh."""

RETRY_FIRST, RETRY_LAST = 5.0, 60.0
"""Seconds between reads of an object that is not available; doubled from the first to the last."""

IDLE = 3600.0
"""Seconds after which an unused value is dropped."""

MISSED = 2 * 86400.0
"""Seconds after which a failed read is dropped: longer than the longest interval, so that a second refusal is noticed."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """The result of a read.

    Attributes:
        value: None if the object is not available.
        status: of the API server's answer in that case.
        at: monotonic seconds.
        misses: consecutive reads with this result, if it has no value or one that does not suffice.
    """

    value: T | None
    status: int | None
    at: float
    misses: int

    @property
    def due(self) -> float:
        """Return when the entry stops being recent."""
        if self.misses == 0:
            return self.at + MAX_AGE
        return self.at + doubled(RETRY_FIRST, self.misses - 1, RETRY_LAST)

    @property
    def expires(self) -> float:
        return self.at + (IDLE if self.value is not None else MISSED)


class ObjectCache(Generic[K, T]):
    """Reads and caches objects of one kind.

    Args:
        kind: for error messages.
        get: returns the wanted part of an object; may raise ``ApiException``.
        problem: returns the error for an object that does not exist (404) or may not be read (403). Its last argument
            is the number of seconds until the next read.
        suffices: whether a value is the one that callers wait for. Otherwise it is returned, and read again soon.
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
        self._entries: dict[K, _Entry[T]] = {}
        self._reads: dict[K, asyncio.Task[_Entry[T]]] = {}
        self._sweep = Sweep()

    async def read(self, key: K, *, age: Age) -> T:
        """Return the wanted part of an object.

        Raises:
            ClusterUnavailableError: the API server could not be reached.
            Exception: what ``problem`` returns.
        """
        if age is Age.ANEW and (begun := self._reads.get(key)) is not None:
            await asyncio.wait({begun})
        entry, task = self._entries.get(key), self._reads.get(key)
        if entry is None or self._is_too_old(entry, age) or (task is not None and age is not Age.RECENT):
            if task is None:
                task = self._reads[key] = asyncio.create_task(self._read(key), name=f"read {self._kind}")
                task.add_done_callback(_retrieve_exception)
            # Not ``await task``: a caller that is cancelled would cancel the read for the others.
            await asyncio.wait({task})
            entry = task.result()
        if entry.value is not None:
            return entry.value
        if entry.status == HTTPStatus.FORBIDDEN and entry.misses == 1:
            # An API server that has just started refuses for a moment what it permits: only a second refusal counts.
            raise ClusterUnavailableError(f"The API server refused to show a {self._kind}: 403. It is asked once more.")
        raise self._problem(key, entry.status or 0, self.due_in(key))

    def due_in(self, key: K) -> float:
        """Return the seconds until the next read of an object."""
        entry = self._entries.get(key)
        return max(0.0, entry.due - self._monotonic()) if entry is not None else 0.0

    def _is_too_old(self, entry: _Entry[T], age: Age) -> bool:
        match age:
            case Age.RECENT:
                return self._monotonic() >= entry.due
            case Age.FRESH:
                return self._monotonic() >= entry.at + FRESH
            case Age.ANEW:
                return True

    async def _read(self, key: K) -> _Entry[T]:
        value, status = None, None
        try:
            value = await self._get(key)
        except ApiException as error:
            if not any(is_refused(error, each) for each in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)):
                # Perhaps from a proxy. Not chained: nothing else of the answer may be shown.
                raise ClusterUnavailableError(
                    f"The API server refused to show a {self._kind}: {error.status}."
                ) from None
            status = error.status
        finally:
            del self._reads[key]
        now = self._monotonic()
        before = self._entries.get(key)
        misses = 0
        if value is None or not self._suffices(value):
            misses = 1 + (before.misses if before is not None and before.status == status else 0)
        if self._sweep.is_due(now):
            self._entries = {name: kept for name, kept in self._entries.items() if now < kept.expires}
        entry = self._entries[key] = _Entry(value, status, now, misses)
        return entry


def _retrieve_exception(task: "asyncio.Task[_Entry[T]]") -> None:
    """Keep asyncio from logging a failure for which nobody waits any more."""
    if not task.cancelled():
        task.exception()
