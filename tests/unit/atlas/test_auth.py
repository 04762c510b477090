"""Access tokens: how many are asked for, when, and what becomes of calls without one."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    MissingRoleError,
    ProjectNotFoundError,
)
from unit.atlas.wire import LIFE, USER_AGENT, Atlas, answering, patch

ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_a/b+c:d")

Answer = Callable[[httpx.Request], Any]


@dataclass
class TokenServer(Atlas):
    """An Atlas that refuses some tokens, and a clock."""

    now: float = 1000.0
    refuses: set[str] = field(default_factory=set)
    """Tokens that get a 401; ``all`` stands for each of them."""
    code: str = "UNEXPECTED_ERROR"

    def __post_init__(self) -> None:
        self.answer = self._answered

    def _answered(self, _: httpx.Request) -> httpx.Response:
        if self.refuses & {self.signed_with[-1], "all"}:
            return httpx.Response(401, json={"error": 401, "errorCode": self.code})
        return httpx.Response(200, json=[])

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[AtlasClient]:
        async with self.client(clock=lambda: self.now) as client:
            yield client


@pytest.fixture
def server() -> TokenServer:
    return TokenServer()


async def call(client: AtlasClient) -> None:
    await patch(client, ACCOUNT)


def broken(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("broke off")


def breaking_off(_: httpx.Request) -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"access_token": '
        raise httpx.ReadError("broke off")

    return httpx.Response(200, content=body())


REFUSED = answering(401, json={"error": "invalid_client"})


async def test_sixteen_concurrent_first_calls_request_one_token_as_atlas_documents(server: TokenServer) -> None:
    async with server.calling() as client:
        await asyncio.gather(*(call(client) for _ in range(16)))
    assert server.signed_with == ["token-1"] * 16
    (request,) = server.tokens
    scheme, _, value = request.headers["Authorization"].partition(" ")
    assert (request.method, str(request.url)) == ("POST", "http://127.0.0.1/api/oauth/token")
    assert request.content == b"grant_type=client_credentials"
    assert (scheme, base64.b64decode(value)) == ("Basic", b"mdb_sa_id_0123:mdb_sa_sk_a%2Fb%2Bc%3Ad")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["User-Agent"] == USER_AGENT


async def test_one_call_requests_a_token_when_the_old_one_is_about_to_expire(server: TokenServer) -> None:
    async with server.calling() as client:
        await call(client)
        server.now += LIFE - 11
        await call(client)
        assert server.signed_with == ["token-1"] * 2
        server.now += 2
        await asyncio.gather(*(call(client) for _ in range(16)))
    assert len(server.tokens) == 2
    assert server.signed_with[2:] == ["token-2"] * 16


@pytest.mark.parametrize(
    ("elapsed", "refuses", "sent"),
    [
        pytest.param(None, set(), [], id="no token was issued"),
        pytest.param(LIFE - 9, set(), ["token-1"], id="the token has expired"),
        pytest.param(0, {"token-1"}, ["token-1"] * 2, id="the token is refused"),
    ],
)
@pytest.mark.parametrize("answer", [answering(503), broken])
async def test_a_write_whose_token_request_fails_has_a_known_outcome_when(
    server: TokenServer, answer: Answer, elapsed: float | None, *, refuses: set[str], sent: list[str]
) -> None:
    async with server.calling() as client:
        if elapsed is not None:
            await call(client)
            server.now += elapsed
        server.refuses, server.token = refuses, answer
        with pytest.raises(AtlasUnavailableError) as raised:
            await call(client)
    assert server.signed_with == sent
    assert not raised.value.unknown_outcome


async def test_a_refused_token_is_renewed_once_and_each_call_is_repeated_once_unchanged(server: TokenServer) -> None:
    async with server.calling() as client:
        await call(client)
        server.refuses = {"token-1"}
        await asyncio.gather(*(call(client) for _ in range(16)))
    assert len(server.tokens) == 2
    assert sorted(server.signed_with[1:]) == ["token-1"] * 16 + ["token-2"] * 16
    assert len({each.content for each in server.calls}) == 1


@pytest.mark.parametrize(
    ("code", "expected", "tokens"),
    [
        ("UNEXPECTED_ERROR", CredentialsInvalidError, ["token-1", "token-2", "token-2", "token-3"]),
        ("USER_UNAUTHORIZED", MissingRoleError, ["token-1"] * 2),
        ("NOT_IN_GROUP", ProjectNotFoundError, ["token-1"] * 2),
    ],
)
async def test_only_a_refusal_of_the_token_requests_a_new_one(
    code: str, expected: type[AtlasError], tokens: list[str]
) -> None:
    server = TokenServer(refuses={"all"}, code=code)
    async with server.calling() as client:
        for _ in range(2):
            with pytest.raises(expected):
                await call(client)
    assert server.signed_with == tokens


async def test_waiting_calls_share_a_token_refusal_and_the_next_call_requests_again(server: TokenServer) -> None:
    server.token = REFUSED
    async with server.calling() as client:
        results = await asyncio.gather(*(call(client) for _ in range(16)), return_exceptions=True)
        assert {type(result) for result in results} == {CredentialsInvalidError}
        assert len(server.tokens) == 1
        with pytest.raises(CredentialsInvalidError):
            await call(client)
        assert len(server.tokens) == 2
        server.token = None
        await call(client)
    assert server.signed_with == ["token-3"]


async def test_a_cancelled_caller_does_not_cancel_the_token_request_of_the_others(server: TokenServer) -> None:
    asked = asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    server.token = hang
    async with server.calling() as client:
        first = asyncio.create_task(call(client))
        await asked.wait()
        second = asyncio.create_task(call(client))
        await asyncio.sleep(0)
        server.token = None
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
    assert server.signed_with == ["token-2"]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (answering(429, json={"errorCode": "RATE_LIMITED_TOKEN_BUCKET", "parameters": ["t", 23]}), 23),
        (answering(429, headers={"Retry-After": "17"}), 17),
        (answering(403, json={"error": "access_denied", "error_description": "Access Token limit reached"}), None),
    ],
)
async def test_the_quota_of_the_token_endpoint_limits_the_credentials(
    server: TokenServer, answer: Answer, seconds: float | None
) -> None:
    server.token = answer
    async with server.calling() as client:
        with pytest.raises(CredentialsRateLimitedError) as raised:
            await call(client)
    assert (raised.value.retry_after, raised.value.operation) == (seconds, "createAccessToken")


TOKEN_ANSWERS: dict[str, Answer] = {
    "an empty 200": answering(200),
    "HTML": answering(200, text="<html>sign in</html>"),
    "no token": answering(200, json={"expires_in": 3600}),
    "a token that no header can carry": answering(200, json={"access_token": "a\r\nb"}),
    "an array": answering(200, json=[]),
    "a redirect": answering(302, headers={"Location": "https://elsewhere"}),
}


@pytest.mark.parametrize("name", TOKEN_ANSWERS)
async def test_no_call_is_sent_when_the_token_endpoint_answers_with(server: TokenServer, name: str) -> None:
    server.token = TOKEN_ANSWERS[name]
    async with server.calling() as client:
        with pytest.raises(AtlasUnavailableError) as raised:
            await call(client)
    assert not raised.value.unknown_outcome
    assert server.calls == []


@pytest.mark.parametrize("life", ["null", '"soon"', "0", "-5", "true", "Infinity"])
async def test_a_token_without_expiry_is_used_for_some_minutes(server: TokenServer, life: str) -> None:
    server.token = answering(200, text=f'{{"access_token": "token", "expires_in": {life}}}')
    issued = []
    async with server.calling() as client:
        for seconds in (0, 300, 300):
            server.now += seconds
            await call(client)
            issued.append(len(server.tokens))
    assert issued == [1, 1, 2]
