"""The log of a running operator: one line for each change of a resource, and none while nothing changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator
    from support.operator_process import OperatorProcess
    from support.resources import Resources

ONE = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint/{endpointId}"


class Case(NamedTuple):
    """One resource, and an operator that logs JSON about it."""

    resources: Resources
    operator: OperatorProcess
    atlas: Atlas
    place: Place

    def create(self, comment: str, **fields: Any) -> None:
        """Create the resource, whose endpoint is as wanted already."""
        self.atlas.connect(self.place, comment)
        spec = self.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment, **fields)
        self.resources.create("orders", spec)

    def lines(self) -> list[dict[str, Any]]:
        """All lines about the resource."""
        found = [json.loads(line) for line in self.operator.log.splitlines() if line.startswith("{")]
        return [each for each in found if each.get("name") == "orders"]

    def told(self, change: Callable[[], object], *, lines: int = 1) -> list[dict[str, Any]]:
        """Make a change, and give the lines that tell of it: as many as expected, after some rounds too."""
        before = len(self.lines())
        change()
        wait_until(lambda: len(self.lines()) >= before + lines, "a line", servers=[self.operator.server])
        rounds(self.atlas, self.place, 3)
        found = self.lines()[before:]
        assert len(found) == lines, found
        return found


def rounds(atlas: Atlas, place: Place, number: int) -> None:
    """Let operators look a few times."""
    looks = len(atlas.requests(place, "GET"))
    wait_until(lambda: len(atlas.requests(place, "GET")) >= looks + number, "some rounds")


@pytest.fixture
def case(atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator) -> Case:
    label = f"logs-{place.project}"
    operator = run_operator(label=label, atlas=atlas, log_format="json", sync_interval="1s")
    return Case(make_resources(label), operator, atlas, place)


def test_each_change_is_one_line_with_its_facts_and_rest_is_none(case: Case) -> None:
    """Creation, edit, drift."""
    (created,) = case.told(lambda: case.create("one"))
    metadata = case.resources.get("orders")["metadata"]
    facts = {"namespace": case.resources.namespace, "name": "orders", "uid": metadata["uid"], "level": "INFO"}
    assert created.items() >= {**facts, "generation": 1, "ready": "True", "reason": "Available"}.items()
    assert created["atlasRequest"].items() >= {"method": "GET", "status": 200}.items()

    (edited,) = case.told(lambda: case.resources.edit("orders", comment="two"))
    assert edited.items() >= {**facts, "generation": 2}.items()
    assert "comment from 'one' to 'two'" in edited["message"]
    assert edited["reconcileID"] != created["reconcileID"]
    assert edited["atlasRequest"].items() >= {"method": "PATCH", "path": ONE, "status": 200}.items()

    (drifted,) = case.told(lambda: case.atlas.change(case.place, comment="theirs"))
    assert drifted["level"] == "INFO"
    assert "comment from 'theirs' to 'two'" in drifted["message"]


def test_at_rest_there_is_no_line_at_all_and_debug_logs_each_call(
    atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    resources = make_resources("calm")
    atlas.connect(place)
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    info, debug = (
        run_operator(label="calm", atlas=atlas, log_format="json", log_level=level, sync_interval="2s")
        for level in ("INFO", "DEBUG")
    )
    resources.wait_ready("orders")
    rounds(atlas, place, 2)
    before = [len(operator.log.splitlines()) for operator in (info, debug)]

    rounds(atlas, place, 6)

    assert info.log.splitlines()[before[0] :] == []
    calls = [json.loads(line) for line in debug.log.splitlines()[before[1] :]]
    looked = [each for each in calls if "atlasRequest" in each]
    assert looked
    assert all(each["atlasRequest"]["status"] == 200 and each["instance"] == "shop" for each in looked)
