import asyncio
from dataclasses import replace

import pytest

from atlas_endpoints.atlas.answers import Answer, Listing
from atlas_endpoints.atlas.credentials import ApiKey, Credentials
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    RateLimitedError,
)
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from support.fake_atlas import Call, FakeAtlas

KEY = ApiKey("public", "private")
SCOPE = Scope("fingerprint", "project", "Endpoint", "instance")
LIST, GET = Request("listEndpoints", "GET", "/endpoints"), Request("getEndpoint", "GET", "/endpoints/endpoint")


class Harness:
    def __init__(self) -> None:
        self.now = 1000.0
        self.client = FakeAtlas()
        self.atlas = ThrottledClient(self.client, Throttle(probe_interval=600), clock=lambda: self.now)

    async def call(self, credentials: Credentials = KEY) -> Listing[object]:
        return await self.atlas.list(credentials, SCOPE, LIST, lambda item: ("id", item))


async def test_a_call_returns_the_parsed_answer() -> None:
    harness = Harness()
    harness.client.answer = lambda _: [{"a": 1}]
    assert (await harness.call()).entries == {"id": {"a": 1}}
    assert await harness.atlas.call(KEY, SCOPE, GET, lambda answer: answer.json) == [{"a": 1}]
    assert [(each.method, each.path) for each in harness.client.calls] == [("GET", LIST.path), ("GET", GET.path)]


async def test_a_held_call_is_not_sent_and_raises_its_wait_and_reason() -> None:
    harness = Harness()
    limited = RateLimitedError("Slow down.", operation="op", http_status=429, retry_after=55)
    harness.client.answer = lambda _: limited
    with pytest.raises(RateLimitedError):
        await harness.call()
    harness.now += 5
    with pytest.raises(AtlasHeldError) as raised:
        await harness.call()
    assert len(harness.client.calls) == 1
    assert (raised.value.retry_after, raised.value.reason, raised.value.message) == (50, "RateLimited", "Slow down.")
    assert raised.value.operation == LIST.operation


@pytest.mark.parametrize("error", [CredentialsInvalidError, RateLimitedError])
async def test_a_wait_for_one_atlas_holds_no_call_to_another(
    error: type[AtlasError],
) -> None:
    harness, elsewhere = Harness(), replace(KEY, base_url="https://elsewhere.example")
    harness.client.answer = lambda _: error("No.", operation="op", http_status=429, retry_after=55)
    with pytest.raises(error):
        await harness.call()
    harness.client.answer = lambda _: []
    await harness.call(elsewhere)
    with pytest.raises(AtlasHeldError):
        await harness.call()
    assert len(harness.client.calls) == 2


async def test_a_rate_limit_of_credentials_without_a_success_holds_no_others() -> None:
    harness, stranger = Harness(), ApiKey("stranger", "private")
    limited = RateLimitedError("Slow down.", operation="op", http_status=429, retry_after=3600)
    harness.client.answer = lambda call: limited if call.credentials == stranger else []
    await harness.call()
    with pytest.raises(RateLimitedError):
        await harness.call(stranger)
    for _ in range(3):
        harness.now += 60
        await harness.call()


async def test_no_call_to_an_instance_is_sent_before_the_time_that_atlas_names() -> None:
    harness = Harness()
    away = AtlasUnavailableError("Away.", operation="op", http_status=503, retry_after=120)
    harness.client.answer = lambda _: away
    with pytest.raises(AtlasUnavailableError):
        await harness.call()
    for seconds in (0, 5, 60, 54.9):
        harness.now += seconds
        with pytest.raises(AtlasHeldError, match="Away"):
            await harness.call()
        with pytest.raises(AtlasHeldError, match="Away"):
            await harness.atlas.call(KEY, SCOPE, GET, lambda answer: answer)
    assert len(harness.client.calls) == 1
    harness.client.answer = lambda _: []
    harness.now += 0.1
    await harness.call()


async def test_refused_credentials_are_not_used_again_until_the_probe() -> None:
    harness = Harness()
    refused = CredentialsInvalidError("Refused.", operation="op", http_status=401)
    harness.client.answer = lambda _: refused
    with pytest.raises(CredentialsInvalidError):
        await harness.call()
    for _ in range(5):
        with pytest.raises(AtlasHeldError):
            await harness.call()
    harness.client.answer = lambda _: []
    harness.now += 600
    await harness.call()
    await harness.call()
    assert len(harness.client.calls) == 3


async def test_a_parser_that_raises_releases_the_call() -> None:
    def faulty(_: Answer) -> None:
        raise ZeroDivisionError

    harness = Harness()
    with pytest.raises(ZeroDivisionError):
        await harness.atlas.call(KEY, SCOPE, GET, faulty)
    await harness.call()


async def test_a_cancelled_call_is_released() -> None:
    harness = Harness()
    called = asyncio.Event()

    async def never(_: Call) -> None:
        called.set()
        await asyncio.Event().wait()

    harness.client.answer = never
    first = asyncio.create_task(harness.call())
    await called.wait()
    with pytest.raises(AtlasHeldError) as raised:
        await harness.call()
    assert raised.value.reason == "Pending"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    harness.client.answer = lambda _: []
    await harness.call()


def test_the_fingerprint_depends_on_the_atlas() -> None:
    assert Harness().atlas.fingerprint(KEY) == KEY.fingerprint(FakeAtlas.base_url)
    elsewhere = replace(KEY, base_url="https://elsewhere.example")
    assert Harness().atlas.fingerprint(elsewhere) == KEY.fingerprint("https://elsewhere.example")
