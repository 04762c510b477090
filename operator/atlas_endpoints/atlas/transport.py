"""What goes over the wire to Atlas: the last check before a write, the steps of a call, and what its failures mean.

The exception classes of httpx's aiohttp transport mislead; that is dealt with here, and its other surprises in ``transports``.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

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


_sending: ContextVar[Write | None] = ContextVar("sending", default=None)
"""The write that the present task has handed to the wire: down there, a request is method and URL only."""


class FencedTransport(httpx.AsyncBaseTransport):
    """The check before each write, also when authentication took its time or sends the write again.

    The wire asks once more, when a connection is there: see :func:`fenced_requests`.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, fence: Callable[[], bool], *, writes: bool) -> None:
        self._transport = transport
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
                raise _held_back(write)
            write.in_doubt = True
        _sending.set(write if isinstance(write, Write) else None)  # for each request anew, so that none is mistaken
        response = await self._transport.handle_async_request(request)
        if isinstance(write, Write) and response.status_code == httpx.codes.UNAUTHORIZED:
            write.in_doubt = False
        return response

    @override
    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class OnSend(Protocol):
    """Is told of each request on behalf of a call."""

    def __call__(self, request: httpx.Request, status: int | None, seconds: float) -> None:
        """Take note of a request: with the status of its answer, if one came, after so many seconds."""


async def send(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    auth: httpx.Auth,
    *,
    clock: Callable[[], float],
    on_send: OnSend,
) -> httpx.Response:
    """Send a request, and with it whatever its authentication takes.

    httpx's own client would do the same at more than twice the cost: it also merges URLs and keeps cookies, follows redirects
    and calls hooks. None of these may happen here, since all calls and all credentials share the wire.

    Args:
        transport: sends a single request, and reads its answer.
        request: the call.
        auth: signs it, perhaps after other requests or once more.
        clock: monotonic seconds.
        on_send: is told of each request.

    Returns:
        The answer to the call.

    Raises:
        AtlasError: as ``auth`` and ``wire`` do.
        Exception: one of ``TRANSPORT_ERRORS``.
    """
    async with aclosing(auth.async_auth_flow(request)) as flow:
        following = await anext(flow)
        while True:
            began = clock()
            try:
                response = await transport.handle_async_request(following)
            except TRANSPORT_ERRORS as error:
                on_send(following, None, clock() - began)
                following = await flow.athrow(error)  # raises it, unless the flow can do without this answer
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
    """Make requests that ask as late as can be: they may have waited for a connection, and aiohttp sends some twice.

    Args:
        fence: asked for each write; when it says no, sending raises ``NotLeaderError``.
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
"""The first that fits counts: the special kinds of a failure stand before the general ones."""


def _explain(cause: Exception) -> str:
    explanation = next(text for text, kinds in _EXPLANATIONS.items() if isinstance(cause, kinds))
    return f"{explanation} ({words_of(cause)})"
