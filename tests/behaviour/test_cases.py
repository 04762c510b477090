"""Behaviour of each kind: the cases of its folder."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from behaviour import data_federation, dedicated, regional, regional_mode, serverless, streams
from behaviour.cases import Case, cases
from support.virtual_time import on_virtual_time

FOLDER = Path(__file__).parent
ON_AWS = dedicated.CONSTANTS["ON_AWS"]
PROJECTS, EACH, HOURS = 2, 4, 2


@pytest.fixture(autouse=True)
def no_defect_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A worker survives a defect, but here there shall be none."""
    yield
    assert not [each for each in caplog.get_records("call") if each.levelno >= logging.ERROR]


def of(folder: str, constants: Mapping[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", list(cases(FOLDER / folder, constants)), ids=lambda case: case.name)


@of("dedicated", dedicated.CONSTANTS)
@on_virtual_time
async def test_dedicated(case: Case) -> None:
    await dedicated.DedicatedSteps().do(case.steps)


@of("data_federation", data_federation.CONSTANTS)
@on_virtual_time
async def test_data_federation(case: Case) -> None:
    await data_federation.DataFederationSteps().do(case.steps)


@pytest.mark.parametrize("steps", [regional.EncryptionSteps, regional.BackupSteps])
@of("regional", regional.CONSTANTS)
@on_virtual_time
async def test_regional(case: Case, steps: type[regional.RegionalSteps]) -> None:
    await steps().do(case.steps)


@of("encryption_at_rest", regional.CONSTANTS)
@on_virtual_time
async def test_encryption_at_rest(case: Case) -> None:
    await regional.EncryptionSteps().do(case.steps)


@of("backup", regional.CONSTANTS)
@on_virtual_time
async def test_backup(case: Case) -> None:
    await regional.BackupSteps().do(case.steps)


@of("regional_mode", regional_mode.CONSTANTS)
@on_virtual_time
async def test_regional_mode(case: Case) -> None:
    await regional_mode.ModeSteps().do(case.steps)


@of("streams", streams.CONSTANTS)
@on_virtual_time
async def test_streams(case: Case) -> None:
    await streams.StreamSteps().do(case.steps)


@of("serverless", serverless.CONSTANTS)
@on_virtual_time
async def test_serverless(case: Case) -> None:
    await serverless.ServerlessSteps().do(case.steps)


@on_virtual_time
async def test_nothing_is_logged_of_what_an_event_has_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spec = {**ON_AWS, "cloudProviderEndpointId": dedicated.VPCE, "deletionPolicy": "Delete"}
    steps = dedicated.DedicatedSteps()
    await steps.do([{"create": spec, "run": "5m"}, {"delete": None, "run": "5m"}, {"expect": {"exists": False}}])
    assert "stays in Atlas" not in caplog.text


@on_virtual_time
async def test_at_rest_each_project_costs_a_list_and_each_endpoint_a_get_an_interval() -> None:
    """The reads of endpoints are spread over the interval, which is ten minutes."""
    projects = [f"{number:024x}" for number in range(PROJECTS)]
    create = [
        {f"create {letter}{number}": {"projectId": project, **ON_AWS, "cloudProviderEndpointId": f"vpce-{number:017x}"}}
        for letter, project in zip("ab", projects, strict=True)
        for number in range(EACH)
    ]
    steps = dedicated.DedicatedSteps(projects)
    await steps.do([*create, {"run": "40m"}, {"clear": None}, {"run": f"{HOURS}h"}])
    found, intervals = Counter(steps.atlas.calls), HOURS * 6
    assert found.keys() == {"LIST", "GET endpoint"}
    assert found["LIST"] <= PROJECTS * (intervals + 2)
    assert 0.8 <= found["GET endpoint"] / (PROJECTS * EACH * intervals) <= 1.1
