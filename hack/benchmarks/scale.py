"""What one operation costs among many instances, Secrets and credentials that are known, in processor time.

An operation that goes over all that is known costs twenty times as much where twenty times as much is known, and all
operations together grow with the square of it. That is measured at the operator's parts, without HTTP, which would hide it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import Answer
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.readers import ObjectCache
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit

if TYPE_CHECKING:
    from atlas_endpoints.atlas.credentials import Credentials

PROJECT = "5f7cac1adf5d6c6306f4b283"
ENDPOINT = "6f7cac1adf5d6c6306f4b283"
BATCHES, BATCH = 6, 20

Operation: TypeAlias = Callable[[int], Awaitable[object]]
"""Is given a number, from 0 on; each call is given another one."""
Prepared: TypeAlias = Callable[[int], Awaitable[Operation]]
"""Gives an operation among so many instances, Secrets or credentials that are known."""


async def a_list(known: int) -> Operation:
    """The LIST of an instance, among instances that were listed and changed."""
    atlas, scopes = await _listed_and_changed(known)
    return lambda number: atlas.list(scopes[number], since=atlas.moment())


async def a_write(known: int) -> Operation:
    """The change of an endpoint, among instances that were listed and changed."""
    atlas, scopes = await _listed_and_changed(known)
    return lambda number: _change(atlas, scopes[number])


async def a_cluster(known: int) -> Operation:
    """The reading of a cluster, for its connection string, among clusters that were read."""
    atlas = _gateway()
    scope = _scope(atlas.introduce(_pair(0)), "orders")

    async def read(number: int) -> object:
        request = Request("getCluster", "GET", f"/clusters/{number}")
        return await atlas.read(scope, request, parse=lambda answer: answer, max_age=0.0)

    for number in range(known):
        await read(-1 - number)
    return read


async def a_secret(known: int) -> Operation:
    """The reading of a Secret, among Secrets that were read."""

    async def get(key: int) -> str:
        return f"of {key}"

    secrets = ObjectCache("Secret", get, lambda *_: LookupError(), _Clock())
    for number in range(known):
        await secrets.read(number, age=Age.RECENT)
    return lambda number: secrets.read(number, age=Age.ANEW)


async def new_credentials(known: int) -> Operation:
    """A call with new credentials, among credentials that were used."""
    atlas = _gateway()

    async def use(number: int) -> object:
        return await atlas.get(_scope(atlas.introduce(_pair(number)), "orders"), ENDPOINT)

    for number in range(known):
        await use(-1 - number)
    return use


async def new_credentials_of_the_client(known: int) -> Operation:
    client = AtlasClient("http://127.0.0.1:1", user_agent="benchmark", transport=_NoWire())

    async def use(number: int) -> object:
        return await client.request(_pair(number), Request("listProjects", "GET", "/api/atlas/v2/groups"))

    for number in range(known):
        await use(-1 - number)
    return use


async def a_correction_that_is_held_back(known: int) -> Operation:
    """The question when drift may be corrected, where the limit is half of many that have drifted."""
    limiter = DriftLimiter(Limit.parse("50%"), window=600.0, monotonic=_Clock(), known=lambda: known)
    for number in range(known):
        limiter.take_slot(Key("ServerlessPrivateEndpoint", "shop", str(number)))

    async def ask(number: int) -> object:
        return limiter.take_slot(Key("ServerlessPrivateEndpoint", "shop", str(known - 1 - number % (known // 20))))

    return ask


async def cost(operation: Operation) -> float:
    """Return the processor seconds of one operation, as in the best of a few batches."""
    seconds = []
    for first in range(0, BATCHES * BATCH, BATCH):
        begun = time.process_time()
        for number in range(first, first + BATCH):
            await operation(number)
        seconds.append((time.process_time() - begun) / BATCH)
    return min(seconds)


class _Clock:
    """Moves on a little whenever it is read."""

    def __init__(self) -> None:
        self._now = 100.0

    def __call__(self) -> float:
        self._now += 1e-5
        return self._now


class _Atlas:
    """Has one endpoint in each instance, and accepts each change."""

    base_url = "https://cloud.mongodb.com"

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        del credentials
        endpoint = {"_id": ENDPOINT, "status": "AVAILABLE"}
        return Answer(200, endpoint if request.writes or request.path.endswith(ENDPOINT) else [endpoint])


class _NoWire(httpx.AsyncBaseTransport):
    """Accepts each call."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"[]", request=request)


def _pair(number: int) -> ApiKey:
    return ApiKey(f"key-{number}", "01234567-89ab-cdef-0123-456789abcdef")


def _gateway() -> Gateway:
    clock = _Clock()
    return Gateway(_Atlas(), Throttle(), clock, readers={KIND.names.kind: KIND})


def _scope(credentials: str, name: str) -> Scope:
    return Scope(credentials, PROJECT, KIND.names.kind, name)


async def _listed_and_changed(known: int) -> tuple[Gateway, list[Scope]]:
    atlas = _gateway()
    scopes = [_scope(atlas.introduce(_pair(0)), f"instance-{number}") for number in range(known)]
    for scope in scopes:
        await atlas.list(scope, since=atlas.moment())
        await _change(atlas, scope)
    return atlas, scopes


async def _change(atlas: Gateway, scope: Scope) -> object:
    request = ENDPOINTS.update_of(scope, ENDPOINT, {"providerName": "AWS", "comment": "two"})
    return await atlas.write(scope, request, parse=KIND.listed, touches=[ENDPOINT])
