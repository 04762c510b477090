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


def test_a_failure_is_one_warning_and_each_step_of_the_recovery_is_one_line(case: Case) -> None:
    """A failure that is tried again, its end, a suspension and its end, a deletion."""
    resources = case.resources
    case.told(lambda: case.create("two", deletionPolicy="Delete"))

    words = "x" * 50_000
    body_of_fault = {"error": 503, "errorCode": "UNEXPECTED_ERROR", "detail": words}
    case.atlas.fail(case.place, method="PATCH", status=503, body=body_of_fault)
    (failed,) = case.told(lambda: resources.edit("orders", comment="three"))
    assert failed.items() >= {"level": "WARNING", "reason": "AtlasUnavailable", "generation": 2}.items()
    request = {"method": "PATCH", "path": ONE, "status": 503, "errorCode": "other"}
    assert failed["atlasRequest"].items() >= request.items()
    assert len(json.dumps(failed)) < 4096

    (healed,) = case.told(lambda: case.atlas.heal(case.place))
    assert healed.items() >= {"level": "INFO", "reason": "Available"}.items()
    assert "comment from 'two' to 'three'" in healed["message"]

    def suspend_and_resume() -> None:
        resources.edit("orders", suspend=True)
        resources.wait_reason("orders", "Suspended")
        resources.edit("orders", suspend=False)

    def expect_reasons(found: list[dict[str, Any]], *reasons: str) -> None:
        assert [(each["level"], each["reason"]) for each in found] == [("INFO", reason) for reason in reasons]

    expect_reasons(case.told(suspend_and_resume, lines=2), "Suspended", "Available")

    before = len(case.lines())
    resources.delete("orders")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    wait_until(lambda: len(case.lines()) >= before + 2, "its last line")
    expect_reasons(case.lines()[before:], "Deleting", "EndpointDeleted")
    assert words[:2000] not in case.operator.log


def test_what_stays_in_atlas_when_a_resource_goes_that_has_no_finalizer_is_one_line(case: Case) -> None:
    resources = case.resources
    case.told(lambda: case.create("one", deletionPolicy="Delete"))
    resources.edit("orders", managementPolicy="Observe")
    resources.wait("orders", lambda body: not body["metadata"].get("finalizers"))
    resources.wait_ready("orders")

    before = len(case.lines())
    resources.delete("orders")

    def left() -> list[dict[str, Any]]:
        return [each for each in case.lines()[before:] if "stays in Atlas" in each["message"]]

    wait_until(lambda: bool(left()), "its last line")
    (line,) = left()
    assert line["message"].startswith(f"Endpoint {case.place.endpoint} stays in Atlas")


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
