"""How long the operator keeps credentials, their access tokens and what it knows of them: for an hour after their last use.

The core is the real one, and so are the client of Atlas, the circuits and the tokens; Atlas is behind the client's transport.
"""

import asyncio
import base64
import tracemalloc
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from typing_extensions import override

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Key, Listing, key_of
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.settings import OperatorSettings
from support.cores import core_of
from support.named import NAMED
from support.worker import Worker

PROJECT, ENDPOINT = "5f7cac1adf5d6c6306f4b283", "6f7cac1adf5d6c6306f4b283"
ROTATIONS = 60
FIRST = Key("ServerlessPrivateEndpoint", "shop", "first")


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
        accepts: whether it issues tokens.
    """

    def __init__(self) -> None:
        self.issued: list[tuple[str, str]] = []
        self.accepts = True

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        scheme, _, word = request.headers["Authorization"].partition(" ")
        if request.url.path.endswith("/token"):
            secret = unquote(base64.b64decode(word).decode().partition(":")[2])
            if not self.accepts:
                return httpx.Response(401, json={"error": "invalid_client"})
            self.issued.append((secret, f"token-{len(self.issued)}"))
            return httpx.Response(200, json={"access_token": self.issued[-1][1], "expires_in": 3600})
        assert (scheme, word) == ("Bearer", self.issued[-1][1])
        endpoint = {"_id": ENDPOINT, "status": "AVAILABLE", "comment": None}
        is_list = request.url.path.endswith("/endpoint")
        return httpx.Response(200, json=[endpoint] if is_list else endpoint)


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
async def test_each_pair_of_a_rotated_secret_is_used_at_once_and_only_the_last_one_kept_for_long(
    harness: Harness, place: tuple[str, str], accepted: bool
) -> None:
    harness.atlas.accepts = accepted
    for number in range(ROTATIONS):
        harness.fill(*place, f"secret-{number}")
        if number == 0:
            harness.apply(secret="mine" if place[0] == "shop" else None)
        await harness.demand(FIRST, str(number))
    assert harness.ready() == ("Available" if accepted else "CredentialsInvalid")
    assert [secret for secret, _ in harness.atlas.issued] == [
        f"secret-{number}" for number in range(ROTATIONS) if accepted
    ]
    for hour in range(2):
        harness.time.seconds += 3600.0
        harness.fill(*place, f"secret of hour {hour}")
        await harness.demand(FIRST, f"in hour {hour}")
    assert harness.client.tokens == accepted
    assert harness.circuits == 1
    assert harness.due == 2, "the resource and one round"


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


async def test_a_resource_that_returns_within_an_hour_gets_the_same_token(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply()
    await harness.work()
    harness.apply(suspend=True)
    await harness.work()
    harness.apply()
    await harness.work()
    assert harness.ready() == "Available"
    assert [token for _, token in harness.atlas.issued] == ["token-0"]


async def test_a_resource_that_is_deleted_while_its_secret_is_read_leaves_nothing_due(harness: Harness) -> None:
    harness.fill("shop", "mine", "secret")
    harness.apply()
    harness.secrets.meanwhile = lambda: harness.core.gone(FIRST, "first")
    await harness.work()
    assert harness.due == 0
