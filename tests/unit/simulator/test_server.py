"""The server as a whole: starting, stopping, what it tells people."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from atlas_endpoints.simulator import InvalidDocumentError, Simulator, describe, running, serve
from unit.simulator.harness import SEED, Atlas, collection, start, until


async def test_a_free_port_is_found_and_closed_again() -> None:
    async with running(Simulator()) as server:
        url = server.url
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{url}/_simulator/")).status_code == 200

    assert int(url.rpartition(":")[2]) > 0
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(f"{url}/_simulator/")


async def test_two_simulators_do_not_know_each_other() -> None:
    async with start() as one, start() as two:
        await one.control("mode", {"mode": "gone"})

        assert (await one.call("GET", collection())).status_code == 410
        assert (await two.call("GET", collection())).status_code == 200


async def test_a_taken_port_is_an_error() -> None:
    async with running(Simulator()) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with running(Simulator(), port=port):
                pass


async def test_the_server_stops_although_a_request_is_waiting() -> None:
    async with start() as atlas:
        await atlas.token()
        await atlas.control("faults", {"delay": 3600})
        waiting = asyncio.create_task(atlas.call("GET", collection()))

        async def arrived() -> bool:
            return len(await atlas.control("requests")) == 2

        await until(arrived)

    with pytest.raises(httpx.TransportError):
        await waiting


async def test_every_request_takes_the_latency(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("switches", {"latency": 0.05})
    loop = asyncio.get_running_loop()
    began = loop.time()
    await atlas.call("GET", collection())

    assert loop.time() - began >= 0.05


async def test_the_command_tells_where_it_is_and_what_it_serves_and_the_secrets_it_made_up() -> None:
    async with _command() as (url, lines):
        told = dict(part.split("=") for line in lines for part in line.split() if "=" in part)
        async with httpx.AsyncClient(base_url=url) as http:
            auth = (told["clientId"], told["clientSecret"])
            answer = await http.post("/api/oauth/token", auth=auth, data={"grant_type": "client_credentials"})

    assert answer.status_code == 200
    assert {"publicApiKey", "privateApiKey"} <= told.keys()
    assert [line.split()[1] for line in lines if "instance:" in line] == ["aws-instance", "azure-instance"]
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient() as http:
            await http.get(url)


async def test_the_command_prints_no_secret_of_a_seed_file_and_its_flags_win_over_it(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(SEED | {"switches": {"transition": 9, "latency": 0.001}}), encoding="utf-8")
    async with _command(seed=path, transition=1) as (url, lines), httpx.AsyncClient() as http:
        switches = (await http.get(f"{url}/_simulator/switches")).json()

    assert (switches["transition"], switches["latency"]) == (1, 0.001)
    assert "secret" not in "\n".join(lines).lower()
    assert "private" not in "\n".join(lines).lower()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_ends_on_a_signal(number: signal.Signals) -> None:
    async with _command(stop=number) as (_, lines):
        assert lines


async def test_the_command_refuses_a_bad_seed_file_before_it_listens(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text("{}}", encoding="utf-8")

    with pytest.raises(InvalidDocumentError, match="is not JSON"):
        await serve(port=0, seed=path)


async def test_of_many_endpoints_only_a_few_are_told() -> None:
    endpoints = [{"_id": f"{number:024x}"} for number in range(25)]
    project = {"id": "0" * 24, "instances": [{"name": "aws", "endpoints": endpoints}]}
    async with start({"projects": [project]}) as atlas:
        lines = describe("http://host", atlas.simulator, secrets=False)

    assert sum("endpoint:" in line for line in lines) == 10
    assert "    and 15 more" in lines


@asynccontextmanager
async def _command(stop: signal.Signals | None = None, **flags: Any) -> AsyncIterator[tuple[str, list[str]]]:
    """Run what the command runs; it must end by itself on a signal, else it is cancelled."""
    lines: list[str] = []
    serving = asyncio.create_task(serve(port=0, say=lines.append, **flags))

    async def told() -> bool:
        return serving.done() or any(line.startswith("API key") for line in lines)

    await until(told)
    yield lines[0].removeprefix("Atlas simulator: "), lines
    if stop is None:
        serving.cancel()
    else:
        os.kill(os.getpid(), stop)
    async with asyncio.timeout(30):
        with contextlib.suppress(asyncio.CancelledError):
            await serving
