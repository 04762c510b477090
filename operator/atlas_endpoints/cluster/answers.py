"""What of the API server's answers gets to kopf: all but our objects, and nothing that it would end the process for.

Our objects are taken on their way. kopf has a queue, a task and a memory for each of them, looks for what has changed, and does
all that for handlers that we do not have: a quarter of the processor time of a burst. In their place it reads how far the
stream has come, with which it goes on after a break.

kopf 1.45 lives on when a connection breaks, when a watch ends, when it says 410 in its stream, and for a few statuses of HTTP.
It gives up for good when the same 410 comes as a status, as for most others, when a stream brings another error or half an
event, and when an answer is no JSON or no HTTP, such as what a proxy says. All of these pass, and none is worth a restart: it is
told something on which it begins anew. (``kopf._cogs.clients.watching``, ``.api``, ``.errors``)
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from typing_extensions import override

from atlas_endpoints.cluster.reachability import kind_of
from atlas_endpoints.cluster.stream import Ended, Events, Nothing, Take, hand_over
from atlas_endpoints.engine.backoff import doubled
from atlas_endpoints.engine.complaints import Complaints

logger = logging.getLogger(__name__)

PACE = 1.0
"""Seconds between the beginnings of two watches of the same objects: kopf itself does not pause when one ends at once."""

LONGEST_PACE = 30.0
"""Seconds to which that grows, doubled for each watch in a row that breaks: after each of them kopf lists all objects."""

AT_ONCE = 250
"""Objects that kopf lists at a time, as we do: all at once would take half as much memory again as they do afterwards, which is
not given back, and would hold everybody else up."""

LONGEST_WAIT = 60
"""Seconds that the API server may ask kopf to wait: it sleeps for as long as it is asked to, and sees no edit meanwhile."""


class Answer(aiohttp.ClientResponse):
    """An answer that is parsed once, though it is checked before kopf reads it."""

    _parsed: Any = None

    @override
    async def json(self, **options: Any) -> Any:
        """Parse it; ``options`` are those of aiohttp, which nobody here gives."""
        if self._parsed is None:
            is_refusal = self.status >= HTTPStatus.BAD_REQUEST
            self._parsed = await self._explanation() if is_refusal else orjson.loads(await self.read())
        return self._parsed

    async def _explanation(self) -> dict[str, Any]:
        """Give the ``Status`` that a refusal is explained with; nothing if it is something else, over which kopf stumbles."""
        try:
            body = orjson.loads(await self.read())
        except (ValueError, aiohttp.ClientPayloadError):
            return {}
        return body if isinstance(body, dict) and isinstance(body.get("details", {}), dict) else {}


class Forbearance:
    """A middleware of kopf's sessions, which all use ``Answer``.

    Args:
        monotonic: seconds that only grow.

    Attributes:
        plural: of the kind whose objects are taken.
        take: takes the objects of our kind; without it, kopf gets them.
        relisted: is told that kopf has listed our kind, and that all of it was taken.
        on_watch_end: is told how each watch of our kind has ended.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._created = monotonic()
        self._begun: dict[str, float] = {}  # when a watch of our kind was last answered
        self.on_watch_end: Ended = _nobody_hears
        self.plural = ""
        self.take: Take | None = None
        self.relisted: Callable[[], None] = lambda: None
        self._began: dict[str, float] = {}
        self._broken: dict[str, int] = {}  # how many watches in a row
        self._complaints: Complaints[tuple[str, bool]] = Complaints()

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call.

        Raises:
            aiohttp.ClientConnectionError: the answer is of no use now, and kopf should ask again.
        """
        watching = "watch" in request.url.query
        take = self.take if request.url.path.endswith(f"/{self.plural}") else None
        try:
            if watching:
                response = await self._watch(request, handler, take)
            elif take is not None:
                response = await self._list(request, handler, take)
            else:
                response = await _read(await handler(request))
        except aiohttp.ClientConnectionError:
            raise
        except aiohttp.ClientError as error:
            raise aiohttp.ClientConnectionError(f"The answer is no proper HTTP: {type(error).__name__}.") from error
        return self._borne(request, response, watching=watching)

    async def _watch(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType, take: Take | None
    ) -> aiohttp.ClientResponse:
        """Begin a watch when it is time."""
        path = request.url.path
        await self._pace(path)
        response = await handler(request)
        if response.status != HTTPStatus.OK:
            return await _read(response)
        if take is not None:
            self._begun[path] = self._monotonic()
        ended = partial(self._ended, path)
        response.content = Events(response.content, take, ended=ended)  # type: ignore[assignment]  # stands in for it
        return response

    async def _list(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType, take: Take
    ) -> aiohttp.ClientResponse:
        """Have a LIST come page by page, all of the same moment, and take what they hold.

        Returns:
            The last page, with nothing in it, which kopf takes for the whole LIST; or the one that was refused.
        """
        whole, following = request.url, ""
        while True:
            request.url = whole.update_query({"limit": str(AT_ONCE), **({"continue": following} if following else {})})
            response = await _read(await handler(request))
            if response.status >= HTTPStatus.BAD_REQUEST:
                return response
            page = await response.json()
            for item in page.get("items", ()):
                hand_over({"type": None, "object": item}, take)
            following = page.get("metadata", {}).pop("continue", "")
            page["items"] = []
            if not following:
                self.relisted()
                return response

    def _borne(
        self, request: aiohttp.ClientRequest, response: aiohttp.ClientResponse, *, watching: bool
    ) -> aiohttp.ClientResponse:
        """Give an answer after which kopf goes on; and of a refusal for which it would end, people hear in its place.

        Raises:
            aiohttp.ClientConnectionError: that was one, and kopf should ask again.
        """
        path, status = request.url.path, response.status
        if status < HTTPStatus.BAD_REQUEST:
            self._complaints.mended((path, watching))
            return response
        kind = kind_of(request.method, path, watch=watching)
        if _is_borne(response, kind):
            return response
        # The kind may not be served for a moment; if the CRD is gone, the watch of CRDs ends this one.
        in_the_course_of_things = status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
        if not in_the_course_of_things and self._complaints.failed((path, watching), f"{kind} {status}"):
            logger.warning("The API server refuses %s (HTTP %d); it is tried again until it does not", kind, status)
        if not watching:
            raise aiohttp.ClientConnectionError(f"The API server answered {status}.")
        self._ended(path, well=status == HTTPStatus.GONE)
        response.status = HTTPStatus.OK
        response.content = Nothing(response.content)  # type: ignore[assignment]  # stands in for it
        return response

    def watch_age(self) -> float:
        """Tell how many seconds ago the oldest watch of our kind has begun, or if none has, this.

        The server ends each after a minute, and another begins: one that is much older brings nothing any more.
        """
        return self._monotonic() - min(self._begun.values(), default=self._created)

    async def _pace(self, path: str) -> None:
        """Wait until it is time for another watch."""
        began = self._began.get(path)
        if began is not None:
            pace = doubled(PACE, max(0, self._broken.get(path, 0) - 1), LONGEST_PACE)
            await asyncio.sleep(max(0.0, began + pace - self._monotonic()))
        self._began[path] = self._monotonic()

    def _ended(self, path: str, *, well: bool) -> None:
        """Take in how a watch has ended; one that has lasted was well until then."""
        if path in self._begun:
            self.on_watch_end(well=well)
        if well:
            self._broken.pop(path, None)
            return
        lasted = self._monotonic() - self._began[path] > LONGEST_PACE
        self._broken[path] = 1 if lasted else self._broken.get(path, 0) + 1


def _nobody_hears(*, well: bool) -> None:
    """Stand in for who is told how a watch has ended."""


async def _read(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """Read an answer to its end, and give it back.

    Raises:
        aiohttp.ClientConnectionError: it is neither a refusal nor what kopf expects: a JSON object, perhaps a list.
    """
    try:
        body = await response.json()
    except (ValueError, aiohttp.ClientPayloadError) as error:
        raise aiohttp.ClientConnectionError(f"The answer cannot be read: {type(error).__name__}.") from error
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise aiohttp.ClientConnectionError("The answer is no object.")
    if body.get("items", ()) is None:
        del body["items"]
    if not isinstance(body.get("items", []), list):
        raise aiohttp.ClientConnectionError("The answer is no list.")
    return response


def _is_borne(response: aiohttp.ClientResponse, kind: str) -> bool:
    """Tell whether kopf asks again by itself after a refusal, or can do without the answer."""
    match response.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return True
        case HTTPStatus.NOT_FOUND:  # a group or a version that is not served
            return not kind.startswith(("LIST", "WATCH"))
        case HTTPStatus.TOO_MANY_REQUESTS:
            wait = response.headers.get("Retry-After", "0")
            return wait.isdecimal() and float(wait) <= LONGEST_WAIT
        case status:
            return 500 <= status < 600  # noqa: PLR2004  # HTTP's classes
