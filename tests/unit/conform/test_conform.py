"""Whole lives against the simulator, as it is and with switches turned the other way; what is left is named, and can be removed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.simulator import Switches
from conform.__main__ import run
from conform.life import families
from conform.rows import Row, rows
from support.recordings import recordings
from unit.simulator.harness import Atlas, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]
PROJECT, OTHER = "5f" * 12, "a" * 24
SEED: dict[str, Any] = {
    "projects": [{"id": PROJECT, "encryptionAtRest": {"awsKms": {"enabled": True, "requirePrivateNetworking": True}}}],
    "serviceAccounts": [{"clientId": "owner", "clientSecret": "owner-secret", "roles": {PROJECT: "GROUP_OWNER"}}],
    "apiKeys": [{"publicKey": "ownerkey", "privateKey": "owner-private", "roles": {PROJECT: "GROUP_OWNER"}}],
}
UNKNOWN_IDS: dict[str, Any] = {"connectFails": "vpce-"}
"""The simulator by default takes each ID for one that exists."""


@dataclass
class Conform:
    """The command, on the time of the simulator."""

    atlas: Atlas
    record: Path
    said: list[str] = field(default_factory=list)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def run(self, *arguments: str) -> bool:
        place = [f"--project={PROJECT}", f"--record={self.record}", f"--atlas-url={self.atlas.http.base_url}"]
        self.said.clear()
        return await run([*place, *arguments], self.say, self.sleep)

    def say(self, line: str) -> None:
        """Note a line; a fault for the step that it announces happens to its call."""
        self.said.append(line)
        if (fault := self.faults.pop(line, None)) is not None:
            self.atlas.simulator.faults.add({"times": 1, "match": {"path": "/groups/"}, **fault})

    async def sleep(self, seconds: float) -> None:
        self.atlas.clock.advance(seconds)

    @property
    def differing(self) -> set[str]:
        return {line.split()[1] for line in self.said if line.startswith("  differs: ")}

    async def remove(self) -> None:
        """Run the command that the last run has named, if it has."""
        for line in [each for each in self.said if each.startswith("If nobody needs them: ")]:
            paths = line.partition(f"make conform PROJECT={PROJECT} REMOVE=")[2].strip("'")
            assert await self.run("--remove", *paths.split())

    async def there(self) -> list[Any]:
        """Return all that the project has."""
        (project,) = (await self.atlas.control("state"))["projects"]
        names = (
            "endpointServices",
            *(f"{each}Endpoints" for each in ("dataFederation", "encryptionAtRest", "backup", "stream")),
        )
        return [each for name in names for each in project[name] if each.get("state") != "DELETED"]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", "owner")
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "owner-secret")


@asynccontextmanager
async def conforming(folder: Path, seed: dict[str, Any] = SEED, **switches: Any) -> AsyncIterator[Conform]:
    async with start(seed, **switches) as atlas:
        yield Conform(atlas, folder / "record.jsonl")


def test_each_row_is_tried_or_has_a_reason_and_each_switch_and_step_exists() -> None:
    found, known = rows(), families()

    assert len({row.id for row in found}) == len(found)
    for row in found:
        assert bool(row.reason) != bool(row.expect), row.id
        assert bool(row.simulator) or bool(row.assumes), row.id
        assert row.switch is None or Switches().changed(row.switch) != Switches(), row.id
        for family in row.families if row.expect else ():
            assert {*(row.expect or ())} <= known[family].steps.keys(), row.id


@pytest.mark.parametrize("family", families())
async def test_the_simulator_is_as_assumed_and_nothing_is_left(family: str, tmp_path: Path) -> None:
    async with conforming(tmp_path, **(UNKNOWN_IDS if family == "dedicated" else {})) as conform:
        assert await conform.run("--families", family)
        tried = sum(bool(row.expect) and family in row.families for row in rows())

        assert f"{family}: 0 differs, 0 not tried, {tried} as assumed" in conform.said
        assert not await conform.there()


def fault_for(row: Row) -> tuple[str, dict[str, Any]]:
    """Return a step of a row, and an answer to it that is another one."""
    step, expected = next(iter((row.expect or {}).items()))
    if isinstance(expected, str):
        return step, {"status": 422, "errorCode": "OTHER", "times": 11 if step == "listed" else 1}
    return step, {"status": 200, "body": {"other": None, **dict.fromkeys(expected, "other")}, "apply": step == "create"}


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in rows() if row.expect])
async def test_each_other_possibility_is_found_and_nothing_is_left(row: Row, tmp_path: Path) -> None:
    family = row.families[0]
    async with conforming(tmp_path, **(UNKNOWN_IDS if family == "dedicated" else {}), **(row.switch or {})) as conform:
        if row.switch is None:
            step, fault = fault_for(row)
            conform.faults[f"{family}: {step}"] = fault
        await conform.run("--families", family)

        assert row.id in conform.differing
        await conform.remove()
        assert not await conform.there()


@pytest.mark.parametrize(
    ("family", "step", "fault"),
    [
        ("backup", "create", {"drop": "after"}),
        ("backup", "create", {"status": 201, "body": {}, "apply": True}),
        ("streams", "create", {"status": 200, "body": "<html>", "apply": True}),
        ("dedicated", "register", {"drop": "after"}),
        ("dedicated", "second register", {"status": 500}),
        ("data-federation", "create", {"drop": "after"}),
        ("backup", "still early", {"status": 503, "times": 3}),
    ],
)
async def test_what_an_answer_that_is_lost_leaves_is_removed_or_named(
    family: str, step: str, fault: dict[str, Any], tmp_path: Path
) -> None:
    async with conforming(tmp_path, **(UNKNOWN_IDS if family == "dedicated" else {})) as conform:
        conform.faults[f"{family}: {step}"] = fault
        await conform.run("--families", family)

        assert not conform.differing
        await conform.remove()
        assert not await conform.there()


@pytest.mark.parametrize(
    ("family", "has", "why"),
    [
        ("dedicated", {"endpointServices": [{"regionName": "eu-west-1"}]}, "has something of this family already"),
        ("backup", {"backupEndpoints": [{"regionName": "EU_WEST_1"}]}, "has something of this family already"),
        ("encryption", {"encryptionAtRest": {"awsKms": {"enabled": True}}}, "must have private networking for AWS KMS"),
        (
            "encryption",
            SEED["projects"][0] | {"clusters": [{"name": "vault", "encryptionAtRestProvider": "AWS"}]},
            "must have no cluster with a customer key",
        ),
    ],
)
async def test_a_project_that_uses_the_family_is_left_as_it_is(
    family: str, has: dict[str, Any], why: str, tmp_path: Path
) -> None:
    async with conforming(tmp_path, SEED | {"projects": [has | {"id": PROJECT}]}) as conform:
        assert not await conform.run("--families", family)

        assert any(why in line for line in conform.said)
        asked = [each for each in await conform.atlas.control("requests") if "/groups/" in each["path"]]
        assert {each["method"] for each in asked} == {"GET"}
        assert not conform.record.read_text(encoding="utf-8")


async def test_an_interruption_names_what_is_left_and_the_command_that_removes_it(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        place = [f"--project={PROJECT}", f"--record={conform.record}", f"--atlas-url={conform.atlas.http.base_url}"]
        # Whoever runs tests in the background may have them ignore SIGINT.
        default = "/usr/bin/env", "--default-signal=INT"
        process = await asyncio.create_subprocess_exec(
            *(*default, sys.executable, "-m", "conform", *place, "--families", "backup", "streams"),
            env={**os.environ, "PYTHONPATH": "hack:operator"},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        while (line := (await process.stdout.readline()).decode()) != "backup: made\n":
            assert line, "it has ended"
        process.send_signal(signal.SIGINT)
        conform.said = (await process.communicate())[0].decode().splitlines()

        assert process.returncode == 130
        (endpoint,) = await conform.there()
        assert any(endpoint["id"] in line and "not seen to be gone" in line for line in conform.said)
        await conform.remove()
        assert not await conform.there()


@pytest.mark.parametrize("kind", ["account", "key"])
async def test_the_record_has_the_format_of_recorded_answers_without_ids_and_credentials(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "key":
        monkeypatch.delenv("MONGODB_ATLAS_CLIENT_ID")
        monkeypatch.delenv("MONGODB_ATLAS_CLIENT_SECRET")
        monkeypatch.setenv("MONGODB_ATLAS_PUBLIC_API_KEY", "ownerkey")
        monkeypatch.setenv("MONGODB_ATLAS_PRIVATE_API_KEY", "owner-private")
    async with conforming(tmp_path) as conform:
        conform.faults["backup: second create"] = {
            "status": 409,
            "body": {"errorCode": "EXISTS", "detail": f"owner-secret owner-private {OTHER}"},
        }
        assert await conform.run("--families", "data-federation", "backup")

    text = conform.record.read_text(encoding="utf-8")
    first, *_ = lines = [json.loads(line) for line in text.splitlines()]
    assert [each["op"] for each in lines if each["family"] == "backup"] == [*families()["backup"].steps]
    assert first["request"]["path"] == "/api/atlas/v2/groups/{groupId}/privateNetworkSettings/endpointIds/vpce-x"
    assert first.keys() == {"name", "source", "provider", "family", "op", "date", "fidelity", "request", "response"}
    assert first.keys() <= recordings()["df-create-aws"].keys()
    assert first["response"].keys() == {"status", "headers", "body"}
    assert not re.search(r"[0-9a-f]{24}|vpce-[0-9a-f]", text)
    assert {"account": "owner-secret", "key": "owner-private"}[kind] not in text
    assert not re.search("Bearer|Digest", text)


async def test_refused_credentials_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", "wrong-secret")
    async with conforming(tmp_path) as conform:
        assert not await conform.run("--families", "backup")

        assert any("it ended early: " in line and "credentials" in line for line in conform.said)
        assert "wrong-secret" not in "\n".join(conform.said)
