"""No edit is lost, whatever happens around it, and each costs what it must and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.cluster import KubectlError
from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.audit import writes
from support.resources import Resources, condition, observed, ready

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.gate

SHARED = "system:serviceaccount:default:operator-shared"


def test_kubectl_wait_after_an_edit_waits_for_that_edit(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    atlas.fail(place, method="PATCH", delay=2, times=1)
    resources.edit("orders", comment="two")

    control_plane.kubectl(
        "wait", "--for=condition=Ready", "spe/orders", f"--namespace={resources.namespace}", "--timeout=90s"
    )

    assert atlas.endpoint(place)["comment"] == "two"
    assert resources.get("orders")["status"]["observedGeneration"] == 2


def test_an_edit_costs_one_patch_and_one_status_write(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    written = _status_writes(control_plane, resources)

    resources.edit("orders", comment="two")
    resources.wait_ready("orders")

    assert atlas.patches(place) == [{"comment": "two"}]
    wait_until(lambda: _status_writes(control_plane, resources) > written, "the write in the audit log")
    assert _status_writes(control_plane, resources) - written == 1


def test_a_burst_of_edits_ends_with_the_last_one(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "0")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="0"))
    resources.wait_ready("orders")

    for number in range(1, 31):
        resources.edit("orders", comment=str(number))
    body = resources.wait_ready("orders")

    assert atlas.endpoint(place)["comment"] == "30"
    assert body["status"]["applied"]["comment"] == "30"


def test_an_edit_that_is_reverted_while_atlas_fails_leaves_the_first_value(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "first")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="first"))
    resources.wait_ready("orders")
    # The change arrives at Atlas and its answer never comes back: nobody knows.
    atlas.fail(place, method="PATCH", drop="after", times=1)
    resources.edit("orders", comment="second")
    wait_until(lambda: atlas.endpoint(place)["comment"] == "second", "the second comment in Atlas")

    resources.edit("orders", comment="first")
    resources.wait_ready("orders")

    assert atlas.endpoint(place)["comment"] == "first"


def test_an_edit_during_backoff_is_sent_at_once(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    atlas.fail(place, method="PATCH", status=429, headers={"Retry-After": "1"}, errorCode="RATE_LIMITED", times=1)
    atlas.fail(place, method="PATCH", status=500, times=3)
    resources.edit("orders", comment="two")
    resources.wait("orders", lambda body: observed(body) and ready(body)["status"] == "False", says="held up by Atlas")

    resources.edit("orders", comment="three")
    resources.wait_ready("orders")

    assert atlas.endpoint(place)["comment"] == "three"
    assert resources.get("orders")["status"]["applied"]["comment"] == "three"


def test_an_edit_while_a_call_is_in_flight_is_sent_after_it(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    atlas.fail(place, method="PATCH", delay=2, times=1)
    resources.edit("orders", comment="two")
    wait_until(lambda: _in_flight(atlas, place), "the first call")

    resources.edit("orders", comment="three")
    resources.wait_ready("orders")

    assert [body["comment"] for body in atlas.patches(place)] == ["two", "three"]
    assert atlas.endpoint(place)["comment"] == "three"


def test_removing_a_field_leaves_atlas_as_it_is_and_an_empty_comment_clears_it(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "kept")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="kept"))
    resources.wait_ready("orders")

    resources.edit("orders", comment=None)
    body = resources.wait_ready("orders")
    assert atlas.endpoint(place)["comment"] == "kept"
    assert "comment" not in body["status"]["applied"]

    resources.edit("orders", comment="")
    resources.wait_ready("orders")
    assert not atlas.endpoint(place)["comment"]


def test_labels_and_foreign_annotations_cost_nothing(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place)
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    resources.wait_ready("orders")
    written, patched = _status_writes(control_plane, resources), len(atlas.patches(place))

    for number in range(5):
        resources.annotate("orders", {"argocd.argoproj.io/tracking-id": f"app:{number}"})
    resources.annotate("orders", {"atlas-endpoints.dev/force-sync": "now"})
    resources.wait("orders", lambda body: body["status"].get("lastHandledReconcileAt") == "now", says="synced by force")

    # The forced pass comes after all others, and its request is all that there was to write.
    wait_until(lambda: _status_writes(control_plane, resources) > written, "the write in the audit log")
    assert _status_writes(control_plane, resources) - written == 1
    assert len(atlas.patches(place)) == patched


def test_deleting_a_resource_leaves_atlas_alone_and_never_hangs(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "stays")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="stays"))
    resources.wait_ready("orders")
    resources.delete_secret()

    control_plane.kubectl("delete", "spe/orders", f"--namespace={resources.namespace}", "--timeout=90s")

    assert not resources.exists("orders")
    assert {each["method"] for each in atlas.requests(place)} == {"GET"}
    assert atlas.endpoint(place)["comment"] == "stays"


def test_resources_that_are_deleted_and_created_anew_at_once_are_all_served(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    places = {f"e{number}": place.sibling(number + 1) for number in range(20)}
    for each in places.values():
        atlas.connect(each)
    for name, each in places.items():
        resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))

    for name, each in places.items():
        resources.delete(name)
        resources.create(name, each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))

    for name in places:
        resources.wait_ready(name)


def test_a_resource_created_anew_under_the_same_name_is_served_as_new(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "first life")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="first life"))
    resources.wait_ready("orders")
    resources.delete("orders")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="second life"))

    body = resources.wait_ready("orders")

    assert atlas.endpoint(place)["comment"] == "second life"
    assert body["status"]["history"][0]["cause"] == "FirstContact"


def test_with_the_operator_stopped_nobody_is_told_ready(
    control_plane: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "stopped"})
    resources.secret()
    operator = start_operator(label="stopped", atlas=atlas, namespace="default")
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    assert operator.stop() == 0

    resources.edit("orders", comment="two")
    resources.create("later", place.spec())

    for name in ("orders", "later"):
        with pytest.raises(KubectlError, match="timed out"):
            control_plane.kubectl(
                "wait", "--for=condition=Ready", f"spe/{name}", f"--namespace={resources.namespace}", "--timeout=2s"
            )
    assert resources.get("later")["status"] == {"observedGeneration": -1}
    assert condition(resources.get("orders"), "Ready") is not None
    resources.close()


def _status_writes(control_plane: ControlPlane, resources: Resources) -> int:
    """How often the shared operator has written something else than an Event, which an edit has, in a namespace."""
    written = [each for each in writes(control_plane, SHARED) if each.namespace == resources.namespace]
    return len([each for each in written if each.resource != "events"])


def _in_flight(atlas: Atlas, place: Place) -> bool:
    return any(each["answered"] is None for each in atlas.requests(place, "PATCH"))
