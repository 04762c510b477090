"""How the driver changes resources: a plain client of the API server with many connections."""

from __future__ import annotations

import asyncio
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
PLURAL = "serverlessprivateendpoints"
CONNECTIONS = 32
"""Changes that are under way at once in a burst: more than the API server can do at a time on a few cores."""
PAGE_TIMEOUT = 120.0


class ApiServer:
    """The resources of one namespace."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str) -> None:
        self.http = http
        self.collection = f"{API}/namespaces/{namespace}/{PLURAL}"

    async def create(self, manifest: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Create a resource; give it and the moment (`time.time`) at which the API server had accepted it."""
        async with self.http.post(self.collection, json=manifest) as answer:
            return await _accepted(answer)

    async def edit(self, name: str, spec: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Change fields of a spec; give the resource and the moment at which the API server had accepted it."""
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self.http.patch(f"{self.collection}/{name}", json={"spec": spec}, headers=headers) as answer:
            return await _accepted(answer)

    async def replace_status(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Write the status of a resource that nobody else writes."""
        path = f"{self.collection}/{body['metadata']['name']}/status"
        async with self.http.put(path, json={**body, "status": status}) as answer:
            await _accepted(answer)

    async def get(self, name: str) -> dict[str, Any]:
        """Read a resource."""
        async with self.http.get(f"{self.collection}/{name}") as answer:
            return (await _accepted(answer))[0]

    async def list(self, selector: str) -> dict[str, Any]:
        """List resources by their labels."""
        async with self.http.get(self.collection, params={"labelSelector": selector}) as answer:
            return (await _accepted(answer))[0]

    async def delete_all(self, selector: str) -> None:
        """Delete resources by their labels."""
        timeout = aiohttp.ClientTimeout(total=PAGE_TIMEOUT)
        async with self.http.delete(self.collection, params={"labelSelector": selector}, timeout=timeout) as answer:
            await _accepted(answer)


@asynccontextmanager
async def session(url: str, token: str, ca: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Open connections to the API server."""
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
