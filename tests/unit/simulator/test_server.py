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

from atlas_endpoints.simulator import InvalidDocumentError, serve
from unit.simulator.harness import SEED, until


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
