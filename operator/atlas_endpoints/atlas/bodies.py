"""Limits on the bodies of answers, since anything may answer in the place of Atlas."""

import zlib
from contextlib import aclosing

import httpx
from typing_extensions import override

LONGEST = 4 * 1024 * 1024
"""Bytes of a 2xx body: a LIST of about 13,000 endpoints on AWS, or 6,000 on Azure, whose ids are longer."""

LONGEST_REFUSAL = 64 * 1024
"""Bytes of any other body; an error of Atlas has a few hundred."""

_WINDOWS = {"gzip": (zlib.MAX_WBITS | 16,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""Window sizes for zlib, by the codings that requests accept; some servers send deflate without its header."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Reads each answer up to a limit.

    A 2xx body beyond the limit becomes empty: half a list is no list. Any other body is cut, since its status and headers still
    count. A coding that no request accepts, such as gzip twice, stays as it is and is then no JSON.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
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
        await self._transport.aclose()


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
