"""Reading the endpoints of a project, with pages, retries and failures; and writing files."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest

from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.errors import (
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    MissingRoleError,
    NotServerlessError,
    RateLimitedError,
    Wording,
)
from atlas_endpoints.atlas.transport import failure
from atlas_endpoints.commands import clusterless, importing
from atlas_endpoints.commands.clusterless import ImportSettings, PatientClient
from atlas_endpoints.commands.drafts import Draft
from atlas_endpoints.commands.importing import Messages, Reader, write
from atlas_endpoints.kinds import IMPORTERS
from atlas_endpoints.kinds.serverless_private_endpoint.calls import PAGE, list_instances
from support.fake_atlas import FakeAtlas
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from atlas_endpoints.kinds.importer import Found
    from support.fake_atlas import Call

PROJECT = "5f" * 12
ACCOUNT = ServiceAccount("mdb_sa_id_0123", "mdb_sa_sk_0123")


def reading(answer: Callable[[str], Any]) -> FakeAtlas:
    """An Atlas that is only read, and answers by path."""

    def answered(call: Call) -> Any:
        assert (call.method, call.json) == ("GET", None), "an import only reads"
        return answer(call.path)

    return FakeAtlas(answered)


def described(name: str) -> dict[str, Any]:
    return {"name": name, "providerSettings": {"backingProviderName": "AWS"}}


@pytest.mark.parametrize("instances", [0, 1, PAGE, PAGE + 1, 3 * PAGE])
@on_virtual_time
async def test_all_pages_are_read(instances: int) -> None:
    def page(path: str) -> dict[str, Any]:
        number = int(re.findall(r"pageNum=(\d+)", path)[0])
        items = [described(f"i-{each}") for each in range(instances)][(number - 1) * PAGE : number * PAGE]
        return {"results": items, "links": [], "totalCount": instances}

    found = await list_instances(reading(page), ACCOUNT, PROJECT)

    assert found == {f"i-{each}": "AWS" for each in range(instances)}


@on_virtual_time
async def test_items_that_are_no_instances_are_skipped() -> None:
    page: Any = {"results": [None, {}, {"name": []}, {"name": ""}, {"name": "a", "providerSettings": {}}]}

    assert await list_instances(reading(lambda _: page), ACCOUNT, PROJECT) == {"a": None}


@pytest.mark.parametrize("answer", [None, [], {}, {"results": None}])
@on_virtual_time
async def test_an_answer_that_is_no_page_is_an_error(answer: Any) -> None:
    with pytest.raises(AtlasUnavailableError):
        await list_instances(reading(lambda _: answer), ACCOUNT, PROJECT)


UNAVAILABLE = AtlasUnavailableError("Atlas is down.", operation="list", http_status=503)
LIMITED = RateLimitedError("Slow down.", operation="list", retry_after=60.0)
FORBIDDEN = MissingRoleError("The role is too weak.", operation="list")


async def reads(atlas: FakeAtlas, only: str | None = None) -> tuple[list[Found], list[str], dict[str, list[str]]]:
    importer, settings = IMPORTERS["serverless-private-endpoint"], ImportSettings.model_construct(instance=only)
    said = list[str]()
    patient = PatientClient(atlas, lambda _: None)
    reader = Reader(patient, ACCOUNT, PROJECT, settings, Wording(), Messages(said.append))
    return [each async for each in reader.entries(importer)], said, reader.refusals


@pytest.mark.parametrize(
    ("failures", "refusals", "calls"),
    [
        pytest.param([UNAVAILABLE, LIMITED], {}, 3, id="temporary failures are retried"),
        pytest.param([UNAVAILABLE] * 3, {"Atlas is down.": ["instance shop"]}, 3, id="three times at most"),
        pytest.param(
            [FORBIDDEN], {"The role is too weak.": ["instance shop"]}, 1, id="a lasting failure is reported at once"
        ),
    ],
)
@on_virtual_time
async def test_a_failed_call_is_repeated_if_it_may_succeed(
    failures: list[AtlasError], refusals: dict[str, list[str]], calls: int
) -> None:
    answers: list[Any] = [*failures, [{"_id": "a1" * 12}]]
    atlas = reading(lambda _: answers.pop(0))

    found, said, refused = await reads(atlas, only="shop")

    assert (said, refused, len(atlas.calls)) == ([], refusals, calls)
    assert [each.value.id for each in found] == ([] if refusals else ["a1" * 12])


@on_virtual_time
async def test_after_three_attempts_without_an_answer_each_call_is_made_once_until_one_is_answered() -> None:
    answers: dict[str, list[Any]] = {
        "down": [UNAVAILABLE] * 3,
        "still": [UNAVAILABLE],
        "slow": [LIMITED, []],
        "shaky": [UNAVAILABLE, UNAVAILABLE, []],
    }

    def answer(path: str) -> Any:
        if path.partition("?")[0].endswith("/serverless"):
            return {"results": [described(name) for name in answers], "totalCount": len(answers)}
        return next(each for name, each in answers.items() if f"/{name}/" in path).pop(0)

    _, _, refusals = await reads(reading(answer))

    assert refusals == {"Atlas is down.": ["instance down", "instance still"]}
    assert not any(answers.values())


@on_virtual_time
async def test_an_unreadable_instance_does_not_affect_the_others() -> None:
    def answer(path: str) -> Any:
        if path.partition("?")[0].endswith("/serverless"):
            names = ("shop", "web", "flex", "old", "also")
            return {"results": [described(name) for name in names], "totalCount": len(names)}
        if "/flex/" in path:
            return NotServerlessError("It is Flex.", operation="list")
        if "/old/" in path:
            return APIGoneError("The API has ended.", operation="list")
        return [{"_id": "a1" * 12}, {}] if "/web/" in path else FORBIDDEN

    (web,), messages, refusals = await reads(reading(answer))

    assert (web.scope_name, web.scope) == ("web", "AWS")
    assert messages == [
        "instance web: the IDs of 1 endpoints are unreadable.",
        "instance flex is no longer a serverless instance and has no such endpoints.",
        "instance old has no serverless private endpoints any more: Atlas has ended their API.",
    ]
    assert refusals == {"The role is too weak.": ["instance shop", "instance also"]}
    _, _, named = await reads(reading(answer), only="flex")
    assert named == {"It is Flex.": ["instance flex"]}


WEB_1, WEB_2 = (
    f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/web-{each}/endpoint" for each in (1, 2)
)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        pytest.param(
            lambda: asyncio.sleep(400),
            ["The import did not end within 300 s: import a part with --as or --instance."],
            id="an answer",
        ),
        pytest.param(
            lambda: RateLimitedError("Slow down.", operation="list", retry_after=110.0),
            [
                *[f"GET {WEB_1}: Atlas limits the rate of calls. Waiting 110 s before the next call."] * 2,
                f"GET {WEB_2}: Atlas limits the rate of calls. The next call has to wait 110 s, and there is no time left for that.",
                "instance web-1, instance web-2: Slow down.",
            ],
            id="a rate limit",
        ),
    ],
)
@on_virtual_time
async def test_what_was_read_in_time_is_written(
    last: Callable[[], Any], says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(path: str) -> Any:
        if path.partition("?")[0].endswith("/serverless"):
            names = ("shop", "web-1", "web-2")
            return {"results": [described(name) for name in names], "totalCount": len(names)}
        return [{"_id": "a1" * 12, "providerName": "AWS"}] if "/shop/" in path else last()

    printed, said = list[str](), list[str]()
    run_with(reading(answer), monkeypatch)
    settings = ImportSettings.model_validate({"project": PROJECT, "target": "serverless-private-endpoint"})

    assert not await importing.run(settings, IMPORTERS, printed.append, said.append)

    assert len(printed) == 1
    assert said == [*says, "1 manifest written."]


def run_with(atlas: FakeAtlas, monkeypatch: pytest.MonkeyPatch) -> None:
    async def aclose() -> None:
        pass

    atlas.aclose = aclose  # type: ignore[attr-defined]
    monkeypatch.setattr(importing, "client_of", lambda _: atlas)
    for name in ("PUBLIC_API_KEY", "PRIVATE_API_KEY"):
        monkeypatch.setenv(f"MONGODB_ATLAS_{name}", "abcdefgh")


def test_an_unknown_host_names_the_dns_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    place = cast("Any", SimpleNamespace(host="atlas.invalid", port=443, ssl=True))
    cause = aiohttp.ClientConnectorDNSError(place, OSError(-2, "Name not known"))
    atlas = FakeAtlas(lambda _: failure(cause, operation="list", unknown_outcome=False))

    run_with(atlas, monkeypatch)
    monkeypatch.setattr(clusterless, "CALL_ATTEMPTS", 1)
    lines: list[str] = []
    settings = ImportSettings.model_validate({"project": "5f" * 12})

    assert not asyncio.run(importing.run(settings, IMPORTERS, lines.append, lines.append))

    assert lines == [
        "The host of Atlas cannot be found; check --atlas-url and the DNS of this machine. (Name not known)",
        "0 manifests written.",
    ]


def test_each_manifest_has_a_file_in_a_new_folder_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "endpoints"

    for _ in range(2):
        assert list(write([Draft("a", "1\n"), Draft("b", "2\n")], folder)) == []
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.yaml": "1\n", "b.yaml": "2\n"}


def test_without_a_manifest_there_is_no_folder(tmp_path: Path) -> None:
    assert list(write([], tmp_path / "new")) == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("mine", ["mine\n", "2\n"])
def test_a_file_with_other_content_is_kept_and_named_and_the_other_files_are_written(tmp_path: Path, mine: str) -> None:
    (tmp_path / "a.yaml").write_text(mine)

    (problem,) = write([Draft("a", "1\n"), Draft("b", "2\n")], tmp_path)

    assert problem.startswith(f"{tmp_path / 'a.yaml'} exists with other content")
    assert [(tmp_path / name).read_text() for name in ("a.yaml", "b.yaml")] == [mine, "2\n"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(os.mkfifo, id="a pipe"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), id="a link to a device"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="a link to nothing"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
    ],
)
def test_what_is_no_file_is_kept_and_named_and_the_other_files_are_written(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    make(tmp_path / "a.yaml")

    (problem,) = write([Draft("a", "1\n"), Draft("b", "2\n")], tmp_path)

    assert problem.startswith(f"{tmp_path / 'a.yaml'} exists with other content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml", "b.yaml"]
    assert (tmp_path / "b.yaml").read_text() == "2\n"


def test_a_file_that_cannot_be_written_as_a_whole_is_removed_and_named(tmp_path: Path) -> None:
    kept, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, kept[1]))  # as a full disk, but with other words
    try:
        with pytest.raises(OSError, match=re.escape(f"{tmp_path / 'b.yaml'} cannot be written: File too large")):
            list(write([Draft("a", "1\n"), Draft("b", "2" * 100)], tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, handler)

    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("Error: secret", id="no JSON"),
        pytest.param("[" * 100_000, id="nested without end"),
        pytest.param("9" * 10_000, id="an endless number"),
        pytest.param('{"format_version": "1.0"}', id="a state without resources"),
        pytest.param('{"version": 4, "resources": [{"secret": 1}]}', id="the file of a state"),
        pytest.param('{"planned_values": {"root_module": {}}}', id="a plan"),
        pytest.param('{"values": {"root_module": {"resources": 5, "child_modules": [5, {}]}}}', id="odd types"),
        pytest.param(
            '{"values": {"root_module": {"resources": [{}, 5, {"mode": "managed", "values": {}}]}}}', id="no types"
        ),
    ],
)
def test_a_file_that_is_no_state_of_terraform_with_known_resources_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(text)
    lines: list[str] = []
    settings = ImportSettings.model_validate({"terraform": str(file)})

    assert not asyncio.run(importing.run(settings, IMPORTERS, lines.append, lines.append))

    problem, count = lines
    assert problem.startswith(
        (f"{file}: is not the output of terraform show -json", f"{file}: contains no mongodbatlas_")
    )
    assert count == "0 manifests written."
    assert "secret" not in problem
