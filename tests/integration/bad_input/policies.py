"""Stories about wishes: to be left alone, to have drift corrected or only told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.resources import condition, observed, ready, told
from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()


@stories
def a_suspended_resource_makes_no_call_until_it_is_resumed(scene: Scene) -> None:
    """Neither for edits nor for drift."""
    scene.create(connected=True, comment="one")
    scene.becomes_ready()

    scene.edit(suspend=True)
    _rests(scene)
    scene.edit(comment="two")
    _rests(scene)
    scene.atlas.change(scene.place, comment="theirs")
    assert scene.calls_within(9) == []
    scene.edit(suspend=None)

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "two"


@stories
def a_resource_that_is_born_suspended_makes_no_call_at_all(scene: Scene) -> None:
    """Not even one to find out whether its credentials work."""
    scene.create(connected=True, suspend=True)

    _rests(scene)
    assert scene.calls_within(9) == []
    scene.edit(suspend=False)

    scene.becomes_ready()


def _is_skipped(scene: Scene, *, annotation: str) -> None:
    scene.create(connected=True, comment="one")
    scene.becomes_ready()

    scene.resources.annotate(NAME, {annotation: "skip"})
    _rests(scene, by=f"the annotation {annotation}")
    scene.edit(comment="two")
    _rests(scene, by=f"the annotation {annotation}")
    assert scene.calls_within(9) == []
    scene.resources.annotate(NAME, {annotation: None})

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "two"}]


for _annotation in ("atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy"):
    stories.add(f"the annotation {_annotation} stops all calls", partial(_is_skipped, annotation=_annotation))


def _rests(scene: Scene, by: str = "spec.suspend") -> None:
    body = scene.resources.wait(
        NAME, lambda body: observed(body) and ready(body)["reason"] == "Suspended", says="suspended"
    )
    assert ready(body)["status"] == "False"
    assert ready(body)["message"] == f"Suspended by {by}: Atlas is neither read nor changed until that is taken back."
    assert condition(body, "Reconciling") is None, told(body)
    assert condition(body, "Stalled") is None, told(body)


@stories
def drift_is_corrected_by_one_change(scene: Scene) -> None:
    """The resource is ready all the time."""
    scene.create(connected=True, comment="ours")
    scene.becomes_ready()

    scene.atlas.change(scene.place, comment="theirs")
    wait_until(lambda: bool(scene.patches()), "the correction")
    body = scene.resources.wait(NAME, lambda body: "history" in body["status"])

    assert scene.patches() == [{"comment": "ours"}]
    assert scene.atlas.endpoint(scene.place)["comment"] == "ours"
    assert [(each["cause"], each["fields"], each["result"]) for each in body["status"]["history"]] == [
        ("Drift", ["comment"], "Applied")
    ]
    assert {ready(each)["status"] for each in scene.resources.states(NAME)} == {"", "True"}
    scene.becomes_ready()


@stories
def drift_is_only_told_where_the_policy_says_report(scene: Scene) -> None:
    """An edit is sent under that policy as well."""
    scene.create(connected=True, comment="ours", driftPolicy="Report")
    scene.becomes_ready()

    scene.atlas.change(scene.place, comment="theirs")
    body = _drifted(scene, "spec.driftPolicy is Report: comment is 'theirs', not 'ours'.")
    assert body["status"]["drift"] == [{"field": "comment", "desired": "ours", "actual": "theirs"}]
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    scene.atlas.change(scene.place, comment="ours")
    scene.becomes_ready()

    scene.edit(comment="mine")
    scene.becomes_ready()
    assert scene.patches() == [{"comment": "mine"}]
    scene.atlas.change(scene.place, comment="theirs")
    _drifted(scene, "comment is 'theirs', not 'mine'.")
    scene.edit(driftPolicy="Correct")
    scene.becomes_ready()
    assert scene.patches() == [{"comment": "mine"}] * 2


@stories
def a_field_that_somebody_keeps_changing_back_is_not_fought_over(scene: Scene) -> None:
    """After three corrections in a row it rests, and is right when the other side gives in."""
    content = scene.place.sibling(1)
    scene.create(connected=True, comment="ours", syncInterval="1m")
    scene.becomes_ready()  # before the other comes, whose look at the instance could be older than what was just connected
    scene.atlas.connect(content)
    scene.resources.create("content", content.spec())  # its interval is the one by which the instance is looked at
    scene.becomes_ready("content")
    now = datetime.now(UTC)
    corrections = [_correction(now - timedelta(seconds=ago)) for ago in (40, 80)]
    scene.resources.write_status(NAME, {"history": corrections})

    scene.atlas.change(scene.place, comment="theirs")
    wait_until(lambda: bool(scene.patches()), "the third correction")
    scene.resources.wait(NAME, lambda body: len(body["status"]["history"]) == len(corrections) + 1)
    scene.atlas.change(scene.place, comment="theirs")

    body = _drifted(
        scene,
        "Somebody keeps changing the endpoint back, so it is corrected once an hour only: comment is 'theirs', not 'ours'.",
    )
    assert body["status"]["drift"] == [{"field": "comment", "desired": "ours", "actual": "theirs"}]
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    assert scene.patches() == [{"comment": "ours"}]
    scene.atlas.change(scene.place, comment="ours")

    scene.becomes_ready()


def _drifted(scene: Scene, says: str) -> dict[str, Any]:
    body = scene.becomes("Drifted", "Stalled", says=(says,))
    synced = condition(body, "Synced")
    assert synced is not None
    assert (synced["status"], synced["reason"]) == ("False", "DriftDetected")
    return body


def _correction(when: datetime) -> dict[str, Any]:
    time_ = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": time_, "generation": 1, "cause": "Drift", "fields": ["comment"], "result": "Applied"}


@stories
def what_atlas_writes_otherwise_and_means_the_same_is_no_drift(scene: Scene) -> None:
    """An empty comment and none at all, for one."""
    scene.create(connected=True, comment="")
    scene.becomes_ready()

    scene.atlas.change(scene.place, comment="")
    time.sleep(6)
    scene.atlas.change(scene.place, comment=None)

    assert {each["method"] for each in scene.calls_within(6)} == {"GET"}
    assert {ready(each)["status"] for each in scene.resources.states(NAME)} == {"", "True"}


@stories
def what_only_observes_tells_of_every_difference_and_sends_nothing(scene: Scene) -> None:
    """Credentials that may only read are enough, and to manage again sends what is still to be sent."""
    account = scene.atlas.put_account(scene.place, role="GROUP_READ_ONLY")
    scene.resources.secret(data=account)
    scene.create(connected=True, comment="ours", managementPolicy="Observe")
    body = scene.becomes_ready()
    assert (condition(body, "Synced") or {})["reason"] == "Observing"

    scene.edit(comment="mine")
    body = _drifted(scene, "spec.managementPolicy is Observe, so nothing is sent: comment is 'ours', not 'mine'.")
    assert body["status"]["drift"] == [{"field": "comment", "desired": "mine", "actual": "ours"}]
    scene.atlas.change(scene.place, comment="theirs")
    scene.resources.wait(NAME, lambda body: "comment is 'theirs', not 'mine'." in ready(body)["message"])
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    scene.resources.secret(data=scene.atlas.put_account(scene.place, role="GROUP_OWNER"))
    scene.edit(managementPolicy="Manage")

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "mine"}]


@stories
def what_only_plans_shows_the_very_request_and_sends_it_when_it_is_managed(scene: Scene) -> None:
    """The plan follows the spec and Atlas."""
    scene.create(comment="mine", cloudProviderEndpointId=CLOUD_ENDPOINT, managementPolicy="Plan")
    body = scene.becomes("Planned", "Stalled", says=("spec.managementPolicy is Plan", "until it is Manage"))
    everything = {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "mine"}
    assert body["status"]["plan"] == {"method": "PATCH", "body": everything, "reason": "FirstContact"}
    assert (condition(body, "Synced") or {})["reason"] == "Planned"

    scene.atlas.change(scene.place, comment="mine")
    without = {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT}
    scene.resources.wait(NAME, lambda body: body["status"].get("plan", {}).get("body") == without)
    assert {each["method"] for each in scene.calls_within(9)} == {"GET"}
    scene.edit(managementPolicy=None)

    body = scene.becomes_ready()
    assert scene.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT}]
    assert "plan" not in body["status"]
