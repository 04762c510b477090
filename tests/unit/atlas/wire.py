"""The stub of Atlas of these tests, which answers as they say: on a real socket, or in the place of the network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import httpx
from aiohttp import web
from aiohttp.test_utils import TestServer

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import Credentials, ServiceAccount
from atlas_endpoints.atlas.requests import Request

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

USER_AGENT = "atlas-endpoints/test"
PATH = "/api/atlas/v2/groups/5f7cac1adf5d6c6306f4b283/thing"
ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_canary_4711")
LIFE = 3600
"""Seconds of a token."""


def answering(status: int, **kwargs: Any) -> Callable[[httpx.Request], httpx.Response]:
    """Answer each request with the same; ``kwargs`` are those of ``httpx.Response``."""
    return lambda _: httpx.Response(status, **kwargs)


NOTHING = answering(200, json=[])


@dataclass
class Atlas:
    """Issues tokens, which are called ``token-1`` and so on, and answers calls.

    Attributes:
        answer: returns the answer to a call, or an awaitable of it, or raises an error of the transport.
        token: the same for a request for a token; None: one is issued.
        calls: each call that has arrived, and ``tokens``, each request for a token; ``target`` among the extensions of one that came
            over a socket is its target as it was on the wire.
    """

    answer: Callable[[httpx.Request], Any] = NOTHING
    token: Callable[[httpx.Request], Any] | None = None
    calls: list[httpx.Request] = field(default_factory=list)
    tokens: list[httpx.Request] = field(default_factory=list)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # let concurrent calls overlap
        content = await request.aread()
        # A copy, since the client signs the same request again if it is refused.
        request = httpx.Request(
            request.method, request.url, headers=request.headers, content=content, extensions=request.extensions
        )
        is_token = request.url.path.endswith("/api/oauth/token")
        (self.tokens if is_token else self.calls).append(request)
        issued = answering(200, json={"access_token": f"token-{len(self.tokens)}", "expires_in": LIFE})
        response = (self.token or issued)(request) if is_token else self.answer(request)
        found: httpx.Response = await response if isawaitable(response) else response
        return found

    @property
    def signed_with(self) -> list[str]:
        """The token, or whatever it was, of each call."""
        return [each.headers["Authorization"].removeprefix("Bearer ") for each in self.calls]

    def once(self, answer: Callable[[httpx.Request], Any]) -> None:
        """Give another answer to the next call."""
        usual = self.answer

        def next_one(request: httpx.Request) -> Any:
            self.answer = usual
            return answer(request)

        self.answer = next_one

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[AtlasClient]:
        """Yield a client that has the stub in the place of the network."""
        async with client_of("http://127.0.0.1", transport=httpx.MockTransport(self.handle), **options) as client:
            yield client

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve on a socket, and yield the base URL."""

        async def serve(request: web.Request) -> web.StreamResponse:
            heard = httpx.Request(
                request.method,
                str(request.url),
                headers=list(request.headers.items()),
                content=await request.read(),
                extensions={"target": request.raw_path},
            )
            answer = await self.handle(heard)
            headers = [each for each in answer.headers.multi_items() if each[0].lower() != "content-length"]
            return web.Response(status=answer.status_code, headers=headers, body=answer.content)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", serve)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")


async def patch(client: AtlasClient, credentials: Credentials = ACCOUNT) -> object:
    return (await client.request(credentials, Request("op", "PATCH", PATH, {"comment": "<ä>"}))).json


async def get(client: AtlasClient, credentials: Credentials = ACCOUNT) -> object:
    return (await client.request(credentials, Request("op", "GET", PATH))).json


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
async def client_of(base_url: str, **options: Any) -> AsyncIterator[AtlasClient]:
    """Yield a client of a server of these tests."""
    client = AtlasClient(base_url, user_agent=USER_AGENT, **options)
    try:
        yield client
    finally:
        await client.aclose()
