"""Connections to Atlas: TLS, proxies, and which way an address takes.

The aiohttp transport of httpx has surprises (a cookie jar of its own, options that are silently ignored); they are dealt
with here, and its exceptions in ``transport``.
"""

import ipaddress
import ssl
import urllib.request
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.transport import fenced_requests


class Transports(httpx.AsyncBaseTransport):
    """Sends each request directly, or through the proxy that the environment names for its address.

    Addresses that take the same way share its connections. All verify TLS alike, keep no cookies and read no netrc.

    Args:
        ca_file: certificates to trust, in PEM; None: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else the usual public ones.
        max_connections: of one way; a call waits for one beyond that, so give at least the number of concurrent calls.
        fence: asked for each write when its connection is there; see ``FencedTransport``.

    Raises:
        ValueError: the certificates cannot be read.
    """

    def __init__(self, *, ca_file: Path | None, max_connections: int, fence: Callable[[], bool]) -> None:
        self._context = _tls_context(ca_file)
        self._max_connections = max_connections
        self._fence = fence
        self._by_proxy: dict[str | None, httpx.AsyncBaseTransport] = {}
        self._by_address: dict[tuple[str, bytes], httpx.AsyncBaseTransport] = {}

    def transport_for(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """Give the wire that an address takes, which opens connections when it is used.

        Raises:
            ValueError: the proxy for this address is of an unknown kind, or its URL cannot be read.
        """
        address = (url.scheme, url.netloc)
        transport = self._by_address.get(address)
        if transport is None:
            proxy = proxy_from_environment(url)
            if proxy not in self._by_proxy:
                self._by_proxy[proxy] = self._open(proxy)
            transport = self._by_address[address] = self._by_proxy[proxy]
        return transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request the way of its address.

        Raises:
            AtlasUnavailableError: its proxy is of an unknown kind, or its URL cannot be read; nothing was sent.
        """
        try:
            transport = self.transport_for(request.url)
        except ValueError as error:
            raise AtlasUnavailableError(
                f"{error} Check HTTPS_PROXY.", operation=request.extensions["operation"]
            ) from None
        return await transport.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        """Close the connections, all of them, whichever fails to close.

        Raises:
            Exception: what one of them failed with.
        """
        async with AsyncExitStack() as transports:
            for transport in self._by_proxy.values():
                transports.push_async_callback(transport.aclose)

    def _open(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        def session() -> aiohttp.ClientSession:
            # A cookie would travel with other credentials; trust_env would send what ~/.netrc holds for the host.
            return aiohttp.ClientSession(
                # What httpx decodes; without it aiohttp asks for what it would decode itself, which may be more.
                headers={"Accept-Encoding": "gzip, deflate"},
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=self._max_connections, ssl=self._context),
                request_class=fenced_requests(self._fence),
                trust_env=False,
            )

        return AiohttpTransport(verify=self._context, proxy=_proxy(proxy), client=session)


def proxy_from_environment(url: httpx.URL) -> str | None:
    """Find the proxy for an address as other programs do: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

    A loopback address never goes through a proxy.
    """
    if is_loopback(url.host) or urllib.request.proxy_bypass(url.netloc.decode()):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine itself."""
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
        # Its words hold a piece of the URL, which may be one of the password.
        raise ValueError(
            "The proxy's URL cannot be read: after its host there may be a port, and in its user name and password / # ? and @"
            " are written %2F %23 %3F and %40."
        ) from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ValueError("The proxy's URL must start with http:// or https://; other kinds are not supported.")
    if not parsed.userinfo:
        return httpx.Proxy(parsed)
    # The transport would use what aiohttp has deprecated for this.
    authorization = aiohttp.encode_basic_auth(parsed.username, parsed.password)
    return httpx.Proxy(parsed.copy_with(userinfo=b""), headers={"Proxy-Authorization": authorization})


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        where = f"The file {ca_file}" if ca_file else "What SSL_CERT_FILE or SSL_CERT_DIR names"
        raise ValueError(f"{where} cannot be read as certificates in PEM: {error.strerror or error}.") from error
