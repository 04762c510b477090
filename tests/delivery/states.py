"""Everything that a resource may say of itself, how it comes to that on the real path, and what it means to Argo CD.

A state has a name, and a function that brings it about and gives the object as the API server had it then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.summarize import render
from control_plane.process import wait_until
from support.admission import no_finalizers
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID
from support.concurrent_cases import NAME
from support.resources import condition, observed, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.reconcile.outcome import Outcome
    from support.concurrent_cases import Env

Body: TypeAlias = dict[str, Any]

WORKING, WRITES_OFF, LIMITED, NOBODY = "working", "writes-off", "limited", "nobody"
"""Who serves a resource: an operator as usual, one with WRITES=off, one with MAX_CORRECTIONS=1, and none."""

GRACE = timedelta(minutes=2)

FINALIZER = "example.com/keep"
"""Somebody else's, which keeps a deleted resource for a while."""


@dataclass(frozen=True, slots=True)
class State:
    """One thing that a resource may say.

    Attributes:
        health: what it means to Argo CD.
        bring_about: does what leads to it.
        operator: who serves the resource.
        message: what Argo CD says; None: what Ready says.
    """

    health: str
    bring_about: Callable[[Env], Body]
    operator: str = WORKING
    message: str | None = None


STATES: dict[str, State] = {}
"""All states by name."""


def _state(
    health: str, *, operator: str = WORKING, message: str | None = None
) -> Callable[[Callable[[Env], Body]], Callable[[Env], Body]]:
    """Enter a function by its name."""

    def enter(bring_about: Callable[[Env], Body]) -> Callable[[Env], Body]:
        STATES[bring_about.__name__.replace("_", "-")] = State(health, bring_about, operator, message)
        return bring_about

    return enter


def _says(env: Env, reason: str, pair: str | None = None) -> Body:
    """Wait until the resource gives a reason, and give it as it was when it first did."""
    found: list[Body] = []

    def look(_: Body) -> bool:
        found[:] = [
            body
            for body in env.resources.states(NAME)
            if observed(body) and ready(body)["reason"] == reason and (pair is None or condition(body, pair))
        ]
        return bool(found)

    env.resources.wait(NAME, look, says=f"{reason} {pair or ''}")
    return found[0]


# Before the operator has looked


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def without_status(env: Env) -> Body:
    """As from an API server whose CRD has no default for it."""
    return {name: value for name, value in never_seen(env).items() if name != "status"}


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def never_seen(env: Env) -> Body:
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return env.resources.get(NAME)


@_state("Progressing", message="The operator has not seen the last change yet")
def edited_since(env: Env) -> Body:
    """And the operator is away."""
    available(env)
    env.resources.patch(NAME, {"metadata": {"labels": {"served-by": NOBODY}}})
    env.edit(comment="orders, version 2")
    return env.resources.get(NAME)


@_state("Progressing", message="Pending deletion")
def deleted(env: Env) -> Body:
    available(env)
    env.resources.patch(NAME, {"metadata": {"finalizers": [FINALIZER]}})
    env.resources.delete(NAME)
    body = env.resources.get(NAME)
    env.resources.patch(NAME, {"metadata": {"finalizers": None}})
    return body


@_state("Degraded")
def deletion_blocked(env: Env) -> Body:
    """Suspended, so that its endpoint is not deleted; then let go without it."""
    env.create(connected=True, comment="orders", deletionPolicy="Delete", suspend=True)
    env.resources.wait(NAME, lambda body: "finalizers" in body["metadata"])
    env.resources.delete(NAME)
    body = _says(env, "DeletionBlocked")
    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-finalize": "true"})
    wait_until(lambda: not env.resources.exists(NAME), "the resource to go")
    return body


@_state("Degraded")
def metadata_refused(env: Env) -> Body:
    """By a policy of the cluster, which forbids finalizers."""
    with no_finalizers(env.control_plane, env.resources, env.place):
        env.resources.create(NAME, env.place.reserving(deletionPolicy="Delete"))
        return _says(env, "MetadataRefused")


# All is well, or on its way


@_state("Healthy")
def available(env: Env) -> Body:
    env.create(connected=True, comment="orders")
    return _says(env, "Available")


def _in_atlas_it_is(env: Env, *, status: str, reason: str) -> Body:
    env.atlas.change(env.place, status=status, cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return _says(env, reason)


for _status, _reason, _name in (
    ("HIBERNATING", "Pending", "pending"),
    ("RESERVATION_REQUESTED", "ReservationRequested", "reservation-requested"),
    ("INITIATING", "Initiating", "initiating"),
    ("DELETING", "Deleting", "endpoint-deleting"),
):
    STATES[_name] = State("Progressing", partial(_in_atlas_it_is, status=_status, reason=_reason))


@_state("Progressing")
def waiting_for_cloud_endpoint(env: Env) -> Body:
    env.create()
    return _says(env, "WaitingForCloudEndpoint")


@_state("Progressing", operator=LIMITED)
def correction_held(env: Env) -> Body:
    """Behind others of its instance, which use up what may be corrected in each round."""
    others = {f"other{number}": env.place.sibling(number) for number in (1, 2, 3)}
    for place in (*others.values(), env.place):
        env.atlas.connect(place, "orders")
    for name, place in others.items():
        spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders")
        env.resources.create(name, spec)
        env.resources.wait_ready(name)
    available(env)
    for place in (*others.values(), env.place):
        env.atlas.change(place, comment="theirs")
    return _says(env, "CorrectionHeld")


# Atlas or the operator fails, and that heals by itself


def _atlas_fails(env: Env, *, fault: dict[str, Any], reason: str) -> Body:
    env.atlas.fail(env.place, **fault)
    env.create(connected=True)
    return _says(env, reason)


for _health, _reason, _name, _fault in (
    ("Progressing", "RateLimited", "rate-limited", {"status": 429, "headers": {"Retry-After": "60"}}),
    ("Progressing", "AtlasUnavailable", "atlas-unavailable", {"status": 503}),
    ("Degraded", "APIGone", "api-gone", {"status": 410, "errorCode": "VERSION_GONE"}),
    ("Degraded", "NotServerless", "not-serverless", {"status": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER"}),
    ("Degraded", "AccountSuspended", "account-suspended", {"status": 402}),
):
    STATES[_name] = State(_health, partial(_atlas_fails, fault=_fault, reason=_reason))


@_state("Progressing", operator=NOBODY)
def internal_error(env: Env) -> Body:
    """Written as the operator would, since none is known that can be brought about."""
    return _written(env, failures.of_bug(ZeroDivisionError(), _first_attempt()))


# Another object may heal it soon; else a person must


def _missing_credentials(env: Env) -> None:
    env.resources.delete_secret()
    env.create(connected=True)


def _missing_role(env: Env) -> None:
    env.resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _closed_access_list(env: Env) -> None:
    env.resources.secret(data=env.atlas.put_account(env.place, access_list=["203.0.113.0/24"]))
    env.create(connected=True)


def _missing_endpoint(env: Env) -> None:
    env.atlas.change(env.place, remove=True)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _missing_reference(env: Env) -> None:
    env.atlas.connect(env.place)
    reference = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "orders"}
    env.create(cloudProviderEndpointRef=reference)


def _rival(env: Env) -> None:
    env.atlas.connect(env.place)
    env.resources.create("first", env.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.resources.wait_ready("first")
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _elsewhere(env: Env, **fields: str) -> None:
    env.resources.create(NAME, env.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, **fields))


def _for_a_while_and_for_long(env: Env, *, arrange: Callable[[Env], None], reason: str, pair: str) -> Body:
    arrange(env)
    return _says(env, reason, pair)


for _reason, _name, _arrange in (
    ("CredentialsInvalid", "credentials-invalid", _missing_credentials),
    ("MissingRole", "missing-role", _missing_role),
    ("IPNotAllowed", "ip-not-allowed", _closed_access_list),
    ("ReferenceNotReady", "reference-not-ready", _missing_reference),
    ("EndpointNotFound", "endpoint-not-found", _missing_endpoint),
    ("Conflict", "conflict", _rival),
    ("ProjectNotFound", "project-not-found", partial(_elsewhere, projectId="f" * 24)),
    ("InstanceNotFound", "instance-not-found", partial(_elsewhere, instanceName="store")),
):
    for _health, _pair, _when in (("Progressing", "Reconciling", ""), ("Degraded", "Stalled", "-for-long")):
        STATES[_name + _when] = State(
            _health, partial(_for_a_while_and_for_long, arrange=_arrange, reason=_reason, pair=_pair)
        )


# A person must act


@_state("Degraded")
def endpoint_failed(env: Env) -> Body:
    available(env)
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    env.atlas.change(env.place, status="FAILED", errorMessage=why)
    return _says(env, "EndpointFailed")


@_state("Degraded")
def update_rejected(env: Env) -> Body:
    available(env)
    env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    return _says(env, "UpdateRejected")


@_state("Degraded", operator=NOBODY)
def invalid_spec(env: Env) -> Body:
    """Written as the operator would, since only a CRD of another version lets such a spec pass."""
    newer = {"metadata": {"namespace": "shop", "name": NAME, "uid": "1", "generation": 1, "resourceVersion": "1"}}
    try:
        ServerlessPrivateEndpoint.parse({**newer, "spec": env.place.spec(driftPolicy="Ask")})
    except InvalidSpecError as error:
        return _written(env, failures.of_invalid_spec(error, _first_attempt()))
    raise AssertionError("the spec was to be invalid")


@_state("Degraded", operator=NOBODY)
def provisioning_timeout(env: Env) -> Body:
    """With a status that was written long ago."""
    env.atlas.change(env.place, status="INITIATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    since = f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    before = {"id": env.place.endpoint, "status": "INITIATING", "statusSince": since}
    env.resources.write_status(NAME, {"observedGeneration": 1, "endpoint": before})
    env.resources.patch(NAME, {"metadata": {"labels": {"served-by": WORKING}}})
    return _says(env, "ProvisioningTimeout")


@_state("Degraded")
def drifted(env: Env) -> Body:
    env.create(connected=True, comment="orders", driftPolicy="Report")
    _says(env, "Available")
    env.atlas.change(env.place, comment="theirs")
    return _says(env, "Drifted")


@_state("Degraded", operator=WRITES_OFF)
def planned(env: Env) -> Body:
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return _says(env, "Planned")


# A person has said so


@_state("Suspended")
def suspended(env: Env) -> Body:
    available(env)
    env.edit(suspend=True)
    return _says(env, "Suspended")


@_state("Suspended")
def skipped(env: Env) -> Body:
    available(env)
    env.resources.annotate(NAME, {"atlas-endpoints.dev/reconcile-policy": "skip"})
    return _says(env, "Suspended")


def _first_attempt() -> Attempt:
    return Attempt(1, Status(), datetime.now(UTC), GRACE)


def _written(env: Env, outcome: Outcome) -> Body:
    """Have the API server take the status that an outcome leads to, of a resource that no operator serves."""
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    status = render(_first_attempt(), outcome)
    return env.resources.write_status(NAME, status.to_json())
