"""The lives of all families against the simulator, as it is and with everything turned the other way; and crashes at each write."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import httpx
import pytest

from atlas_endpoints.commands.clusterless import ConformFamily, ConformSettings
from atlas_endpoints.commands.conform import command
from atlas_endpoints.commands.conform.lives import FAMILIES
from atlas_endpoints.commands.conform.rows import Row, rows
from atlas_endpoints.simulator import Switches
from unit.simulator.harness import Atlas, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROJECT, NAME = "5f" * 12, f"project-{('5f' * 12)[-5:]}"
SEED: dict[str, Any] = {
    "projects": [{"id": PROJECT, "encryptionAtRest": {"awsKms": {"enabled": True, "requirePrivateNetworking": True}}}],
    "serviceAccounts": [{"clientId": "owner", "clientSecret": "owner-secret", "roles": {PROJECT: "GROUP_OWNER"}}],
}
PROBED = [(row, family) for row in rows() if not row.reason for family in row.families]


class CrashError(BaseException):
    """The process dies."""


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Connections that die at a write: the n-th one, before it is sent or after it was answered."""

    dies_at: int = 0
    after: bool = False
    writes: int = 0
    inner: httpx.AsyncHTTPTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.writes += "write" in request.extensions and request.extensions["write"] is not None
        dies = self.writes == self.dies_at and request.extensions.get("write") is not None
        if dies and not self.after:
            raise CrashError
        response = await self.inner.handle_async_request(request)
        if dies:
            raise CrashError
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass
class Conform:
    """The command, on the time of the simulator."""

    atlas: Atlas
    folder: Path
    lines: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    limit: int = 0

    async def run(self, families: str, wire: httpx.AsyncBaseTransport | None = None, **settings: Any) -> bool:
        given = {"project": PROJECT, "project_name": NAME, "output": "json", **settings}
        chosen = ConformSettings(
            families=families, atlas_url=str(self.atlas.http.base_url), record=self.folder / "record.json", **given
        )
        self.lines.clear()
        return await command.run(chosen, self.lines.append, self.say, None, transport=wire or Wire(), sleep=self.sleep)

    def say(self, line: str) -> None:
        """Note a line; a fault for the step that it announces happens to its call."""
        self.said.append(line)
        if (fault := self.faults.get(line)) is not None:
            self.atlas.simulator.faults.add({"times": 1, "match": {"path": "/groups/"}, **fault})

    async def sleep(self, seconds: float) -> None:
        self.atlas.clock.advance(seconds)

    @property
    def results(self) -> dict[str, str]:
        report = json.loads("\n".join(self.lines))
        return {
            f"{each['family']} {each['row']}": f"{each['result']} {each['detail']}".strip()
            for each in report["results"]
        }

    async def there(self) -> list[Any]:
        """Return all that the project has."""
        (project,) = (await self.atlas.control("state"))["projects"]
        names = (
            "endpointServices",
            "dataFederationEndpoints",
            "encryptionAtRestEndpoints",
            "backupEndpoints",
            "streamEndpoints",
        )
        return [each for name in names for each in project[name] if each.get("state") != "DELETED"]


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", "owner")
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "owner-secret")


@asynccontextmanager
async def conforming(folder: Path, seed: dict[str, Any] = SEED, **switches: Any) -> AsyncIterator[Conform]:
    async with start(seed, **switches) as atlas:
        yield Conform(atlas, folder)


def test_each_row_is_tried_or_has_a_reason_and_each_switch_exists() -> None:
    found = rows()

    assert len({row.id for row in found}) == len(found)
    for row in found:
        assert bool(row.reason) != bool(row.expect), row.id
        assert bool(row.simulator) or bool(row.assumes), row.id
        assert row.switch is None or Switches().changed(row.switch) != Switches(), row.id
    assert {each for row in found for each in row.families} == {*FAMILIES, "serverless"} == {*get_args(ConformFamily)}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("family", FAMILIES)
async def test_the_simulator_is_as_assumed_and_nothing_is_left(family: str, tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        assert await conform.run(family)
        tried = {name: result for name, result in conform.results.items() if not result.startswith("not tried")}

        assert tried == {f"{family} {row.id}": "as assumed" for row, each in PROBED if each == family}
        assert not await conform.there()


def fault_for(row: Row) -> tuple[str, dict[str, Any]]:
    """Return a step of a row, and an answer to it that is another one."""
    step, expected = next(iter((row.expect or {}).items()))
    if isinstance(expected, str):
        status = 404 if step.endswith("gone") else 422
        return step, {"status": status, "errorCode": "OTHER", "times": 11 if step == "listed" else 1}
    return step, {"status": 200, "body": {"other": None, **dict.fromkeys(expected, "other")}, "apply": step == "create"}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(("row", "family"), [pytest.param(*each, id=f"{each[1]} {each[0].id}") for each in PROBED])
async def test_each_other_possibility_is_found(row: Row, family: str, tmp_path: Path) -> None:
    async with conforming(tmp_path, **(row.switch or {})) as conform:
        if row.switch is None:
            step, fault = fault_for(row)
            conform.faults[f"{family}: {step}"] = fault
        await conform.run(family)

        assert conform.results[f"{family} {row.id}"].startswith("differs"), conform.results[f"{family} {row.id}"]
        await conform.run("", cleanup=True)
        await conform.sleep(3600)
        assert not await conform.there()
