"""How long the operator keeps credentials, their access tokens and what it knows of them: as long as a resource uses them.

The core is the real one, and so are the client of Atlas, the circuits and the tokens; Atlas is behind the client's transport.
"""

import asyncio
import base64
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
import pytest
from typing_extensions import override

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Key, Listing, key_of
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.settings import OperatorSettings
from support.cores import core_of
from support.named import NAMED
from support.worker import Worker

PROJECT, ENDPOINT = "5f7cac1adf5d6c6306f4b283", "6f7cac1adf5d6c6306f4b283"
ROTATIONS = 60
FIRST, SECOND = Key("ServerlessPrivateEndpoint", "shop", "first"), Key("ServerlessPrivateEndpoint", "shop", "second")


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await asyncio.sleep(0)


class Time:
    """Time that moves when the test says so."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 25, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


class Atlas(httpx.AsyncBaseTransport):
    """Issues tokens and holds one endpoint.

    Attributes:
        issued: each client secret that got a token, and the token, in order.
        revoked: tokens, in order.
        accepts: whether it issues tokens.
        deleting: whether the endpoint is being deleted.
        holds: whether the endpoint is there.
        listing: what a LIST waits for.
        listed: is set by each LIST that arrives.
    """

    def __init__(self) -> None:
        self.issued: list[tuple[str, str]] = []
        self.revoked: list[str] = []
        self.accepts = self.holds = True
        self.deleting = False
        self.listing: asyncio.Event | None = None
        self.listed = asyncio.Event()

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        scheme, _, word = request.headers["Authorization"].partition(" ")
        if request.url.path.endswith("/token"):
            secret = unquote(base64.b64decode(word).decode().partition(":")[2])
            if not self.accepts:
                return httpx.Response(401, json={"error": "invalid_client"})
            self.issued.append((secret, f"token-{len(self.issued)}"))
            return httpx.Response(200, json={"access_token": self.issued[-1][1], "expires_in": 3600})
        if request.url.path.endswith("/revoke"):
            self.revoked += parse_qs(request.content.decode())["token"]
            return httpx.Response(200)
        assert scheme == "Bearer"
        if word in self.revoked:
            return httpx.Response(401, json={"errorCode": "UNEXPECTED_ERROR"})
        if request.method == "DELETE":
            self.deleting = True
            return httpx.Response(204)
        endpoint = {"_id": ENDPOINT, "status": "DELETING" if self.deleting else "AVAILABLE", "comment": None}
        if not request.url.path.endswith("/endpoint"):
            code = "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"
            return httpx.Response(200, json=endpoint) if self.holds else httpx.Response(404, json={"errorCode": code})
        self.listed.set()
        if self.listing is not None:
            await self.listing.wait()
        return httpx.Response(200, json=[endpoint] if self.holds else [])


class Cluster:
    """Holds Secrets and resources."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Mapping[str, str]] = {}
        self.bodies: dict[Key, dict[str, Any]] = {}
        self._version = 0

    def put(self, key: Key, spec: Mapping[str, Any], **metadata: Any) -> Body:
        """Create a resource, or replace its spec and add to its metadata."""
        new = {"namespace": key.namespace, "name": key.name, "uid": key.name, "generation": 0, "annotations": {}}
        before = self.bodies.get(key, {"metadata": new, "spec": None, "status": {"observedGeneration": -1}})
        generation = before["metadata"]["generation"] + (before["spec"] != spec)
        present = {**before["metadata"], **metadata, "generation": generation}
        return self._keep({**NAMED, "metadata": present, "spec": dict(spec), "status": before["status"]})

    async def read(self, key: Key) -> Body | None:
        return self.bodies.get(key)

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        return Listing(
            [known(body) for key, body in self.bodies.items() if namespace in {None, key.namespace}], self._version
        )

    async def write(self, body: Body, status: Status) -> Body:
        return self._keep({**self.bodies[key_of(body)], "status": dict(status)})

    async def change(self, body: Body, change: MetadataChange) -> Body:
        present = self.bodies[key_of(body)]
        finalizers = [name for name, wanted in change.finalizers.items() if wanted]
        annotations = {**present["metadata"]["annotations"], **change.annotations}
        metadata = {**present["metadata"], "finalizers": finalizers, "annotations": annotations}
        return self._keep({**present, "metadata": metadata})

    def _keep(self, body: dict[str, Any]) -> Body:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.bodies[key_of(body)] = body
        return body


class Secrets:
    """The port to Secrets, which reads them anew each time."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.meanwhile: Callable[[], object] = lambda: None
        """What happens while one is read."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        del age
        self.meanwhile()
        return self._cluster.secrets[namespace, name]


class Harness:
    """An operator that works on what the test says, when it says so."""

    def __init__(self) -> None:
        self.time, self.atlas, self.cluster, self.worker = Time(), Atlas(), Cluster(), Worker()
        self.secrets = Secrets(self.cluster)
        self.rounds: list[asyncio.Future[Any]] = []
        self.client = AtlasClient(
            "https://atlas.example",
            user_agent="test",
            random=Random(1),  # noqa: S311  # jitter
            transport=self.atlas,
            clock=self.time.monotonic,
        )
        self.core = core_of(
            self.cluster,
            settings=OperatorSettings(credentials_secret="system/own"),  # a name
            client=self.client,
            secrets=self.secrets,
            clock=self.time,
            around=self.worker,
            dropped=self.client.drop,
        )

    def fill(self, namespace: str, name: str, secret: str) -> None:
        """Have a Secret hold a pair."""
        self.cluster.secrets[namespace, name] = {"clientId": "mdb_sa_id_0123", "clientSecret": secret}

    def apply(self, key: Key = FIRST, *, secret: str | None = "mine", **spec: Any) -> None:  # a name
        """Create a resource, or change its spec."""
        named = {} if secret is None else {"credentialsSecretRef": {"name": secret}}
        wanted = {"projectId": PROJECT, "instanceName": "orders", "providerName": "AWS", "endpointId": ENDPOINT}
        self.core.seen(self.cluster.put(key, {**wanted, **named, **spec}))

    async def work(self, key: Key = FIRST) -> None:
        """Work on a resource, and let what follows of itself happen."""
        await self.worker.run(key)
        await settle()

    async def demand(self, key: Key, request: str) -> None:
        """Ask for a look at once, and work."""
        body = self.cluster.bodies[key]
        annotations = {**body["metadata"]["annotations"], "atlas-endpoints.dev/force-sync": request}
        self.core.seen(self.cluster.put(key, body["spec"], annotations=annotations))
        self.time.seconds += 6.0
        await self.work(key)

    def ready(self, key: Key = FIRST) -> str:
        """Return the reason of ``Ready``."""
        conditions = self.cluster.bodies[key]["status"]["conditions"]
        return str(next(each["reason"] for each in conditions if each["type"] == "Ready"))

    @property
    def circuits(self) -> int:
        """The credentials that something is known of, as the metrics count them."""
        counts = self.core.throttle.circuits(self.time.monotonic())
        return sum(number for (scope, _), number in counts.items() if scope == "credentials")

    async def begin_round(self) -> None:
        """Have the round begin that is due next, as a worker would, and get as far as it can."""
        self.time.seconds += 700.0
        async with asyncio.timeout(10):
            while isinstance(work := await self.core.queue.get(), Key):
                pass
        assert isinstance(work, Scope)
        self.rounds.append(asyncio.ensure_future(self.worker.run(work)))
        await settle()

    @property
    def due(self) -> int:
        """What is due within a day: each resource, which nobody takes off the queue here, and the rounds."""
        self.time.seconds += 86400.0
        return len(self.core.queue)


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.mark.parametrize("place", [("shop", "mine"), ("system", "own")], ids=["a tenant's", "the operator's own"])
@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "refused"])
async def test_only_the_last_pair_of_a_rotated_secret_is_kept(
    harness: Harness, place: tuple[str, str], accepted: bool
) -> None:
    harness.atlas.accepts = accepted
    for number in range(ROTATIONS):
        harness.fill(*place, f"secret-{number}")
        if number == 0:
            harness.apply(secret="mine" if place[0] == "shop" else None)
        await harness.demand(FIRST, str(number))
    assert harness.ready() == ("Available" if accepted else "CredentialsInvalid")
    assert harness.client.tokens == accepted
    assert harness.circuits == 1
    assert harness.due == 2, "the resource and one round"
    assert harness.atlas.revoked == [token for _, token in harness.atlas.issued[:-1]]
    assert len(harness.atlas.issued) == (ROTATIONS if accepted else 0)


async def test_rotating_a_secret_of_a_megabyte_takes_no_memory(harness: Harness) -> None:
    def rotate(number: int) -> None:
        harness.fill("shop", "mine", f"{number:08}" * 125_000)

    rotate(0)
    harness.apply()
    await harness.demand(FIRST, "first")
    tracemalloc.start()
    try:
        for number in range(20):
            rotate(number)
            await harness.demand(FIRST, str(number))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert harness.ready() == "CredentialsInvalid"
    assert kept < 4_000_000, "one of twenty, and not each of them"
    assert not harness.atlas.issued


async def test_a_shared_pair_is_kept_until_both_resources_are_gone(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    for key in (FIRST, SECOND):
        harness.apply(key)
        await harness.work(key)
    harness.apply(FIRST, suspend=True)
    await harness.work(FIRST)
    assert (harness.client.tokens, harness.atlas.revoked) == (1, [])
    harness.apply(SECOND, suspend=True)
    await harness.work(SECOND)
    assert (harness.client.tokens, harness.circuits, harness.due) == (0, 0, 2)
    assert harness.atlas.revoked == ["token-0"]


async def test_a_resource_that_returns_gets_another_token(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply()
    await harness.work()
    harness.apply(suspend=True)
    await harness.work()
    harness.apply()
    await harness.work()
    assert harness.ready() == "Available"
    assert [token for _, token in harness.atlas.issued] == ["token-0", "token-1"]


async def _leaves(harness: Harness) -> None:
    """And somebody else is worked on from beginning to end."""
    harness.core.gone(FIRST, "first")
    harness.apply(SECOND, suspend=True)
    await harness.work(SECOND)


async def _is_rotated(harness: Harness) -> None:
    """As a round finds it that comes meanwhile."""
    harness.fill("shop", "mine", "another")
    await harness.begin_round()


@pytest.mark.parametrize("happens", [_leaves, _is_rotated])
async def test_a_running_call_keeps_its_pair(harness: Harness, happens: Callable[[Harness], Any]) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply()
    await harness.work()
    harness.atlas.listing = asyncio.Event()
    harness.atlas.listed.clear()
    working = asyncio.create_task(harness.demand(FIRST, "now"))
    await harness.atlas.listed.wait()
    await happens(harness)
    assert harness.atlas.revoked == []
    harness.atlas.listing.set()
    await working
    await settle()
    assert len(harness.atlas.issued) == 1, "a token that is revoked under a call costs another one"
    if FIRST in harness.core.kinds[KIND.names.kind].cache:
        await harness.demand(FIRST, "again")
    assert harness.atlas.revoked == ["token-0"]


async def test_a_resource_that_is_deleted_while_its_secret_is_read_keeps_no_pair(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply()
    harness.secrets.meanwhile = lambda: harness.core.gone(FIRST, "first")
    await harness.work()
    assert (harness.client.tokens, harness.circuits, harness.due) == (0, 0, 0)


async def test_a_deletion_keeps_its_pair_while_it_waits(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply(deletionPolicy="Delete")
    await harness.work()
    await harness.work()
    spec = harness.cluster.bodies[FIRST]["spec"]
    harness.core.seen(harness.cluster.put(FIRST, spec, deletionTimestamp="2026-11-25T12:00:00Z"))
    for _ in range(5):
        harness.time.seconds += 60.0
        await harness.work()
    assert harness.atlas.deleting
    assert (len(harness.atlas.issued), harness.atlas.revoked) == (1, [])
    harness.atlas.holds = False
    for _ in range(2):
        harness.time.seconds += 60.0
        await harness.work()
    assert harness.cluster.bodies[FIRST]["metadata"]["finalizers"] == []
    harness.core.gone(FIRST, "first")
    await settle()
    assert harness.atlas.revoked == ["token-0"]
    assert (len(harness.atlas.issued), harness.client.tokens, harness.circuits) == (1, 0, 0)
