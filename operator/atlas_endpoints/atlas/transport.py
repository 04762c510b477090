"""The wire to Atlas: connections, TLS, proxies, the last check before a write, and what its failures mean.

The aiohttp transport of httpx has surprises (exception classes that mislead, a cookie jar of its own, options that are
silently ignored); all of them are dealt with here.
"""

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasUnavailableError, NotLeaderError, WritesOffError

TRANSPORT_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, TimeoutError)
"""All that a broken wire raises: bad chunks, status lines and headers come as bare aiohttp errors."""

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The causes with which not a byte of the request left; httpx's own classes do not tell."""


@dataclass(slots=True)
class Write:
    """How far a write got; travels with its request as the extension ``write``.

    Attributes:
        operation: the name of the call.
        in_doubt: True from the moment the request is handed to the wire until it is refused for its credentials.
    """

    operation: str
    in_doubt: bool = False


class FencedTransport(httpx.AsyncBaseTransport):
    """The last check before each write, also when authentication took its time or sends the write again."""

    def __init__(self, wire: httpx.AsyncBaseTransport, fence: Callable[[], bool], *, writes: bool) -> None:
        self._wire = wire
        self._fence = fence
        self._writes = writes

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            NotLeaderError: the request is a write and the fence says no; nothing was sent.
            WritesOffError: the request is a write and there may be none; nothing was sent.
        """
        write = request.extensions.get("write")
        if isinstance(write, Write):
            if not self._writes:
                raise WritesOffError(
                    "A change was about to be sent although WRITES is off, and was held back: a defect of the operator. Please"
                    " report it.",
                    operation=write.operation,
                )
            if not self._fence():
                raise NotLeaderError(
                    "The write was held back: this replica does not lead (any more).", operation=write.operation
                )
            write.in_doubt = True
        response = await self._wire.handle_async_request(request)
        if isinstance(write, Write) and response.status_code == httpx.codes.UNAUTHORIZED:
            write.in_doubt = False
        return response

    @override
    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()


def open_wire(*, ca_file: Path | None, proxy: str | None, max_connections: int) -> httpx.AsyncBaseTransport:
    """Make a transport that verifies TLS, keeps no cookies, reads no netrc and uses the given proxy.

    Args:
        ca_file: certificates to trust, in PEM; None: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else the usual public ones.
        proxy: URL of a proxy; see :func:`proxy_from_environment`.
        max_connections: a call waits for one beyond that, so give at least the number of concurrent calls.

    Raises:
        ValueError: the certificates cannot be read, or the proxy is of an unknown kind.
    """
    context = _tls_context(ca_file)

    def session() -> aiohttp.ClientSession:
        # A cookie would travel with other credentials; trust_env would send what ~/.netrc holds for the host.
        return aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=max_connections, ssl=context),
            trust_env=False,
        )

    return AiohttpTransport(verify=context, proxy=_proxy(proxy), client=session)


def proxy_from_environment(base_url: str) -> str | None:
    """Find the proxy for Atlas as other programs do: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

    A loopback address never goes through a proxy.
    """
    url = httpx.URL(base_url)
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


def failure(error: Exception, *, operation: str, unknown_outcome: bool) -> AtlasUnavailableError:
    """Turn one of ``TRANSPORT_ERRORS`` into an error that says what to do.

    Texts of the libraries are not passed on: they change from attempt to attempt (addresses, ports), and so would the
    status.

    Args:
        error: what was caught; its ``__cause__`` tells more than its class.
        operation: the name of the call.
        unknown_outcome: whether a write was handed to the wire. It is not in doubt all the same when its connection
            never came to be.
    """
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError | OSError) else error
    return AtlasUnavailableError(
        _explain(cause), operation=operation, unknown_outcome=unknown_outcome and not isinstance(cause, _NOT_SENT)
    )


_EXPLANATIONS: Mapping[str, tuple[type[Exception], ...]] = {
    (
        "TLS to Atlas failed. ATLAS_URL must speak TLS with a certificate that is trusted; behind a proxy that opens "
        "TLS, trust its certificate authority with SSL_CERT_FILE."
    ): (aiohttp.ClientSSLError,),
    "The proxy on the way to Atlas cannot be used; check HTTPS_PROXY and NO_PROXY, and the proxy itself.": (
        aiohttp.ClientProxyConnectionError,
        aiohttp.ClientHttpProxyError,
    ),
    "The host of ATLAS_URL cannot be found; check ATLAS_URL and the cluster's DNS.": (aiohttp.ClientConnectorDNSError,),
    "Atlas cannot be reached; check ATLAS_URL, network policies and firewalls.": _NOT_SENT,
    "Atlas did not answer in time; the call is retried.": (TimeoutError, httpx.TimeoutException),
    "Atlas's answer broke off or cannot be decoded; the call is retried.": (
        aiohttp.ClientPayloadError,
        httpx.DecodingError,
    ),
    "What answered does not speak proper HTTP; check ATLAS_URL and the proxies on the way.": (
        aiohttp.ClientResponseError,
        httpx.ProtocolError,
    ),
    "The connection to Atlas broke off; the call is retried.": (Exception,),
}
"""The first that fits counts: the special kinds of a failure stand before the general ones."""


def _explain(cause: Exception) -> str:
    explanation = next(text for text, kinds in _EXPLANATIONS.items() if isinstance(cause, kinds))
    return f"{explanation} ({_system_words(cause) or type(cause).__name__})"


def _system_words(cause: Exception) -> str:
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return f"HTTP {cause.status}"
    certificate = getattr(cause, "certificate_error", None)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        return certificate.verify_message
    system = getattr(cause, "os_error", cause)
    if isinstance(system, ssl.SSLError):
        return (system.reason or "").replace("_", " ").lower()
    if isinstance(system, OSError) and system.errno:
        # Of the two, asyncio's own words hold addresses; only a failed name lookup (negative) has no others.
        return os.strerror(system.errno) if system.errno > 0 else system.strerror or ""
    return ""


def _proxy(url: str | None) -> httpx.Proxy | None:
    if url is None:
        return None
    parsed = httpx.URL(url)
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
