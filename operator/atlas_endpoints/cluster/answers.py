"""Answers of the API server that kopf would end the process for, told in ways on which it begins anew.

kopf 1.45 lives on when a connection breaks, when a watch ends, and when it says 410 in its stream. It gives up for good when
the same 410 comes as a status of HTTP, when a stream brings another error or half an event, and when an answer is no JSON,
such as the page of a proxy. All of these pass, and none is worth a restart. (``kopf._cogs.clients.watching``, ``.api``)
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from typing_extensions import override

from atlas_endpoints.cluster.api import PLURAL

PACE = 1.0
"""Seconds between the beginnings of two watches of the same objects: kopf itself does not pause when one ends at once."""

BEGIN_ANEW = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
"""The event on which kopf lists anew, and watches from there."""

OK, UNUSABLE, NOT_FOUND, GONE = 200, 400, 404, 410


class Answer(aiohttp.ClientResponse):
    """An answer that is parsed once, though it is checked before kopf reads it."""

    _parsed: Any = None

    @override
    async def json(self, **options: Any) -> Any:
        """Parse it."""
        if self._parsed is None:
            self._parsed = await super().json(**options)
        return self._parsed


class Forbearance:
    """A middleware of kopf's sessions, which all use ``Answer``.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began: dict[str, float] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a call.

        Raises:
            aiohttp.ClientConnectionError: the answer is of no use now, and kopf should ask again.
        """
        watching = "watch" in request.url.query
        if watching:
            await self._pace(request.url.path)
        response = await handler(request)
        if watching and response.status == OK:
            response.content = _Events(response.content, usable=True)  # type: ignore[assignment]  # stands in for it
        elif response.status < UNUSABLE:
            await _check(response)
        elif response.status in {NOT_FOUND, GONE} and request.url.path.endswith(f"/{PLURAL}"):
            # The kind may not be served for a moment; if the CRD is gone, the watch of CRDs ends this one.
            await response.read()
            if not watching:
                raise aiohttp.ClientConnectionError(f"The API server answered {response.status}.")
            response.status = OK
            response.content = _Events(response.content, usable=False)  # type: ignore[assignment]  # as above
        return response

    async def _pace(self, path: str) -> None:
        """Wait until it is time for another watch."""
        began = self._began.get(path)
        if began is not None:
            await asyncio.sleep(max(0.0, began + PACE - self._monotonic()))
        self._began[path] = self._monotonic()


class _Events:
    """The lines of a watch up to the first that is no event, in the place of which kopf is told to begin anew.

    Args:
        content: what the server says; everything else that is asked of it goes there.
        usable: whether there are any events in it.
    """

    def __init__(self, content: aiohttp.StreamReader, *, usable: bool) -> None:
        self._content = content
        self._usable = usable

    def __getattr__(self, name: str) -> Any:
        """Be the content in all else."""
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Give line by line what ``aiohttp.StreamReader.iter_chunked`` would give in pieces of up to ``size`` bytes."""
        if not self._usable:
            yield BEGIN_ANEW
            return
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line and not _is_event(line):
                    yield BEGIN_ANEW
                    return
                yield line + b"\n"
        if rest:
            yield BEGIN_ANEW


def _is_event(line: bytes) -> bool:
    """Tell whether kopf can go on after a line."""
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and event.get("type") != "ERROR" and isinstance(event.get("object"), dict)


async def _check(response: aiohttp.ClientResponse) -> None:
    """Make sure that an answer is what kopf expects: a JSON object."""
    try:
        body = await response.json()
    except (ValueError, aiohttp.ClientPayloadError, aiohttp.ContentTypeError) as error:
        raise aiohttp.ClientConnectionError(f"The answer cannot be read: {type(error).__name__}.") from error
    if not isinstance(body, dict):
        raise aiohttp.ClientConnectionError("The answer is no object.")
