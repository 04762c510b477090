"""Connections to Atlas: TLS and proxies.

The aiohttp transport of httpx has a cookie jar of its own and silently ignores options; this module corrects both.
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

    Addresses with the same proxy share its connections. All connections verify TLS, keep no cookies and read no netrc.

    Args:
        ca_file: certificates to trust, in PEM; None: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else the usual public ones.
        max_connections: for each proxy. Further calls wait, so it must not be below the number of concurrent calls.
        fence: called for each write when its connection is there; see ``FencedTransport``.

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
        """Return the transport for an address; raises ``ValueError`` if its proxy is not usable."""
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
            for transport in self._by_proxy.values():
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
