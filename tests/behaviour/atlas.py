"""The whole simulator behind the operator's client port: no sockets, the test's own clock, and calls that are lost."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from atlas_endpoints.atlas.answers import Answer, RefusedAnswer, classify, deprecation_from, json_from
from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.simulator import seed as seeds
from atlas_endpoints.simulator import simulator
from atlas_endpoints.simulator.exchange import Request as Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.simulator.exchange import Answer as Served
    from atlas_endpoints.simulator.world import World

PROJECT = "5f7cac1adf5d6c6306f4b283"
ACCOUNT = {"clientId": "mdb_sa_id_1", "clientSecret": "mdb_sa_sk_1"}
LIFE = 1800.0
"""Seconds for which a token is used."""


class SimulatedAtlas:
    """Answers the operator's calls.

    Args:
        clock: seconds since 1970.
        projects: their ids.
        named: returns the name of a call.

    Attributes:
        calls: the names of the calls that arrived.
        credentials: the public keys, or client IDs, of their senders.
        called_projects: the projects that they were about.
        before: is told of each call that arrives, and may raise an error instead of it.
        after: is told of each call that was performed, and may raise an error instead of its answer.
        accepted: is told of each call that arrives, and may return an answer, so that the call is not performed.
        takes: returns how many seconds a call takes; it arrives when half of them are over.
    """

    base_url = "https://atlas.example.com"

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        projects: Sequence[str] = (PROJECT,),
        named: Callable[[Request], str] | None = None,
    ) -> None:
        self._clock = clock
        self._named = named or name_of
        self.credentials: list[str] = []
        self.called_projects: list[str] = []
        seed = {
            "projects": [{"id": each} for each in projects],
            "serviceAccounts": [{**ACCOUNT, "roles": dict.fromkeys(projects, "GROUP_OWNER")}],
        }
        self.simulator = simulator.Simulator(seeds.read(seed), clock=clock, rng=Random(1))  # noqa: S311  # repeatable
        self.calls: list[str] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.after: Callable[[Request], None] = lambda _: None
        self.accepted: Callable[[Request], Any | None] = lambda _: None
        self.takes: Callable[[Request], float] = lambda _: 0.0
        self._token, self._token_from = "", float("-inf")

    @property
    def world(self) -> World:
        """What Atlas holds."""
        return self.simulator.world

    def switch(self, **switches: Any) -> None:
        """Set switches of the simulator."""
        self.world.turn(self.world.switches.changed(switches))

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call, which arrives when half of its time is over."""
        self.calls.append(self._named(request))
        self.credentials.append(credentials.identity)
        self.called_projects.append(request.path.split("/groups/")[1].split("/")[0])
        seconds = self.takes(request)
        await asyncio.sleep(seconds / 2)
        try:
            return self._answered(request)
        finally:
            await asyncio.sleep(seconds / 2)

    def _answered(self, request: Request) -> Answer:
        self.before(request)
        if (accepted := self.accepted(request)) is not None:
            return Answer(202, accepted, None)
        answer = self.perform(request)
        self.after(request)
        return self.read(request, answer)

    def read(self, request: Request, answer: Served) -> Answer:
        """Return what the operator's client reads in an answer of the simulator, or raise the error that it means."""
        if answer.status >= 400:
            raise self.refusal(request, answer.status, answer.body)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, json_from(answer.body), deprecation_from(headers))

    def refusal(self, request: Request, status: int, body: bytes, *, retry_after: str | None = None) -> Exception:
        """Return the error that an answer means."""
        named = {} if retry_after is None else {"retry-after": retry_after}
        refusal = RefusedAnswer(status, {"content-type": "application/json", **named}, body)
        return classify(refusal, request, now=datetime.fromtimestamp(self._clock(), UTC))

    def perform(self, request: Request) -> Served:
        """Let a call arrive, also one whose sender no longer waits; return the simulator's answer."""
        if self._clock() >= self._token_from + LIFE:
            pair = base64.b64encode(f"{ACCOUNT['clientId']}:{ACCOUNT['clientSecret']}".encode()).decode()
            headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
            issued = self._answer("POST", "/api/oauth/token", headers, b"grant_type=client_credentials")
            self._token, self._token_from = json.loads(issued.body)["access_token"], self._clock()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": request.media_type,
            "Content-Type": request.media_type,
        }
        body = b"" if request.body is None else json.dumps(request.body).encode()
        return self._answer(request.method, request.path, headers, body)

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Served:
        path, _, query = target.partition("?")
        segments = tuple(unquote(each) for each in path.strip("/").split("/"))
        pairs = dict(each.split("=") for each in query.split("&") if each)
        return self.simulator.answer(Exchange(method, target, path, segments, pairs, headers, body, "192.0.2.1"))


def lost(request: Request) -> AtlasUnavailableError:
    """The error of a call whose answer never came."""
    return AtlasUnavailableError("No answer.", operation=request.operation, unknown_outcome=request.writes)


def name_of(request: Request) -> str:
    """Return a short name of a call: its method and what it is about."""
    parts = [unquote(each) for each in request.path.partition("?")[0].split("/")]
    if parts[-1] in {"clusters", "regionalMode"}:
        return f"{request.method} {parts[-1]}"
    if "clusters" in parts:
        return f"{request.method} cluster"
    if "endpoint" in parts:
        return f"{request.method} endpoint"
    listed = parts[-1] == "endpointService" and request.method == "GET"
    return "LIST" if listed else f"{request.method} service"
