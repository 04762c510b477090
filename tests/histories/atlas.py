"""An Atlas in memory: the simulator's own state machine behind the operator's client port; it loses what it is told to."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from atlas_endpoints.atlas.answers import Answer, Refusal, classify
from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.simulator.endpoint import EndpointDocument, Names
from atlas_endpoints.simulator.exchange import ApiError, api_error
from atlas_endpoints.simulator.serverless import comment_to_create, read_change
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request

PROJECT, INSTANCE = "5f7cac1adf5d6c6306f4b283", "orders"
MARK = "atlas-endpoints.dev/"
LATE = 10.0
"""Seconds for which a write whose connection broke may still be on its way."""


class Atlas:
    """Holds the endpoints of one instance.

    Args:
        random: decides how long calls take and which of them fail.
        clock: seconds since 1970.

    Attributes:
        down: whether nothing arrives.
        unreliable: the share of calls whose answer, or which themselves, are lost.
        reserved_for: the uid of the resource that each endpoint was reserved for.
        deletions: the endpoints that were asked to be deleted.
        changes: the endpoints that were changed.
        violations: what ought not to have happened.
        written: is told when a write was applied.
        deleting: is told of an endpoint that is to be deleted, before it is.
    """

    base_url = "https://atlas.example.com"

    def __init__(self, random: Random, clock: Callable[[], float]) -> None:
        self._random = random
        switches = Switches(transition=3.0, list_lag=0.0)
        self.world = World(clock=clock, names=Names(random, clock), switches=switches)
        project = self.world.add_project(PROJECT)
        self.instance = self.world.add_instance(project, INSTANCE, provider_name="AWS", region_name="US_EAST_1")
        self.down = False
        self.unreliable = 0.0
        self.reserved_for: dict[str, str] = {}
        self.deletions: set[str] = set()
        self.changes: set[str] = set()
        self.violations: list[str] = []
        self.written: Callable[[], None] = lambda: None
        self.deleting: Callable[[str], None] = lambda _: None

    def put(self, endpoint_id: str, **fields: Any) -> None:
        """Put or change an endpoint as a person in the Atlas UI would."""
        self.world.put(self.instance, EndpointDocument.model_validate({"_id": endpoint_id, **fields}), advance=True)

    def lag(self, seconds: float) -> None:
        """Have LIST show everything so many seconds later."""
        self.world.turn(self.world.switches.model_copy(update={"list_lag": seconds}))

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call, which may be lost before or after it is applied, or be applied late."""
        del credentials
        method, path, json, writes = request.method, request.path, request.body, request.writes
        applied = False
        try:
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
            fate = self._random.random() / self.unreliable if self.unreliable else 9.0
            if self.down or fate < 0.5:
                self._perhaps_late(method, path, json)
                raise AtlasUnavailableError("No answer.", operation=request.operation, unknown_outcome=writes)
            applied = True
            status, body = self._apply(method, path, json)
            if writes:
                self.written()
            await asyncio.sleep(self._random.uniform(0.0, 0.3))
        except asyncio.CancelledError:
            if not applied:
                self._perhaps_late(method, path, json)
            raise
        if fate < 1.0:
            raise AtlasUnavailableError("The answer was lost.", operation=request.operation, unknown_outcome=writes)
        if status >= 400:
            refusal = Refusal(status, {"content-type": "application/json"}, body)
            raise classify(refusal, request, now=datetime.now(UTC))
        return Answer(status, _json(body))

    def _perhaps_late(self, method: str, path: str, body: object) -> None:
        if method != "GET" and self._random.random() < 0.5:
            delay = self._random.uniform(0.0, LATE)
            asyncio.get_running_loop().call_later(delay, self._apply, method, path, body)

    def _apply(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        self.world.settle()
        try:
            return self._answer(method, path.partition("/endpoint")[2].removeprefix("/"), body)
        except ApiError as error:
            answer = error.answer()
            return answer.status, answer.body

    def _answer(self, method: str, endpoint_id: str, body: object) -> tuple[int, bytes]:
        text = json.dumps(body).encode()
        if method == "POST":
            return 201, self._reserve(comment_to_create(text))
        if not endpoint_id:
            return 200, self.instance.page()
        endpoint = self.instance.endpoints.get(endpoint_id)
        if endpoint is None:
            raise api_error("TENANT_PRIVATE_ENDPOINT_NOT_FOUND", endpoint_id)
        match method:
            case "GET":
                return 200, endpoint.render(self.world.switches)
            case "PATCH":
                self.changes.add(endpoint_id)
                self.world.update(self.instance, endpoint, read_change(text, "AWS"))
                return 200, endpoint.render(self.world.switches)
            case "DELETE":
                self.deleting(endpoint_id)
                self.deletions.add(endpoint_id)
                self.world.delete(self.instance, endpoint)
                return 204, b""
            case _:
                raise AssertionError(method)

    def _reserve(self, comment: str | None) -> bytes:
        uid = (comment or "").removeprefix(MARK)
        alive = [
            each
            for each, owner in self.reserved_for.items()
            if owner == uid and each in self.instance.endpoints and each not in self.deletions
        ]
        if alive:
            self.violations.append(f"a second endpoint is reserved for {uid} beside {alive}")
        endpoint = self.world.reserve(self.instance, comment)
        self.reserved_for[endpoint.id] = uid
        return endpoint.render(self.world.switches)


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None
