"""A small Atlas on a real socket; the tests define its answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random

from aiohttp import web
from aiohttp.test_utils import TestServer

from atlas_endpoints.atlas.client import AtlasClient

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

USER_AGENT = "atlas-endpoints/test"
PATH = "/api/atlas/v2/groups/5f7cac1adf5d6c6306f4b283/thing"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path by one handler, and yield the base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[str]:
    """Serve raw bytes, for malformed answers, and yield the base URL."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request with its body, and return its head."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head


@asynccontextmanager
async def client_of(base_url: str, **options: object) -> AsyncIterator[AtlasClient]:
    """Yield a client of a server of these tests."""
    options = {"random": Random(4711), **options}  # noqa: S311  # jitter
    client = AtlasClient(base_url, user_agent=USER_AGENT, **options)  # type: ignore[arg-type]  # passed on as they are
    try:
        yield client
    finally:
        await client.aclose()
