"""One exchange with the Atlas Admin API: a signed, versioned, bounded request, and a 2xx answer or an ``AtlasError``."""

import asyncio
import json as jsonlib
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Protocol

import httpx

from atlas_endpoints.atlas.answers import Answer, Refusal, deprecation_from, json_from
from atlas_endpoints.atlas.auth import ServiceAccountAuth, sign_with
from atlas_endpoints.atlas.classification import bounded_code, classify, unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.digest import DigestAuth
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.transport import (
    TRANSPORT_ERRORS,
    FencedTransport,
    Write,
    failure,
    is_loopback,
    open_wire,
    proxy_from_environment,
)

MEDIA_TYPE = "application/vnd.atlas.2023-01-01+json"
"""The only version of serverless private endpoints that ever was."""

_MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read: ten thousand endpoints several times over, and far less than our memory."""

_IDLE = 7200.0
"""Seconds without a call after which credentials are forgotten; their token has expired by then."""


class OnRequest(Protocol):
    """Is told of each call that ended, for metrics; ``seconds`` includes authentication."""

    def __call__(self, operation: str, method: str, status: int | None, error_code: str | None, seconds: float) -> None:
        """Take note of a call.

        Args:
            operation: the name of the operation in Atlas's API reference.
            method: of HTTP.
            status: None when no answer came.
            error_code: one of a bounded number, see ``classification.bounded_code``; None when there was none.
            seconds: from the beginning of authentication to the end of the answer.
        """


@dataclass(slots=True)
class _Signer:
    """What signs the calls of one pair of credentials."""

    auth: ServiceAccountAuth | DigestAuth
    used: float


def check_base_url(url: str, *, allow_plain_http: bool) -> str:
    """Check and normalise the address of Atlas.

    Args:
        url: such as https://cloud.mongodb.com; a trailing slash is trimmed.
        allow_plain_http: whether http is accepted for other hosts than this machine. Credentials then travel readable.

    Raises:
        ValueError: with what is wrong and what to do.
    """
    trimmed = url.strip().rstrip("/")
    try:
        parsed = httpx.URL(trimmed)
    except httpx.InvalidURL as error:
        raise ValueError(f"ATLAS_URL is no URL: {error}. An example is https://cloud.mongodb.com.") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("ATLAS_URL must start with https:// and name a host, such as https://cloud.mongodb.com.")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError(
            "ATLAS_URL must hold no user, password, query or fragment: credentials belong into a Secret, and the rest "
            "does not belong there."
        )
    if "/api/atlas" in parsed.path:
        raise ValueError(f"ATLAS_URL must end before {parsed.path}: the operator adds the path of each call.")
    if parsed.scheme == "http" and not (allow_plain_http or is_loopback(parsed.host)):
        raise ValueError(
            "ATLAS_URL is plain http, which would show credentials to everybody on the way. Use https, or set "
            "ATLAS_ENDPOINTS_ALLOW_PLAIN_HTTP=true on a test cluster."
        )
    return trimmed


class AtlasClient:
    """Makes calls to one Atlas, with any credentials. Close it with :meth:`aclose`.

    Args:
        base_url: what :func:`check_base_url` returned.
        user_agent: product and version.
        fence: asked right before each write is sent; False holds it back with ``NotLeaderError``.
        writes: whether there may be writes at all; if not, each is held back with ``WritesOffError``.
        on_request: is told of each call.
        timeout: seconds for a whole call, with all that belongs to it.
        connect_timeout: seconds for getting a connection.
        max_connections: at least the number of concurrent calls.
        ca_file: certificates to trust instead of the public ones.
        proxy: URL of a proxy; None: what the environment says, if anything.
        wire: replaces all that is below HTTP (connections, TLS, proxy), for tests.
        clock: monotonic seconds.

    Raises:
        ValueError: ``ca_file`` or ``proxy`` is not usable.
    """

    def __init__(
        self,
        base_url: str,
        *,
        user_agent: str,
        fence: Callable[[], bool] = lambda: True,
        writes: bool = True,
        on_request: OnRequest | None = None,
        timeout: float = 15.0,
        connect_timeout: float = 5.0,
        max_connections: int = 64,
        ca_file: Path | None = None,
        proxy: str | None = None,
        wire: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url
        self._user_agent = user_agent
        self._on_request = on_request
        self._timeout = timeout
        self._clock = clock
        self._signers: dict[str, _Signer] = {}
        wire = wire or open_wire(
            ca_file=ca_file, proxy=proxy or proxy_from_environment(base_url), max_connections=max_connections
        )
        # All calls and all credentials share this client: it must carry nothing over from one answer to another call.
        self._http = httpx.AsyncClient(
            transport=FencedTransport(wire, fence, writes=writes),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(timeout, connect=connect_timeout, pool=connect_timeout),
            headers={"Accept": MEDIA_TYPE, "User-Agent": user_agent},
        )

    async def request(
        self, credentials: Credentials, method: str, path: str, *, operation: str, json: object = None
    ) -> Answer:
        """Make one call.

        Args:
            credentials: to sign it with.
            method: GET for reading; anything else counts as a write.
            path: from ``/api/atlas/v2`` on, with quoted segments.
            operation: the name of the operation in Atlas's API reference, for errors and metrics.
            json: the body of a write; None: no body.

        Returns:
            The 2xx answer.

        Raises:
            AtlasError: whatever else happens; nothing of httpx or aiohttp gets out.
        """
        write = None if method == "GET" else Write(operation)
        started = self._clock()
        status: int | None = None
        error_code: str | None = None
        try:
            answer = await self._exchange(credentials, self._build(method, path, operation, json, write))
            status = answer.status
        except AtlasError as error:
            status, error_code = error.http_status, error.error_code
            raise
        else:
            return answer
        finally:
            if self._on_request is not None:
                self._on_request(operation, method, status, bounded_code(error_code), self._clock() - started)

    async def aclose(self) -> None:
        """Revoke the access tokens, as far as Atlas answers within a moment, and close the connections."""
        revocations = [self._revoke(signer.auth) for signer in self._signers.values()]
        self._signers.clear()
        await asyncio.gather(*revocations)
        await self._http.aclose()

    async def _exchange(self, credentials: Credentials, request: httpx.Request) -> Answer:
        auth = self._sign_with(credentials)
        operation: str = request.extensions["operation"]
        write: Write | None = request.extensions["write"]
        writes = write is not None
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._http.send(request, auth=auth, stream=True)
                async with aclosing(response):
                    body = await _body_of(response)
        except TRANSPORT_ERRORS as error:
            in_doubt = write is not None and write.in_doubt
            raise failure(error, operation=operation, unknown_outcome=in_doubt) from error
        if body is None:
            raise unreadable(response.status_code, operation=operation, writes=writes)
        if response.is_success:
            return Answer(response.status_code, json_from(body), deprecation_from(response.headers))
        hide = (credentials.secret, request.headers.get("Authorization", "").partition(" ")[2])
        refusal = Refusal(response.status_code, response.headers, body)
        raise classify(refusal, operation=operation, writes=writes, now=datetime.now(UTC), hide=hide)

    def _build(self, method: str, path: str, operation: str, json: object, write: Write | None) -> httpx.Request:
        return self._http.build_request(
            method,
            self.base_url + path,
            content=None if json is None else jsonlib.dumps(json).encode(),
            headers={} if json is None else {"Content-Type": MEDIA_TYPE},
            extensions={"operation": operation, "write": write},
        )

    def _sign_with(self, credentials: Credentials) -> ServiceAccountAuth | DigestAuth:
        now = self._clock()
        fingerprint = credentials.fingerprint(self.base_url)
        signer = self._signers.get(fingerprint)
        if signer is None:
            self._signers = {name: known for name, known in self._signers.items() if known.used > now - _IDLE}
            signer = self._signers[fingerprint] = _Signer(sign_with(credentials, self.base_url, clock=self._clock), now)
        signer.used = now
        return signer.auth

    async def _revoke(self, auth: ServiceAccountAuth | DigestAuth) -> None:
        request = auth.revocation(self._user_agent) if isinstance(auth, ServiceAccountAuth) else None
        if request is not None:
            with suppress(*TRANSPORT_ERRORS):  # it expires anyway
                async with asyncio.timeout(3):
                    await self._http.send(request)


async def _body_of(response: httpx.Response) -> bytes | None:
    """Read a body; None when it is absurdly long."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_BODY:
            return None
    return bytes(body)
