"""How the driver sees resources come to rest: by a watch of its own, as a user's tools would."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from benchmarks.api_server import ApiServer

BUFFER = 2**24
"""Bytes that may wait to be looked at: the events of a whole burst."""


def is_at_rest(body: Mapping[str, Any]) -> bool:
    """Return whether a resource's status says of its present generation that it is ready."""
    status = body.get("status", {})
    return status.get("observedGeneration") == body["metadata"]["generation"] and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", ())
    )


class Watcher:
    """Knows when each generation of each resource came to rest."""

    def __init__(self) -> None:
        self._rested: dict[str, tuple[int, float]] = {}
        self._waiting: dict[str, tuple[int, asyncio.Future[float]]] = {}

    def see(self, body: Mapping[str, Any], moment: float) -> None:
        """Take in a state of a resource that was seen at a moment (`time.time`)."""
        if not is_at_rest(body):
            return
        name, generation = body["metadata"]["name"], body["metadata"]["generation"]
        if name in self._rested and self._rested[name][0] >= generation:
            return
        self._rested[name] = generation, moment
        wanted, future = self._waiting.get(name, (0, None))
        if future is not None and generation >= wanted and not future.done():
            future.set_result(moment)

    async def rested(self, name: str, generation: int, *, timeout: float) -> float:  # noqa: ASYNC109  many wait at once
        """Wait until a resource has come to rest in a generation, and give the moment.

        Raises:
            TimeoutError: It has not in time.
        """
        known, moment = self._rested.get(name, (0, 0.0))
        if known >= generation:
            return moment
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[name] = generation, future
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise TimeoutError(
                f"{name} has not come to rest in generation {generation} after {timeout:.0f} s"
            ) from None
        finally:
            del self._waiting[name]


@asynccontextmanager
async def watching(api: ApiServer, selector: str) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    listed = await api.list(selector)
    for body in listed["items"]:
        watcher.see(body, time.time())
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(_watch(api, selector, listed["metadata"]["resourceVersion"], watcher))
        try:
            yield watcher
        finally:
            reader.cancel()


async def _watch(api: ApiServer, selector: str, version: str, watcher: Watcher) -> None:
    """Watch for ever; the API server may end a watch whose reader falls behind in a burst, which then goes on."""
    timeout = aiohttp.ClientTimeout(total=None)
    while True:
        parameters = {"watch": "1", "labelSelector": selector, "resourceVersion": version}
        async with api.http.get(api.collection, params=parameters, timeout=timeout, read_bufsize=BUFFER) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                moment = time.time()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the watch broke: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "DELETED":
                    watcher.see(event["object"], moment)
