"""A relay of TCP connections that can be cut, so that one process loses its way to a server that others still reach."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import yaml

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHUNK = 65536


class Relay:
    """A way to a server on loopback; use it as a context manager."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._flows = asyncio.Event()
        self._flows.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.url = f"{self._server.scheme}://127.0.0.1:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """Let nothing through any more, in either direction; connections stay, and new ones are accepted, in silence."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """Write a kubeconfig that leads this way, and return its path."""
        document = yaml.safe_load(original.read_text())
        document["clusters"][0]["cluster"]["server"] = self.url
        path.write_text(yaml.safe_dump(document))
        return path

    async def _listen(self) -> int:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._server.hostname, self._server.port)
        self._writers |= {writer, back}
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(CHUNK):
                await self._flows.wait()
                target.write(chunk)
                await target.drain()
        target.close()
        self._writers.discard(target)

    async def _close(self) -> None:
        self._listener.close()
        pumps = list(self._pumps)
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # in which the transports let go of their sockets
