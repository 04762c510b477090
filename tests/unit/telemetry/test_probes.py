"""The probes tell what their checks tell, over real HTTP."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from atlas_endpoints.telemetry import probes


async def _nothing() -> bytes:
    return b""


async def _a_metric() -> bytes:
    return b"a_metric 1\n"


async def _get(path: str, *, live: str | None = None, ready: str | None = None, remark: str = "") -> httpx.Response:
    server = await probes.serve(
        "127.0.0.1:0", live=lambda: live, ready=lambda: ready, remark=lambda: remark, metrics=_a_metric
    )
    try:
        port = server.addresses[0][1]
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{port}{path}")
    finally:
        await server.cleanup()


async def test_an_address_in_use_is_an_error_with_the_remedy() -> None:
    server = await probes.serve("127.0.0.1:0", live=lambda: None, ready=lambda: None, metrics=_nothing)
    address = f"127.0.0.1:{server.addresses[0][1]}"
    try:
        with pytest.raises(OSError, match=rf"at {address}: Address already in use\. .* --http-address"):
            await probes.serve(address, live=lambda: None, ready=lambda: None, metrics=_nothing)
    finally:
        await server.cleanup()


async def test_a_probe_answers_with_the_problem_of_its_own_check() -> None:
    live = await _get("/livez", live="nobody watches", ready="not yet")
    ready = await _get("/readyz", live="nobody watches", ready="not yet")

    assert (live.status_code, live.text) == (503, "nobody watches")
    assert (ready.status_code, ready.text) == (503, "not yet")


@pytest.mark.parametrize(("problem", "status", "text"), [(None, 200, "ok, but"), ("not yet", 503, "not yet, but")])
async def test_a_remark_does_not_change_readiness(problem: str | None, status: int, text: str) -> None:
    ready = await _get("/readyz", ready=problem, remark=", but")
    live = await _get("/livez", ready=problem, remark=", but")

    assert (ready.status_code, ready.text) == (status, text)
    assert (live.status_code, live.text) == (200, "ok")


async def test_concurrent_scrapes_share_one_rendering() -> None:
    """To render all resources takes a part of a second, in turns that an edit waits for: many renderings at once add up."""
    rendered, may_end = 0, asyncio.Event()

    async def render() -> bytes:
        nonlocal rendered
        rendered += 1
        await may_end.wait()
        return b"rendering %d\n" % rendered

    server = await probes.serve("127.0.0.1:0", live=lambda: None, ready=lambda: None, metrics=render)
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    try:
        async with AsyncExitStack() as closing:
            clients = [await closing.enter_async_context(httpx.AsyncClient(trust_env=False)) for _ in range(6)]
            for each in clients:
                await each.get(f"{url}/livez")  # it is connected from now on
            *scrapers, other = clients
            scrapes = [asyncio.create_task(each.get(f"{url}/metrics")) for each in scrapers]
            for _ in range(5):
                await other.get(f"{url}/livez")  # whose answer comes after the scrapes have arrived
            may_end.set()
            assert {(await each).text for each in scrapes} == {"rendering 1\n"}
            assert (await other.get(f"{url}/metrics")).text == "rendering 2\n"
    finally:
        await server.cleanup()


async def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        await probes.serve("192.0.2.1:0", live=lambda: None, ready=lambda: None, metrics=_nothing)
