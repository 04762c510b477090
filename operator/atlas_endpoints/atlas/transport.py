"""The steps of a call below authentication: connections, the check before each write, limits of bodies, and transport errors.

httpx sends through aiohttp. Its transport has a cookie jar of its own, silently ignores options, and raises misleading exception
classes; this module corrects all three.
"""

import ipaddress
import ssl
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasUnavailableError, Explanation, NotLeaderError, WritesOffError
from atlas_endpoints.telemetry.causes import words_of

TRANSPORT_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, TimeoutError)
"""All errors of a broken connection: bad chunks, status lines and headers raise bare aiohttp errors."""

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Causes with which nothing of the request was sent; httpx's own classes do not distinguish them."""

LONGEST_BODY = 4 * 1024 * 1024
"""Bytes of a 2xx body: a LIST of about 13,000 endpoints on AWS, or 6,000 on Azure, whose ids are longer."""

LONGEST_REFUSAL = 64 * 1024
"""Bytes of any other body; an error of Atlas has a few hundred."""

_WINDOWS = {"gzip": (zlib.MAX_WBITS | 16,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""Window sizes for zlib, by the codings that requests accept; some servers send deflate without its header."""


@dataclass(slots=True)
class WriteProgress:
    """The progress of a write; the extension ``write`` of its request.

    ``in_doubt`` is whether the outcome is unknown without an answer: True from the sending until a 401.
    """

    operation: str
    in_doubt: bool = False


_sending: ContextVar[WriteProgress | None] = ContextVar("sending", default=None)
"""The write that the present task sends: aiohttp's request has only a method and a URL."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Checks the fence before each write, also when authentication took its time or sends the write again, and bounds each answer.

    It raises ``NotLeaderError`` or ``WritesOffError``. aiohttp checks once more when it has a connection: see :func:`fenced_requests`.
    A 2xx body beyond the limit becomes empty: half a list is no list. Any other body is cut, since its status and headers still
    count. A coding that no request accepts, such as gzip twice, stays as it is and is then no JSON.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, fence: Callable[[], bool] = lambda: True, *, writes: bool = True
    ) -> None:
        self._transport = transport
        self._fence = fence
        self._writes = writes

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        write: WriteProgress | None = request.extensions.get("write")
        if write is not None:
            if not self._writes:
                raise WritesOffError(
                    "A write was not sent because WRITES is off. This is a defect of the operator; please report it.",
                    operation=write.operation,
                )
            if not self._fence():
                raise _held_back(write)
            write.in_doubt = True
        _sending.set(write)  # each request sets it, so that no old one remains
        response = await self._transport.handle_async_request(request)
        if write is not None and response.status_code == httpx.codes.UNAUTHORIZED:
            write.in_doubt = False
        limit = LONGEST_BODY if response.is_success else LONGEST_REFUSAL
        async with aclosing(response):
            body = _decoded(await _raw(response, limit), response.headers.get("Content-Encoding", ""), limit)
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(
            response.status_code,
            headers=headers,
            content=b"" if response.is_success and len(body) > limit else body[:limit],
            request=request,
        )

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()


def fenced_requests(fence: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """Return a request class that raises ``NotLeaderError`` for a write without the fence's consent, as late as possible.

    A request may have waited for a connection, and aiohttp sends some requests twice.
    """

    class FencedCall(aiohttp.ClientRequest):
        @override
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            write = _sending.get()
            if write is not None and not fence():
                raise _held_back(write)
            return await super().send(conn)

    return FencedCall


def _held_back(write: WriteProgress) -> NotLeaderError:
    return NotLeaderError("The write was not sent because this replica is not the leader.", operation=write.operation)


async def _raw(response: httpx.Response, limit: int) -> bytes:
    """Return the encoded body, or its first ``limit + 1`` bytes."""
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  # an asynchronous transport has no other
    raw = bytearray()
    async for chunk in response.stream:
        raw += chunk[: limit + 1]
        if len(raw) > limit:
            break
    return bytes(raw)


def _decoded(raw: bytes, coding: str, limit: int) -> bytes:
    failed: zlib.error | None = None
    for window in _WINDOWS.get(coding.strip().lower(), ()):
        try:
            return zlib.decompressobj(window).decompress(raw, limit + 1)
        except zlib.error as error:
            failed = error
    if failed is not None:
        raise httpx.DecodingError(str(failed)) from failed
    return raw


class Transports(httpx.AsyncBaseTransport):
    """Sends each request directly, or through the proxy that the environment names for its address.

    All connections verify TLS, keep no cookies and read no netrc.

    Args:
        ca_file: certificates to trust, in PEM; None: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else the usual public ones.
        max_connections: to each address. Further calls wait, so it must not be below the number of concurrent calls.
        fence: called for each write when its connection is there; see ``GuardedTransport``.

    Raises:
        ValueError: the certificates cannot be read.
    """

    def __init__(self, *, ca_file: Path | None, max_connections: int, fence: Callable[[], bool]) -> None:
        self._context = _tls_context(ca_file)
        self._max_connections = max_connections
        self._fence = fence
        self._by_address: dict[tuple[str, bytes], httpx.AsyncBaseTransport] = {}

    def transport_for(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """Return the transport for an address; raises ``ValueError`` if its proxy is not usable."""
        address = (url.scheme, url.netloc)
        transport = self._by_address.get(address)
        if transport is None:
            transport = self._by_address[address] = self._open(proxy_from_environment(url))
        return transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            transport = self.transport_for(request.url)
        except ValueError as error:
            raise AtlasUnavailableError(
                f"{error} Check HTTPS_PROXY.", operation=request.extensions["operation"]
            ) from None
        return await transport.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        """Close all connections, and raise the error of one that fails to close."""
        async with AsyncExitStack() as transports:
            for transport in self._by_address.values():
                transports.push_async_callback(transport.aclose)

    def _open(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        def session() -> aiohttp.ClientSession:
            # Calls with other credentials would send a cookie too; trust_env would send the password of ~/.netrc.
            return aiohttp.ClientSession(
                # The codings that httpx decodes; aiohttp's own default may have more.
                headers={"Accept-Encoding": "gzip, deflate"},
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=self._max_connections, ssl=self._context),
                request_class=fenced_requests(self._fence),
                trust_env=False,
            )

        return AiohttpTransport(verify=self._context, proxy=_proxy(proxy), client=session)


def proxy_from_environment(url: httpx.URL) -> str | None:
    """Return the proxy for an address by ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, or None.

    A loopback address has no proxy.
    """
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.netloc.decode()):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxy(url: str | None) -> httpx.Proxy | None:
    if url is None:
        return None
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        # The text of the error holds a part of the URL, perhaps of the password.
        raise ValueError(
            "The proxy's URL cannot be read: after its host there may be a port, and in its user name and password / # ? and @"
            " are written %2F %23 %3F and %40."
        ) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("The proxy's URL must start with http:// or https://; other kinds are not supported.")
    if not parsed.userinfo:
        return httpx.Proxy(parsed)
    # For credentials in a URL, the transport calls a function that aiohttp has deprecated.
    authorization = aiohttp.encode_basic_auth(parsed.username, parsed.password)
    return httpx.Proxy(parsed.copy_with(userinfo=b""), headers={"Proxy-Authorization": authorization})


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        where = f"The file {ca_file}" if ca_file else "What SSL_CERT_FILE or SSL_CERT_DIR names"
        raise ValueError(f"{where} cannot be read as certificates in PEM: {error.strerror or error}.") from error


def failure(error: Exception, *, operation: str, unknown_outcome: bool) -> AtlasUnavailableError:
    """Return the error, with its remedy, for one of ``TRANSPORT_ERRORS``; its ``__cause__`` is more exact than its class.

    Texts of the libraries are not included: they change with each attempt (addresses, ports), and so would the status.
    ``unknown_outcome`` is whether a write was given to the transport. It was not sent when its connection failed.
    """
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError | OSError) else error
    template = next(text for text, kinds in _EXPLANATIONS.items() if isinstance(cause, kinds))
    return AtlasUnavailableError(
        Explanation(template, f" ({words_of(cause)})"),
        operation=operation,
        unknown_outcome=unknown_outcome and not isinstance(cause, _NOT_SENT),
    )


_EXPLANATIONS: Mapping[str, tuple[type[Exception], ...]] = {
    (
        "TLS to Atlas failed. {atlas_url} must speak TLS with a certificate that is trusted; behind a proxy that opens "
        "TLS, trust its certificate authority with SSL_CERT_FILE."
    ): (aiohttp.ClientSSLError,),
    "The proxy on the way to Atlas cannot be used; check HTTPS_PROXY and NO_PROXY, and the proxy itself.": (
        aiohttp.ClientProxyConnectionError,
        aiohttp.ClientHttpProxyError,
    ),
    "The host of Atlas cannot be found; check {atlas_url} and {dns}.": (aiohttp.ClientConnectorDNSError,),
    "Atlas cannot be reached; check {atlas_url}, network policies and firewalls.": _NOT_SENT,
    "Atlas did not answer in time. {retry}": (TimeoutError, httpx.TimeoutException),
    "Atlas's answer broke off or cannot be decoded. {retry}": (
        aiohttp.ClientPayloadError,
        httpx.DecodingError,
    ),
    "The answer is not valid HTTP; check {atlas_url} and the proxies on the way.": (
        aiohttp.ClientResponseError,
        httpx.ProtocolError,
    ),
    "The connection to Atlas broke off. {retry}": (Exception,),
}
"""The first match counts, so special kinds of a failure stand before general ones."""
