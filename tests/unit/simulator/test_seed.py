"""Seed files, and the world that is made up without one."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from atlas_endpoints.simulator import InvalidDocumentError, Simulator, read, read_file
from unit.simulator.harness import AWS_ENDPOINT, PROJECT, SEED, Atlas, FakeClock, collection, start


def _project(**changes: Any) -> dict[str, Any]:
    return {"projects": [{"id": PROJECT, "instances": [{"name": "aws"}]} | changes]}


@pytest.mark.parametrize(
    ("seed", "complaint"),
    [
        pytest.param([], "seed: document", id="a list"),
        pytest.param({"project": []}, "seed: project", id="an unknown key"),
        pytest.param(_project(id="abc"), "seed: projects.0.id", id="a project id that is too short"),
        pytest.param(_project(id=None), "seed: projects.0.id", id="no project id"),
        pytest.param(_project(instances=[{"name": "a b"}]), "projects.0.instances.0.name", id="a name with a space"),
        pytest.param(_project(instances=[{"name": "a" * 65}]), "projects.0.instances.0.name", id="a name too long"),
        pytest.param(
            _project(instances=[{"name": "a", "providerName": "GCP"}]),
            "projects.0.instances.0.providerName",
            id="an unknown cloud",
        ),
        pytest.param(_project(instances=[{"name": "a"}] * 2), "name a occurs more than once", id="a name twice"),
        pytest.param(
            {"projects": [{"id": PROJECT}] * 2}, f"projects.id {PROJECT} occurs more than once", id="a project twice"
        ),
        pytest.param(
            _project(instances=[{"name": "a", "endpoints": [{"_id": AWS_ENDPOINT}] * 2}]),
            f"_id {AWS_ENDPOINT} occurs more than once",
            id="an endpoint twice",
        ),
        pytest.param(
            _project(instances=[{"name": "a", "endpoints": [{"id": AWS_ENDPOINT}]}]),
            "projects.0.instances.0.endpoints.0.id",
            id="an id without its underscore",
        ),
        pytest.param({"serviceAccounts": [{"clientId": "x"}]}, "serviceAccounts.0", id="an account without a secret"),
        pytest.param(
            {"apiKeys": [{"publicKey": "k", "privateKey": "p", "roles": {PROJECT: "GROUP_OWNER"}}]},
            f"the project {PROJECT}, which is not among projects",
            id="a role in an unknown project",
        ),
        pytest.param({"switches": {"latencies": 1}}, "switches: latencies", id="an unknown switch"),
    ],
)
def test_a_bad_seed_is_refused_with_the_field(seed: Any, complaint: str) -> None:
    with pytest.raises(InvalidDocumentError, match=r"^seed: ") as caught:
        read(seed)

    assert complaint in str(caught.value)


def test_an_error_never_quotes_a_secret() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        read({"apiKeys": [{"publicKey": "k", "privateKey": ["s3cret"], "secret": "s3cret"}]})

    assert "s3cret" not in str(caught.value)


def test_the_representation_of_credentials_shows_no_secret() -> None:
    assert "owner-secret" not in repr(read(SEED))
    assert "owner-private" not in repr(read(SEED))


def test_a_seed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(SEED), encoding="utf-8")

    assert read_file(path) == read(SEED)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"{", "is not JSON"), (b"\xff", "is not JSON"), (b'{"x": 1}', "x: Extra inputs"), (None, "No such file")],
)
def test_a_bad_seed_file_is_refused_with_its_name(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "seed.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidDocumentError, match=complaint) as caught:
        read_file(path)

    assert str(path) in str(caught.value)


def test_what_is_not_given_has_a_default() -> None:
    (project,) = read(_project()).projects
    (instance,) = project.instances

    assert (instance.provider_name, instance.region_name, instance.endpoints) == ("AWS", "US_EAST_1", ())


async def test_a_seeded_status_on_its_way_moves_on_unless_told_otherwise() -> None:
    endpoints = [{"status": "RESERVATION_REQUESTED"}, {"status": "RESERVATION_REQUESTED", "advance": False}]
    project = {"id": PROJECT, "instances": [{"name": "aws", "endpoints": endpoints}]}
    async with start(SEED | {"projects": [project, SEED["projects"][1]]}) as atlas:
        before = await _statuses(atlas)
        atlas.clock.advance(2)
        after = await _statuses(atlas)

    assert before == ["RESERVATION_REQUESTED"] * 2
    assert after == ["RESERVED", "RESERVATION_REQUESTED"]


def test_without_a_seed_there_is_one_of_everything() -> None:
    seed = Simulator(clock=FakeClock(), rng=random.Random(1)).seed  # noqa: S311  repeatable, not secret

    (project,), (account,), (key,) = seed.projects, seed.service_accounts, seed.api_keys
    assert [each.provider_name for each in project.instances] == ["AWS", "AZURE"]
    assert [[one.status for one in each.endpoints] for each in project.instances] == [["RESERVED"], ["RESERVED"]]
    assert account.client_id.startswith("mdb_sa_id_")
    assert account.roles == key.roles == {project.id: "GROUP_OWNER"}


def test_the_same_clock_and_randomness_make_the_same_world() -> None:
    first, second = (Simulator(clock=FakeClock(), rng=random.Random(1)) for _ in range(2))  # noqa: S311  repeatable

    assert first.seed == second.seed


def test_two_worlds_have_different_secrets() -> None:
    assert Simulator().seed.api_keys != Simulator().seed.api_keys


async def _statuses(atlas: Atlas) -> list[str]:
    return [each["status"] for each in (await atlas.call("GET", collection())).json()]
