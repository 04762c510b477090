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
    """The resources of all namespaces."""

    collection = f"{API}/{PLURAL}"

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def create(self, manifest: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Create a resource; give it and the moment (`time.time`) at which the API server had accepted it."""
        async with self.http.post(_collection(manifest["metadata"]["namespace"]), json=manifest) as answer:
            return await _accepted(answer)

    async def edit(self, namespace: str, name: str, spec: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Change fields of a spec; give the resource and the moment at which the API server had accepted it."""
        headers = {"Content-Type": "application/merge-patch+json"}
        path = f"{_collection(namespace)}/{name}"
        async with self.http.patch(path, json={"spec": spec}, headers=headers) as answer:
            return await _accepted(answer)

    async def replace_status(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Write the status of a resource that nobody else writes."""
        path = f"{_collection(body['metadata']['namespace'])}/{body['metadata']['name']}/status"
        async with self.http.put(path, json={**body, "status": status}) as answer:
            await _accepted(answer)

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        async with self.http.get(f"{_collection(namespace)}/{name}") as answer:
            return (await _accepted(answer))[0]

    async def list(self, selector: str) -> dict[str, Any]:
        async with self.http.get(self.collection, params={"labelSelector": selector}) as answer:
            return (await _accepted(answer))[0]

    async def delete_all(self, namespaces: Iterable[str], selector: str) -> None:
        timeout, parameters = aiohttp.ClientTimeout(total=PAGE_TIMEOUT), {"labelSelector": selector}
        for namespace in namespaces:
            async with self.http.delete(_collection(namespace), params=parameters, timeout=timeout) as answer:
                await _accepted(answer)


def _collection(namespace: str) -> str:
    return f"{API}/namespaces/{namespace}/{PLURAL}"


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
