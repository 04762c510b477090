"""What keeps a deleted resource and its endpoint, what lets either go, and who needs an endpoint besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.admission import no_finalizers
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, new_namespace
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.concurrent_cases import Env

cases = Cases()

FINALIZER = "atlas-endpoints.dev/cleanup"
POLICY = "atlas-endpoints.dev/deletion-policy"
OUT = (POLICY, "atlas-endpoints.dev/force-finalize")
WORTHLESS = {"clientId": "mdb_sa_id_00000000000000000000ffff", "clientSecret": "mdb_sa_sk_worthless"}


def owns(env: Env, **fields: Any) -> None:
    """Have a resource whose endpoint is connected, and goes with it."""
    env.create(connected=True, **{"comment": "one", "deletionPolicy": "Delete", **fields})
    env.becomes_ready()


def statuses(env: Env) -> list[str]:
    """In which statuses Atlas has the endpoint of an environment: one, or none where it is gone."""
    return [each["status"] for each in env.atlas.endpoints() if each["_id"] == env.place.endpoint]


def writes(env: Env) -> list[tuple[str, int]]:
    """What has been sent about the place, and how that was answered."""
    return [(each["method"], each["status"]) for each in env.calls() if each["method"] != "GET"]


def goes(env: Env) -> None:
    """Wait until the resource is no more."""
    wait_until(lambda: not env.resources.exists(NAME), "the resource to go")


def goes_without(env: Env, reason: str, type_: str = "Normal") -> None:
    """Wait until the resource is no more; Atlas was not asked to delete its endpoint, and people are told of it."""
    goes(env)
    env.is_told(type_, reason, env.place.endpoint)
    assert env.calls("DELETE") == []


def has_finalizers(env: Env, *finalizers: str) -> dict[str, Any]:
    """Wait until the resource has just these."""
    return env.resources.wait(NAME, lambda body: body["metadata"].get("finalizers", []) == [*finalizers])


def is_blocked(env: Env, *says: str, error: Mapping[str, Any]) -> None:
    """Wait until it says why it does not go, and how it would, and check that the endpoint is as it was."""
    env.becomes("DeletionBlocked", "Stalled", says=(*says, *OUT), error=error)
    assert statuses(env) == ["AVAILABLE"]


def elsewhere(env: Env) -> Resources:
    """The resources of another namespace, with credentials of their own."""
    others = Resources(env.control_plane, new_namespace(env.control_plane), {"served-by": "shared"})
    others.secret()
    return others


@cases
def a_namespace_that_is_deleted_shows_why_it_waits_and_the_remedy(env: Env) -> None:
    """The Secret goes first, so the endpoint cannot be deleted; nothing is left behind in silence."""
    # Suspended, so that the Secret is not known to the operator yet.
    env.create(connected=True, comment="one", deletionPolicy="Delete", suspend=True)
    has_finalizers(env, FINALIZER)
    env.resources.delete_secret()
    env.control_plane.kubectl("delete", "namespace", env.resources.namespace, "--wait=false")
    env.resources.delete(NAME)  # as the namespace controller does, which does not run here
    env.resources.wait(NAME, lambda body: "spec.suspend" in ready(body)["message"], says="blocked by suspend")
    env.edit(suspend=None)
    env.resources.wait(NAME, lambda body: "atlas-credentials" in ready(body)["message"], says="blocked by the Secret")
    is_blocked(env, "atlas-credentials", error={"operation": "readSecret", "errorCode": "SecretNotFound"})

    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-finalize": "true"})
    goes(env)
    assert statuses(env) == ["AVAILABLE"]
    assert env.calls("DELETE") == []


@cases
def a_refused_finalizer_is_reported_and_nothing_is_reserved_before(env: Env) -> None:
    with no_finalizers(env.control_plane, env.resources, env.place):
        env.resources.create(NAME, env.place.reserving(deletionPolicy="Delete"))
        body = env.resources.wait_reason(NAME, "MetadataRefused", pair="Stalled")
        assert "they are not allowed here" in ready(body)["message"]
        assert env.atlas.reserved(env.place) == []
    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "now"})
    body = env.resources.wait_reason(NAME, "WaitingForCloudEndpoint", pair="Reconciling")
    assert body["metadata"]["finalizers"] == [FINALIZER]
    assert len(env.atlas.reserved(env.place)) == 1


@cases
def the_next_takes_over_from_an_owner_of_another_namespace_that_goes(env: Env) -> None:
    """Though the owner's policy is Delete: the next has seen the endpoint with credentials of its own."""
    owns(env)
    others = elsewhere(env)
    others.create("next", env.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="two"))
    body = others.wait_reason("next", "Conflict")
    assert "another namespace" in ready(body)["message"]
    assert env.patches() == []

    env.resources.delete(NAME)
    goes_without(env, "EndpointHandedOver")
    others.wait_ready("next")
    assert env.patches() == [{"comment": "two"}]
    others.delete("next")
    others.close()


@cases
def one_of_another_namespace_whose_credentials_are_worthless_holds_no_endpoint(env: Env) -> None:
    """Neither from who manages it, though it is the older of the two, nor from being deleted."""
    squatters = elsewhere(env)
    squatters.secret(data=WORTHLESS)
    squatters.create("squatter", env.place.spec(comment="squatter"))
    squatters.wait_reason("squatter", "CredentialsInvalid", pair="Stalled")
    owns(env)
    env.resources.delete(NAME)
    goes(env)
    assert statuses(env) == []
    squatters.delete("squatter")
    squatters.close()
