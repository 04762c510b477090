"""What is measured of kopf's own calls to the API server, and how often it may make them."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

import aiohttp

PACE = 1.0
"""Seconds between the beginnings of two watches of the same objects. kopf does not pause when one ends at once."""


class Ended(Protocol):
    """Counts a watch that has ended."""

    def __call__(self, *, well: bool) -> None:
        """Count it; ``well`` if the next watch continues where it ended, and no LIST is needed."""


class KopfCalls:
    """A middleware of kopf's sessions. It changes no answer.

    Args:
        monotonic: seconds that only grow.

    Attributes:
        relisted: by the plural of a kind whose watches are measured, what to call when a LIST of it has arrived.
        on_watch_end: called when a watch of such a kind has ended and the next begins.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._created = monotonic()
        self._asked: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._open: set[str] = set()
        self.relisted: Mapping[str, Callable[[], None]] = {}
        self.on_watch_end: Ended = _ignore

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call.

        Raises:
            aiohttp.ClientConnectionError: the API server has too many requests. kopf retries with its own backoff, where it
                would otherwise sleep for as long as ``Retry-After`` demands, be it a day.
        """
        path, watching = request.url.path, "watch" in request.url.query
        if watching:
            await self._pace(path)
        response = await handler(request)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise aiohttp.ClientConnectionError("The API server has too many requests.")
        if response.status == HTTPStatus.OK and (relisted := self.relisted.get(path.rpartition("/")[2])) is not None:
            self._measure(path, relisted, watching=watching)
        return response

    def watch_age(self) -> float:
        """The seconds since the oldest watch of the kind began; if none has, since this object was made.

        The API server ends each watch after a minute, and the next begins. A watch that is much older brings no events.
        """
        return self._monotonic() - min(self._begun.values(), default=self._created)

    async def _pace(self, path: str) -> None:
        """Wait until the next watch is allowed."""
        now = self._monotonic()
        await asyncio.sleep(max(0.0, self._asked.get(path, now - PACE) + PACE - now))
        self._asked[path] = self._monotonic()

    def _measure(self, path: str, relisted: Callable[[], None], *, watching: bool) -> None:
        if path in self._open:
            self.on_watch_end(well=watching)
        if watching:
            self._begun[path] = self._monotonic()
            self._open.add(path)
        else:
            self._open.discard(path)
            relisted()


def _ignore(*, well: bool) -> None:
    """Count nothing."""
