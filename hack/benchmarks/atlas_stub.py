"""The stub of Atlas as the driver sees it: what it holds, and which calls have come."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import aiohttp

    from control_plane.process import Server, ServerGroup

LATENCY = 0.02
"""Seconds that each call to Atlas takes."""
START_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that have come.

    Attributes:
        counts: By kind: token, list, get, post, patch, delete; and how many of them were refused by the limit.
        writes: The ID and the Unix time of each change of an endpoint or a service, in order.
    """

    counts: dict[str, int]
    writes: list[tuple[str, float]]

    @property
    def admin(self) -> int:
        """How many calls of the Admin API there were, so all but those about tokens."""
        return sum(count for kind, count in self.counts.items() if kind not in {"token", "refused"})


def launch(group: ServerGroup, program: Path, folder: Path) -> str:
    """Start the stub on a free port and give its address."""
    server: Server = group.start("stub", [str(program), f"--latency={LATENCY}s"], folder=folder)
    address = re.compile(r"^Atlas stub: (\S+)$", re.MULTILINE)
    wait_until(
        lambda: address.search(server.log.read_text()) is not None, "the stub", servers=[server], timeout=START_TIMEOUT
    )
    found = address.search(server.log.read_text())
    assert found is not None
    return found[1]


class AtlasStub:
    """A running stub."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.url = url

    async def replace_world(self, world: Mapping[str, Any]) -> None:
        """Have other endpoints and services, and forget the calls; see `populations.world`."""
        async with self._http.put(f"{self.url}/_stub/world", json=world) as answer:
            answer.raise_for_status()
        await self.forget_calls()

    @asynccontextmanager
    async def limited(self, calls: int) -> AsyncIterator[None]:
        """Admit so many calls for each project in each second, and refuse others with a 429."""
        await self._limit(calls)
        try:
            yield
        finally:
            await self._limit(0)

    async def _limit(self, calls: int) -> None:
        async with self._http.put(f"{self.url}/_stub/limit", json=calls) as answer:
            answer.raise_for_status()

    async def forget_calls(self) -> None:
        async with self._http.delete(f"{self.url}/_stub/calls") as answer:
            answer.raise_for_status()

    async def calls(self) -> Calls:
        async with self._http.get(f"{self.url}/_stub/calls") as answer:
            report = await answer.json()
        return Calls(report["counts"], [(each["id"], each["time"]) for each in report["writes"]])
