"""The life of dedicated private endpoints."""

import logging
from collections import Counter
from pathlib import Path

import pytest

from support.virtual_time import on_virtual_time
from unit.kinds.dedicated_private_endpoint.cases import CONSTANTS, Actions, cases
from unit.reconcile.cases import Case

ON_AWS = CONSTANTS["ON_AWS"]


@pytest.mark.parametrize("case", list(cases(Path(__file__).parent / "cases")), ids=lambda case: case.name)
@on_virtual_time
async def test_case(case: Case) -> None:
    await Actions().do(case.steps)


@on_virtual_time
async def test_nothing_is_logged_of_what_an_event_has_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    spec = {**ON_AWS, "cloudProviderEndpointId": "vpce-0123456789abcdef0", "deletionPolicy": "Delete"}
    actions = Actions()
    await actions.do([{"create": spec, "run": "5m"}, {"delete": None, "run": "5m"}, {"expect": {"exists": False}}])
    assert "stays in Atlas" not in caplog.text


PROJECTS, EACH, HOURS = 2, 4, 2


@on_virtual_time
async def test_at_rest_each_project_costs_a_list_and_each_endpoint_a_get_an_interval() -> None:
    """The reads of endpoints are spread over the interval, which is ten minutes."""
    projects = [f"{number:024x}" for number in range(PROJECTS)]
    steps = [
        {f"create {letter}{number}": {"projectId": project, **ON_AWS, "cloudProviderEndpointId": f"vpce-{number:017x}"}}
        for letter, project in zip("ab", projects, strict=True)
        for number in range(EACH)
    ]
    actions = Actions(projects)
    await actions.do([*steps, {"run": "40m"}, {"clear": None}, {"run": f"{HOURS}h"}])
    found, intervals = Counter(actions.atlas.calls), HOURS * 6
    assert found.keys() == {"LIST", "GET endpoint"}
    assert found["LIST"] <= PROJECTS * (intervals + 2)
    assert 0.8 <= found["GET endpoint"] / (PROJECTS * EACH * intervals) <= 1.1
