import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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
    RateLimitedError,
)
from atlas_endpoints.atlas.requests import Request
from unit.atlas.wire import PATH, USER_AGENT, client_of

ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_a/b+c:d")
LIFE = 3600


@dataclass
class TokenServer:
    """An Atlas that issues tokens and accepts those that the test allows."""

    now: float = 1000.0
    token_answer: Callable[[], Awaitable[httpx.Response]] | None = None
    """Instead of a new token."""
    refuses: set[str] = field(default_factory=set)
    """Tokens that get a 401."""
    refuses_all: bool = False
    code: str = "UNEXPECTED_ERROR"

    token_requests: list[httpx.Request] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """The token of each call."""
    bodies: list[bytes] = field(default_factory=list)
    """Of each call."""

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # let concurrent calls overlap
        if request.url.path == "/api/oauth/token":
            self.token_requests.append(request)
            if self.token_answer is not None:
                return await self.token_answer()
            return httpx.Response(200, json={"access_token": self.newest, "expires_in": LIFE, "token_type": "Bearer"})
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.calls.append(token)
        self.bodies.append(await request.aread())
        if self.refuses_all or token in self.refuses:
            return httpx.Response(401, json={"error": 401, "errorCode": self.code})
        return httpx.Response(200, json=[])

    @property
    def newest(self) -> str:
        return f"token-{len(self.token_requests)}"

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AtlasClient]:
        transport = httpx.MockTransport(self.handle)
        async with client_of("http://127.0.0.1", transport=transport, clock=lambda: self.now) as client:
            yield client


async def call(client: AtlasClient) -> None:
    await client.request(ACCOUNT, Request("op", "PATCH", PATH, {"comment": "ours"}))


def answering(status: int, **kwargs: object) -> Callable[[], Awaitable[httpx.Response]]:
    async def answer() -> httpx.Response:
        return httpx.Response(status, **kwargs)  # type: ignore[arg-type]  # passed on as they are

    return answer


async def broken() -> httpx.Response:
    raise httpx.ReadError("broke off")


async def breaking_off() -> httpx.Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"access_token": '
        raise httpx.ReadError("broke off")

    return httpx.Response(200, content=body())


async def test_sixteen_concurrent_first_calls_request_one_token() -> None:
    server = TokenServer()
    async with server.client() as client:
        await asyncio.gather(*(call(client) for _ in range(16)))
    assert server.calls == ["token-1"] * 16


async def test_the_token_request_is_what_atlas_documents() -> None:
    server = TokenServer()
    async with server.client() as client:
        await call(client)
    (request,) = server.token_requests
    scheme, _, value = request.headers["Authorization"].partition(" ")
    assert (request.method, str(request.url), request.content) == (
        "POST",
        "http://127.0.0.1/api/oauth/token",
        b"grant_type=client_credentials",
    )
    assert (scheme, base64.b64decode(value)) == ("Basic", b"mdb_sa_id_0123:mdb_sa_sk_a%2Fb%2Bc%3Ad")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["User-Agent"] == USER_AGENT


async def test_one_call_renews_a_token_before_three_quarters_of_its_life_are_over() -> None:
    server = TokenServer()
    async with server.client() as client:
        await call(client)
        server.now += LIFE * 0.6 - 1
        await call(client)
        assert server.calls == ["token-1"] * 2
        server.now += LIFE * 0.15 + 2
        await asyncio.gather(*(call(client) for _ in range(16)))
        await call(client)
    assert len(server.token_requests) == 2
    # Those that came while the one renewed did not wait for it.
    assert sorted(server.calls[2:]) == ["token-1"] * 15 + ["token-2"] * 2


async def test_tokens_that_were_issued_together_are_not_renewed_together() -> None:
    server, accounts = TokenServer(), [ServiceAccount(f"mdb_sa_id_{number}", "secret") for number in range(60)]
    renewals: list[int] = []
    async with server.client() as client:
        for _ in range(17):
            before = len(server.token_requests)
            for account in accounts:
                await client.request(account, Request("op", "GET", PATH))
            renewals.append(len(server.token_requests) - before)
            server.now += LIFE * 0.05
    first, early, late = renewals[0], renewals[1:13], renewals[13:16]
    assert (first, sum(early), sum(late)) == (60, 0, 60)
    assert all(10 <= each <= 30 for each in late), late


async def test_a_rate_limited_early_renewal_is_not_retried_before_its_time() -> None:
    """Even if the old token is refused meanwhile: then the calls wait, too."""
    server = TokenServer()
    async with server.client() as client:
        await call(client)
        server.now += LIFE * 0.75
        server.token_answer = answering(429, headers={"Retry-After": "300"})
        await call(client)
        server.now += 240
        await call(client)
        server.refuses = {"token-1"}
        for left in (60, 30):
            with pytest.raises(RateLimitedError) as raised:
                await call(client)
            assert raised.value.retry_after == left
            server.now += 30
        assert len(server.token_requests) == 2
        server.token_answer = None
        await call(client)
    assert server.calls[-1] == "token-3"


@pytest.mark.parametrize(
    "answer",
    [
        answering(500),
        answering(429),
        answering(200, text="<html>"),
        answering(401, json={"error": "invalid_client"}),
        broken,
        breaking_off,
    ],
)
async def test_a_failed_early_renewal_keeps_the_old_token_and_is_retried_after_a_minute(
    answer: Callable[[], Awaitable[httpx.Response]],
) -> None:
    server = TokenServer()
    async with server.client() as client:
        await call(client)
        server.now += LIFE * 0.75
        server.token_answer = answer
        for _ in range(3):
            await call(client)
        assert (server.calls, len(server.token_requests)) == (["token-1"] * 4, 2)
        server.now += 61
        server.token_answer = None
        await call(client)
    assert server.calls[-1] == "token-3"


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
    answer: Callable[[], Awaitable[httpx.Response]], elapsed: float | None, refuses: set[str], sent: list[str]
) -> None:
    server = TokenServer()
    async with server.client() as client:
        if elapsed is not None:
            await call(client)
            server.now += elapsed
        server.refuses, server.token_answer = refuses, answer
        with pytest.raises(AtlasUnavailableError) as raised:
            await call(client)
    assert server.calls == sent
    assert not raised.value.unknown_outcome


async def test_a_refused_token_is_renewed_once_and_each_call_is_repeated_once_unchanged() -> None:
    server = TokenServer()
    async with server.client() as client:
        await call(client)
        server.refuses = {"token-1"}
        server.bodies.clear()
        await asyncio.gather(*(call(client) for _ in range(16)))
    assert len(server.token_requests) == 2
    assert sorted(server.calls[1:]) == ["token-1"] * 16 + ["token-2"] * 16
    assert server.bodies == [b'{"comment": "ours"}'] * 32


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
    server = TokenServer(refuses_all=True, code=code)
    async with server.client() as client:
        for _ in range(2):
            with pytest.raises(expected):
                await call(client)
    assert server.calls == tokens


async def test_waiting_calls_share_a_token_refusal_and_the_next_call_requests_again() -> None:
    server = TokenServer(token_answer=answering(401, json={"error": "invalid_client"}))
    async with server.client() as client:
        results = await asyncio.gather(*(call(client) for _ in range(16)), return_exceptions=True)
        assert {type(result) for result in results} == {CredentialsInvalidError}
        assert len(server.token_requests) == 1
        with pytest.raises(CredentialsInvalidError):
            await call(client)
        assert len(server.token_requests) == 2
        server.token_answer = None
        await call(client)
    assert server.calls == ["token-3"]


async def test_a_cancelled_caller_does_not_cancel_the_token_request_of_the_others() -> None:
    asked = asyncio.Event()

    async def hang() -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = TokenServer(token_answer=hang)
    async with server.client() as client:
        first = asyncio.create_task(call(client))
        await asked.wait()
        second = asyncio.create_task(call(client))
        await asyncio.sleep(0)
        server.token_answer = None
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
    assert server.calls == ["token-2"]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (answering(429, json={"errorCode": "RATE_LIMITED_TOKEN_BUCKET", "parameters": ["t", 23]}), 23),
        (answering(429, headers={"Retry-After": "17"}), 17),
        (answering(403, json={"error": "access_denied", "error_description": "Access Token limit reached"}), None),
    ],
)
async def test_the_quota_of_the_token_endpoint_limits_the_credentials(
    answer: Callable[[], Awaitable[httpx.Response]], seconds: float | None
) -> None:
    server = TokenServer(token_answer=answer)
    async with server.client() as client:
        with pytest.raises(CredentialsRateLimitedError) as raised:
            await call(client)
    assert (raised.value.retry_after, raised.value.operation) == (seconds, "createAccessToken")


TOKEN_ANSWERS: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
    "an empty 200": answering(200),
    "HTML": answering(200, text="<html>sign in</html>"),
    "no token": answering(200, json={"expires_in": 3600}),
    "a token that no header can carry": answering(200, json={"access_token": "a\r\nb"}),
    "an array": answering(200, json=[]),
    "a redirect": answering(302, headers={"Location": "https://elsewhere"}),
}


@pytest.mark.parametrize("name", TOKEN_ANSWERS)
async def test_no_call_is_sent_when_the_token_endpoint_answers_with(name: str) -> None:
    server = TokenServer(token_answer=TOKEN_ANSWERS[name])
    async with server.client() as client:
        with pytest.raises(AtlasUnavailableError) as raised:
            await call(client)
    assert not raised.value.unknown_outcome
    assert server.calls == []


@pytest.mark.parametrize("life", ["null", '"soon"', "0", "-5", "true", "Infinity"])
async def test_a_token_without_expiry_is_used_for_some_minutes(life: str) -> None:
    body = f'{{"access_token": "token", "expires_in": {life}}}'
    server = TokenServer(token_answer=answering(200, text=body))
    async with server.client() as client:
        await call(client)
        server.now += 300
        await call(client)
        assert len(server.token_requests) == 1
        server.now += 300
        await call(client)
    assert len(server.token_requests) == 2
