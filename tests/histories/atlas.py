"""The simulator behind the client port, with calls that take time and may be lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import override

from behaviour.atlas import SimulatedAtlas, lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from atlas_endpoints.atlas.answers import Answer
    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request

LATE = 10.0
"""Seconds for which a write whose connection broke may still be on its way."""


class UnreliableAtlas(SimulatedAtlas):
    """Answers the operator's calls, or loses them.

    Args:
        random: decides how long calls take and which of them fail.
        clock: seconds since 1970.

    Attributes:
        down: whether nothing arrives.
        unreliable: the share of calls whose answer, or which themselves, are lost.
        violations: what ought not to have happened.
        written: is told when a write was applied.
        sent: is told of each call that leaves the operator.
    """

    def __init__(self, random: Random, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._random = random
        self.switch(transition=3.0)
        self.down = False
        self.unreliable = 0.0
        self.violations: list[str] = []
        self.written: Callable[[], None] = lambda: None
        self.sent: Callable[[Request], None] = lambda _: None

    @override
    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call, which may be lost before or after it is applied, or be applied late."""
        del credentials
        applied = False
        self.sent(request)
        try:
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
            fate = self._random.random() / self.unreliable if self.unreliable else 9.0
            if self.down or fate < 0.5:
                self._perhaps_late(request)
                raise lost(request)
            applied = True
            answer = self.perform(request)
            if request.writes:
                self.written()
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
        except asyncio.CancelledError:
            if not applied:
                self._perhaps_late(request)
            raise
        if fate < 1.0:
            raise lost(request)
        return self.read(request, answer)

    def _perhaps_late(self, request: Request) -> None:
        if request.writes and self._random.random() < 0.5:
            delay = self._random.uniform(0.0, LATE)
            asyncio.get_running_loop().call_later(delay, self.perform, request)
