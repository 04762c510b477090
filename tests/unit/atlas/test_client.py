"""One exchange with Atlas: what is sent, where, and what becomes of any answer."""

import asyncio
import gzip
import json
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import hdrs
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import ApiKey, Credentials, ServiceAccount
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    NotLeaderError,
    RateLimitedError,
    WritesOffError,
)
from atlas_endpoints.atlas.requests import Request
from unit.atlas.wire import (
    ACCOUNT,
    PATH,
    USER_AGENT,
    Atlas,
    Script,
    answering,
    client_of,
    get,
    patch,
    read_request,
    scripted,
)

API_KEY = ApiKey("abcdefgh", "secret")
REFUSED = answering(401, json={"errorCode": "UNEXPECTED_ERROR"})


async def test_requests_have_the_media_type_of_their_version_and_the_user_agent() -> None:
    atlas = Atlas()
    async with atlas.serving() as url, client_of(url) as client:
        assert [await patch(client), await get(client)] == [[], []]
        await client.request(ACCOUNT, Request("op", "GET", PATH, api_version="2024-08-05"))
    write, read, newer = atlas.calls
    assert newer.headers["Accept"] == "application/vnd.atlas.2024-08-05+json"
    media_type = "application/vnd.atlas.2023-01-01+json"
    both = {"Accept": media_type, "User-Agent": USER_AGENT, "Authorization": "Bearer token-1"}
    for call, method, headers in ((write, "PATCH", {**both, "Content-Type": media_type}), (read, "GET", both)):
        assert (call.method, call.url.path) == (method, PATH)
        assert {name: call.headers[name] for name in (*both, "Content-Type") if name in call.headers} == headers
    assert [json.loads(call.content or b"null") for call in atlas.calls] == [{"comment": "<ä>"}, None, None]


async def test_json_is_parsed_under_any_content_type_and_the_deprecation_with_it() -> None:
    headers = {"Deprecation": "Wed, 10 Dec 2025 00:00:00 GMT", "Sunset": "Thu, 1 Jan 2026 00:00:00 GMT"}
    atlas = Atlas(answering(200, text="[1]", headers=headers))
    async with atlas.client() as client:
        answer = await client.request(ACCOUNT, Request("op", "GET", PATH))
    assert answer.json == [1]
    assert answer.deprecation is not None
    assert str(answer.deprecation.sunset) == "2026-01-01 00:00:00+00:00"


async def test_requests_accept_only_supported_codings(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp by itself asks for those that it understands, and it is not the one that decodes: from Python 3.14 on, zstd."""
    monkeypatch.setitem(aiohttp.ClientRequest.DEFAULT_HEADERS, hdrs.ACCEPT_ENCODING, "gzip, deflate, zstd")
    atlas = Atlas()
    async with atlas.serving() as url, client_of(url) as client:
        await get(client)
    assert [each.headers["Accept-Encoding"] for each in (*atlas.tokens, *atlas.calls)] == ["gzip, deflate"] * 2


async def test_neither_cookies_are_sent_back_nor_a_netrc_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    atlas = Atlas(answering(200, json=[], headers={"Set-Cookie": "session=1; Path=/"}))
    # Cookie jars tend to ignore hosts that are addresses.
    async with atlas.serving() as url, client_of(url.replace("127.0.0.1", "localhost")) as client:
        for credentials in (ACCOUNT, ACCOUNT, ServiceAccount("mdb_sa_id_4567", "mdb_sa_sk_other")):
            await get(client, credentials)
    assert [call.headers.get("Cookie") for call in atlas.calls] == [None] * 3
    assert atlas.signed_with == ["token-1", "token-1", "token-2"]


@pytest.mark.parametrize("location", ["/elsewhere", "https://elsewhere.example/", "http://[", ""])
async def test_a_redirect_is_not_followed(location: str) -> None:
    atlas = Atlas(answering(307, headers={"Location": location}))
    async with atlas.serving() as url, client_of(url) as client:
        with pytest.raises(AtlasUnavailableError, match="ATLAS_URL"):
            await patch(client)
    assert len(atlas.calls) == 1


@pytest.mark.parametrize(
    ("options", "raised"), [({"fence": lambda: False}, NotLeaderError), ({"writes": False}, WritesOffError)]
)
async def test_no_write_is_sent(options: dict[str, Any], raised: type[AtlasError]) -> None:
    atlas = Atlas()
    async with atlas.client(**options) as client:
        assert await get(client) == []
        with pytest.raises(raised) as caught:
            await patch(client)
    assert [call.method for call in atlas.calls] == ["GET"]
    assert not caught.value.unknown_outcome


@pytest.mark.parametrize("repeats", [False, True], ids=["requests a token", "repeats the write"])
async def test_the_fence_is_checked_when_authentication(*, repeats: bool) -> None:
    leads = [True]

    def loses(answer: Callable[[httpx.Request], httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
        return lambda request: (leads.__setitem__(0, False), answer(request))[1]

    issues = answering(200, json={"access_token": "token"})
    atlas = Atlas(loses(REFUSED)) if repeats else Atlas(token=loses(issues))
    async with atlas.client(fence=lambda: leads[0]) as client:
        with pytest.raises(NotLeaderError) as raised:
            await patch(client)
    assert len(atlas.calls) == int(repeats)
    assert not raised.value.unknown_outcome


async def test_the_fence_is_checked_after_connecting() -> None:
    """All are in use, so the write waits for one; meanwhile the leadership is lost."""
    leads, arrived, may_answer = [True], asyncio.Event(), asyncio.Event()

    async def waits(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await may_answer.wait()
        return httpx.Response(200, json=[])

    atlas = Atlas(waits)
    async with (
        atlas.serving() as url,
        client_of(url, fence=lambda: leads[0], max_connections=1) as client,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(get(client))
        await arrived.wait()
        write = asyncio.create_task(patch(client))
        await asyncio.sleep(0.1)
        leads[0] = False
        may_answer.set()
        with pytest.raises(NotLeaderError) as raised:
            await write
    assert [call.method for call in atlas.calls] == ["GET"]
    assert not raised.value.unknown_outcome


async def test_each_call_is_reported_once_with_its_result_and_its_repetitions() -> None:
    """An unknown error code is reported as other, and kept in the error."""
    atlas, seen, repeated = Atlas(), [], list[str]()

    def note(operation: str, method: str, status: int | None, error_code: str | None, seconds: float) -> None:
        seen.append((operation, method, status, error_code))
        assert seconds >= 0

    async with atlas.serving() as url, client_of(url, on_request=note, on_repeat=repeated.append) as client:
        for status, code in ((410, "VERSION_GONE"), (404, "MADE_UP_4711"), (404, "MADE_UP_ENDPOINT_NOT_FOUND")):
            atlas.once(answering(status, json={"errorCode": code}))
            with pytest.raises(AtlasError) as raised:
                await get(client)
            assert raised.value.error_code == code
        assert repeated == []
        atlas.once(REFUSED)
        await patch(client)
        assert repeated == ["op"]
    async with client_of(url, on_request=note) as client:
        with pytest.raises(AtlasError):
            await get(client)
    assert seen == [
        ("createAccessToken", "POST", 200, None),
        ("op", "GET", 410, "VERSION_GONE"),
        ("op", "GET", 404, "other"),
        ("op", "GET", 404, "other"),
        ("createAccessToken", "POST", 200, None),
        ("op", "PATCH", 200, None),
        ("createAccessToken", "POST", None, None),
        ("op", "GET", None, None),
    ]


async def test_unexpired_tokens_are_counted() -> None:
    now, counts = [0.0], []
    async with Atlas().client(clock=lambda: now[0]) as client:
        counts.append(client.tokens)
        await get(client)
        counts.append(client.tokens)
        now[0] += 86400
        counts.append(client.tokens)
    assert counts == [0, 1, 0]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        pytest.param(answering(401, headers={"WWW-Authenticate": "Digest"}), None, id="a refusal"),
        pytest.param(answering(200, text="welcome"), AtlasUnavailableError, id="a page"),
        pytest.param(answering(404, text="<h1>no</h1>"), AtlasUnavailableError, id="a page that says no"),
        pytest.param(answering(302, headers={"Location": "/login"}), AtlasUnavailableError, id="a redirect"),
        pytest.param(answering(503), AtlasUnavailableError, id="an outage"),
        pytest.param(answering(429), RateLimitedError, id="a rate limit"),
    ],
)
async def test_a_refused_call_without_credentials_proves_that_atlas_answers(
    answer: Callable[[httpx.Request], httpx.Response], raised: type[AtlasError] | None
) -> None:
    atlas = Atlas(answer)
    async with atlas.client() as client:
        with pytest.raises(raised) if raised else nullcontext():
            await client.check_reachable()
    (call,) = atlas.calls
    assert (call.method, call.url.path) == ("GET", "/api/atlas/v2")
    assert "Authorization" not in call.headers


def saying(head: str, body: bytes = b"") -> Script:
    """After a token, answer each call with these bytes and close."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"/api/oauth/" in (await read_request(reader)).split(b"\r\n")[0]:
            token = b'{"access_token": "token"}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(token), token))
            await writer.drain()
        writer.write(head.replace("\n", "\r\n").encode("latin-1") + body)
        await writer.drain()

    return script


ZIPPED = gzip.compress(json.dumps([{"n": n} for n in range(1000)]).encode())

BROKEN_WIRES: dict[str, tuple[Script, str]] = {
    "a connection closed without a word": (saying(""), "broke off"),
    "a body that is cut off": (saying("HTTP/1.1 200 OK\nContent-Length: 99\n\n", b"[1,"), "broke off"),
    "a bad chunk": (saying("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n", b"zz\r\n[]"), "valid HTTP"),
    "a garbage status line": (saying("SSH-2.0-OpenSSH_9.6\n\n"), "valid HTTP"),
    "a bad header": (saying("HTTP/1.1 200 OK\nno colon\n\n"), "valid HTTP"),
    "a header without end": (saying(f"HTTP/1.1 200 OK\nX: {'x' * 99999}\n\n"), "valid HTTP"),
    "a body that is not the gzip it claims": (
        saying("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 9\n\n", b"not gzip!"),
        "broke off or cannot be decoded",
    ),
}


@pytest.mark.parametrize("name", BROKEN_WIRES)
async def test_a_broken_connection_leaves_the_outcome_of_a_write_unknown_and_is_explained_for(name: str) -> None:
    script, words = BROKEN_WIRES[name]
    async with scripted(script) as url, client_of(url) as client:
        with pytest.raises(AtlasUnavailableError, match=words) as raised:
            await patch(client)
        assert raised.value.unknown_outcome
        with pytest.raises(AtlasUnavailableError) as raised:
            await get(client)
        assert not raised.value.unknown_outcome


UNREADABLE: dict[str, Script] = {
    "truncated gzip": saying(
        f"HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: {len(ZIPPED) // 2}\n\n", ZIPPED[: len(ZIPPED) // 2]
    ),
    "nothing": saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    "no content": saying("HTTP/1.1 204 No Content\n\n"),
    "HTML": saying("HTTP/1.1 200 OK\nContent-Length: 12\n\n", b"<html>...   "),
    "JSON of absurd depth": saying("HTTP/1.1 200 OK\nContent-Length: 100000\n\n", b"[" * 100000),
    "a number of absurd length": saying("HTTP/1.1 200 OK\nContent-Length: 9999\n\n", b"1" * 9999),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_unreadable_2xx_has_no_content_such_as(name: str) -> None:
    async with scripted(UNREADABLE[name]) as url, client_of(url) as client:
        assert await get(client) is None


@pytest.mark.parametrize("credentials", [ACCOUNT, API_KEY])
@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip"])
async def test_a_refusal_with_a_long_or_oddly_coded_body_keeps_its_status_and_headers(
    credentials: Credentials, coding: str
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        page = gzip.compress(b"<html>" + b"x" * 1_000_000)
        headers = {"Retry-After": "7", "Content-Encoding": coding}
        return httpx.Response(429, headers=headers, stream=httpx.ByteStream(page))

    async with Atlas(answer).client() as client:
        with pytest.raises(RateLimitedError) as raised:
            await patch(client, credentials)
    assert (raised.value.retry_after, raised.value.unknown_outcome) == (7, False)


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await reader.read()


@pytest.mark.parametrize("script", [trickle, silent])
@pytest.mark.parametrize("credentials", [ACCOUNT, API_KEY])
async def test_a_call_ends_at_its_timeout_whatever_the_server_does(script: Script, credentials: Credentials) -> None:
    async with scripted(script) as url, client_of(url, timeout=1) as client:
        started = monotonic()
        with pytest.raises(AtlasUnavailableError, match="did not answer in time") as raised:
            await patch(client, credentials)
        assert monotonic() - started < 60
    # The token was not had yet, so the write was not sent; the first request of a digest is the write already.
    assert raised.value.unknown_outcome is isinstance(credentials, ApiKey)


async def test_a_refused_connection_leaves_no_unknown_outcome() -> None:
    async with scripted(silent) as url:
        pass
    async with client_of(url) as client:
        with pytest.raises(AtlasUnavailableError, match=r"cannot be reached.*\(Connection refused\)") as raised:
            await patch(client, API_KEY)
    assert not raised.value.unknown_outcome


async def test_a_server_without_tls_is_explained() -> None:
    async with Atlas().serving() as url, client_of(url.replace("http://", "https://")) as client:
        with pytest.raises(AtlasUnavailableError, match="TLS to Atlas failed") as raised:
            await patch(client)
    assert not raised.value.unknown_outcome


async def test_the_error_of_a_refusing_proxy_hides_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read_request(reader))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with scripted(refuse) as url:
        monkeypatch.setenv("https_proxy", url.replace("http://", "http://user:canary@"))
        monkeypatch.setenv("no_proxy", "elsewhere.example")
        async with client_of("https://atlas.example") as client:
            with pytest.raises(AtlasUnavailableError, match=r"proxy on the way.*\(HTTP 407\)") as raised:
                await get(client)
    assert heads[0].startswith(b"CONNECT atlas.example:443")
    assert b"proxy-authorization: basic dxnlcjpjyw5hcnk=" in heads[0].lower()
    assert "canary" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "credentials", [replace(ACCOUNT, base_url="https://gateway.internal"), replace(API_KEY, base_url="http://[::1]:1")]
)
async def test_the_proxy_is_chosen_by_the_base_url_of_the_credentials(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here none, so that the connection is refused where the address itself leads."""
    atlas = Atlas()
    async with atlas.serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "gateway.internal")
        async with client_of("http://atlas.example") as client:
            with pytest.raises(
                AtlasUnavailableError, match=r"cannot be (reached|found); check ATLAS_ENDPOINTS_ATLAS_URL \(or baseUrl"
            ):
                await get(client, credentials)
            await get(client)
    assert [call.url.host for call in atlas.calls] == ["atlas.example"]


@pytest.mark.parametrize("own", [ACCOUNT, API_KEY])
async def test_credentials_with_a_base_url_are_sent_only_there(own: Credentials) -> None:
    """Calls and token requests; credentials of the same name for the first Atlas are sent there."""
    first, second = Atlas(), Atlas()
    async with first.serving() as url, second.serving() as elsewhere, client_of(url) as client:
        await patch(client, replace(own, base_url=elsewhere))
        await get(client, replace(own, base_url=elsewhere))
        assert first.calls == first.tokens == []
        await get(client, own)
    assert [[call.method for call in atlas.calls] for atlas in (second, first)] == [["PATCH", "GET"], ["GET"]]
    assert [len(atlas.tokens) for atlas in (second, first)] == [isinstance(own, ServiceAccount)] * 2


ANSWERS = st.builds(
    lambda status, headers, body: (status, headers, body),
    st.integers(100, 999),
    st.dictionaries(
        st.sampled_from(
            ["Retry-After", "Deprecation", "Sunset", "Date", "WWW-Authenticate", "Location", "Content-Type"]
        ),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=30)
        | st.sampled_from(["Thu, 1 Jul 2027 00:00:00 GMT", "@99999999999", "1e400", "-3", "Digest nonce=a"]),
    ),
    st.binary(max_size=50)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
        lambda children: (
            st.lists(children, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "errorCode",
                        "error",
                        "detail",
                        "reason",
                        "parameters",
                        "badRequestDetail",
                        "fields",
                        "access_token",
                    ]
                ),
                children,
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(deadline=None)  # a loaded machine is no failure
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3), method=st.sampled_from(["GET", "PATCH"]))
async def test_any_answer_raises_only_atlas_errors(
    answers: list[tuple[int, dict[str, str], bytes]], method: str
) -> None:
    queue = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        status, headers, body = queue.pop(0) if queue else (200, {}, b"[]")
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return httpx.Response(status, headers=raw, content=body, request=request)

    for credentials in (ACCOUNT, API_KEY):
        queue[:] = answers
        async with Atlas(answer, token=answer).client() as client:
            try:
                await client.request(credentials, Request("op", method, PATH, {} if method == "PATCH" else None))
            except AtlasError as raised:
                error = raised
            else:
                continue
        assert len(error.message) <= 700
        assert error.message.isprintable()
        assert error.retry_after is None or 0 <= error.retry_after <= 3600


BASE_URLS: dict[str, tuple[str, bool, str]] = {
    "the public one": ("https://cloud.mongodb.com", False, "https://cloud.mongodb.com"),
    "a slash at the end": (" https://cloud.mongodbgov.com/ ", False, "https://cloud.mongodbgov.com"),
    "a path before the API's own": ("https://proxy.example/atlas/", False, "https://proxy.example/atlas"),
    "plain http for localhost": ("http://localhost:8080", False, "http://localhost:8080"),
    "plain http for a loopback address": ("http://127.0.0.2:80", False, "http://127.0.0.2:80"),
    "plain http for IPv6 loopback": ("http://[::1]:8080", False, "http://[::1]:8080"),
    "plain http where it is allowed": ("http://atlas.test:8080", True, "http://atlas.test:8080"),
}
BAD_BASE_URLS: dict[str, tuple[str, str]] = {
    "plain http": ("http://cloud.mongodb.com", "ALLOW_PLAIN_HTTP"),
    "a host that only looks like loopback": ("http://127.0.0.1.example.com", "ALLOW_PLAIN_HTTP"),
    "no scheme": ("cloud.mongodb.com", "https://"),
    "another scheme": ("ftp://cloud.mongodb.com", "https://"),
    "no host": ("https://", "host"),
    "nothing": ("", "https://"),
    "a password": ("https://user:canary@cloud.mongodb.com", "Secret"),
    "a query": ("https://cloud.mongodb.com/?a=b", "query"),
    "the path of the API": ("https://cloud.mongodb.com/api/atlas/v2/canary", "end before /api/atlas:"),
    "a bad port": ("https://cloud.mongodb.com:canary", "no URL"),
    "a port beyond the last": ("https://cloud.mongodb.com:65536", "no URL"),
}


@pytest.mark.parametrize("name", BASE_URLS)
def test_a_base_url_is_normalised(name: str) -> None:
    url, allowed, expected = BASE_URLS[name]
    assert check_base_url(url, allow_plain_http=allowed) == expected


@pytest.mark.parametrize("name", BAD_BASE_URLS)
def test_a_base_url_is_refused_for(name: str) -> None:
    url, words = BAD_BASE_URLS[name]
    with pytest.raises(ValueError, match=words) as raised:
        check_base_url(url, allow_plain_http=False, name="baseUrl")
    assert str(raised.value).startswith("baseUrl ")
    assert "canary" not in str(raised.value)
