import asyncio
from dataclasses import replace

import pytest

from atlas_endpoints.atlas.answers import Answer, Requester
from atlas_endpoints.atlas.credentials import ApiKey, Credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, CredentialsInvalidError, RateLimitedError
from atlas_endpoints.atlas.serverless_private_endpoints import LIST, list_endpoints
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient

KEY = ApiKey("public", "private")


class FakeClient:
    base_url = "https://atlas.example"

    def __init__(self) -> None:
        self.error: AtlasError | None = None
        self.blocked: asyncio.Event | None = None
        self.called = asyncio.Event()
        self.calls = 0

    async def request(
        self, credentials: Credentials, method: str, path: str, *, operation: str, json: object = None
    ) -> Answer:
        self.calls += 1
        self.called.set()
        if self.blocked is not None:
            await self.blocked.wait()
        if self.error is not None:
            raise self.error
        return Answer(200, [])


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.client = FakeClient()
        self.atlas = ThrottledClient(self.client, Throttle(probe_interval=600), clock=lambda: self.now)

    async def call(self) -> None:
        await self.atlas.call(list_endpoints, KEY, "project", "instance")


async def test_a_call_gives_what_its_operation_gives() -> None:
    world = World()
    assert (await world.atlas.call(list_endpoints, KEY, "project", "instance")).endpoints == ()


async def test_a_held_call_is_not_sent_and_says_when_to_come_again_and_why() -> None:
    world = World()
    world.client.error = RateLimitedError("Slow down.", operation="op", http_status=429, retry_after=55)
    with pytest.raises(RateLimitedError):
        await world.call()
    world.now += 5
    with pytest.raises(AtlasHeldError) as raised:
        await world.call()
    assert world.client.calls == 1
    assert (raised.value.retry_after, raised.value.reason, raised.value.message) == (50, "RateLimited", "Slow down.")
    assert raised.value.operation == LIST


@pytest.mark.parametrize("error", [CredentialsInvalidError, RateLimitedError])
async def test_what_one_atlas_says_about_credentials_or_a_project_holds_back_no_call_to_another(
    error: type[AtlasError],
) -> None:
    world, elsewhere = World(), replace(KEY, base_url="https://elsewhere.example")
    world.client.error = error("No.", operation="op", http_status=429, retry_after=55)
    with pytest.raises(error):
        await world.call()
    world.client.error = None
    await world.atlas.call(list_endpoints, elsewhere, "project", "instance")
    with pytest.raises(AtlasHeldError):
        await world.call()
    assert world.client.calls == 2


async def test_refused_credentials_are_not_used_again_until_the_probe() -> None:
    world = World()
    world.client.error = CredentialsInvalidError("Refused.", operation="op", http_status=401)
    with pytest.raises(CredentialsInvalidError):
        await world.call()
    for _ in range(5):
        with pytest.raises(AtlasHeldError):
            await world.call()
    world.client.error = None
    world.now += 600
    await world.call()
    await world.call()
    assert world.client.calls == 3


async def test_a_bug_in_an_operation_makes_room_for_the_next_call() -> None:
    async def faulty(client: Requester, credentials: Credentials, project_id: str) -> None:
        raise ZeroDivisionError

    world = World()
    with pytest.raises(ZeroDivisionError):
        await world.atlas.call(faulty, KEY, "project")
    await world.call()


async def test_a_cancelled_call_makes_room_for_the_next_one() -> None:
    world = World()
    world.client.blocked = asyncio.Event()
    first = asyncio.create_task(world.call())
    await world.client.called.wait()
    with pytest.raises(AtlasHeldError) as raised:
        await world.call()
    assert raised.value.reason == "Pending"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    world.client.blocked = None
    await world.call()


def test_credentials_are_named_by_their_fingerprint_at_their_atlas() -> None:
    assert World().atlas.fingerprint(KEY) == KEY.fingerprint("https://atlas.example")
    elsewhere = replace(KEY, base_url="https://elsewhere.example")
    assert World().atlas.fingerprint(elsewhere) == KEY.fingerprint("https://elsewhere.example")
