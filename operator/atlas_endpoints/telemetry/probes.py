"""/livez, /readyz and /metrics, served by the loop that they speak about: when it hangs, they do not answer."""

import asyncio
import os
from collections.abc import Awaitable, Callable

from aiohttp import web

LIVE, READY, METRICS = "/livez", "/readyz", "/metrics"
"""What is served."""

Check = Callable[[], str | None]
"""Gives ``None`` when all is well, else what is not."""


async def serve(address: str, *, live: Check, ready: Check, metrics: Callable[[], Awaitable[bytes]]) -> web.AppRunner:
    """Start serving; ``cleanup`` of what is returned ends it.

    Args:
        address: ``host:port``; without a host, all addresses; port 0 takes a free one.
        live: whether the process should go on running.
        ready: whether it does its work.
        metrics: in Prometheus's text format; who asks while they are being written is answered with the same.

    Raises:
        OSError: the address is taken or not ours; the text names the remedy.
    """

    def probe(check: Check) -> Callable[[web.Request], object]:
        async def handler(_: web.Request) -> web.Response:
            problem = check()
            return web.Response(status=200 if problem is None else 503, text=problem or "ok")

        return handler

    rendering: asyncio.Future[bytes] | None = None

    async def exposition(_: web.Request) -> web.Response:
        nonlocal rendering
        if rendering is None or rendering.done():
            rendering = asyncio.ensure_future(metrics())
        # Whoever hangs up must not take the answer from the others.
        return web.Response(
            body=await asyncio.shield(rendering), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app = web.Application()
    app.add_routes(
        [web.get(LIVE, probe(live)), web.get(READY, probe(ready)), web.get(METRICS, exposition)]  # type: ignore[arg-type]  # aiohttp's handler type is narrower than it accepts
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
            f"Probes and metrics cannot be served at {address}: {why}. Give an address of this machine that is free by"
            " --http-address or ATLAS_ENDPOINTS_HTTP_ADDRESS."
        ) from error
    return runner
