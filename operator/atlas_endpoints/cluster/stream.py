"""A watch on its way to kopf, which reads how far it has come, and of what happens to our objects no more than that."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

import aiohttp
import orjson

logger = logging.getLogger(__name__)

Event: TypeAlias = dict[str, Any]
"""What kopf gives to a handler of events: the ``type``, which is ``None`` for what a LIST holds, and the ``object``."""

Take: TypeAlias = Callable[[Event], None]
"""Takes an object of our kind."""

BEGIN_ANEW = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}\n'
"""The event on which kopf lists anew, and watches from there."""

HAPPENED = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""The events that tell of an object."""


class Ended(Protocol):
    """Is told how a watch has ended."""

    def __call__(self, *, well: bool) -> None:
        """Take in that it has ended, as a watch should or by breaking."""


class _StandIn:
    """Stands in for what the API server says.

    Args:
        content: what it says; everything that is asked of it goes there, unless it is answered here.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        """Be the content in all else."""
        return getattr(self._content, name)


class Nothing(_StandIn):
    """A watch that cannot go on."""

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:  # noqa: ARG002  # as of ``aiohttp.StreamReader``
        """Tell kopf to begin anew."""
        yield BEGIN_ANEW


class Events(_StandIn):
    """The lines of a watch up to the first that is no event, in the place of which kopf is told to begin anew.

    Args:
        content: what the server says.
        take: takes what has happened; without it, kopf gets that.
        ended: is told whether the watch went well to its end, as it does also when its version has become too old.
    """

    def __init__(self, content: aiohttp.StreamReader, take: Take | None, *, ended: Ended) -> None:
        super().__init__(content)
        self._take = take
        self._ended = ended

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Give what ``aiohttp.StreamReader.iter_chunked`` would give in pieces of up to ``size`` bytes, in whole lines."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = _event(line) if line else None
                if line and event is None:
                    self._ended(well=_is_expiry(line))
                    yield BEGIN_ANEW
                    return
                if event is not None and self._take is not None and event["type"] in HAPPENED:
                    hand_over(event, self._take)
                    yield _bookmark(event["object"])
                else:
                    yield line + b"\n"
        self._ended(well=not rest)
        if rest:
            yield BEGIN_ANEW


def _event(line: bytes) -> Event | None:
    """Read a line; ``None`` when kopf could not go on after it."""
    try:
        event: Event = orjson.loads(line)
    except ValueError:
        return None
    match event:
        case {"type": str(type_), "object": dict(body)} if type_ != "ERROR":
            return event if isinstance(body.get("metadata", {}), dict) else None
        case _:
            return None


def _is_expiry(line: bytes) -> bool:
    """Tell an error by which a watch ends in the normal course of things: its version is too old."""
    try:
        return bool(orjson.loads(line)["object"]["code"] == HTTPStatus.GONE)
    except (ValueError, TypeError, KeyError):
        return False


def _bookmark(body: Mapping[str, Any]) -> bytes:
    """Tell kopf how far the stream has come, in an event that it keeps to itself."""
    version = body.get("metadata", {}).get("resourceVersion")
    return orjson.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}) + b"\n"


def hand_over(event: Event, take: Take) -> None:
    """Hand an object over; as with kopf's handlers, what goes wrong with one does not end the stream of all."""
    try:
        take(event)
    except Exception:
        logger.exception("An object that the API server has told of could not be taken in")
