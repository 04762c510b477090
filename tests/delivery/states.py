"""Everything that a resource may say of itself, how it comes to that on the real path, and what it means to Argo CD.

A state has a name, and a function that brings it about and gives the object as the API server had it then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    InvalidSpecError,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.status import render
from control_plane.process import wait_until
from support.admission import no_finalizers
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID
from support.resources import condition, observed, ready
from support.scenes import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome
    from support.scenes import Scene

Body: TypeAlias = dict[str, Any]

WORKING, WRITES_OFF, BRAKED, NOBODY = "working", "writes-off", "braked", "nobody"
"""Who serves a resource: an operator as usual, one with WRITES=off, one with MAX_CORRECTIONS=1, and none."""

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
    bring_about: Callable[[Scene], Body]
    operator: str = WORKING
    message: str | None = None


STATES: dict[str, State] = {}
"""All states by name."""


def _state(
    health: str, *, operator: str = WORKING, message: str | None = None
) -> Callable[[Callable[[Scene], Body]], Callable[[Scene], Body]]:
    """Enter a function by its name."""

    def enter(bring_about: Callable[[Scene], Body]) -> Callable[[Scene], Body]:
        STATES[bring_about.__name__.replace("_", "-")] = State(health, bring_about, operator, message)
        return bring_about

    return enter


def _says(scene: Scene, reason: str, pair: str | None = None) -> Body:
    """Wait until the resource gives a reason, and give it as it was when it first did."""
    found: list[Body] = []

    def look(_: Body) -> bool:
        found[:] = [
            body
            for body in scene.resources.states(NAME)
            if observed(body) and ready(body)["reason"] == reason and (pair is None or condition(body, pair))
        ]
        return bool(found)

    scene.resources.wait(NAME, look, says=f"{reason} {pair or ''}")
    return found[0]


# Before the operator has looked


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def without_status(scene: Scene) -> Body:
    """As from an API server whose CRD has no default for it."""
    return {name: value for name, value in never_seen(scene).items() if name != "status"}


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def never_seen(scene: Scene) -> Body:
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return scene.resources.get(NAME)


@_state("Progressing", message="The operator has not seen the last change yet")
def edited_since(scene: Scene) -> Body:
    """And the operator is away."""
    available(scene)
    scene.resources.patch(NAME, {"metadata": {"labels": {"world": NOBODY}}})
    scene.edit(comment="orders, version 2")
    return scene.resources.get(NAME)


@_state("Progressing", message="Pending deletion")
def deleted(scene: Scene) -> Body:
    available(scene)
    scene.resources.patch(NAME, {"metadata": {"finalizers": [FINALIZER]}})
    scene.resources.delete(NAME)
    body = scene.resources.get(NAME)
    scene.resources.patch(NAME, {"metadata": {"finalizers": None}})
    return body


@_state("Degraded")
def deletion_blocked(scene: Scene) -> Body:
    """Suspended, so that its endpoint is not deleted; then let go without it."""
    scene.create(connected=True, comment="orders", deletionPolicy="Delete", suspend=True)
    scene.resources.wait(NAME, lambda body: "finalizers" in body["metadata"])
    scene.resources.delete(NAME)
    body = _says(scene, "DeletionBlocked")
    scene.resources.annotate(NAME, {"atlas-endpoints.dev/force-finalize": "true"})
    wait_until(lambda: not scene.resources.exists(NAME), "the resource to go")
    return body


@_state("Degraded")
def metadata_refused(scene: Scene) -> Body:
    """By a policy of the cluster, which forbids finalizers."""
    with no_finalizers(scene.control_plane, scene.resources, scene.place):
        spec = {
            name: value for name, value in scene.place.spec(deletionPolicy="Delete").items() if name != "endpointId"
        }
        scene.resources.create(NAME, spec)
        return _says(scene, "MetadataRefused")


# All is well, or on its way


@_state("Healthy")
def available(scene: Scene) -> Body:
    scene.create(connected=True, comment="orders")
    return _says(scene, "Available")


def _in_atlas_it_is(scene: Scene, *, status: str, reason: str) -> Body:
    scene.atlas.change(scene.place, status=status, cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return _says(scene, reason)


for _status, _reason, _name in (
    ("HIBERNATING", "Pending", "pending"),
    ("RESERVATION_REQUESTED", "ReservationRequested", "reservation-requested"),
    ("INITIATING", "Initiating", "initiating"),
    ("DELETING", "Deleting", "endpoint-deleting"),
):
    STATES[_name] = State("Progressing", partial(_in_atlas_it_is, status=_status, reason=_reason))


@_state("Progressing")
def waiting_for_cloud_endpoint(scene: Scene) -> Body:
    scene.create()
    return _says(scene, "WaitingForCloudEndpoint")


@_state("Progressing", operator=BRAKED)
def correction_held(scene: Scene) -> Body:
    """Behind others of its instance, which use up what may be corrected in each round."""
    others = {f"other{number}": scene.place.sibling(number) for number in (1, 2, 3)}
    for place in (*others.values(), scene.place):
        scene.atlas.connect(place, "orders")
    for name, place in others.items():
        spec = place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders")
        scene.resources.create(name, spec)
        scene.resources.wait_ready(name)
    available(scene)
    for place in (*others.values(), scene.place):
        scene.atlas.change(place, comment="theirs")
    return _says(scene, "CorrectionHeld")


# Atlas or the operator fails, and that heals by itself


def _atlas_fails(scene: Scene, *, fault: dict[str, Any], reason: str) -> Body:
    scene.atlas.fail(scene.place, **fault)
    scene.create(connected=True)
    return _says(scene, reason)


for _health, _reason, _name, _fault in (
    ("Progressing", "RateLimited", "rate-limited", {"status": 429, "headers": {"Retry-After": "60"}}),
    ("Progressing", "AtlasUnavailable", "atlas-unavailable", {"status": 503}),
    ("Degraded", "APIGone", "api-gone", {"status": 410, "errorCode": "VERSION_GONE"}),
    ("Degraded", "NotServerless", "not-serverless", {"status": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER"}),
    ("Degraded", "AccountSuspended", "account-suspended", {"status": 402}),
):
    STATES[_name] = State(_health, partial(_atlas_fails, fault=_fault, reason=_reason))


@_state("Progressing", operator=NOBODY)
def internal_error(scene: Scene) -> Body:
    """Written as the operator would, since none is known that can be brought about."""
    return _written(scene, failures.of_bug(ZeroDivisionError(), 1, Status(), datetime.now(UTC)))


# Another object may heal it soon; else a person must


def _missing_credentials(scene: Scene) -> None:
    scene.resources.delete_secret()
    scene.create(connected=True)


def _missing_role(scene: Scene) -> None:
    scene.resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _closed_access_list(scene: Scene) -> None:
    scene.resources.secret(data=scene.atlas.put_account(scene.place, access_list=["203.0.113.0/24"]))
    scene.create(connected=True)


def _missing_endpoint(scene: Scene) -> None:
    scene.atlas.change(scene.place, remove=True)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _missing_reference(scene: Scene) -> None:
    scene.atlas.connect(scene.place)
    reference = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "orders"}
    scene.create(cloudProviderEndpointRef=reference)


def _rival(scene: Scene) -> None:
    scene.atlas.connect(scene.place)
    scene.resources.create("first", scene.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    scene.resources.wait_ready("first")
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _elsewhere(scene: Scene, **fields: str) -> None:
    scene.resources.create(NAME, scene.place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, **fields))


def _for_a_while_and_for_long(scene: Scene, *, arrange: Callable[[Scene], None], reason: str, pair: str) -> Body:
    arrange(scene)
    return _says(scene, reason, pair)


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
def endpoint_failed(scene: Scene) -> Body:
    available(scene)
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    scene.atlas.change(scene.place, status="FAILED", errorMessage=why)
    return _says(scene, "EndpointFailed")


@_state("Degraded")
def update_rejected(scene: Scene) -> Body:
    available(scene)
    scene.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    return _says(scene, "UpdateRejected")


@_state("Degraded", operator=NOBODY)
def invalid_spec(scene: Scene) -> Body:
    """Written as the operator would, since only a CRD of another version lets such a spec pass."""
    newer = {"metadata": {"namespace": "shop", "name": NAME, "uid": "1", "generation": 1, "resourceVersion": "1"}}
    try:
        ServerlessPrivateEndpoint.parse({**newer, "spec": scene.place.spec(driftPolicy="Ask")})
    except InvalidSpecError as error:
        return _written(scene, failures.of_invalid_spec(error, 1, Status(), datetime.now(UTC)))
    raise AssertionError("the spec was to be invalid")


@_state("Degraded", operator=NOBODY)
def provisioning_timeout(scene: Scene) -> Body:
    """With a status that was written long ago."""
    scene.atlas.change(scene.place, status="INITIATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    since = f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    before = {"id": scene.place.endpoint, "status": "INITIATING", "statusSince": since}
    scene.resources.write_status(NAME, {"observedGeneration": 1, "endpoint": before})
    scene.resources.patch(NAME, {"metadata": {"labels": {"world": WORKING}}})
    return _says(scene, "ProvisioningTimeout")


@_state("Degraded")
def drifted(scene: Scene) -> Body:
    scene.create(connected=True, comment="orders", driftPolicy="Report")
    _says(scene, "Available")
    scene.atlas.change(scene.place, comment="theirs")
    return _says(scene, "Drifted")


@_state("Degraded", operator=WRITES_OFF)
def planned(scene: Scene) -> Body:
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    return _says(scene, "Planned")


# A person has said so


@_state("Suspended")
def suspended(scene: Scene) -> Body:
    available(scene)
    scene.edit(suspend=True)
    return _says(scene, "Suspended")


@_state("Suspended")
def skipped(scene: Scene) -> Body:
    available(scene)
    scene.resources.annotate(NAME, {"atlas-endpoints.dev/reconcile-policy": "skip"})
    return _says(scene, "Suspended")


def _written(scene: Scene, outcome: Outcome) -> Body:
    """Have the API server take the status that an outcome leads to, of a resource that no operator serves."""
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT)
    status = render(Status(), outcome, now=datetime.now(UTC), grace=timedelta(minutes=2))
    return scene.resources.write_status(NAME, status.to_json())
