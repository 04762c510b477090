"""A proxy that knows HTTP and breaks it: between the operator and the API server, or between the operator and Atlas.

The way to it is plain HTTP on loopback. It hands on what the client sends, its bearer token included, and streams
watches line by line. Any thread may tell it what is to go wrong.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from control_plane.ports import free_port
from faults.rules import (
    Closed,
    Delay,
    FailedState,
    Fault,
    Hold,
    Match,
    Moment,
    Refusal,
    Request,
    Reset,
    Revoked,
    Truncated,
    Verb,
    status,
)
from faults.streams import Stream, sever

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

T = TypeVar("T")

COLLECTIONS = frozenset({"serverlessprivateendpoints", "customresourcedefinitions", "namespaces"})
"""Last parts of paths that name many objects."""

OF_A_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})


@dataclass(slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        time: when it arrived, in seconds since 1970.
        request: what was asked for.
        query: its parameters.
        status: of the answer; ``None`` when there was none (yet).
        trouble: what went wrong on purpose.
    """

    time: float
    request: Request
    query: dict[str, str]
    status: int | None = None
    trouble: FailedState | None = None


class Proxy:
    """A running proxy; use it as a context manager.

    Args:
        upstream: the URL of the server behind it.
        ca: who signed that server's certificate, if it has one.
        seed: of all that happens by chance.
    """

    def __init__(self, upstream: str, *, ca: Path | None = None, seed: int = 1) -> None:
        self._upstream = URL(upstream)
        self._tls = ssl.create_default_context(cafile=ca) if ca else None
        self._random = Random(seed)  # noqa: S311  # which requests are hit
        self._faults: list[Fault] = []
        self._streams: set[Stream] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.exchanges: list[Exchange] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, original: Path, path: Path, *, token: str | None = None) -> Path:
        """Write a copy of a kubeconfig that leads to the proxy, with another token if one is given."""
        document = yaml.safe_load(original.read_text())
        for each in document["clusters"]:
            each["cluster"] = {"server": self.url}
        if token is not None:
            for each in document["users"]:
                each["user"] = {"token": token}
        path.touch(0o600)
        path.write_text(yaml.safe_dump(document))
        return path

    def inject(
        self,
        trouble: FailedState,
        *,
        verb: Verb | None = None,
        path: str = "",
        times: int | None = None,
        share: float = 1.0,
        spared: int = 0,
    ) -> Fault:
        """Have something go wrong from now on, also with watches that are open.

        Args:
            trouble: what.
            verb: of the requests concerned; all by default.
            path: a regular expression to be found in theirs.
            times: how many of them; by default all, until it is healed.
            share: of them, by chance.
            spared: how many of them go well before.
        """
        fault = Fault(Match(verb, path), trouble, times, share, spared)

        async def add() -> None:
            self._faults.append(fault)
            for stream in list(self._streams):
                if stream.can_suffer(trouble) and fault.take(stream.request, self._random):
                    stream.suffer(fault)

        self._call(add())
        return fault

    @contextmanager
    def breaking(self, trouble: FailedState, **which: Any) -> Iterator[Fault]:
        """Have something go wrong until the block ends; the faults of others stay.

        Args:
            trouble: what.
            which: requests, as for ``inject``.
        """
        fault = self.inject(trouble, **which)
        try:
            yield fault
        finally:
            self.heal(fault)

    def heal(self, fault: Fault | None = None) -> None:
        """Have a fault, or all of them, happen no more; connections that hang since it did break, and no others."""

        async def remove() -> None:
            self._remove(fault)
            for stream in list(self._streams):
                if stream.frozen_by is not None and stream.frozen_by.healed.is_set():
                    stream.suffer(Fault(Match(), Reset()))

        self._call(remove())

    def watched(self, path: str) -> bool:
        """Tell whether a watch is open whose path ends so."""
        return any(stream.request.path.endswith(path) for stream in list(self._streams))

    def refuse(self) -> None:
        """Break all connections and refuse new ones."""
        self._call(self._shut())

    def listen(self) -> None:
        """Take connections again."""
        self._call(self._open())

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._port = free_port()  # nobody is given it while connections are refused
        await self._open()

    async def _open(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def _shut(self) -> None:
        await self._site.stop()
        server = self._runner.server
        assert server is not None
        for connection in server.connections:
            if connection.transport is not None:
                sever(connection.transport)

    def _remove(self, fault: Fault | None) -> None:
        for each in self._faults:
            if fault is None or each is fault:
                each.healed.set()
        self._faults = [each for each in self._faults if not each.healed.is_set()]

    async def _stop(self) -> None:
        self._remove(None)
        for stream in list(self._streams):
            stream.suffer(Fault(Match(), Closed()))
        await self._runner.cleanup()
        await self._session.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.1)  # connections, those with TLS above all, are closed a little later

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Request(
            request.method,
            request.path,
            watching=request.query.get("watch") in {"true", "1"},
            many=request.path.rpartition("/")[2] in COLLECTIONS,
        )
        exchange = Exchange(time.time(), asked, dict(request.query))
        self.exchanges.append(exchange)
        fault = next((each for each in self._faults if each.take(asked, self._random)), None)
        exchange.trouble = fault.trouble if fault else None
        try:
            response = await self._serve(request, asked, fault)
        except (aiohttp.ClientError, ConnectionError):  # either side has gone
            sever(request.transport)
            return web.Response()
        if request.transport is not None and not request.transport.is_closing():
            exchange.status = response.status
        return response

    async def _serve(self, request: web.Request, asked: Request, fault: Fault | None) -> web.StreamResponse:
        """Serve a request as the fault has it."""
        if fault is None:
            return await self._pass_on(request, asked)
        fault_is_early = getattr(fault.trouble, "moment", Moment.BEFORE) is Moment.BEFORE
        if fault_is_early:
            fault.happened.set()
        match fault.trouble:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Revoked(good) if request.headers.get("Authorization") != f"Bearer {good}":
                return web.json_response(status(401, "Unauthorized"), status=401)
            case Reset() | Refusal() | Hold():
                if not fault_is_early:
                    await self._fetch(request)
                    fault.happened.set()
                return await self._refuse(request, fault)
            case _:
                pass
        return await self._pass_on(request, asked, fault)

    async def _refuse(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """Give an answer that is not the server's, or none."""
        if isinstance(fault.trouble, Refusal):
            refusal = fault.trouble
            return web.Response(
                status=refusal.status, text=refusal.text, headers=refusal.headers, content_type="application/json"
            )
        if isinstance(fault.trouble, Hold):
            await fault.healed.wait()
        sever(request.transport)
        return web.Response()

    async def _pass_on(self, request: web.Request, asked: Request, fault: Fault | None = None) -> web.StreamResponse:
        """Have the server answer."""
        if asked.verb == "watch":
            return await self._stream(request, asked, fault)
        answer, body = await self._fetch(request)
        if fault is not None and isinstance(fault.trouble, Truncated):
            body = body[: len(body) // 2]
        return web.Response(status=answer.status, body=body, headers=_carried(answer.headers))

    async def _fetch(self, request: web.Request) -> tuple[aiohttp.ClientResponse, bytes]:
        sent = await request.read()
        async with self._session.request(
            request.method,
            self._upstream.join(request.rel_url),
            headers=_carried(request.headers),
            data=sent or None,
            allow_redirects=False,
        ) as answer:
            return answer, await answer.read()

    async def _stream(self, request: web.Request, asked: Request, fault: Fault | None) -> web.StreamResponse:
        async with self._session.get(self._upstream.join(request.rel_url), headers=_carried(request.headers)) as answer:
            if answer.status != web.HTTPOk.status_code:
                return web.Response(status=answer.status, body=await answer.read(), headers=_carried(answer.headers))
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            stream = Stream(asked, request, response)
            if fault is not None:
                stream.suffer(fault)
            self._streams.add(stream)
            try:
                await stream.run(answer.content)
            finally:
                self._streams.discard(stream)
            return response


def _carried(headers: Any) -> dict[str, str]:
    """The header fields that go on to the other side."""
    return {name: value for name, value in headers.items() if name.lower() not in OF_A_HOP}
