"""What kopf is told instead of what it would end the process for: on a real socket, with kopf itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from atlas_endpoints.cluster import answers
from atlas_endpoints.cluster.answers import BEGIN_ANEW, Answer, Forbearance
from atlas_endpoints.cluster.api import GROUP, PLURAL, VERSION

LIST = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
WATCH = f"{LIST}?watch=true"
EVENT = json.dumps({"type": "MODIFIED", "object": {"metadata": {"name": "a"}}}).encode() + b"\n"
ERROR = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 500}}).encode() + b"\n"


@dataclass
class World:
    """A server that says what it is told to, and a session such as kopf gets."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    began: list[float] = field(default_factory=list)
    base: str = ""
    session: aiohttp.ClientSession = field(init=False)

    async def handle(self, _: web.Request) -> web.Response:
        self.began.append(asyncio.get_running_loop().time())
        return web.Response(status=self.status, body=self.body, content_type=self.content_type)

    async def lines(self) -> list[bytes]:
        """Watch, and give what kopf would read."""
        async with self.session.get(f"{self.base}{WATCH}") as response:
            assert response.status == 200
            text = b"".join([piece async for piece in response.content.iter_chunked(1024)])
        return text.splitlines(keepends=True)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(answers, "PACE", 0.0)
    world = World()
    app = web.Application()
    app.router.add_get("/{path:.*}", world.handle)
    async with TestServer(app) as server:
        world.base = str(server.make_url("")).rstrip("/")
        forbearance = Forbearance(asyncio.get_running_loop().time)
        async with aiohttp.ClientSession(middlewares=[forbearance], response_class=Answer) as session:
            world.session = session
            yield world


STREAMS: dict[str, tuple[bytes, list[bytes]]] = {
    "events go on as they are": (EVENT + EVENT, [EVENT, EVENT]),
    "an event of many lines' length too": (
        json.dumps({"type": "ADDED", "object": {"x": "y" * 5000}}).encode() + b"\n",
        [json.dumps({"type": "ADDED", "object": {"x": "y" * 5000}}).encode() + b"\n"],
    ),
    "nothing at all is the end": (b"", []),
    "an empty line is passed on": (EVENT + b"\n", [EVENT, b"\n"]),
    "any error begins anew": (EVENT + ERROR + EVENT, [EVENT, BEGIN_ANEW]),
    "half an event begins anew": (EVENT + EVENT[:20], [EVENT, BEGIN_ANEW]),
    "a page of a proxy begins anew": (b"<html>\n<body>", [BEGIN_ANEW]),
    "what is no object begins anew": (b"[]\n", [BEGIN_ANEW]),
    "an event without an object begins anew": (b'{"type": "ADDED"}\n', [BEGIN_ANEW]),
}


@pytest.mark.parametrize(("said", "read"), STREAMS.values(), ids=STREAMS)
async def test_what_a_watch_says(world: World, said: bytes, read: list[bytes]) -> None:
    world.body = said
    assert await world.lines() == read


@pytest.mark.parametrize("status", [404, 410])
async def test_a_watch_that_cannot_go_on_begins_anew(world: World, status: int) -> None:
    world.status = status
    assert await world.lines() == [BEGIN_ANEW]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_what_kopf_can_bear_is_left_to_it(world: World, status: int) -> None:
    world.status = status
    for path in (WATCH, LIST):
        async with world.session.get(f"{world.base}{path}") as response:
            assert response.status == status


Broken: TypeAlias = Callable[[World], None]

UNREADABLE: dict[str, dict[str, Any]] = {
    "a LIST that is cut short": {"body": b'{"items": ['},
    "a LIST that is a word": {"body": b'"word"'},
    "the page of a proxy": {"body": b"<html></html>", "content_type": "text/html"},
    "a kind that is not served for a moment": {"status": 404, "body": b"404 page not found"},
    "a LIST that is refused as too old": {"status": 410},
}


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_of_no_use_looks_like_a_broken_connection(world: World, broken: dict[str, Any]) -> None:
    """After which kopf asks again."""
    for name, value in broken.items():
        setattr(world, name, value)
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.session.get(f"{world.base}{LIST}")


async def test_a_group_that_is_not_there_is_no_trouble(world: World) -> None:
    """So kopf learns what the API server serves."""
    world.status = 404
    async with world.session.get(f"{world.base}/apis/{GROUP}/{VERSION}") as response:
        assert response.status == 404


async def test_what_was_checked_is_given_to_kopf_as_it_is(world: World) -> None:
    world.body = b'{"items": []}'
    async with world.session.get(f"{world.base}{LIST}") as response:
        first = await response.json()
        assert first == {"items": []}
        assert await response.json() is first


async def test_watches_that_end_at_once_are_begun_no_faster_than_they_should(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PACE", 0.1)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.55):
            while True:
                await world.lines()
    assert 4 <= len(world.began) <= 6
    async with _elsewhere(world) as began:
        assert asyncio.get_running_loop().time() - began < 0.05, "another watch does not wait for this one"


@asynccontextmanager
async def _elsewhere(world: World) -> AsyncIterator[float]:
    began = asyncio.get_running_loop().time()
    async with world.session.get(f"{world.base}/apis/{GROUP}/{VERSION}/namespaces/shop/{PLURAL}?watch=true"):
        yield began
