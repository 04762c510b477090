"""Cases about wishes: to be left alone, to have drift corrected or only told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases
from support.resources import condition, observed, ready, told

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()


def _ready_with(env: Env, comment: str, **fields: Any) -> dict[str, Any]:
    """Have a resource whose endpoint has its comment already."""
    env.create(connected=True, comment=comment, **fields)
    return env.becomes_ready()


def _rests(env: Env, by: str = "spec.suspend") -> None:
    body = env.resources.wait(
        NAME, lambda body: observed(body) and ready(body)["reason"] == "Suspended", says="suspended"
    )
    assert ready(body)["status"] == "False"
    assert by in ready(body)["message"]
    assert condition(body, "Reconciling") is None, told(body)
    assert condition(body, "Stalled") is None, told(body)


@cases
def a_suspended_resource_makes_no_call_until_it_is_resumed(env: Env) -> None:
    """Neither for edits nor for drift."""
    _ready_with(env, "one")

    env.edit(suspend=True)
    _rests(env)
    env.edit(comment="two")
    _rests(env)
    env.atlas.change(env.place, comment="theirs")
    assert env.calls_within(9) == []
    env.edit(suspend=None)

    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "two"


def _is_skipped(env: Env, *, annotation: str) -> None:
    _ready_with(env, "one")

    env.resources.annotate(NAME, {annotation: "skip"})
    _rests(env, by=annotation)
    env.edit(comment="two")
    _rests(env, by=annotation)
    assert env.calls_within(9) == []
    env.resources.annotate(NAME, {annotation: None})

    env.becomes_ready()
    assert env.patches() == [{"comment": "two"}]


for _annotation in ("atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy"):
    cases.add(f"the annotation {_annotation} stops all calls", partial(_is_skipped, annotation=_annotation))


@cases
def drift_is_corrected_by_one_change(env: Env) -> None:
    """The resource is ready all the time."""
    _ready_with(env, "ours")

    env.atlas.change(env.place, comment="theirs")
    wait_until(lambda: bool(env.patches()), "the correction")
    body = env.resources.wait(NAME, lambda body: "history" in body["status"])

    assert env.patches() == [{"comment": "ours"}]
    assert env.atlas.endpoint(env.place)["comment"] == "ours"
    assert [(each["cause"], each["fields"], each["result"]) for each in body["status"]["history"]] == [
        ("Drift", ["comment"], "Applied")
    ]
    assert {ready(each)["status"] for each in env.resources.states(NAME)} == {"", "True"}
    env.becomes_ready()


def _drifted(env: Env, desired: str, actual: str, says: str = "") -> None:
    differs = f"comment is '{actual}', not '{desired}'"
    body = env.resources.wait(
        NAME, lambda body: ready(body)["reason"] == "Drifted" and differs in ready(body)["message"], says=differs
    )
    body = env.becomes("Drifted", "Stalled", says=(says, differs))
    assert body["status"]["drift"] == [{"field": "comment", "desired": desired, "actual": actual}]
    synced = condition(body, "Synced") or {}
    assert (synced["status"], synced["reason"]) == ("False", "DriftDetected")


@cases
def drift_is_only_reported_with_the_policy_report(env: Env) -> None:
    """An edit is sent under that policy as well."""
    _ready_with(env, "ours", driftPolicy="Report")

    env.atlas.change(env.place, comment="theirs")
    _drifted(env, "ours", "theirs", "spec.driftPolicy")
    assert {each["method"] for each in env.next_calls()} == {"GET"}
    env.atlas.change(env.place, comment="ours")
    env.becomes_ready()

    env.edit(comment="mine")
    env.becomes_ready()
    assert env.patches() == [{"comment": "mine"}]
    env.atlas.change(env.place, comment="theirs")
    _drifted(env, "mine", "theirs")
    env.edit(driftPolicy="Correct")
    env.becomes_ready()
    assert env.patches() == [{"comment": "mine"}] * 2


@cases
def observe_reports_every_difference_and_sends_nothing(env: Env) -> None:
    """Credentials that may only read are enough, and to manage again sends what is still to be sent."""
    env.resources.secret(data=env.atlas.put_account(env.place, role="GROUP_READ_ONLY"))
    body = _ready_with(env, "ours", managementPolicy="Observe")
    assert (condition(body, "Synced") or {})["reason"] == "Observing"

    env.edit(comment="mine")
    _drifted(env, "mine", "ours", "spec.managementPolicy")
    env.atlas.change(env.place, comment="theirs")
    _drifted(env, "mine", "theirs")
    assert {each["method"] for each in env.next_calls()} == {"GET"}
    env.resources.secret(data=env.atlas.put_account(env.place, role="GROUP_OWNER"))
    env.edit(managementPolicy="Manage")

    env.becomes_ready()
    assert env.patches() == [{"comment": "mine"}]


@cases
def what_only_observes_shows_the_very_request_and_sends_it_when_it_is_managed(env: Env) -> None:
    """The plan follows the spec and Atlas; Plan, which an older manifest may have, means Observe."""
    env.create(comment="mine", cloudProviderEndpointId=CLOUD_ENDPOINT, managementPolicy="Plan")
    env.edit(managementPolicy="Observe")
    body = env.becomes("Drifted", "Stalled", says=("spec.managementPolicy is Observe", "status.plan"))
    everything = {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "mine"}
    assert body["status"]["plan"] == {"method": "PATCH", "body": everything, "reason": "FirstContact"}
    assert (condition(body, "Synced") or {})["reason"] == "DriftDetected"

    env.atlas.change(env.place, comment="mine")
    without = {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT}
    env.resources.wait(NAME, lambda body: body["status"].get("plan", {}).get("body") == without)
    assert {each["method"] for each in env.next_calls()} == {"GET"}
    env.edit(managementPolicy=None)

    body = env.becomes_ready()
    assert env.patches() == [{"cloudProviderEndpointId": CLOUD_ENDPOINT}]
    assert "plan" not in body["status"]
