"""Bodies of answers, bounded: whatever answers, no more is held than Atlas has reason to send."""

import zlib
from contextlib import aclosing

import httpx
from typing_extensions import override

LONGEST = 4 * 1024 * 1024
"""Bytes of a 2xx body: a LIST of about 13,000 endpoints on AWS, or 6,000 on Azure, whose ids are longer."""

LONGEST_REFUSAL = 64 * 1024
"""Bytes of any other body; an error of Atlas has a few hundred."""

_WINDOWS = {"gzip": (zlib.MAX_WBITS | 16,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""How zlib reads the codings that requests ask for; some servers send deflate without its header."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Reads each answer to its end, or to its bound.

    A 2xx body beyond the bound becomes an empty one: half a list is no list. Any other body is cut at its bound: its status and
    its headers still count. A coding that no request asks for, such as gzip twice, is not undone: what is left is no JSON.

    Args:
        wire: sends a single request.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its answer with its body.

        Raises:
            httpx.DecodingError: the body is not in the coding that it claims.
        """
        response = await self._transport.handle_async_request(request)
        limit = LONGEST if response.is_success else LONGEST_REFUSAL
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
        """Close the connections."""
        await self._transport.aclose()


async def _raw(response: httpx.Response, limit: int) -> bytes:
    """Return the encoded body, or its first bytes if it is longer than the limit."""
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  # as each answer of an asynchronous transport
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
