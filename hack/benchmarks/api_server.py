"""How the driver changes resources, as a client with many connections, and sees them come to rest, by a watch."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

API = "/apis/atlas-endpoints.dev/v1alpha1"
CONNECTIONS = 32
"""Changes that are under way at once in a burst: more than the API server can do at a time on a few cores."""
PAGE_TIMEOUT = 120.0


class ApiServer:
    """The resources of a kind in all namespaces."""

    def __init__(self, http: aiohttp.ClientSession, plural: str) -> None:
        self._plural = plural
        self.http = http

    @property
    def collection(self) -> str:
        return f"{API}/{self._plural}"

    async def create(self, manifest: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Create a resource; give it and the moment (`time.time`) at which the API server had accepted it."""
        async with self.http.post(self._in(manifest["metadata"]["namespace"]), json=manifest) as answer:
            return await _accepted(answer)

    async def edit(self, namespace: str, name: str, spec: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Change fields of a spec; give the resource and the moment at which the API server had accepted it."""
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{self._in(namespace)}/{name}"
        async with self.http.patch(path, json={"spec": spec}, headers=headers) as answer:
            return await _accepted(answer)

    async def replace_status(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Write the status of a resource that nobody else writes."""
        path = f"{self._in(body['metadata']['namespace'])}/{body['metadata']['name']}/status"
        async with self.http.put(path, json={**body, "status": status}) as answer:
            await _accepted(answer)

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        async with self.http.get(f"{self._in(namespace)}/{name}") as answer:
            return (await _accepted(answer))[0]

    async def list(self, selector: str) -> dict[str, Any]:
        async with self.http.get(self.collection, params={"labelSelector": selector}) as answer:
            return (await _accepted(answer))[0]

    async def delete_all(self, namespaces: Iterable[str], selector: str) -> None:
        timeout, parameters = aiohttp.ClientTimeout(total=PAGE_TIMEOUT), {"labelSelector": selector}
        for namespace in namespaces:
            async with self.http.delete(self._in(namespace), params=parameters, timeout=timeout) as answer:
                await _accepted(answer)

    def _in(self, namespace: str) -> str:
        return f"{API}/namespaces/{namespace}/{self._plural}"


@asynccontextmanager
async def session(url: str, token: str, ca: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=ca))
    timeout = aiohttp.ClientTimeout(total=30)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout, headers=headers) as opened:
        yield opened


async def each(items: Iterable[T], action: Callable[[T], Awaitable[None]], *, at_once: int = CONNECTIONS) -> None:
    """Act on each item, on a number of them at once, in order."""
    rest = iter(items)

    async def act() -> None:
        for item in rest:
            await action(item)

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(act())


async def _accepted(answer: aiohttp.ClientResponse) -> tuple[dict[str, Any], float]:
    moment = time.time()
    if not answer.ok:
        raise RuntimeError(f"the API server answered {answer.status} to {answer.method}: {await answer.text()}")
    return await answer.json(), moment


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
        """Wait until a resource has come to rest in a generation, and give the moment."""
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
