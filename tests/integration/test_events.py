"""Kubernetes Events about resources: one when something begins to fail, one when that is over, and none otherwise."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.operator_process import OperatorProcess
from support.rbac import service_account
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator

WRONG = "mdb_sa_sk_mistyped_4711"
FAILED, HEALED = ("Warning", "CredentialsInvalid"), ("Normal", "Available")
ADOPTING = ("Normal", "Adopting")


def test_wrong_credentials_are_announced_once_and_so_is_that_they_are_mended(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    names = ["orders", "billing", "search"]
    right = atlas.put_account(place)
    resources.secret(data={**right, "clientSecret": WRONG})
    for number, name in enumerate(names):
        atlas.connect(place.sibling(number))
        resources.create(name, place.sibling(number).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for name in names:
        resources.wait_reason(name, "CredentialsInvalid", pair="Stalled")  # it was Reconciling before
        resources.wait_events(name, FAILED)
    described = control_plane.kubectl("describe", "spe/orders", f"--namespace={resources.namespace}").stdout
    listed = control_plane.kubectl("events", "--for=spe/orders", f"--namespace={resources.namespace}").stdout

    resources.secret(data=right)
    for name in names:
        resources.annotate(name, {"atlas-endpoints.dev/force-sync": "mended"})  # else it looks every 30 s

    for name in names:
        body = resources.wait_ready(name)
        failed, healed = resources.wait_events(name, FAILED, HEALED)
        assert failed["regarding"] == healed["regarding"] | {"resourceVersion": failed["regarding"]["resourceVersion"]}
        assert failed["regarding"] == {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": "ServerlessPrivateEndpoint",
            "namespace": resources.namespace,
            "name": name,
            "uid": body["metadata"]["uid"],
            "resourceVersion": failed["regarding"]["resourceVersion"],
        }
        assert "Atlas does not accept the credentials" in failed["note"]
        assert healed["note"] == ready(body)["message"]
        assert {each["reportingController"] for each in (failed, healed)} == {"atlas-endpoints.dev/operator"}
        assert all(each["reportingInstance"] and each["action"] for each in (failed, healed))
        assert re.search(r"\.\d{6}Z$", failed["eventTime"])
        assert datetime.now(UTC) - datetime.fromisoformat(failed["eventTime"]) < timedelta(minutes=5)
        assert WRONG not in json.dumps([failed, healed])
    for text in (described, listed):
        (line,) = [line for line in text.splitlines() if re.search(r"Warning\s+CredentialsInvalid", line)]
        assert "Atlas does not accept the credentials" in line
    assert "atlas-endpoints.dev/operator" in described


def test_normal_progress_is_not_announced_and_an_edit_that_fails_is(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    atlas.fail(place, method="PATCH", status=503, times=2)
    resources.edit("orders", comment="two")
    resources.wait_ready("orders")

    _, failed, updated, healed = resources.wait_events(
        "orders", ADOPTING, ("Warning", "AtlasUnavailable"), ("Normal", "Updated"), HEALED
    )

    actions = [each["action"] for each in (failed, updated, healed)]
    assert actions == ["UpdateServerlessPrivateEndpoint", "UpdateServerlessPrivateEndpoint", "Reconcile"]
    assert updated["note"] == "The endpoint was updated: comment from 'one' to 'two'."


def test_each_change_is_told_once_and_in_words(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place, shared_operator: OperatorProcess
) -> None:
    """An edit, drift that is set back, drift that is only reported, a suspension and its end; and nothing in between."""
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    resources.edit("orders", comment="two")
    resources.wait_ready("orders")
    updated = ("Normal", "Updated")
    resources.wait_events("orders", updated)
    atlas.change(place, comment="somebody's")
    corrected = ("Normal", "DriftCorrected")
    resources.wait_events("orders", updated, corrected)
    resources.edit("orders", driftPolicy="Report")
    resources.wait_ready("orders")
    drifted = ("Warning", "Drifted")
    for number, comment in enumerate(("theirs", "theirs, too"), start=1):
        atlas.change(place, comment=comment)
        resources.wait_events("orders", updated, corrected, *[drifted] * number)
    resources.edit("orders", suspend=True)
    suspended = ("Normal", "Suspended")
    resources.wait_events("orders", updated, corrected, drifted, drifted, suspended)
    atlas.change(place, comment="two")
    resources.edit("orders", suspend=False)
    resources.wait_ready("orders")
    looks = len(atlas.requests(place))
    wait_until(lambda: len(atlas.requests(place)) >= looks + 3, "some rounds")

    found = resources.wait_events("orders", updated, corrected, drifted, drifted, suspended, HEALED)

    notes = [each["note"] for each in found]
    assert "comment from 'one' to 'two'" in notes[0]
    assert "Drift in Atlas was corrected: comment from 'somebody's' to" in notes[1]
    assert "spec.driftPolicy is Report: comment is 'theirs', not 'two'" in notes[2]
    assert "spec.driftPolicy is Report: comment is 'theirs, too', not 'two'" in notes[3]
    assert notes[4].startswith("Suspended by spec.suspend")
    described = control_plane.kubectl("describe", "spe/orders", f"--namespace={resources.namespace}").stdout
    assert re.search(r"Normal\s+DriftCorrected .*set back: comment from 'somebody's' to 'two'\.", described)


def test_an_endpoint_that_is_reserved_is_told_with_its_id(resources: Resources, atlas: Atlas, place: Place) -> None:
    spec = {name: value for name, value in place.spec(comment="ours").items() if name != "endpointId"}
    resources.create("orders", spec)
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint")
    resources.edit("orders", cloudProviderEndpointId=CLOUD_ENDPOINT)
    resources.wait_ready("orders")

    reserved, updated = resources.wait_events("orders", ("Normal", "EndpointReserved"), ("Normal", "Updated"))

    assert body["status"]["reservation"]["endpointId"] in reserved["note"]
    assert f"cloudProviderEndpointId from empty to '{CLOUD_ENDPOINT}'" in updated["note"]


def test_a_first_contact_tells_what_it_changes_before_it_does(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "somebody's")
    atlas.fail(place, method="PATCH", status=503)
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours"))
    resources.wait_reason("orders", "AtlasUnavailable")

    adopting, failed = resources.wait_events("orders", ADOPTING, ("Warning", "AtlasUnavailable"))

    assert atlas.endpoint(place)["comment"] == "somebody's"
    assert adopting["note"] == (
        f"The operator changes endpoint {place.endpoint} for the first time: comment from 'somebody's' to 'ours'."
    )
    assert adopting["action"] == failed["action"] == "UpdateServerlessPrivateEndpoint"
    (first, *_) = atlas.requests(place, "PATCH")
    assert datetime.fromisoformat(adopting["eventTime"]).timestamp() < first["time"]
    described = control_plane.kubectl("describe", "spe/orders", f"--namespace={resources.namespace}").stdout
    assert re.search(r"Normal\s+Adopting .*comment from 'somebody's' to 'ours'\.", described)

    wait_until(lambda: len(atlas.patches(place)) > 1, "another try")
    atlas.heal(place)
    resources.wait_ready("orders")
    resources.wait_events("orders", ADOPTING, ("Warning", "AtlasUnavailable"), HEALED)


@pytest.mark.parametrize("policy", ["Plan", "Observe"])
def test_what_is_only_planned_or_observed_is_told_by_the_status_and_not_as_something_about_to_be_done(
    resources: Resources, atlas: Atlas, place: Place, policy: str
) -> None:
    reason = {"Plan": "Planned", "Observe": "Drifted"}[policy]
    atlas.connect(place, "somebody's")
    resources.create(
        "orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours", managementPolicy=policy)
    )
    body = resources.wait_reason("orders", reason)

    resources.wait_events("orders", ("Warning", reason))
    if policy == "Plan":
        assert body["status"]["plan"]["body"] == {"providerName": "AWS", "comment": "ours"}
    else:
        assert body["status"]["drift"] == [{"field": "comment", "desired": "ours", "actual": "somebody's"}]
    assert atlas.patches(place) == []


def test_neither_at_rest_nor_after_a_restart_is_there_any(
    control_plane: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    """Whether a resource is well or fails, there is no Event without a change of its status."""
    resources = Resources(control_plane, make_namespace(), {"served-by": "told"})
    resources.secret(data=atlas.put_account(place))
    resources.secret("wrong", {**atlas.put_account(place.sibling(1)), "clientSecret": WRONG})
    atlas.connect(place)
    resources.create("well", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    resources.create(
        "fails", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef={"name": "wrong"})
    )
    settings: dict[str, Any] = {"sync_interval": "1s", "stall_grace": "1s"}
    first = start_operator(label="told", atlas=atlas, namespace="default", **settings)
    resources.wait_ready("well")
    resources.wait_reason("fails", "CredentialsInvalid", pair="Stalled")
    resources.wait_events("fails", FAILED)
    assert first.stop() == 0

    second = start_operator(label="told", atlas=atlas, namespace="default", **settings)

    wait_until(lambda: second.metric("atlas_endpoints_reconcile_total") >= 2, "both to be looked at")
    looks = len(atlas.requests(place))
    wait_until(lambda: len(atlas.requests(place)) >= looks + 3, "some rounds")
    assert second.stop() == 0  # which would write what waits
    resources.wait_events("fails", FAILED)
    assert resources.events("well") == []
    resources.close()


def test_events_that_wait_are_written_before_the_operator_ends(
    control_plane: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    crowd = 60
    resources = Resources(control_plane, make_namespace(), {"served-by": "ended"})
    resources.secret(data={**atlas.put_account(place), "clientSecret": WRONG})
    for number in range(crowd):
        resources.create(f"e{number}", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    operator = start_operator(label="ended", atlas=atlas, namespace="default")
    wait_until(lambda: all(ready(body)["reason"] for body in resources.all()), "all to fail")

    assert operator.stop() == 0

    # On a busy machine a second is not enough for all; then the log says so, and one more may be lost on its way.
    late = re.search(r"Stopping: (\d+) Events are dropped", operator.log)
    written = [each["regarding"]["name"] for each in resources.events()]
    assert len(set(written)) == len(written)
    assert crowd - len(written) <= (int(late[1]) + 1 if late else 0)
    resources.close()


@pytest.fixture
def mute_operator(
    control_plane: ControlPlane, crd: str, group: ServerGroup, tmp_path: Path, atlas: Atlas
) -> Iterator[OperatorProcess]:
    """An operator that may do all but create Events."""
    manifests = [each for each in yaml.safe_load_all(service_account("default", "operator-mute")) if each is not None]
    for each in manifests:
        if each["kind"] == "ClusterRole":
            each["metadata"]["name"] = "operator-mute"
            each["rules"] = [rule for rule in each["rules"] if "events" not in rule["resources"]]
        elif each["kind"] == "ClusterRoleBinding":
            each["roleRef"]["name"] = "operator-mute"
    control_plane.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(manifests))
    operator = OperatorProcess.start(
        group,
        tmp_path,
        kubeconfig=control_plane.kubeconfig_for("default", "operator-mute"),
        atlas_url=atlas.url,
        label_selector="served-by=mute",
        sync_interval="2s",
        stall_grace="1s",
    )
    yield operator
    operator.server.stop(kill=True)


def test_without_the_right_to_create_events_all_else_works(
    control_plane: ControlPlane,
    mute_operator: OperatorProcess,
    atlas: Atlas,
    place: Place,
    make_namespace: MakeNamespace,
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "mute"})
    right = atlas.put_account(place)
    resources.secret(data={**right, "clientSecret": WRONG})
    names = ["orders", "billing", "search"]
    for number, name in enumerate(names):
        atlas.connect(place.sibling(number))
        resources.create(name, place.sibling(number).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for name in names:
        resources.wait_reason(name, "CredentialsInvalid", pair="Stalled")

    resources.secret(data=right)
    for name in names:
        resources.annotate(name, {"atlas-endpoints.dev/force-sync": "mended"})  # else it looks every 30 s

    for name in names:
        resources.wait_ready(name)
    dropped = "atlas_endpoints_events_total"
    wait_until(lambda: mute_operator.metric(dropped, result="dropped") == 2 * len(names), "all Events")
    assert resources.events() == []
    (line,) = [line for line in mute_operator.log.splitlines() if "Events are dropped" in line]
    assert "Give the operator's ServiceAccount the verb create on events of the API group events.k8s.io." in line
    resources.close()
