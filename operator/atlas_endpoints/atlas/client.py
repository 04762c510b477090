"""One exchange with the Atlas Admin API: a signed, versioned, bounded request, and a 2xx answer or an ``AtlasError``."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import httpx

from atlas_endpoints.atlas.answers import (
    Answer,
    RefusedAnswer,
    bounded_code,
    classify,
    deprecation_from,
    json_from,
    unreadable,
)
from atlas_endpoints.atlas.auth import ServiceAccountAuth
from atlas_endpoints.atlas.credentials import Credentials, Recent, ServiceAccount
from atlas_endpoints.atlas.digest import DigestAuth
from atlas_endpoints.atlas.errors import AtlasError, CredentialsInvalidError
from atlas_endpoints.atlas.redaction import carried, without
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.atlas.transport import (
    TRANSPORT_ERRORS,
    GuardedTransport,
    Transports,
    WriteProgress,
    failure,
    is_loopback,
)

ROOT, STATUS = "/api/atlas/v2", "getSystemStatus"
"""Path and name of an operation without a project."""

_LAST_PORT = 65535

OnRequest: TypeAlias = Callable[[str, str, int | None, str | None, float], None]
"""Records a call that ended: operation, method, HTTP status, error code from ``bounded_code``, and seconds with authentication."""

_CONNECT_TIMEOUT = 5.0
"""Seconds."""


def check_base_url(url: str, *, allow_plain_http: bool, name: str = "ATLAS_URL") -> str:
    """Return the address of an Atlas without a trailing slash.

    Args:
        url: such as https://cloud.mongodb.com.
        allow_plain_http: also for other hosts than this machine; credentials then travel readable.
        name: of the setting, for the error.

    Raises:
        ValueError: with the fault and the remedy, but with no part of the URL, which may come from a Secret.
    """
    trimmed = url.strip().rstrip("/")
    try:
        parsed = httpx.URL(trimmed)
    except httpx.InvalidURL:
        parsed = None
    if parsed is None or not 0 <= (parsed.port or 0) <= _LAST_PORT:
        raise ValueError(f"{name} is no URL. An example is https://cloud.mongodb.com.")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError(f"{name} must start with https:// and name a host, such as https://cloud.mongodb.com.")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            f"{name} must hold no user, password, query or fragment: credentials belong into keys of their own in a "
            "Secret, and the rest does not belong there."
        )
    if "/api/atlas" in parsed.path:
        raise ValueError(f"{name} must end before /api/atlas: the operator adds the path of each call.")
    if parsed.scheme == "http" and not (allow_plain_http or is_loopback(parsed.host)):
        raise ValueError(
            f"{name} is plain http, which would show credentials to everybody on the way. Use https, or set "
            "ATLAS_ENDPOINTS_ALLOW_PLAIN_HTTP=true on a test cluster."
        )
    return trimmed


class AtlasClient:
    """Makes calls to Atlas, with any credentials. Close it with :meth:`aclose`.

    Args:
        base_url: of the Atlas for credentials that name no other.
        fence: called right before each write is sent; False prevents it with ``NotLeaderError``.
        writes: False prevents each write with ``WritesOffError``.
        on_repeat: called with the operation of each call that is sent again at once, since its token or nonce was refused.
        timeout: seconds for a whole call, with its authentication.
        max_connections: at least the number of concurrent calls.
        ca_file: certificates to trust instead of the public ones.
        transport: replaces connections, TLS and proxies in tests.

    Raises:
        ValueError: ``ca_file``, or the proxy of the environment for ``base_url``, is not usable.
    """

    def __init__(
        self,
        base_url: str,
        *,
        user_agent: str,
        fence: Callable[[], bool] = lambda: True,
        writes: bool = True,
        on_request: OnRequest = lambda *_: None,
        on_repeat: Callable[[str], None] = lambda _: None,
        timeout: float = 15.0,
        max_connections: int = 64,
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url
        self._user_agent = user_agent
        self._on_request = on_request
        self._on_repeat = on_repeat
        self._timeout = timeout
        self._clock = clock
        self._auths: Recent[ServiceAccountAuth | DigestAuth] = Recent(clock)
        if transport is None:
            transport = transports = Transports(ca_file=ca_file, max_connections=max_connections, fence=fence)
            transports.transport_for(httpx.URL(base_url))  # its faults shall stop the start
        self._transport = GuardedTransport(transport, fence, writes=writes)
        self._timeouts = httpx.Timeout(timeout, connect=_CONNECT_TIMEOUT, pool=_CONNECT_TIMEOUT).as_dict()

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make one call to the Atlas of these credentials and return its 2xx answer.

        Raises ``AtlasError`` otherwise; no error of httpx or aiohttp leaves.
        """
        started = self._clock()
        status: int | None = None
        error_code: str | None = None
        try:
            answer = await self._exchange(credentials, request)
            status = answer.status
        except AtlasError as error:
            status, error_code = error.http_status, error.error_code
            raise
        finally:
            code, seconds = bounded_code(error_code, request), self._clock() - started
            self._on_request(request.operation, request.method, status, code, seconds)
        return answer

    @property
    def tokens(self) -> int:
        """The number of access tokens in memory."""
        return sum(isinstance(auth, ServiceAccountAuth) and auth.has_token for auth in self._auths.values())

    async def check_reachable(self) -> None:
        """Check that Atlas answers: its refusal of a call without credentials proves it; raises ``AtlasError`` otherwise."""
        try:
            answer = await self._exchange(None, Request(STATUS, "GET", ROOT))
        except CredentialsInvalidError:
            return
        raise unreadable(answer.status, operation=STATUS, writes=False)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _exchange(self, credentials: Credentials | None, call: Request) -> Answer:
        auth = httpx.Auth() if credentials is None else self._sign_with(credentials)
        write = WriteProgress(call.operation) if call.writes else None
        base_url = self.base_url if credentials is None else credentials.base_url or self.base_url
        request = self._build(call, base_url + call.path, write)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send(request, auth)
        except TRANSPORT_ERRORS as error:
            in_doubt = write is not None and write.in_doubt
            raise failure(error, operation=call.operation, unknown_outcome=in_doubt) from error
        hide = carried(credentials.secret if credentials else "", request.headers.get("Authorization", ""))
        if response.is_success:
            content = without(json_from(response.content), hide)
            deprecation = deprecation_from(response.headers)
            return Answer(response.status_code, content, deprecation, len(response.content))
        refusal = RefusedAnswer(response.status_code, response.headers, response.content)
        raise classify(refusal, call, now=datetime.now(UTC), hide=hide)

    async def _send(self, request: httpx.Request, auth: httpx.Auth) -> httpx.Response:
        """Send a request with all requests of its authentication, and return its answer.

        httpx's own client costs more than twice as much: it also merges URLs, keeps cookies, follows redirects and calls hooks. None
        of these may happen here, since all credentials share the connections.

        Raises ``AtlasError``, or one of ``TRANSPORT_ERRORS``.
        """
        was_sent = False
        async with aclosing(auth.async_auth_flow(request)) as flow:
            following = await anext(flow)
            while True:
                operation, began, status = following.extensions["operation"], self._clock(), None
                if following is request and was_sent:
                    self._on_repeat(operation)
                was_sent = was_sent or following is request
                try:
                    response = await self._transport.handle_async_request(following)
                    status = response.status_code
                finally:
                    if following is not request:
                        self._on_request(operation, following.method, status, None, self._clock() - began)
                try:
                    following = await flow.asend(response)
                except StopAsyncIteration:
                    return response

    def _build(self, call: Request, url: str, write: WriteProgress | None) -> httpx.Request:
        headers, content = {"Accept": call.media_type, "User-Agent": self._user_agent}, None
        if call.body is not None:
            headers["Content-Type"] = call.media_type
            content = json.dumps(call.body).encode()
        extensions = {"operation": call.operation, "write": write, "timeout": self._timeouts}
        return httpx.Request(call.method, url, content=content, headers=headers, extensions=extensions)

    def _sign_with(self, credentials: Credentials) -> ServiceAccountAuth | DigestAuth:
        fingerprint = credentials.fingerprint(self.base_url)
        if (auth := self._auths.get(fingerprint)) is None:
            if isinstance(credentials, ServiceAccount):
                base_url = credentials.base_url or self.base_url
                auth = ServiceAccountAuth(credentials, base_url, clock=self._clock)
            else:
                auth = DigestAuth(credentials)
            self._auths.put(fingerprint, auth)
        return auth
