"""An endpoint from its reservation to its deletion, on a real control plane: one resource is enough, and one endpoint is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.admission import no_finalizers
from support.atlas import CLOUD_ENDPOINT, Atlas
from support.resources import Resources, condition, ready, told

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Place

pytestmark = pytest.mark.gate

FINALIZER = "atlas-endpoints.dev/cleanup"
ANNOTATION = "atlas-endpoints.dev/endpoint-id"


def is_gone(resources: Resources, name: str) -> bool:
    return not resources.exists(name)


def test_one_resource_reserves_connects_and_takes_its_endpoint_along(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.reserving(comment="orders", deletionPolicy="Delete"))
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    service = body["status"]["endpoint"]["endpointServiceName"]
    assert service in ready(body)["message"]
    (endpoint,) = atlas.reserved(place)
    assert body["status"]["reservation"]["endpointId"] == endpoint["_id"]
    assert body["metadata"]["annotations"][ANNOTATION] == f"{endpoint['_id']}/{body['metadata']['uid']}"
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert endpoint["comment"] == "orders"

    resources.edit("orders", cloudProviderEndpointId=CLOUD_ENDPOINT)
    resources.wait_ready("orders")
    control_plane.kubectl("delete", "spe", "orders", f"--namespace={resources.namespace}", "--timeout=60s")

    assert atlas.reserved(place) == []
    writes = [(each["method"], each["status"]) for each in atlas.requests(place) if each["method"] != "GET"]
    assert writes == [("POST", 201), ("PATCH", 200), ("PATCH", 200), ("DELETE", 204)]
    assert ("Normal", "EndpointDeleted") in {(each["type"], each["reason"]) for each in resources.events()}


def test_the_finalizer_is_written_before_the_endpoint_is_asked_for(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.fail(place, method="POST", status=429, headers={"Retry-After": "1"}, times=1)
    resources.create("orders", place.reserving(deletionPolicy="Delete"))
    wait_until(lambda: bool(atlas.requests(place, "POST")), "the first POST")
    assert resources.get("orders")["metadata"]["finalizers"] == [FINALIZER]
    resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    assert len(atlas.reserved(place)) == 1
    resources.delete("orders")
    wait_until(lambda: is_gone(resources, "orders"), "the resource to go")


def test_by_default_the_endpoint_stays_and_nothing_holds_the_resource(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.reserving())
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    assert "finalizers" not in body["metadata"]
    resources.delete("orders")
    assert is_gone(resources, "orders")
    assert [each["status"] for each in atlas.reserved(place)] == ["RESERVED"]
    assert atlas.requests(place, "DELETE") == []


def test_the_annotation_brings_a_restored_backup_its_endpoint_back(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.reserving(comment="orders"))
    backup = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    resources.create("copy", place.reserving(), annotations={ANNOTATION: backup["metadata"]["annotations"][ANNOTATION]})
    copy = resources.wait_reason("copy", "WaitingForCloudEndpoint", pair="Reconciling")
    assert copy["status"]["reservation"]["endpointId"] != backup["status"]["reservation"]["endpointId"]
    resources.delete("orders")
    resources.create(
        "orders",
        place.reserving(comment="orders"),
        annotations={ANNOTATION: backup["metadata"]["annotations"][ANNOTATION]},
    )
    restored = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    assert restored["status"]["reservation"]["endpointId"] == backup["status"]["reservation"]["endpointId"]
    assert restored["status"]["reservation"]["adopted"] is True
    assert len(atlas.reserved(place)) == 2


def test_an_endpoint_that_has_expired_is_replaced(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.create("orders", place.reserving())
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    first = body["status"]["reservation"]["endpointId"]
    # As if it had been reserved long ago.
    resources.write_status("orders", {"reservation": {"requestedAt": "2026-01-01T00:00:00Z"}})
    gone = {"_id": first, "remove": True}
    atlas.post("endpoints", {"projectId": place.project, "instanceName": place.instance, "endpoint": gone})
    reserved = ("Normal", "EndpointReserved")
    resources.wait_events("orders", reserved, ("Warning", "EndpointLost"), reserved)
    resources.wait(
        "orders",
        lambda body: (
            body["status"]["reservation"].get("endpointId") not in {None, first}
            and ready(body)["reason"] == "WaitingForCloudEndpoint"
        ),
    )


def test_a_later_endpoint_id_must_be_the_reserved_one(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.create("orders", place.reserving())
    resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    (endpoint,) = atlas.reserved(place)
    with pytest.raises(AssertionError, match="must be the endpoint that was reserved for this resource"):
        resources.edit("orders", endpointId="f" * 24)
    resources.edit("orders", endpointId=endpoint["_id"])
    with pytest.raises(AssertionError, match="may not be changed or removed"):
        resources.edit("orders", endpointId=None)


def test_a_namespace_that_is_deleted_says_why_it_waits_and_how_to_get_out(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    """The Secret goes first, so the endpoint cannot be deleted; nothing is left behind in silence."""
    atlas.connect(place, "one")
    spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one", deletionPolicy="Delete")
    resources.create("orders", {**spec, "suspend": True})  # so that the Secret is not known to the operator yet
    resources.wait("orders", lambda body: body["metadata"].get("finalizers") == [FINALIZER])
    resources.delete_secret()
    control_plane.kubectl("delete", "namespace", resources.namespace, "--wait=false")
    resources.delete("orders")  # as the namespace controller does, which does not run here
    resources.wait("orders", lambda body: "spec.suspend" in ready(body)["message"], says="blocked by suspend")
    resources.edit("orders", suspend=None)
    resources.wait("orders", lambda body: "There is no Secret" in ready(body)["message"], says="blocked by the Secret")
    body = resources.wait_reason("orders", "DeletionBlocked", pair="Stalled")
    assert "There is no Secret atlas-credentials" in ready(body)["message"]
    assert "force-finalize" in ready(body)["message"]
    assert (condition(body, "Ready") or {})["status"] == "False", told(body)

    resources.annotate("orders", {"atlas-endpoints.dev/force-finalize": "true"})
    wait_until(lambda: is_gone(resources, "orders"), "the resource to go")
    assert atlas.endpoint(place)["status"] == "AVAILABLE"
    assert atlas.requests(place, "DELETE") == []


def test_a_cluster_that_allows_no_finalizer_is_told_and_nothing_is_reserved_before(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    with no_finalizers(control_plane, resources, place):
        resources.create("orders", place.reserving(deletionPolicy="Delete"))
        body = resources.wait_reason("orders", "MetadataRefused", pair="Stalled")
        assert "they are not allowed here" in ready(body)["message"]
        assert atlas.reserved(place) == []
    resources.annotate("orders", {"atlas-endpoints.dev/force-sync": "now"})
    body = resources.wait_reason("orders", "WaitingForCloudEndpoint", pair="Reconciling")
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert len(atlas.reserved(place)) == 1


def test_a_cluster_that_allows_no_finalizer_keeps_no_endpoint_from_being_seen_to(
    control_plane: ControlPlane, resources: Resources, atlas: Atlas, place: Place
) -> None:
    with no_finalizers(control_plane, resources, place):
        resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete"))
        body = resources.wait_ready("orders")
        assert "they are not allowed here" in ready(body)["message"]
        assert atlas.endpoint(place)["status"] == "AVAILABLE"
    resources.annotate("orders", {"atlas-endpoints.dev/force-sync": "now"})
    body = resources.wait("orders", lambda body: body["metadata"].get("finalizers") == [FINALIZER])
    resources.wait("orders", lambda body: "not allowed" not in ready(body)["message"])


def test_a_policy_that_changes_adds_and_removes_the_finalizer(resources: Resources, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "one")
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    resources.edit("orders", deletionPolicy="Delete")
    resources.wait("orders", lambda body: body["metadata"].get("finalizers") == [FINALIZER])
    resources.annotate("orders", {"mongodb.com/atlas-resource-policy": "keep"})
    resources.wait("orders", lambda body: "finalizers" not in body["metadata"])


def test_the_older_of_two_owns_the_endpoint_and_a_renamed_one_keeps_it(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "one")
    spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one", deletionPolicy="Delete")
    resources.create("orders", spec)
    resources.wait_ready("orders")
    resources.create("renamed", {**spec, "comment": "two"})
    body = resources.wait_reason("renamed", "Conflict")
    assert "resource orders" in ready(body)["message"]
    assert atlas.patches(place) == []

    resources.delete("orders")
    wait_until(lambda: is_gone(resources, "orders"), "the old one to go")
    resources.wait_ready("renamed")
    assert atlas.patches(place) == [{"comment": "two"}]
    assert atlas.requests(place, "DELETE") == []
