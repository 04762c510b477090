"""Seed files, and the world that is made up without one."""

import random
from pathlib import Path

import pytest

from atlas_endpoints.simulator import InvalidDocumentError, Simulator, read, read_file
from unit.simulator.harness import OTHER_VPCE, PROJECT, SEED, VPCE, Atlas, FakeClock, collection, start


def test_an_error_never_quotes_a_secret() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        read({"apiKeys": [{"publicKey": "k", "privateKey": ["s3cret"], "secret": "s3cret"}]})

    assert "s3cret" not in str(caught.value)


def test_the_representation_of_credentials_shows_no_secret() -> None:
    assert "owner-secret" not in repr(read(SEED))
    assert "owner-private" not in repr(read(SEED))


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"{", "is not JSON"), (b"\xff", "is not JSON"), (b'{"x": 1}', "x: Extra inputs"), (None, "No such file")],
)
def test_a_bad_seed_file_is_refused_with_its_name(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "seed.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidDocumentError, match=problem) as caught:
        read_file(path)

    assert str(path) in str(caught.value)


async def test_a_seeded_status_on_its_way_moves_on_unless_told_otherwise() -> None:
    endpoints = [{"status": "RESERVATION_REQUESTED"}, {"status": "RESERVATION_REQUESTED", "advance": False}]
    project = {"id": PROJECT, "instances": [{"name": "aws", "endpoints": endpoints}]}
    async with start(SEED | {"projects": [project, SEED["projects"][1]]}) as atlas:
        before = await _statuses(atlas)
        atlas.clock.advance(2)
        after = await _statuses(atlas)

    assert before == ["RESERVATION_REQUESTED"] * 2
    assert after == ["RESERVED", "RESERVATION_REQUESTED"]


async def test_a_seeded_service_on_its_way_moves_on_unless_told_otherwise() -> None:
    endpoints = [{"id": VPCE, "status": "PENDING"}, {"id": OTHER_VPCE, "status": "PENDING", "advance": False}]
    seeded = [{"status": "INITIATING"}, {"regionName": "EU_WEST_1", "status": "DELETING", "endpoints": endpoints}]
    project = {"id": PROJECT, "endpointServices": seeded}
    async with start(SEED | {"projects": [project, SEED["projects"][1]]}, dedicated={"stuck": ["DELETING"]}) as atlas:
        atlas.clock.advance(2)
        services = (await atlas.control("state"))["projects"][0]["endpointServices"]

    assert [each["status"] for each in services] == ["AVAILABLE", "DELETING"]
    assert [each["connectionStatus"] for each in services[1]["endpoints"]] == ["AVAILABLE", "PENDING"]


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        ("endpointServices", [{}, {"regionName": "us-east-1"}], "AWS US_EAST_1 False occurs more than once"),
        ("clusters", [{"name": "x"}, {"name": "x"}], "clusters.name x occurs more than once"),
    ],
)
def test_two_of_a_kind_in_one_place_are_refused(field: str, values: list[dict[str, str]], problem: str) -> None:
    with pytest.raises(InvalidDocumentError, match=problem):
        read({"projects": [{"id": PROJECT, field: values}]})


def test_without_a_seed_there_is_one_of_everything() -> None:
    seed = Simulator(clock=FakeClock(), rng=random.Random(1)).seed  # noqa: S311  repeatable, not secret

    (project,), (account,), (key,) = seed.projects, seed.service_accounts, seed.api_keys
    assert [each.provider_name for each in project.instances] == ["AWS", "AZURE"]
    assert [[one.status for one in each.endpoints] for each in project.instances] == [["RESERVED"], ["RESERVED"]]
    assert [each.cloud_provider for each in project.endpoint_services] == ["AWS", "AZURE", "GCP"]
    assert [each.name for each in project.clusters] == ["cluster"]
    assert account.client_id.startswith("mdb_sa_id_")
    assert account.roles == key.roles == {project.id: "GROUP_OWNER"}


def test_the_same_clock_and_randomness_make_the_same_world() -> None:
    first, second = (Simulator(clock=FakeClock(), rng=random.Random(1)) for _ in range(2))  # noqa: S311  repeatable

    assert first.seed == second.seed


def test_two_worlds_have_different_secrets() -> None:
    assert Simulator().seed.api_keys != Simulator().seed.api_keys


async def _statuses(atlas: Atlas) -> list[str]:
    return [each["status"] for each in (await atlas.call("GET", collection())).json()]
