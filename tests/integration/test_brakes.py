"""The emergency brakes on a real control plane: a mass drift is corrected in portions, and WRITES=off lets nothing pass."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas, place, seed
from support.resources import Resources, condition, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RunOperator

CROWD, PORTION, INTERVAL = 30, 10, 3.0
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def crowded_atlas(group: ServerGroup, tmp_path: Path) -> Iterator[Atlas]:
    """An Atlas of its own with one instance of many endpoints."""
    atlas = Atlas.start(group, tmp_path, seed(1, endpoints=CROWD))
    yield atlas
    atlas.close()


def test_a_mass_drift_is_corrected_in_portions_while_edits_pass(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "brakes"})
    resources.secret()
    places = [place(0, index) for index in range(CROWD)]
    for index, each in enumerate(places):
        crowded_atlas.connect(each, "ours")
        resources.create(f"e{index}", each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours"))
    operator = start_operator(
        label="brakes",
        atlas=crowded_atlas,
        namespace="default",
        sync_interval=f"{INTERVAL:.0f}s",
        max_corrections=PORTION,
    )
    for index in range(CROWD):
        resources.wait_ready(f"e{index}")

    for each in places:
        crowded_atlas.change(each, comment="theirs")
    # A round may come while the last of them are being changed, so the first portion is not always a whole one.
    wait_until(lambda: _waiting(resources) > 0, "the brake")
    assert operator.metric("atlas_endpoints_corrections_held") > 0
    held = next(body for body in resources.all() if ready(body)["reason"] == "CorrectionHeld")
    assert "MAX_CORRECTIONS" in ready(held)["message"]
    assert condition(held, "Reconciling") is not None
    assert condition(held, "Stalled") is None
    assert held["status"]["drift"] == [{"field": "comment", "desired": "ours", "actual": "theirs"}]
    edited = held["metadata"]["name"]
    resources.edit(edited, comment="newer")
    resources.wait_ready(edited)

    for index in range(CROWD):
        resources.wait_ready(f"e{index}")
    wait_until(lambda: operator.metric("atlas_endpoints_corrections_held") == 0, "the brake to open")
    patches = crowded_atlas.requests(method="PATCH")
    assert sorted(each["body"]["comment"] for each in patches) == ["newer"] + ["ours"] * (CROWD - 1)
    corrections = [each["time"] for each in patches if each["body"]["comment"] == "ours"]
    (edit,) = [each["time"] for each in patches if each["body"]["comment"] == "newer"]
    assert edit < corrections[-PORTION]
    # What is counted is the decision; the call that follows it may be some milliseconds early or late.
    for first, later in zip(corrections, corrections[PORTION:], strict=False):
        assert later - first > INTERVAL - 0.5
    assert operator.log.count("The drift limiter delays corrections") == 1
    assert operator.log.count("The drift limiter no longer delays corrections") == 1
    operator.stop()
    resources.close()


def test_with_writes_off_everything_is_planned_and_sent_when_they_are_on_again(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "off"})
    resources.secret()
    places = {name: place(0, index) for index, name in enumerate(["edited", "drifted", "new", "settled", "forced"])}
    for name, each in places.items():
        crowded_atlas.connect(each, "one")
        if name != "new":
            resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    first = start_operator(label="off", atlas=crowded_atlas, namespace="default", sync_interval="1s")
    for name in places:
        if name != "new":
            resources.wait_ready(name)
    first.stop()

    resources.edit("edited", comment="two")
    crowded_atlas.change(places["drifted"], comment="theirs")
    crowded_atlas.change(places["forced"], status="FAILED", endpointServiceName="svc", errorMessage="It broke.")
    resources.annotate("forced", {"atlas-endpoints.dev/force-sync": "now"})
    second = start_operator(label="off", atlas=crowded_atlas, namespace="default", sync_interval="1s", writes="off")
    resources.create("new", places["new"].spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="mine"))

    plans = {
        name: resources.wait_reason(name, "Planned", pair="Stalled")["status"]["plan"]
        for name in places
        if name != "settled"
    }
    assert {name: (plan["method"], plan["reason"]) for name, plan in plans.items()} == {
        "edited": ("PATCH", "Edit"),
        "drifted": ("PATCH", "Drift"),
        "new": ("PATCH", "FirstContact"),
        "forced": ("PATCH", "Forced"),
    }
    (documented,) = re.findall(r"jsonpath='([^']*status[.]plan[^']*)'", OPERATIONS.read_text(encoding="utf-8"))
    told = control_plane.kubectl("get", "spe", f"--namespace={resources.namespace}", f"--output=jsonpath={documented}")
    assert f'{resources.namespace}/edited\tEdit\t{{"comment":"two","providerName":"AWS"}}\n' in told.stdout
    assert len(told.stdout.splitlines()) == len(plans)
    resources.edit("edited", comment="three")
    plans["edited"] = resources.wait(
        "edited", lambda body: body["status"].get("plan", {}).get("body", {}).get("comment") == "three"
    )["status"]["plan"]
    assert second.metric("atlas_endpoints_writes_enabled") == 0
    assert ready(resources.get("settled"))["status"] == "True"
    assert crowded_atlas.requests(method="PATCH") == []
    assert "WRITES is off" in second.log
    second.stop()

    third = start_operator(label="off", atlas=crowded_atlas, namespace="default", sync_interval="1s", writes="on")
    for name in set(places) - {"forced"}:
        resources.wait_ready(name)
    resources.wait("forced", lambda body: body["status"].get("lastHandledReconcileAt") == "now", says="handled")

    assert third.metric("atlas_endpoints_writes_enabled") == 1
    sent = crowded_atlas.requests(method="PATCH")
    assert {each["path"].rpartition("/")[2]: each["body"] for each in sent} == {
        places[name].endpoint: plan["body"] for name, plan in plans.items()
    }
    assert len(sent) == len(plans)
    assert not [body["metadata"]["name"] for body in resources.all() if "plan" in body["status"]]
    third.stop()
    resources.close()


def _waiting(resources: Resources) -> int:
    return len([body for body in resources.all() if ready(body)["reason"] == "CorrectionHeld"])
