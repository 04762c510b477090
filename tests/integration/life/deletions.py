"""What keeps a deleted resource and its endpoint, and what lets either go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from control_plane.process import PATIENCE, wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, new_namespace
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.concurrent_cases import Env

cases = Cases()

POLICY = "atlas-endpoints.dev/deletion-policy"
OUT = (POLICY, "atlas-endpoints.dev/force-finalize")
OWNED = {"comment": "one", "deletionPolicy": "Delete"}


def statuses(env: Env) -> list[str]:
    """In which statuses Atlas has the endpoint of an environment: one, or none where it is gone."""
    return [each["status"] for each in env.atlas.endpoints() if each["_id"] == env.place.endpoint]


def goes(env: Env, *, timeout: float = PATIENCE) -> None:
    """Wait until the resource is no more."""
    wait_until(lambda: not env.resources.exists(NAME), "the resource to go", timeout=timeout)


def is_blocked(env: Env, *says: str, error: Mapping[str, Any]) -> None:
    """Wait until it says why it does not go, and how it would, and check that the endpoint is as it was."""
    env.becomes("DeletionBlocked", "Stalled", says=(*says, *OUT), error=error)
    assert statuses(env) == ["AVAILABLE"]


@cases
def a_role_that_is_too_weak_keeps_a_deleted_resource_until_it_is_granted(env: Env) -> None:
    env.resources.secret(data=env.atlas.put_account(env.place))
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    env.atlas.put_account(env.place, "GROUP_READ_ONLY")
    env.resources.delete(NAME)
    is_blocked(env, "role", error={"errorCode": "USER_UNAUTHORIZED"})
    env.atlas.put_account(env.place)
    goes(env)
    assert statuses(env) == []


@cases
def a_project_that_the_credentials_do_not_see_keeps_a_deleted_resource_until_there_are_others(env: Env) -> None:
    env.resources.secret(data=env.atlas.put_account(env.place))
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    env.atlas.put_account(env.place, None)
    env.resources.delete(NAME)
    is_blocked(env, "project", error={"errorCode": "NOT_IN_GROUP"})
    env.resources.secret()
    goes(env)
    assert statuses(env) == []


@cases
def an_instance_that_is_gone_lets_a_deleted_resource_go_and_its_endpoint_is_named(env: Env) -> None:
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    gone = {"projectId": env.place.project, "name": env.place.instance, "remove": True}
    env.atlas.post("instances", gone)
    env.resources.delete(NAME)
    goes(env)
    env.is_told("Warning", "EndpointOrphaned", env.place.endpoint)


@cases
def a_project_that_is_gone_lets_a_deleted_resource_go_and_its_endpoint_is_named(env: Env) -> None:
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    env.atlas.post("instances", {"projectId": env.place.project, "remove": True})
    env.resources.delete(NAME)
    goes(env)
    env.is_told("Warning", "EndpointOrphaned", env.place.endpoint)


@cases
def a_policy_that_becomes_retain_while_a_resource_is_being_deleted_lets_it_go_without_its_endpoint(
    env: Env,
) -> None:
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    env.edit(suspend=True)
    env.resources.delete(NAME)
    is_blocked(env, "suspended", error={"operation": "delete"})
    env.edit(deletionPolicy="Retain")
    goes(env)
    env.is_told("Normal", "EndpointRetained", env.place.endpoint)
    assert statuses(env) == ["AVAILABLE"]
    assert env.calls("DELETE") == []


@cases
def what_is_suspended_while_atlas_deletes_its_endpoint_says_so_and_goes_afterwards(env: Env) -> None:
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    env.atlas.change(env.place, status="DELETING")  # and stays so
    env.resources.delete(NAME)
    env.becomes("Deleting", "Reconciling")
    env.edit(suspend=True)
    says = ("Atlas is deleting the endpoint", "suspended", "without waiting for Atlas", *OUT)
    body = env.becomes("DeletionBlocked", "Stalled", says=says, error={"operation": "delete"})
    assert "does not delete" not in ready(body)["message"]
    env.atlas.change(env.place, remove=True)
    env.edit(suspend=None)
    goes(env)
    env.is_told("Normal", "EndpointDeleted", env.place.endpoint)
    assert env.calls("DELETE") == []


@cases
def the_policy_of_a_namespace_holds_and_lets_go_of_what_has_none_of_its_own(env: Env) -> None:
    def say(policy: str) -> None:
        namespace = env.resources.namespace
        env.control_plane.kubectl("annotate", "namespace", namespace, f"{POLICY}={policy}", "--overwrite")

    say("Delete")
    env.create(connected=True, comment="one")
    env.becomes_ready()
    env.resources.wait(NAME, lambda body: body["metadata"].get("finalizers") == ["atlas-endpoints.dev/cleanup"])
    env.edit(suspend=True)
    env.resources.delete(NAME)
    is_blocked(env, "suspended", error={"operation": "delete"})
    time.sleep(2)  # a reading of this moment is good enough for who asks for a fresh one
    say("Retain")
    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "now"})
    goes(env)
    env.is_told("Normal", "EndpointRetained", env.place.endpoint)
    assert statuses(env) == ["AVAILABLE"]
    assert env.calls("DELETE") == []


@cases
def the_next_takes_over_from_an_owner_of_another_namespace_that_goes(env: Env) -> None:
    """Though the owner's policy is Delete: the next has seen the endpoint with credentials of its own."""
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    others = Resources(env.control_plane, new_namespace(env.control_plane), {"served-by": "shared"})
    others.secret()
    others.create("next", env.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two"))
    body = others.wait_reason("next", "Conflict")
    assert "a resource of another namespace" in ready(body)["message"]
    assert env.patches() == []

    env.resources.delete(NAME)
    goes(env)
    env.is_told("Normal", "EndpointHandedOver", env.place.endpoint)
    others.wait_ready("next")
    assert env.patches() == [{"comment": "two"}]
    assert env.calls("DELETE") == []
    others.delete("next")
    others.close()


@cases
def one_of_another_namespace_that_has_never_seen_it_holds_nothing_up(env: Env) -> None:
    """It is older, and its project is not known; a deletion waits for it a while, and says how not to."""
    others = Resources(env.control_plane, new_namespace(env.control_plane), {"served-by": "shared"})
    others.create("squatter", env.place.spec(projectId=None, projectRef={"name": "nowhere"}))
    others.wait_reason("squatter", "ReferenceNotReady")
    env.create(connected=True, **OWNED)
    env.becomes_ready()
    others.edit("squatter", comment="again")
    env.edit(comment="two")
    env.becomes_ready()
    assert env.patches()[-1] == {"comment": "two"}

    env.resources.delete(NAME)
    body = env.resources.wait_reason(NAME, "Deleting", pair="Reconciling")
    assert "a resource of another namespace names the same endpoint" in ready(body)["message"]
    assert f"the annotation {POLICY} to Retain" in ready(body)["message"]
    env.resources.annotate(NAME, {POLICY: "Retain"})
    goes(env)
    env.is_told("Normal", "EndpointRetained", env.place.endpoint)
    assert env.calls("DELETE") == []
    others.delete("squatter")
    others.close()
