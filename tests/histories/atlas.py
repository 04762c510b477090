"""An Atlas whose calls take time and may be lost, whatever it holds."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from atlas_endpoints.atlas.answers import Answer, Refusal, classify, json_from
from atlas_endpoints.atlas.errors import AtlasUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.simulator.world import World

LATE = 10.0
"""Seconds for which a write whose connection broke may still be on its way."""


class UnreliableAtlas(ABC):
    """Answers the operator's calls, or loses them.

    Args:
        random: decides how long calls take and which of them fail.
        world: what it holds.

    Attributes:
        down: whether nothing arrives.
        unreliable: the share of calls whose answer, or which themselves, are lost.
        violations: what ought not to have happened.
        written: is told when a write was applied.
        sent: is told of each call that leaves the operator.
    """

    base_url = "https://atlas.example.com"

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self.world = world
        self.down = False
        self.unreliable = 0.0
        self.violations: list[str] = []
        self.written: Callable[[], None] = lambda: None
        self.sent: Callable[[Request], None] = lambda _: None

    def lag(self, seconds: float) -> None:
        """Have LIST show everything so many seconds later."""
        self.world.turn(self.world.switches.model_copy(update={"list_lag": seconds}))

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call, which may be lost before or after it is applied, or be applied late."""
        del credentials
        writes, applied = request.writes, False
        self.sent(request)
        try:
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
            fate = self._random.random() / self.unreliable if self.unreliable else 9.0
            if self.down or fate < 0.5:
                self._perhaps_late(request)
                raise AtlasUnavailableError("No answer.", operation=request.operation, unknown_outcome=writes)
            applied = True
            status, body = self.perform(request)
            if writes:
                self.written()
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
        except asyncio.CancelledError:
            if not applied:
                self._perhaps_late(request)
            raise
        if fate < 1.0:
            raise AtlasUnavailableError("The answer was lost.", operation=request.operation, unknown_outcome=writes)
        if status >= 400:
            refusal = Refusal(status, {"content-type": "application/json"}, body)
            raise classify(refusal, request, now=datetime.now(UTC))
        return Answer(status, json_from(body))

    @abstractmethod
    def perform(self, request: Request) -> tuple[int, bytes]:
        """Do what a call asks for; give the status and the body of the answer."""

    def _perhaps_late(self, request: Request) -> None:
        if request.writes and self._random.random() < 0.5:
            delay = self._random.uniform(0.0, LATE)
            asyncio.get_running_loop().call_later(delay, self.perform, request)
