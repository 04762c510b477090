"""The log of a running operator: one line for each change of a resource, and none while nothing changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator
    from support.operator_process import OperatorProcess

ONE = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint/{endpointId}"


class Case(NamedTuple):
    """One resource, and an operator that logs JSON about it."""

    resources: Resources
    operator: OperatorProcess
    atlas: Atlas
    place: Place

    def lines(self) -> list[dict[str, Any]]:
        """All lines about the resource."""
        found = [json.loads(line) for line in self.operator.log.splitlines() if line.startswith("{")]
        return [each for each in found if each.get("name") == "orders"]

    def told(self, change: Callable[[], object], *, lines: int = 1) -> list[dict[str, Any]]:
        """Make a change, and give the lines that tell of it: as many as expected, after some rounds too."""
        before = len(self.lines())
        change()
        wait_until(lambda: len(self.lines()) >= before + lines, "a line", servers=[self.operator.server])
        self.rounds()
        found = self.lines()[before:]
        assert len(found) == lines, found
        return found

    def rounds(self) -> None:
        """Let the operator look a few times."""
        looks = len(self.atlas.requests(self.place, "GET"))
        wait_until(lambda: len(self.atlas.requests(self.place, "GET")) >= looks + 3, "some rounds")


@pytest.fixture
def case(
    control_plane: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace, start_operator: RunOperator
) -> Case:
    namespace = make_namespace()  # also the label, so that an operator that is left serves no other case
    resources = Resources(control_plane, namespace, {"served-by": namespace})
    resources.secret()
    operator = start_operator(label=namespace, atlas=atlas, namespace="default", log_format="json", sync_interval="1s")
    return Case(resources, operator, atlas, place)


def test_each_change_is_one_line_with_its_facts_and_rest_is_none(case: Case) -> None:
    """Creation, edit, drift."""
    resources, atlas, place = case.resources, case.atlas, case.place
    atlas.connect(place, "one")
    spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one")

    (created,) = case.told(lambda: resources.create("orders", spec))
    body = resources.get("orders")
    facts = {"namespace": resources.namespace, "name": "orders", "uid": body["metadata"]["uid"], "generation": 1}
    assert created.items() >= {**facts, "level": "INFO", "ready": "True", "reason": "Available"}.items()
    assert created["atlasRequest"].items() >= {"method": "GET", "status": 200}.items()

    (edited,) = case.told(lambda: resources.edit("orders", comment="two"))
    assert edited.items() >= {**facts, "level": "INFO", "generation": 2}.items()
    assert "comment from 'one' to 'two'" in edited["message"]
    assert edited["reconcileID"] != created["reconcileID"]
    assert edited["atlasRequest"].items() >= {"method": "PATCH", "path": ONE, "status": 200}.items()

    (drifted,) = case.told(lambda: atlas.change(place, comment="theirs"))
    assert drifted["level"] == "INFO"
    assert "set back: comment from 'theirs' to 'two'" in drifted["message"]
    resources.close()


def test_a_failure_is_one_warning_and_each_step_of_the_way_out_is_one_line(case: Case) -> None:
    """A failure that is tried again, its end, a suspension and its end, a deletion."""
    resources, atlas, place = case.resources, case.atlas, case.place
    atlas.connect(place, "two")
    spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two", deletionPolicy="Delete")
    case.told(lambda: resources.create("orders", spec))

    words = "x" * 50_000
    body_of_fault = {"error": 503, "errorCode": "UNEXPECTED_ERROR", "detail": words}
    atlas.fail(place, method="PATCH", status=503, body=body_of_fault)
    (failed,) = case.told(lambda: resources.edit("orders", comment="three"))
    assert failed.items() >= {"level": "WARNING", "reason": "AtlasUnavailable", "generation": 2}.items()
    request = {"method": "PATCH", "path": ONE, "status": 503, "errorCode": "other"}
    assert failed["atlasRequest"].items() >= request.items()
    assert len(json.dumps(failed)) < 4096

    (healed,) = case.told(lambda: atlas.heal(place))
    assert healed.items() >= {"level": "INFO", "reason": "Available"}.items()
    assert "comment from 'two' to 'three'" in healed["message"]

    def suspend_and_resume() -> None:
        resources.edit("orders", suspend=True)
        resources.wait_reason("orders", "Suspended")
        resources.edit("orders", suspend=False)

    suspended, resumed = case.told(suspend_and_resume, lines=2)
    assert [(each["level"], each["reason"]) for each in (suspended, resumed)] == [
        ("INFO", "Suspended"),
        ("INFO", "Available"),
    ]

    before = len(case.lines())
    resources.delete("orders")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    wait_until(lambda: len(case.lines()) >= before + 2, "its last line")
    assert [(each["level"], each["reason"]) for each in case.lines()[before:]] == [
        ("INFO", "Deleting"),
        ("INFO", "EndpointDeleted"),
    ]
    assert words[:2000] not in case.operator.log
    resources.close()


def test_at_rest_there_is_no_line_at_all_and_debug_tells_of_each_call(
    control_plane: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "calm"})
    resources.secret()
    atlas.connect(place)
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    operators = {
        level: start_operator(
            label="calm", atlas=atlas, namespace="default", log_format="json", log_level=level, sync_interval="2s"
        )
        for level in ("INFO", "DEBUG")
    }
    resources.wait_ready("orders")
    looks = len(atlas.requests(place, "GET"))
    wait_until(lambda: len(atlas.requests(place, "GET")) >= looks + 2, "a round")
    before = {level: len(operator.log.splitlines()) for level, operator in operators.items()}
    looks = len(atlas.requests(place, "GET"))

    wait_until(lambda: len(atlas.requests(place, "GET")) >= looks + 6, "some rounds")

    assert operators["INFO"].log.splitlines()[before["INFO"] :] == []
    calls = [json.loads(line) for line in operators["DEBUG"].log.splitlines()[before["DEBUG"] :]]
    looked = [each for each in calls if each["message"] == "Request to Atlas"]
    assert looked
    assert all(each["atlasRequest"]["status"] == 200 and each["instance"] == "shop" for each in looked)
    resources.close()
