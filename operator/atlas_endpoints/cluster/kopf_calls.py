"""The pace of kopf's calls to the API server, and the age of its watches."""

import asyncio
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus

import aiohttp

PACE = 1.0
"""Seconds between the beginnings of two watches of the same objects. kopf does not pause when a watch ends at once."""


class KopfCalls:
    """A middleware of kopf's sessions. It changes no answer but one: a 429 is raised as an exception.

    Attributes:
        relisted: by the plural of each measured kind, the callback for a LIST of which the first page has arrived, and for the first
            call that is forbidden, or allowed again.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._unwatched_since = monotonic()
        self._paced: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._forbidden: set[str] = set()
        self.relisted: Mapping[str, Callable[[], None]] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call.

        Raises:
            aiohttp.ClientConnectionError: the answer is 429. kopf retries this error with its own backoff; on the 429
                itself it would sleep for as long as ``Retry-After`` demands, even a day.
        """
        path, watching = request.url.path, "watch" in request.url.query
        if watching:
            await asyncio.sleep(self._paced.get(path, -math.inf) + PACE - self._monotonic())
            self._paced[path] = self._monotonic()
        response = await handler(request)
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise aiohttp.ClientConnectionError("The API server has too many requests.")
        if (relisted := self.relisted.get(path.rpartition("/")[2])) is not None:
            is_news = self._forbids(path, response.status)
            if response.status == HTTPStatus.OK:
                if watching:
                    self._begun[path] = self._monotonic()
                # All pages show the moment of the first. A LIST of ours after it serves for the whole LIST.
                is_news |= not watching and "continue" not in request.url.query
            if is_news:
                relisted()
        return response

    def watch_age(self) -> float:
        """Return the seconds since the oldest watch began; without any, since there should be one, or 0 if all are forbidden.

        The API server ends each watch after a minute, and the next begins. A much older watch brings no events.
        """
        if self._forbidden and not self._begun:
            return 0.0
        return self._monotonic() - min(self._begun.values(), default=self._unwatched_since)

    def _forbids(self, path: str, status: int) -> bool:
        """Record whether the calls of a path are forbidden, and return whether that is new."""
        was_forbidden = path in self._forbidden
        if status == HTTPStatus.FORBIDDEN:
            self._forbidden.add(path)
            self._begun.pop(path, None)  # there is no watch to be old
        elif status == HTTPStatus.OK and was_forbidden:
            self._forbidden.discard(path)
            self._unwatched_since = self._monotonic()
        return was_forbidden is not (path in self._forbidden)
