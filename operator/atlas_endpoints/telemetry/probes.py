"""/livez, /readyz and /metrics, served by the operator's own event loop: if it hangs, they do not answer."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from aiohttp import web

LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"

Check = Callable[[], str | None]
"""Returns a problem, or None."""


async def serve(
    address: str,
    *,
    live: Check,
    ready: Check,
    remark: Callable[[], str] = lambda: "",
    metrics: Callable[[], Awaitable[bytes]],
) -> web.AppRunner:
    """Start serving; ``cleanup`` of the result ends it.

    Args:
        address: ``host:port``; without a host, all addresses; port 0 takes a free one.
        live: whether the process should continue.
        ready: whether the process works.
        remark: returns what ``ready`` adds to its answer, whatever it is.
        metrics: in Prometheus's text format; requests that arrive meanwhile share the result.

    Raises:
        OSError: the address is not available; the text contains the remedy.
    """

    def probe(check: Check, remark: Callable[[], str] = lambda: "") -> Callable[[web.Request], object]:
        async def handler(_: web.Request) -> web.Response:
            problem = check()
            return web.Response(status=200 if problem is None else 503, text=f"{problem or 'ok'}{remark()}")

        return handler

    rendering: asyncio.Future[bytes] | None = None

    def forget(_: asyncio.Future[bytes]) -> None:
        nonlocal rendering
        rendering = None  # the answer about 20,000 resources takes 14 MB

    async def exposition(_: web.Request) -> web.Response:
        nonlocal rendering
        if rendering is None:
            rendering = asyncio.ensure_future(metrics())
            rendering.add_done_callback(forget)
        # A client that disconnects must not cancel the answer of the others.
        return web.Response(
            body=await asyncio.shield(rendering), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app = web.Application()
    app.add_routes(
        [web.get(LIVE, probe(live)), web.get(READY, probe(ready, remark)), web.get(METRICS, exposition)]  # type: ignore[arg-type]  # aiohttp's handler type is narrower than it accepts
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = address.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
    except OSError as error:
        await runner.cleanup()
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            f"Probes and metrics cannot be served at {address}: {why}. Set --http-address or"
            " ATLAS_ENDPOINTS_HTTP_ADDRESS to a free address of this machine."
        ) from error
    return runner
