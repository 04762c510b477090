"""A watch on its way through the proxy, line by line, and what may become of it."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from faults.rules import Closed, FailedState, Fault, Frozen, Request, Reset, Said, Truncated, Unmarked

if TYPE_CHECKING:
    from aiohttp import web

HALF_AN_EVENT = b'{"type":"MODIFIED","object":{"apiVersion":"atlas-endpoi'


class Stream:
    """A watch that is open."""

    def __init__(self, asked: Request, request: web.Request, response: web.StreamResponse) -> None:
        self.request = asked
        self._http = request
        self._response = response
        self._items: asyncio.Queue[bytes | Fault | None] = asyncio.Queue()
        self.frozen_by: Fault | None = None
        self._unmarked = False

    def can_suffer(self, trouble: FailedState) -> bool:
        """Tell whether a trouble may come to a watch that is open."""
        return self.frozen_by is None and isinstance(trouble, Reset | Frozen | Closed | Said | Truncated | Unmarked)

    def suffer(self, fault: Fault) -> None:
        """Have it go wrong."""
        self._items.put_nowait(fault)

    async def run(self, content: aiohttp.StreamReader) -> None:
        """Hand on what the server says, line by line, until either side ends it or something goes wrong."""
        reading = asyncio.create_task(self._read(content))
        try:
            while not self._gone:
                try:
                    item = await asyncio.wait_for(self._items.get(), 0.2)
                except TimeoutError:
                    continue
                if not await self._take(item):
                    break
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    @property
    def _gone(self) -> bool:
        return self._http.transport is None or self._http.transport.is_closing()

    async def _read(self, content: aiohttp.StreamReader) -> None:
        rest = b""
        with suppress(aiohttp.ClientError):
            async for chunk in content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._items.put_nowait(line + b"\n")
        self._items.put_nowait(None)

    async def _take(self, item: bytes | Fault | None) -> bool:
        """Deal with a line, a fault or the end; tell whether the watch goes on."""
        if self.frozen_by is not None and not isinstance(item, Fault):
            return True
        if item is None:
            return False
        if isinstance(item, bytes):
            if not (self._unmarked and item.startswith(b'{"type":"BOOKMARK"')):
                await self._response.write(item)
            return True
        if item.healed.is_set():  # before it came to that
            return True
        item.happened.set()
        return await self._suffer(item)

    async def _suffer(self, fault: Fault) -> bool:
        match fault.trouble:
            case Frozen():
                self.frozen_by = fault
            case Unmarked():
                self._unmarked = True
            case Said(line):
                await self._response.write(line)
                return False
            case Truncated():
                await self._response.write(HALF_AN_EVENT)
                return False
            case Closed():
                return False
            case Reset():
                sever(self._http.transport)
                return False
            case _:  # it concerned the beginning
                pass
        return True


def sever(transport: asyncio.BaseTransport | None) -> None:
    """Have a connection end in a reset, and at once."""
    if isinstance(transport, asyncio.WriteTransport):
        connection = transport.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
