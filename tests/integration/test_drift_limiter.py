"""The limits of writes on a real control plane: a mass drift is corrected in portions, and WRITES=off lets nothing pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT, place, seed
from support.documentation import DOCS
from support.resources import ready

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.fixtures import MakeResources, RunOperator, StartAtlas


def test_with_writes_off_everything_is_planned_and_sent_when_they_are_on_again(
    control_plane: ControlPlane, start_atlas: StartAtlas, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    atlas, resources = start_atlas(seed(1, endpoints=5)), make_resources("off")
    settings: dict[str, Any] = {"label": "off", "atlas": atlas, "sync_interval": "1s"}
    places = {name: place(0, index) for index, name in enumerate(["edited", "drifted", "forced", "settled", "new"])}
    *old, _ = places
    for name, each in places.items():
        atlas.connect(each, "one")
        if name in old:
            resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    first = run_operator(**settings)
    for name in old:
        resources.wait_ready(name)
    first.stop()

    resources.edit("edited", comment="two")
    atlas.change(places["drifted"], comment="theirs")
    atlas.change(places["forced"], status="FAILED", endpointServiceName="svc", errorMessage="It broke.")
    resources.annotate("forced", {"atlas-endpoints.dev/force-sync": "now"})
    second = run_operator(**settings, writes="off")
    resources.create("new", places["new"].spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="mine"))

    reasons = {"edited": "Edit", "drifted": "Drift", "new": "FirstContact"}
    plans = {name: resources.wait_reason(name, "Drifted", pair="Stalled")["status"]["plan"] for name in reasons}
    assert {name: plan["reason"] for name, plan in plans.items()} == reasons
    assert {plan["method"] for plan in plans.values()} == {"PATCH"}
    (documented,) = re.findall(r"jsonpath='([^']*status[.]plan[^']*)'", (DOCS / "operations.md").read_text("utf-8"))
    told = control_plane.kubectl("get", "spe", f"--namespace={resources.namespace}", f"--output=jsonpath={documented}")
    assert f'{resources.namespace}/edited\tEdit\t{{"comment":"two","providerName":"AWS"}}\n' in told.stdout
    assert len(told.stdout.splitlines()) == len(plans)
    resources.edit("edited", comment="three")
    plans["edited"] = resources.wait(
        "edited", lambda body: body["status"].get("plan", {}).get("body", {}).get("comment") == "three"
    )["status"]["plan"]
    assert second.metric("atlas_endpoints_writes_enabled") == 0
    assert ready(resources.get("settled"))["status"] == "True"
    failed = resources.wait_reason("forced", "EndpointFailed", pair="Stalled")["status"]
    assert failed["lastHandledReconcileAt"] == "now"
    assert "plan" not in failed
    assert atlas.requests(method="PATCH") == []
    assert "WRITES is off" in second.log
    second.stop()

    third = run_operator(**settings, writes="on")
    for name in set(places) - {"forced"}:
        resources.wait_ready(name)

    assert third.metric("atlas_endpoints_writes_enabled") == 1
    sent = atlas.requests(method="PATCH")
    assert {each["path"].rpartition("/")[2]: each["body"] for each in sent} == {
        places[name].endpoint: plan["body"] for name, plan in plans.items()
    }
    assert len(sent) == len(plans)
    assert not [body["metadata"]["name"] for body in resources.all() if "plan" in body["status"]]
