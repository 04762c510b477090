"""The steps of a call below authentication: the check before each write, the sending, and the meaning of transport errors.

The exception classes of httpx's aiohttp transport mislead; this module translates them. ``transports`` has its other peculiarities.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp
import httpx
from typing_extensions import override

from atlas_endpoints.atlas.errors import (
    ATLAS_ADDRESS,
    CLUSTER_DNS,
    AtlasUnavailableError,
    NotLeaderError,
    WritesOffError,
)
from atlas_endpoints.telemetry.causes import words_of

TRANSPORT_ERRORS = (httpx.HTTPError, aiohttp.ClientError, OSError, TimeoutError)
"""All errors of a broken connection: bad chunks, status lines and headers raise bare aiohttp errors."""

_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Causes with which nothing of the request was sent; httpx's own classes do not distinguish them."""


@dataclass(slots=True)
class Write:
    """The progress of a write; the extension ``write`` of its request.

    ``in_doubt`` is whether the outcome is unknown without an answer: True from the sending until a 401.
    """

    operation: str
    in_doubt: bool = False


_sending: ContextVar[Write | None] = ContextVar("sending", default=None)
"""The write that the present task sends: aiohttp's request has only a method and a URL."""


class FencedTransport(httpx.AsyncBaseTransport):
    """Checks the fence before each write, also when authentication took its time or sends the write again.

    It raises ``NotLeaderError`` or ``WritesOffError``. aiohttp checks once more when it has a connection: see :func:`fenced_requests`.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, fence: Callable[[], bool], *, writes: bool) -> None:
        self._transport = transport
        self._fence = fence
        self._writes = writes

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        write = request.extensions.get("write")
        if isinstance(write, Write):
            if not self._writes:
                raise WritesOffError(
                    "A change was about to be sent although WRITES is off, and was held back: a defect of the operator. Please"
                    " report it.",
                    operation=write.operation,
                )
            if not self._fence():
                raise _held_back(write)
            write.in_doubt = True
        _sending.set(write if isinstance(write, Write) else None)  # each request sets it, so that no old one remains
        response = await self._transport.handle_async_request(request)
        if isinstance(write, Write) and response.status_code == httpx.codes.UNAUTHORIZED:
            write.in_doubt = False
        return response

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()


OnSend: TypeAlias = Callable[[httpx.Request, int | None, float], None]
"""Receives each request of a call, with the status of its answer (if one came) and its seconds."""


async def send(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    auth: httpx.Auth,
    *,
    clock: Callable[[], float],
    on_send: OnSend,
) -> httpx.Response:
    """Send a request with all requests of its authentication, and return its answer.

    httpx's own client costs more than twice as much: it also merges URLs, keeps cookies, follows redirects and calls hooks. None of
    these may happen here, since all credentials share the connections.

    Raises ``AtlasError``, or one of ``TRANSPORT_ERRORS``.
    """
    async with aclosing(auth.async_auth_flow(request)) as flow:
        following = await anext(flow)
        while True:
            began = clock()
            try:
                response = await transport.handle_async_request(following)
            except TRANSPORT_ERRORS as error:
                on_send(following, None, clock() - began)
                following = await flow.athrow(error)  # raises it, unless the flow does not need this answer
                continue
            on_send(following, response.status_code, clock() - began)
            response.request = following
            try:
                following = await flow.asend(response)
            except StopAsyncIteration:
                return response


def _held_back(write: Write) -> NotLeaderError:
    return NotLeaderError("The write was held back: this replica does not lead (any more).", operation=write.operation)


def fenced_requests(fence: Callable[[], bool]) -> type[aiohttp.ClientRequest]:
    """Return a request class that raises ``NotLeaderError`` for a write without the fence's consent, as late as possible.

    A request may have waited for a connection, and aiohttp sends some requests twice.
    """

    class FencedRequest(aiohttp.ClientRequest):
        @override
        async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            write = _sending.get()
            if write is not None and not fence():
                raise _held_back(write)
            return await super().send(conn)

    return FencedRequest


def failure(error: Exception, *, operation: str, unknown_outcome: bool) -> AtlasUnavailableError:
    """Return the error, with its remedy, for one of ``TRANSPORT_ERRORS``; its ``__cause__`` is more exact than its class.

    Texts of the libraries are not included: they change with each attempt (addresses, ports), and so would the status.
    ``unknown_outcome`` is whether a write was given to the transport. It was not sent when its connection failed.
    """
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError | OSError) else error
    explanation = next(text for text, kinds in _EXPLANATIONS.items() if isinstance(cause, kinds))
    return AtlasUnavailableError(
        f"{explanation} ({words_of(cause)})",
        operation=operation,
        unknown_outcome=unknown_outcome and not isinstance(cause, _NOT_SENT),
    )


_EXPLANATIONS: Mapping[str, tuple[type[Exception], ...]] = {
    (
        f"TLS to Atlas failed. {ATLAS_ADDRESS} must speak TLS with a certificate that is trusted; behind a proxy that opens "
        "TLS, trust its certificate authority with SSL_CERT_FILE."
    ): (aiohttp.ClientSSLError,),
    "The proxy on the way to Atlas cannot be used; check HTTPS_PROXY and NO_PROXY, and the proxy itself.": (
        aiohttp.ClientProxyConnectionError,
        aiohttp.ClientHttpProxyError,
    ),
    f"The host of Atlas cannot be found; check {ATLAS_ADDRESS} and {CLUSTER_DNS}.": (aiohttp.ClientConnectorDNSError,),
    f"Atlas cannot be reached; check {ATLAS_ADDRESS}, network policies and firewalls.": _NOT_SENT,
    "Atlas did not answer in time; the call is retried.": (TimeoutError, httpx.TimeoutException),
    "Atlas's answer broke off or cannot be decoded; the call is retried.": (
        aiohttp.ClientPayloadError,
        httpx.DecodingError,
    ),
    f"What answered does not speak proper HTTP; check {ATLAS_ADDRESS} and the proxies on the way.": (
        aiohttp.ClientResponseError,
        httpx.ProtocolError,
    ),
    "The connection to Atlas broke off; the call is retried.": (Exception,),
}
"""The first match counts, so special kinds of a failure stand before general ones."""
