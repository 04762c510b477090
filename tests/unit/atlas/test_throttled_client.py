import asyncio
from dataclasses import replace

import pytest

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import ApiKey, Credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, CredentialsInvalidError, RateLimitedError
from atlas_endpoints.atlas.serverless_private_endpoints import LIST, list_endpoints
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from support.fake_atlas import Call, FakeAtlas

KEY = ApiKey("public", "private")


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.client = FakeAtlas()
        self.atlas = ThrottledClient(self.client, Throttle(probe_interval=600), clock=lambda: self.now)

    async def call(self) -> None:
        await self.atlas.call(list_endpoints, KEY, "project", "instance")


async def test_a_call_gives_what_its_operation_gives() -> None:
    world = World()
    assert (await world.atlas.call(list_endpoints, KEY, "project", "instance")).endpoints == ()


async def test_a_held_call_is_not_sent_and_says_when_to_come_again_and_why() -> None:
    world = World()
    limited = RateLimitedError("Slow down.", operation="op", http_status=429, retry_after=55)
    world.client.answer = lambda _: limited
    with pytest.raises(RateLimitedError):
        await world.call()
    world.now += 5
    with pytest.raises(AtlasHeldError) as raised:
        await world.call()
    assert len(world.client.calls) == 1
    assert (raised.value.retry_after, raised.value.reason, raised.value.message) == (50, "RateLimited", "Slow down.")
    assert raised.value.operation == LIST


@pytest.mark.parametrize("error", [CredentialsInvalidError, RateLimitedError])
async def test_what_one_atlas_says_about_credentials_or_a_project_holds_back_no_call_to_another(
    error: type[AtlasError],
) -> None:
    world, elsewhere = World(), replace(KEY, base_url="https://elsewhere.example")
    world.client.answer = lambda _: error("No.", operation="op", http_status=429, retry_after=55)
    with pytest.raises(error):
        await world.call()
    world.client.answer = lambda _: []
    await world.atlas.call(list_endpoints, elsewhere, "project", "instance")
    with pytest.raises(AtlasHeldError):
        await world.call()
    assert len(world.client.calls) == 2


async def test_refused_credentials_are_not_used_again_until_the_probe() -> None:
    world = World()
    refused = CredentialsInvalidError("Refused.", operation="op", http_status=401)
    world.client.answer = lambda _: refused
    with pytest.raises(CredentialsInvalidError):
        await world.call()
    for _ in range(5):
        with pytest.raises(AtlasHeldError):
            await world.call()
    world.client.answer = lambda _: []
    world.now += 600
    await world.call()
    await world.call()
    assert len(world.client.calls) == 3


async def test_a_bug_in_an_operation_makes_room_for_the_next_call() -> None:
    async def faulty(client: Requester, credentials: Credentials, project_id: str) -> None:
        raise ZeroDivisionError

    world = World()
    with pytest.raises(ZeroDivisionError):
        await world.atlas.call(faulty, KEY, "project")
    await world.call()


async def test_a_cancelled_call_makes_room_for_the_next_one() -> None:
    world = World()
    called = asyncio.Event()

    async def never(_: Call) -> None:
        called.set()
        await asyncio.Event().wait()

    world.client.answer = never
    first = asyncio.create_task(world.call())
    await called.wait()
    with pytest.raises(AtlasHeldError) as raised:
        await world.call()
    assert raised.value.reason == "Pending"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    world.client.answer = lambda _: []
    await world.call()


def test_credentials_are_named_by_their_fingerprint_at_their_atlas() -> None:
    assert World().atlas.fingerprint(KEY) == KEY.fingerprint(FakeAtlas.base_url)
    elsewhere = replace(KEY, base_url="https://elsewhere.example")
    assert World().atlas.fingerprint(elsewhere) == KEY.fingerprint("https://elsewhere.example")
