"""The lives of all families against the simulator, as it is and with everything turned the other way; and crashes at each write."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typing_extensions import override

from atlas_endpoints import __version__
from atlas_endpoints.commands.clusterless import ConformSettings
from atlas_endpoints.commands.conform import command
from atlas_endpoints.commands.conform.rows import Row, families, rows
from atlas_endpoints.kinds import FAMILIES
from atlas_endpoints.simulator import Switches
from support.recordings import recordings
from unit.simulator.harness import Atlas, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PROJECT, NAME = "5f" * 12, f"project-{('5f' * 12)[-5:]}"
SEED: dict[str, Any] = {
    "projects": [{"id": PROJECT, "encryptionAtRest": {"awsKms": {"enabled": True, "requirePrivateNetworking": True}}}],
    "serviceAccounts": [{"clientId": "owner", "clientSecret": "owner-secret", "roles": {PROJECT: "GROUP_OWNER"}}],
}
UNKNOWN_IDS: dict[str, Any] = {"connectFails": "vpce-"}
"""The simulator by default takes each ID for one that exists."""

TARGET = {
    "projectId": PROJECT,
    "vendor": "S3",
    "region": "US_EAST_1",
    "serviceEndpointId": "com.amazonaws.us-east-1.s3",
}
"""What the life of streams makes."""

PROBED = [(row, family) for row in rows() if not row.reason for family in row.families]


class CrashError(BaseException):
    """The process dies."""


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Connections that die at a write: the n-th one, before it is sent or after it was answered; or what happens instead, after it."""

    dies_at: int = 0
    after: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None
    writes: int = 0
    record: Path | None = None
    inner: httpx.AsyncHTTPTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_write = request.extensions.get("write") is not None
        self.writes += is_write
        if is_write and self.record is not None:
            kept = json.loads(self.record.read_text())
            assert [each["pending"] for each in kept["lives"].values() if each["pending"]], request.url
        dies = is_write and self.writes == self.dies_at
        if dies and not self.after and self.meanwhile is None:
            raise CrashError
        try:
            response = await self.inner.handle_async_request(request)
        finally:
            if dies and self.meanwhile is not None:
                await self.meanwhile()
        if dies and self.meanwhile is None:
            raise CrashError
        return response

    @override
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
    interrupted_at: str = ""

    async def run(
        self,
        families: str,
        wire: httpx.AsyncBaseTransport | None = None,
        *,
        ask: Callable[[str], str] | None = None,
        **settings: Any,
    ) -> bool:
        given: dict[str, Any] = {"project": PROJECT, "project_name": NAME, "output": "json", "wait": "10m"}
        given |= {
            "record": self.folder / "record.json",
            "atlas_url": str(self.atlas.http.base_url),
            "families": families,
        }
        chosen = ConformSettings.model_validate(given | settings)
        self.lines.clear()
        return await command.run(
            chosen, FAMILIES, self.lines.append, self.say, ask, transport=wire or Wire(), sleep=self.sleep
        )

    def say(self, line: str) -> None:
        """Note a line; a fault for the step that it announces happens to its call."""
        self.said.append(line)
        if line == self.interrupted_at and (task := asyncio.current_task()) is not None:
            task.cancel()
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
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a third of the time of a life


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
    assert {each for row in found for each in row.families} == {*families()}
    assert {*families()} == {*FAMILIES, "serverless"}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("family", FAMILIES)
async def test_the_simulator_is_as_assumed_and_nothing_is_left(family: str, tmp_path: Path) -> None:
    async with conforming(tmp_path, **(UNKNOWN_IDS if family == "dedicated" else {})) as conform:
        assert await conform.run(family)
        tried = {name: result for name, result in conform.results.items() if not result.startswith("not tried")}

        assert tried == {f"{family} {row.id}": "as assumed" for row, each in PROBED if each == family}
        assert not await conform.there()


def fault_for(row: Row) -> tuple[str, dict[str, Any]]:
    """Return a step of a row, and an answer to it that is another one."""
    step, expected = next(iter((row.expect or {}).items()))
    if isinstance(expected, str):
        # A 404 with an unknown code is asked for again, and a LIST until it shows something.
        status, times = (404, 3) if step.endswith("gone") else (422, 11 if step == "listed" else 1)
        return step, {"status": status, "errorCode": "OTHER", "times": times}
    return step, {"status": 200, "body": {"other": None, **dict.fromkeys(expected, "other")}, "apply": step == "create"}


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in rows() if not row.reason])
async def test_each_other_possibility_is_found(row: Row, tmp_path: Path) -> None:
    family = row.families[0]
    async with conforming(tmp_path, **(UNKNOWN_IDS if family == "dedicated" else {}), **(row.switch or {})) as conform:
        if row.switch is None:
            step, fault = fault_for(row)
            conform.faults[f"{family}: {step}"] = fault
        await conform.run(family)

        assert conform.results[f"{family} {row.id}"].startswith("differs"), conform.results[f"{family} {row.id}"]
        await conform.run("", cleanup=True)
        await conform.sleep(3600)
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("family", ["dedicated", "data-federation", "streams"])
async def test_after_a_crash_at_any_write_a_cleanup_leaves_nothing(family: str, after: bool, tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        for number in range(1, 100):
            record, wire = tmp_path / f"{number}.json", Wire(number, after)
            try:
                await conform.run(family, wire, record=record)
            except CrashError:
                assert await conform.run("", cleanup=True, record=record)
                assert not await conform.there()
            else:
                assert number > 9
                return


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("family", FAMILIES)
async def test_processes_that_die_after_each_write_come_to_an_end_together(family: str, tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        for _ in range(100):
            try:
                await conform.run(family, Wire(1, after=True))
                break
            except CrashError:
                await conform.sleep(20)

        assert not await conform.there()
        assert not [each for each in conform.results.values() if each.startswith("differs")]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"drop": "after", "applyAfter": 60},
        {"status": 500},
        {"status": 200, "body": "<html>", "apply": True},
    ],
)
@pytest.mark.parametrize(
    ("family", "step"), [("backup", "create"), ("dedicated", "register"), ("dedicated", "deregister")]
)
async def test_after_a_lost_answer_nothing_is_left(
    family: str, step: str, fault: dict[str, Any], tmp_path: Path
) -> None:
    async with conforming(tmp_path) as conform:
        conform.faults[f"{family}: {step}"] = fault

        is_known = step != "deregister" and fault.get("status") != 500
        assert await conform.run(family) == is_known
        await conform.sleep(3600)  # what Atlas applies late
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(("count", "days", "left"), [(2, 0, 2), (1, 3, 1), (1, -3, 1), (0, 0, 0)])
async def test_what_somebody_else_may_have_made_is_named_and_stays(
    count: int, days: int, left: int, tmp_path: Path
) -> None:
    async with conforming(tmp_path) as conform:
        with pytest.raises(CrashError):
            await conform.run("streams", Wire(4))  # the POST of the connection is not sent
        for number in range(count):
            await conform.atlas.control("streamEndpoints", TARGET | {"_id": f"{number}" * 24})
        await conform.atlas.control("streamEndpoints", TARGET | {"_id": "f" * 24, "region": "EU_WEST_1"})
        record = tmp_path / "record.json"
        kept = json.loads(record.read_text())
        kept["lives"]["streams"]["pending"]["at"] -= 86400 * days
        record.write_text(json.dumps(kept))

        assert not await conform.run("streams")
        assert len(await conform.there()) == count + 1
        assert sum("not touched" in each for each in conform.said) == left
        for number in range(count):
            await conform.atlas.control(
                "streamEndpoints", {"_id": f"{number}" * 24, "projectId": PROJECT, "remove": True}
            )
        assert await conform.run("", cleanup=True)


@pytest.mark.usefixtures("credentials")
async def test_nothing_is_made_before_somebody_types_the_name_of_the_project(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        wire = Wire()
        with pytest.raises(ValueError, match="not the name of project"):
            await conform.run("backup", wire, project_name=None, ask=lambda _: "another")
        assert not wire.writes
        assert any("an endpoint of Atlas's for export buckets" in each for each in conform.said)
        assert await conform.run("backup", project_name=None, ask=lambda _: f"{NAME} ")


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("step", ["create", "second register", "until endpoint gone"])
async def test_an_interruption_removes_what_was_made(step: str, tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        conform.interrupted_at = f"dedicated: {step}"
        with pytest.raises(asyncio.CancelledError):
            await conform.run("dedicated", wait="3m")

        assert not await conform.there()
        conform.interrupted_at = ""
        assert not await conform.run("dedicated")
        assert "not tried the command was interrupted" in conform.results.values()
        assert "use another --record" in conform.said[-1]


@pytest.mark.usefixtures("credentials")
async def test_each_write_stands_in_the_record_before_and_no_secret_does(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    async with conforming(tmp_path) as conform:
        assert await conform.run("dedicated,data-federation", Wire(record=record))

    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    texts = [record.read_text(), *conform.lines, *conform.said]
    assert not [each for each in texts if "owner-secret" in each or "Bearer" in each]


@pytest.mark.usefixtures("credentials")
async def test_the_traffic_has_the_format_of_recorded_answers(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        assert await conform.run("backup", redact=True, region="us-east-1")
        (text,) = conform.lines
        assert await conform.run("backup", output="markdown")

    first = json.loads(text)["traffic"][0]
    assert first["request"]["path"] == "/api/atlas/v2/groups/{groupId}/backup/AWS/privateEndpoints"
    keys = {"name", "source", "provider", "family", "op", "date", "fidelity", "request", "response"}
    assert keys == first.keys() & recordings()["df-create-aws"].keys() == first.keys()
    assert first["response"].keys() == {"status", "headers", "body"}
    assert not re.search(r"[0-9a-f]{24}|vpce-[0-9a-f]", text)
    assert "as assumed: " in conform.lines[0]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("given", "why"),
    [({"project_name": "shop"}, "not the name"), ({"project_name": None}, "--project-name")],
)
async def test_nothing_is_made_before_the_project_is_named(given: dict[str, Any], why: str, tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        with pytest.raises(ValueError, match=why):
            await conform.run("dedicated", **given)

        asked = [each for each in await conform.atlas.control("requests") if "/groups/" in each["path"]]
        assert {each["method"] for each in asked} == {"GET"}


@pytest.mark.usefixtures("credentials")
async def test_a_dry_run_says_what_each_family_needs_and_calls_nobody(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        assert await conform.run("dedicated,streams,serverless", dry_run=True)
        assert not await conform.atlas.control("requests")

    for word in ("needs", "makes", "takes"):
        assert sum(f"  {word} " in each for each in conform.lines) == 3


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("family", "has", "why"),
    [
        ("dedicated", {"endpointServices": [{"regionName": "eu-west-1"}]}, "the project has "),
        ("backup", {"backupEndpoints": [{"regionName": "EU_WEST_1"}]}, "the project has "),
        ("encryption", {}, "does not require private networking"),
        (
            "encryption",
            SEED["projects"][0] | {"clusters": [{"name": "vault", "encryptionAtRestProvider": "AWS"}]},
            "use customer keys",
        ),
    ],
)
async def test_a_project_that_uses_the_family_is_refused(
    family: str, has: dict[str, Any], why: str, tmp_path: Path
) -> None:
    seed = SEED | {"projects": [has | {"id": PROJECT}]}
    async with conforming(tmp_path, seed) as conform:
        before = await conform.there()
        assert not await conform.run(family)

        assert any(why in each for each in conform.said)
        assert all(each.startswith("not tried") for each in conform.results.values())
        assert any(why in each for each in conform.results.values())
        assert await conform.there() == before


@pytest.mark.usefixtures("credentials")
async def test_what_was_refused_begins_anew_when_nothing_is_in_the_way(tmp_path: Path) -> None:
    other = {"id": "a" * 24, "regionName": "EU_WEST_1"}
    async with conforming(tmp_path, SEED | {"projects": [{"id": PROJECT, "backupEndpoints": [other]}]}) as conform:
        assert not await conform.run("backup")
        assert "the next run with this record" in conform.said[-1]
        await conform.atlas.control("backupEndpoints", other | {"projectId": PROJECT, "remove": True})

        assert await conform.run("backup")
        assert conform.results["backup regional-success-post-202-backup"] == "as assumed"


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("family", "row", "switches"),
    [
        ("dedicated", "dedicated-names-error-codes", UNKNOWN_IDS | {"dedicated": {"vanishesWhenEmpty": ["AWS"]}}),
        ("data-federation", "data-federation-status-errormessage-azurelinkid-body", UNKNOWN_IDS),
    ],
)
async def test_what_another_row_asks_is_no_difference(
    family: str, row: str, switches: dict[str, Any], tmp_path: Path
) -> None:
    async with conforming(tmp_path, **switches) as conform:
        await conform.run(family)

        assert not conform.results[f"{family} {row}"].startswith("differs")


@pytest.mark.usefixtures("credentials")
async def test_a_delete_that_atlas_does_not_perform_is_told_and_repeated(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        conform.faults["streams: delete"] = conform.faults["streams: second delete"] = {"status": 202, "body": {}}
        assert not await conform.run("streams", wait="3h")

        why = "still there 120 minutes after its DELETE"
        assert why in conform.results["streams streams-get-shows-after-deleting"]
        assert why in conform.said[-1]
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("family", "step", "fault", "differing", "untried"),
    [
        (
            "data-federation",
            "other comment",
            {"drop": "before"},
            set(),
            "data-federation-post-known-id-changes",
        ),
        ("data-federation", "no comment", {"status": 503}, set(), "data-federation-known-id-without-comment"),
        ("backup", "made", {"status": 503, "times": 3}, set(), ""),
        (
            "backup",
            "create",
            {"status": 201, "body": {}, "apply": True},
            set(),
            "regional-privateendpointconnectionname",
        ),
        ("streams", "made", {"status": 503, "times": 3}, set(), ""),
        (
            "streams",
            "delete",
            {"status": 409, "errorCode": "BUSY"},
            {"streams-delete-each-state"},
            "streams-get-shows-after-deleting",
        ),
        (
            "dedicated",
            "malformed register",
            {"status": 201, "body": {}},
            {"dedicated-names-error-codes"},
            "dedicated-service-whose-last-endpoint",
        ),
        (
            "dedicated",
            "deregister",
            {"status": 409, "errorCode": "BUSY"},
            {"dedicated-status-post-delete-endpoint", "dedicated-statuses-successful-answers-documentation"},
            "dedicated-service-whose-last-endpoint",
        ),
    ],
)
async def test_what_one_answer_says_nothing_about_is_not_tried(
    *, family: str, step: str, fault: dict[str, Any], differing: set[str], untried: str, tmp_path: Path
) -> None:
    async with conforming(tmp_path, transition=60, **(UNKNOWN_IDS if family == "dedicated" else {})) as conform:
        conform.faults[f"{family}: {step}"] = fault
        await conform.run(family, wait="3h")

        found = {name.split()[1]: result for name, result in conform.results.items()}
        assert {name for name, result in found.items() if result.startswith("differs")} == differing
        assert not untried or found[untried].startswith("not tried")
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
async def test_after_a_rate_limit_another_run_goes_on(tmp_path: Path) -> None:
    a_list = {"method": "GET", "path": "privateEndpoints$"}
    async with conforming(tmp_path) as conform:
        conform.faults["backup: other cloud"] = {"status": 429, "times": 3, "match": a_list}
        assert not await conform.run("backup")
        assert conform.said[-1].count("again") == 1
        conform.faults.clear()

        assert await conform.run("backup")


@pytest.mark.usefixtures("credentials")
async def test_a_record_is_kept_while_something_of_it_is_left(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        conform.faults["backup: early delete"] = {"status": 202, "body": {}}
        assert not await conform.run("backup", wait="1m")

        assert any("it ended early" in each for each in conform.said)
        assert any("again with the same record" in each for each in conform.said)
        assert not any("another --record" in each for each in conform.said)


@pytest.mark.usefixtures("credentials")
async def test_of_a_record_the_region_counts_and_what_is_deleted_is_nobody_elses(tmp_path: Path) -> None:
    async with conforming(tmp_path, streams={"keepsDeleted": True}) as conform:
        assert await conform.run("streams", region="eu-west-1")
        assert await conform.run("streams")
        assert json.loads(conform.lines[0])["region"] == "EU_WEST_1"

        assert await conform.run("streams", record=tmp_path / "second.json", region="EU_WEST_1")


@pytest.mark.usefixtures("credentials")
async def test_a_damaged_record_says_to_look_in_atlas(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    async with conforming(tmp_path) as conform:
        assert await conform.run("backup")
        record.write_text(record.read_text()[:-2])
        with pytest.raises(ValueError, match="may still be in Atlas"):
            await conform.run("", cleanup=True)


@pytest.mark.usefixtures("credentials")
async def test_the_report_says_where_it_was_made_and_what_differs_comes_first(tmp_path: Path) -> None:
    async with conforming(tmp_path, emptyCommentAsNull=True) as conform:
        assert await conform.run("data-federation", output="markdown")
        lines = "\n".join(conform.lines).splitlines()

    assert lines[0] == f"# Atlas in project {PROJECT}"
    assert lines[2].startswith(f"version: {__version__}; address: http")
    assert any("-o json --redact" in line for line in lines)
    first = next(line for line in lines if line.startswith("| `"))
    assert first.startswith("| `data-federation-known-id-without-comment`")
    assert "differs: " in first
    assert any("(tried: on AWS)" in line for line in lines)


@pytest.mark.usefixtures("credentials")
async def test_no_more_is_made_than_allowed(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        assert not await conform.run("dedicated,backup", max_endpoints=1)

        assert any("--max-endpoints (1) is reached" in each for each in conform.results.values())
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
async def test_while_atlas_is_at_work_another_run_goes_on(tmp_path: Path) -> None:
    async with conforming(tmp_path, transition=120) as conform:
        assert not await conform.run("backup", wait="1m")
        assert conform.results["backup regional-initiating-active-aws-without"].startswith(
            "not tried it has not come to its end"
        )
        assert conform.results["backup regional-success-post-202-backup"] == "as assumed"
        for _ in range(5):
            if await conform.run("backup", wait="1m"):
                break

        assert conform.results["backup regional-initiating-active-aws-without"] == "as assumed"
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
async def test_the_record_of_another_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"version": 1, "atlas": "", "project": "60", "region": "", "lives": {}}')
    async with conforming(tmp_path) as conform:
        with pytest.raises(ValueError, match="another project"):
            await conform.run("dedicated")


@pytest.mark.usefixtures("credentials")
async def test_of_clusters_and_keys_nothing_is_kept(tmp_path: Path) -> None:
    seed = SEED | {"projects": [SEED["projects"][0] | {"clusters": [{"name": "orders"}]}]}
    async with conforming(tmp_path, seed) as conform:
        assert await conform.run("encryption")

    for text in (*conform.lines, (tmp_path / "record.json").read_text()):
        assert "orders" not in text
        assert "awsKms" not in text


@pytest.mark.usefixtures("credentials")
async def test_what_somebody_else_makes_while_an_answer_is_lost_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["b" * 24, "a" * 24]
    async with conforming(tmp_path) as conform:

        async def make(*_: object) -> None:
            if ids:
                await conform.atlas.control("streamEndpoints", TARGET | {"_id": ids.pop()})

        monkeypatch.setattr(conform, "sleep", make)  # the LIST shows one of them first
        conform.faults["streams: create"] = {"drop": "before"}
        assert not await conform.run("streams", Wire(4, meanwhile=make))
        assert sum("not touched" in each for each in conform.said) == len(await conform.there()) == 2

        assert not await conform.run("streams,backup", max_endpoints=1)
        assert any("--max-endpoints (1) is reached" in each for each in conform.results.values())


@pytest.mark.usefixtures("credentials")
async def test_what_a_call_of_another_family_may_have_made_counts(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        with pytest.raises(CrashError):
            await conform.run("backup", Wire(5, after=True))

        assert not await conform.run("data-federation", max_endpoints=1)
        assert len(await conform.there()) == 1


@pytest.mark.usefixtures("credentials")
async def test_what_a_late_list_shows_after_a_lost_answer_is_removed(tmp_path: Path) -> None:
    async with conforming(tmp_path, listLag=120) as conform:
        conform.faults["backup: create"] = {"drop": "after"}

        assert await conform.run("backup")
        await conform.sleep(3600)
        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
async def test_what_neither_a_get_nor_a_list_shows_yet_is_removed(tmp_path: Path) -> None:
    async with conforming(tmp_path, listLag=60) as conform:
        conform.interrupted_at = "backup: early get"
        conform.faults["backup: early get"] = {"status": 404, "errorCode": "BACKUP_PRIVATE_ENDPOINT_NOT_FOUND"}
        with pytest.raises(asyncio.CancelledError):
            await conform.run("backup")

        assert not await conform.there()


@pytest.mark.usefixtures("credentials")
async def test_no_two_processes_have_one_record(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("record.json")
    async with conforming(tmp_path) as conform:

        async def clean_up() -> None:
            with pytest.raises(ValueError, match="another conform"):
                await conform.run("", cleanup=True, record=tmp_path / "link.json")

        assert await conform.run("backup", Wire(1, meanwhile=clean_up))
        assert await conform.run("", cleanup=True, record=tmp_path / "link.json")

    assert (tmp_path / "link.json").is_symlink()


@pytest.mark.usefixtures("credentials")
async def test_the_record_of_another_atlas_is_refused_and_without_one_nothing_is_cleaned_up(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        with pytest.raises(ValueError, match="no record"):
            await conform.run("", cleanup=True)
        with pytest.raises(ValueError, match=r"no folder .*missing for --record"):
            await conform.run("backup", record=tmp_path / "missing" / "record.json")
        assert await conform.run("backup")
    async with conforming(tmp_path) as conform:
        with pytest.raises(ValueError, match="another Atlas"):
            await conform.run("backup", project_name=None)


@pytest.mark.usefixtures("credentials")
async def test_what_a_proxy_answers_is_not_as_assumed(tmp_path: Path) -> None:
    async with conforming(tmp_path) as conform:
        conform.faults["data-federation: other comment"] = {"status": 200, "body": "<html>", "apply": True}
        await conform.run("data-federation")

        assert "no usable answer" in conform.results["data-federation data-federation-post-known-id-changes"]


@pytest.mark.usefixtures("credentials")
async def test_hostile_texts_are_shown_as_one_line_and_ids_in_them_are_redacted(tmp_path: Path) -> None:
    ids = [f"{PROJECT[:-1]}a", "5F" * 12, "vpc-0123456789abcdef0"]
    code = "\n".join(["A", "# B\u001b[31m", *ids])
    async with conforming(tmp_path) as conform:
        conform.faults["streams: no service"] = {"status": 422, "body": {"errorCode": code}}
        conform.faults["streams: create"] = {"status": 200, "body": {"_id": "../b\n\u001b[31m"}}
        assert not await conform.run("streams", wait="1m", output="markdown", redact=True)
        told = [*conform.said, *"\n".join(conform.lines).splitlines()]
        assert not [each for each in told if "\u001b" in each or "\n" in each or each.startswith("# B")]
        assert any("../b" in each for each in told)
        reports = ["\n".join(conform.lines)]
        await conform.run("streams", wait="1m", redact=True)
        reports += conform.lines

    assert json.loads(reports[1])["traffic"]
    assert not [each for each in ids for text in reports if each in text]


@pytest.mark.usefixtures("credentials")
async def test_what_is_left_is_named_whatever_ends_a_run_and_whichever_family_the_next_one_tries(
    tmp_path: Path,
) -> None:
    async with conforming(tmp_path) as conform:
        conform.faults["backup: early get"] = {"status": 401, "times": 2}
        for family in ("backup", "data-federation"):
            conform.said.clear()
            assert not await conform.run(family)
            assert [each for each in conform.said if each.startswith("Not yet seen to be gone: backup: ")], family

        assert await conform.run("", cleanup=True)
        assert not await conform.there()
