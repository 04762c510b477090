"""What keeps a deleted resource and its endpoint, and what lets either go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLOUD_ENDPOINT
from support.resources import Resources, ready
from support.scenes import NAME, Stories, new_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.scenes import Scene

stories = Stories()

POLICY = "atlas-endpoints.dev/deletion-policy"
OUT = (POLICY, "atlas-endpoints.dev/force-finalize")
OWNED = {"comment": "one", "deletionPolicy": "Delete"}


def statuses(scene: Scene) -> list[str]:
    """In which statuses Atlas has the endpoint of a scene: one, or none where it is gone."""
    return [each["status"] for each in scene.atlas.endpoints() if each["_id"] == scene.place.endpoint]


def goes(scene: Scene, *, timeout: float = PATIENCE) -> None:
    """Wait until the resource is no more."""
    wait_until(lambda: not scene.resources.exists(NAME), "the resource to go", timeout=timeout)


def is_blocked(scene: Scene, *says: str, error: Mapping[str, Any]) -> None:
    """Wait until it says why it does not go, and how it would, and check that the endpoint is as it was."""
    scene.becomes("DeletionBlocked", "Stalled", says=(*says, *OUT), error=error)
    assert statuses(scene) == ["AVAILABLE"]


@stories
def a_role_that_is_too_weak_keeps_a_deleted_resource_until_it_is_granted(scene: Scene) -> None:
    scene.resources.secret(data=scene.atlas.put_account(scene.place))
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    scene.atlas.put_account(scene.place, "GROUP_READ_ONLY")
    scene.resources.delete(NAME)
    is_blocked(scene, "role", error={"errorCode": "USER_UNAUTHORIZED"})
    scene.atlas.put_account(scene.place)
    goes(scene)
    assert statuses(scene) == []


@stories
def a_project_that_the_credentials_do_not_see_keeps_a_deleted_resource_until_there_are_others(scene: Scene) -> None:
    scene.resources.secret(data=scene.atlas.put_account(scene.place))
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    scene.atlas.put_account(scene.place, None)
    scene.resources.delete(NAME)
    is_blocked(scene, "project", error={"errorCode": "NOT_IN_GROUP"})
    scene.resources.secret()
    goes(scene)
    assert statuses(scene) == []


@stories
def an_instance_that_is_gone_lets_a_deleted_resource_go_and_its_endpoint_is_named(scene: Scene) -> None:
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    gone = {"projectId": scene.place.project, "name": scene.place.instance, "remove": True}
    scene.atlas.post("instances", gone)
    scene.resources.delete(NAME)
    goes(scene)
    scene.is_told("Warning", "EndpointOrphaned", scene.place.endpoint)


@stories
def a_project_that_is_gone_lets_a_deleted_resource_go_and_its_endpoint_is_named(scene: Scene) -> None:
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    scene.atlas.post("instances", {"projectId": scene.place.project, "remove": True})
    scene.resources.delete(NAME)
    goes(scene)
    scene.is_told("Warning", "EndpointOrphaned", scene.place.endpoint)


@stories
def a_policy_that_becomes_retain_while_a_resource_is_being_deleted_lets_it_go_without_its_endpoint(
    scene: Scene,
) -> None:
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    scene.edit(suspend=True)
    scene.resources.delete(NAME)
    is_blocked(scene, "suspended", error={"operation": "delete"})
    scene.edit(deletionPolicy="Retain")
    goes(scene)
    scene.is_told("Normal", "EndpointRetained", scene.place.endpoint)
    assert statuses(scene) == ["AVAILABLE"]
    assert scene.calls("DELETE") == []


@stories
def what_is_suspended_while_atlas_deletes_its_endpoint_says_so_and_goes_afterwards(scene: Scene) -> None:
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    scene.atlas.change(scene.place, status="DELETING")  # and stays so
    scene.resources.delete(NAME)
    scene.becomes("Deleting", "Reconciling")
    scene.edit(suspend=True)
    says = ("Atlas is deleting the endpoint", "suspended", "without waiting for that", *OUT)
    body = scene.becomes("DeletionBlocked", "Stalled", says=says, error={"operation": "delete"})
    assert "is not deleted" not in ready(body)["message"]
    scene.atlas.change(scene.place, remove=True)
    scene.edit(suspend=None)
    goes(scene)
    scene.is_told("Normal", "EndpointDeleted", scene.place.endpoint)
    assert scene.calls("DELETE") == []


@stories
def the_policy_of_a_namespace_holds_and_lets_go_of_what_has_none_of_its_own(scene: Scene) -> None:
    def say(policy: str) -> None:
        namespace = scene.resources.namespace
        scene.control_plane.kubectl("annotate", "namespace", namespace, f"{POLICY}={policy}", "--overwrite")

    say("Delete")
    scene.create(connected=True, comment="one")
    scene.becomes_ready()
    scene.resources.wait(NAME, lambda body: body["metadata"].get("finalizers") == ["atlas-endpoints.dev/cleanup"])
    scene.edit(suspend=True)
    scene.resources.delete(NAME)
    is_blocked(scene, "suspended", error={"operation": "delete"})
    time.sleep(2)  # a reading of this moment is good enough for who asks for a fresh one
    say("Retain")
    scene.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "now"})
    goes(scene)
    scene.is_told("Normal", "EndpointRetained", scene.place.endpoint)
    assert statuses(scene) == ["AVAILABLE"]
    assert scene.calls("DELETE") == []


@stories
def the_next_takes_over_from_an_owner_of_another_namespace_that_goes(scene: Scene) -> None:
    """Though the owner's policy is Delete: the next has seen the endpoint with credentials of its own."""
    scene.create(connected=True, **OWNED)
    scene.becomes_ready()
    others = Resources(scene.control_plane, new_namespace(scene.control_plane), {"world": "shared"})
    others.secret()
    others.create("next", scene.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two"))
    body = others.wait_reason("next", "Conflict")
    assert "a resource of another namespace" in ready(body)["message"]
    assert scene.patches() == []

    scene.resources.delete(NAME)
    goes(scene)
    scene.is_told("Normal", "EndpointHandedOver", scene.place.endpoint)
    others.wait_ready("next")
    assert scene.patches() == [{"comment": "two"}]
    assert scene.calls("DELETE") == []
    others.delete("next")
    others.close()
