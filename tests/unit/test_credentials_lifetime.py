"""How long the operator keeps credentials, their access tokens and what it knows of them: for an hour after their last use,
however long Atlas says that tokens live.

The core is the real one, and so are the client of Atlas, the circuits and the tokens; Atlas is behind the client's transport.
"""

import asyncio
import base64
import tracemalloc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.settings import OperatorSettings
from behaviour.api_server import Cluster, Latency
from behaviour.atlas import PROJECT
from support.cores import core_of
from support.virtual_time import VirtualClock, on_virtual_time
from support.worker import Worker
from unit.atlas.wire import Atlas, answering

ENDPOINT = "6f7cac1adf5d6c6306f4b283"
SPEC = {"projectId": PROJECT, "instanceName": "orders", "providerName": "AWS", "endpointId": ENDPOINT}
ROTATIONS = 60
HOUR, DAY = 3600.0, 86400.0


def shown(request: httpx.Request) -> httpx.Response:
    endpoint = {"_id": ENDPOINT, "status": "AVAILABLE", "comment": None}
    return httpx.Response(200, json=[endpoint] if request.url.path.endswith("/endpoint") else endpoint)


class Harness:
    """An operator that works on its one resource when a test says so; Secrets are read anew each time.

    Attributes:
        secrets: the client secret that each Secret holds.
        meanwhile: what happens while one is read.
    """

    def __init__(self, client: AtlasClient, atlas: Atlas) -> None:
        self.client, self.atlas = client, atlas
        self.clock, self.worker = VirtualClock(asyncio.get_running_loop()), Worker()
        self.cluster = Cluster(Latency(), lambda: "2026-11-25T12:00:00Z")
        self.secrets: dict[tuple[str, str], str] = {("shop", "mine"): "secret"}
        self.meanwhile: Callable[[], object] = lambda: None
        self.core = core_of(
            self.cluster,
            settings=OperatorSettings(credentials_secret="system/own"),  # a name
            client=client,
            secrets=self,
            clock=self.clock,
            around=self.worker,
        )
        self.cluster.watcher = lambda _, body: self.core.seen(body)
        self.key = self.cluster.key("db")

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        del age
        self.meanwhile()
        return {"clientId": "mdb_sa_id_0123", "clientSecret": self.secrets[namespace, name]}

    async def work(self, *, secret: str | None = "mine", **spec: object) -> None:  # a name
        """Create the resource, or change its spec, and work on it."""
        named = {} if secret is None else {"credentialsSecretRef": {"name": secret}}
        self.cluster.apply("db", {**SPEC, **named, **spec})
        await self.worker.run(self.key)
        await asyncio.sleep(0.1)

    async def demand(self, request: str, place: tuple[str, str] = ("shop", "mine"), secret: str = "secret") -> None:
        """Rotate a Secret, ask for a look at once, and work."""
        self.secrets[place] = secret
        self.cluster.annotate("db", force_sync=request)
        await asyncio.sleep(6)
        await self.worker.run(self.key)

    @property
    def ready(self) -> str:
        """The reason of ``Ready``."""
        conditions = self.cluster.objects[self.key]["status"]["conditions"]
        return str(next(each["reason"] for each in conditions if each["type"] == "Ready"))

    @property
    def used(self) -> list[str]:
        """The client secrets with which tokens were asked for, in order."""
        pairs = [base64.b64decode(each.headers["Authorization"].removeprefix("Basic ")) for each in self.atlas.tokens]
        return [each.decode().partition(":")[2] for each in pairs]

    @property
    def circuits(self) -> int:
        """The credentials that something is known of, as the metrics count them."""
        counts = self.core.throttle.circuits(self.clock.monotonic())
        return sum(number for (scope, _), number in counts.items() if scope == "credentials")

    async def due(self) -> int:
        """Return what is due within a day: each resource, which nobody takes off the queue here, and the rounds."""
        await asyncio.sleep(DAY)
        return len(self.core.queue)


@asynccontextmanager
async def running(*, accepted: bool = True) -> AsyncIterator[Harness]:
    refused = answering(401, json={"error": "invalid_client"})
    lasting = answering(200, json={"access_token": "token", "expires_in": DAY})
    atlas, loop = Atlas(shown, token=lasting if accepted else refused), asyncio.get_running_loop()
    async with atlas.client(clock=loop.time) as client:
        yield Harness(client, atlas)


@pytest.mark.parametrize("place", [("shop", "mine"), ("system", "own")], ids=["a tenant's", "the operator's own"])
@pytest.mark.parametrize("accepted", [True, False], ids=["accepted", "refused"])
@on_virtual_time
async def test_each_pair_of_a_rotated_secret_is_used_at_once_and_only_the_last_one_kept_for_long(
    place: tuple[str, str], accepted: bool
) -> None:
    async with running(accepted=accepted) as harness:
        harness.secrets[place] = "secret-0"
        await harness.work(secret="mine" if place[0] == "shop" else None)
        for number in range(1, ROTATIONS):
            await harness.demand(str(number), place, f"secret-{number}")
        assert harness.ready == ("Available" if accepted else "CredentialsInvalid")
        assert [*dict.fromkeys(harness.used)] == [f"secret-{number}" for number in range(ROTATIONS)]
        for hour in range(2):
            await asyncio.sleep(HOUR)
            await harness.demand(f"in hour {hour}", place, f"secret-of-hour-{hour}")
        assert harness.client.tokens == accepted
        assert harness.circuits == 1
        assert await harness.due() == 2, "the resource and one round"


@on_virtual_time
async def test_rotating_a_secret_of_a_megabyte_takes_no_memory() -> None:
    async with running() as harness:
        harness.secrets["shop", "mine"] = "0" * 1_000_000
        await harness.work()
        tracemalloc.start()
        try:
            for number in range(20):
                await harness.demand(str(number), secret=f"{number:08}" * 125_000)
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert harness.ready == "CredentialsInvalid"
        assert kept < 4_000_000, "one of twenty, and not each of them"
        assert harness.used == []


@on_virtual_time
async def test_a_resource_that_returns_within_an_hour_gets_the_same_token() -> None:
    async with running() as harness:
        for suspend in (False, True, False):
            await harness.work(suspend=suspend)
            await asyncio.sleep(HOUR / 4)
        assert harness.ready == "Available"
        assert harness.used == ["secret"]


@on_virtual_time
async def test_a_resource_that_is_deleted_while_its_secret_is_read_leaves_nothing_due() -> None:
    async with running() as harness:
        harness.meanwhile = lambda: harness.core.gone(harness.key, "uid-db")
        await harness.work()
        assert await harness.due() == 0
