"""Everything that a resource may say of itself, how it comes to that on the real path, and what it means to Argo CD.

A state has a name, and a function that brings it about and gives the object as the API server had it then. Most states are
those of all kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.summarize import render
from control_plane.process import wait_until
from delivery.recorded import (
    BACKUP,
    DATA_FEDERATION,
    DEDICATED,
    ENCRYPTION_AT_REST,
    KINDS,
    REGIONAL_MODE,
    SERVERLESS,
    STREAM,
)
from delivery.subjects import (
    AZURE_REGION,
    REGION,
    REGIONAL_ENDPOINT,
    STREAM_CONNECTION,
    DataFederationSubject,
    DedicatedSubject,
    EncryptionAtRestSubject,
    RegionalModeSubject,
    RegionalSubject,
    ServerlessSubject,
    StreamSubject,
    Subject,
    service_in,
)
from support import clouds
from support.admission import no_finalizers
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID
from support.clouds import ACK
from support.concurrent_cases import NAME
from support.resources import condition, observed, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from atlas_endpoints.reconcile.outcome import Outcome

Body: TypeAlias = dict[str, Any]

WORKING, LIMITED, NOBODY = "working", "limited", "nobody"
"""Who serves a resource: an operator as usual, one that corrects one resource an hour, and none."""
REGIONAL = {ENCRYPTION_AT_REST, BACKUP}
"""The kinds whose endpoints Atlas makes for a region."""
MADE_BY_ATLAS = {*REGIONAL, STREAM}
"""These, and the one whose connections Atlas makes to a service of the user's."""
ENDPOINTS = set(KINDS) - {REGIONAL_MODE}
"""The kinds whose resources stand for an endpoint."""
CONNECTED = ENDPOINTS - MADE_BY_ATLAS
"""The kinds that connect an endpoint of the user's."""
REGISTERED = CONNECTED - {SERVERLESS}
"""The kinds whose endpoints are registered by their ID in the cloud."""
OTHERS = ENDPOINTS - {SERVERLESS}
GRACE = timedelta(minutes=2)
OTHER = "other"
"""A resource beside the one that a state is about."""
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
    bring_about: Callable[[Any], Body]
    operator: str = WORKING
    message: str | None = None


STATES: dict[str, dict[str, State]] = {kind: {} for kind in KINDS}
"""All states of each kind by name."""


def _state(
    health: str,
    *,
    of: Collection[str] = KINDS,
    name: str | None = None,
    operator: str = WORKING,
    message: str | None = None,
) -> Callable[[Callable[[Any], Body]], Callable[[Any], Body]]:
    """Enter a function for kinds, by its name unless it has another one."""

    def enter(bring_about: Callable[[Any], Body]) -> Callable[[Any], Body]:
        for kind in of:
            STATES[kind][name or bring_about.__name__.replace("_", "-")] = State(health, bring_about, operator, message)
        return bring_about

    return enter


def _says(env: Subject, reason: str, pair: str | None = None, *, has: str | None = None) -> Body:
    """Give the resource as it first gave a reason, with this field in its status; with a pair, between two attempts."""
    found: list[Body] = []

    def look(_: Body) -> bool:
        found[:] = [
            body
            for body in env.resources.states(NAME)
            if observed(body) and ready(body)["reason"] == reason
            if pair is None or (condition(body, pair) and "creation" not in body["status"])
            if has is None or has in body["status"]
        ]
        return bool(found)

    env.resources.wait(NAME, look, says=f"{reason} {pair or ''}")
    return found[0]


def _serve(env: Subject, name: str, operator: str) -> None:
    """Have another operator serve a resource from now on."""
    env.resources.patch(name, {"metadata": {"labels": {"served-by": operator}}})


# Before the operator has looked


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def without_status(env: Subject) -> Body:
    """As from an API server whose CRD has no default for it."""
    return {name: value for name, value in never_seen(env).items() if name != "status"}


@_state("Progressing", operator=NOBODY, message="The operator has not seen the resource yet")
def never_seen(env: Subject) -> Body:
    env.create(**env.NAMED)
    return env.resources.get(NAME)


@_state("Progressing", message="The operator has not seen the last change yet")
def edited_since(env: Subject) -> Body:
    """And the operator is away."""
    available(env)
    _serve(env, NAME, NOBODY)
    env.edit(**env.EDIT)
    return env.resources.get(NAME)


@_state("Progressing", message="Pending deletion")
def deleted(env: Subject) -> Body:
    available(env)
    env.resources.patch(NAME, {"metadata": {"finalizers": [FINALIZER]}})
    env.resources.delete(NAME)
    body = env.resources.get(NAME)
    env.resources.patch(NAME, {"metadata": {"finalizers": None}})
    return body


@_state("Degraded")
def deletion_blocked(env: Subject) -> Body:
    """Suspended, so that its endpoint is not deleted; then let go without it."""
    if isinstance(env, DedicatedSubject):
        env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
        _says(env, "Initiating")
        env.edit(suspend=True)
        _says(env, "Suspended")
    else:
        env.create(connected=True, **env.FIELDS, deletionPolicy="Delete", suspend=True)
        env.resources.wait(NAME, lambda body: "finalizers" in body["metadata"])
    env.resources.delete(NAME)
    body = _says(env, "DeletionBlocked")
    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-finalize": "true"})
    wait_until(lambda: not env.resources.exists(NAME), "the resource to go")
    return body


@_state("Degraded")
def metadata_refused(env: Subject) -> Body:
    """By a policy of the cluster, which forbids finalizers."""
    with no_finalizers(env.control_plane, env.resources, env.place):
        env.resources.create(NAME, env.place.reserving(deletionPolicy="Delete"))
        return _says(env, "MetadataRefused")


# All is well, or on its way


@_state("Healthy")
def available(env: Subject) -> Body:
    env.create(connected=True, **env.FIELDS)
    return _says(env, "Available")


def _in_atlas_it_is(env: Subject, *, status: str, reason: str) -> Body:
    env.connect()
    env.change(status=status)
    env.create(**env.NAMED)
    return _says(env, reason)


_kinds: Collection[str]
for _kinds, _status, _reason, _name in (
    (ENDPOINTS, "HIBERNATING", "Pending", "pending"),
    ({SERVERLESS}, "RESERVATION_REQUESTED", "ReservationRequested", "reservation-requested"),
    ({SERVERLESS}, "INITIATING", "Initiating", "initiating"),
    ({DEDICATED}, "PENDING_ACCEPTANCE", "Initiating", "initiating"),
    ({DATA_FEDERATION}, "PENDING", "Initiating", "initiating"),
    (REGIONAL, "INITIATING", "Initiating", "initiating"),
    (REGIONAL, "PENDING_RECREATION", "Recreating", "recreating"),
    ({STREAM}, "IDLE", "Initiating", "initiating"),
    (ENDPOINTS, "DELETING", "Deleting", "endpoint-deleting"),
):
    _state("Progressing", of=_kinds, name=_name)(partial(_in_atlas_it_is, status=_status, reason=_reason))


@_state("Progressing", of=CONNECTED)
def waiting_for_cloud_endpoint(env: Subject) -> Body:
    env.create()
    return _says(env, "WaitingForCloudEndpoint")


@_state("Progressing", of={STREAM}, name="waiting-for-cloud-endpoint")
def waiting_for_the_domain(env: StreamSubject) -> Body:
    """Confluent names it when it has the ID of the endpoint that Atlas has made."""
    confluent: dict[str, Any] = {
        "vendor": "CONFLUENT",
        "serviceEndpointId": "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
    }
    env.change(status="WORKING", interfaceEndpointId=CLOUD_ENDPOINT, **confluent)
    env.create(**confluent)
    return _says(env, "WaitingForCloudEndpoint")


@_state("Progressing", of={ENCRYPTION_AT_REST})
def waiting_for_approval(env: EncryptionAtRestSubject) -> Body:
    name = f"pe-{REGIONAL_ENDPOINT}.6f1f0d7e"
    azure = {"cloudProvider": "AZURE", "regionName": AZURE_REGION, "privateEndpointConnectionName": name}
    env.change(status="PENDING_ACCEPTANCE", **azure)
    env.create(providerName="AZURE", region=AZURE_REGION)
    return _says(env, "WaitingForApproval", has="approveCommand")  # which is read beside, and may come a moment later


def _service_is(env: DedicatedSubject, *, status: str | None, reason: str, fault: dict[str, Any] | None) -> Body:
    """Bring about what the endpoint service says, if there is one; or what comes of the call that creates it."""
    env.change_service(**({"status": status} if status else {"remove": True}))
    if fault is not None:
        env.atlas.fail(env.place, method="POST", **fault)
    env.create()
    return _says(env, reason)


_NO_CAPACITY = {"error": 400, "errorCode": "ATLAS_GENERAL_ERROR", "detail": "No Capacity", "reason": "Bad Request"}
for _health, _is, _reason, _name, _fails in (
    ("Progressing", None, "ServiceInitiating", "service-initiating", None),
    ("Progressing", None, "NoCapacity", "no-capacity", {"status": 400, "body": _NO_CAPACITY}),
    ("Degraded", "FAILED", "ServiceFailed", "service-failed", None),
):
    _state(_health, of={DEDICATED}, name=_name)(partial(_service_is, status=_is, reason=_reason, fault=_fails))


@_state("Progressing", of={SERVERLESS})
def correction_held(env: ServerlessSubject) -> Body:
    places = {OTHER: env.place.sibling(1), NAME: env.place}
    for place in places.values():
        env.atlas.connect(place, "orders")
    for name, place in places.items():
        env.resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
        env.resources.wait_ready(name)

    def drift() -> None:
        for place in places.values():
            env.atlas.change(place, comment="theirs")

    return _held_behind_another(env, drift)


@_state("Progressing", of={DEDICATED}, name="correction-held")
def correction_of_regions_held(env: DedicatedSubject) -> Body:
    regions = {OTHER: "eu-west-3", NAME: "eu-west-1"}
    for region in regions.values():
        env.change_service(regionName=region, supportedRemoteRegions=["EU_WEST_2"])
    for name, region in regions.items():
        env.resources.create(name, env.place.spec(region=region, supportedRemoteRegions=["EU_WEST_2"]))
        env.resources.wait_reason(name, "WaitingForCloudEndpoint")

    def drift() -> None:
        for region in regions.values():
            env.change_service(regionName=region, supportedRemoteRegions=[])

    return _held_behind_another(env, drift)


@_state("Progressing", of={DATA_FEDERATION}, name="correction-held")
def correction_of_comment_held(env: DataFederationSubject) -> Body:
    endpoints = {OTHER: OTHER_CLOUD_ENDPOINT, NAME: CLOUD_ENDPOINT}
    for endpoint in endpoints.values():
        env.change(endpointId=endpoint, comment="orders")
    for name, endpoint in endpoints.items():
        env.resources.create(name, env.place.spec(cloudProviderEndpointId=endpoint, comment="orders"))
        env.resources.wait_ready(name)

    def drift() -> None:
        for endpoint in endpoints.values():
            env.change(endpointId=endpoint, comment="theirs")

    return _held_behind_another(env, drift)


@_state("Progressing", of=REGIONAL, name="correction-held")
def correction_of_endpoint_held(env: RegionalSubject) -> Body:
    endpoints = {OTHER: ("9f7cac1a0000000000000000", "EU_WEST_2"), NAME: (REGIONAL_ENDPOINT, REGION)}
    for endpoint, region in endpoints.values():
        env.change(id=endpoint, regionName=region, status="ACTIVE", privateEndpointConnectionName=CLOUD_ENDPOINT)
    for name, (_, region) in endpoints.items():
        env.resources.create(name, env.place.spec(region=region))
        env.resources.wait_ready(name)

    def drift() -> None:
        for endpoint, region in endpoints.values():
            env.change(id=endpoint, regionName=region, remove=True)

    return _held_behind_another(env, drift)


@_state("Progressing", of={STREAM}, name="correction-held")
def correction_of_connection_held(env: StreamSubject) -> Body:
    connections = {OTHER: ("9f7cac1a0000000000000000", "EU_WEST_2"), NAME: (STREAM_CONNECTION, REGION)}
    for connection, region in connections.values():
        env.change(_id=connection, status="DONE", interfaceEndpointId=CLOUD_ENDPOINT, **service_in(region))
    for name, (_, region) in connections.items():
        env.resources.create(name, env.place.spec(**service_in(region)))
        env.resources.wait_ready(name)

    def drift() -> None:
        for connection, _ in connections.values():
            env.change(_id=connection, remove=True)

    return _held_behind_another(env, drift)


def _held_behind_another(env: Subject, drift: Callable[[], None]) -> Body:
    """Have two resources drift while nobody serves them, and then be served by an operator that corrects one an hour."""
    for name in (OTHER, NAME):
        _serve(env, name, NOBODY)
    # What happens to resources is seen in the order in which it does: who has seen this one serves the others no more.
    env.resources.create("later", env.place.reserving(suspend=True))
    env.resources.wait_reason("later", "Suspended")
    drift()
    _serve(env, OTHER, LIMITED)
    env.resources.wait(OTHER, _was_corrected_or_held, says="corrected or held")
    _serve(env, NAME, LIMITED)
    return _says(env, "CorrectionHeld")


def _was_corrected_or_held(body: Body) -> bool:
    history = body["status"].get("history", ())
    return ready(body)["reason"] == "CorrectionHeld" or any(each["cause"] == "Drift" for each in history)


# Atlas or the operator fails, and that heals by itself


def _atlas_fails(env: Subject, *, fault: dict[str, Any], reason: str) -> Body:
    env.atlas.fail(env.place, **fault)
    env.create(connected=True)
    return _says(env, reason)


_NOT_SERVERLESS = {"status": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER"}
for _kinds, _health, _reason, _name, _fault in (
    (KINDS, "Progressing", "RateLimited", "rate-limited", {"status": 429, "headers": {"Retry-After": "60"}}),
    (KINDS, "Progressing", "AtlasUnavailable", "atlas-unavailable", {"status": 503}),
    (KINDS, "Degraded", "APIGone", "api-gone", {"status": 410, "errorCode": "VERSION_GONE"}),
    ({SERVERLESS}, "Degraded", "NotServerless", "not-serverless", _NOT_SERVERLESS),
    (KINDS, "Degraded", "AccountSuspended", "account-suspended", {"status": 402}),
):
    _state(_health, of=_kinds, name=_name)(partial(_atlas_fails, fault=_fault, reason=_reason))


@_state("Progressing", operator=NOBODY)
def internal_error(env: Subject) -> Body:
    """Written as the operator would, since none is known that can be brought about."""
    return _written(env, failures.of_bug(ZeroDivisionError(), _first_attempt(env)))


# Another object may heal it soon; else a person must


def _missing_credentials(env: Subject) -> None:
    env.resources.delete_secret()
    env.create(connected=True)


def _missing_role(env: Subject) -> None:
    env.resources.secret(data={"clientId": READ_ONLY_CLIENT_ID, "clientSecret": CLIENT_SECRET})
    env.create(**env.NAMED)


def _closed_access_list(env: Subject) -> None:
    env.resources.secret(data=env.atlas.put_account(env.place, access_list=["203.0.113.0/24"]))
    env.create(connected=True)


def _missing_endpoint(env: ServerlessSubject) -> None:
    env.change(remove=True)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT)


def _nothing_to_observe(env: Subject) -> None:
    env.create(**env.NAMED, managementPolicy="Observe")


def _missing_reference(env: ServerlessSubject) -> None:
    clouds.install(env.control_plane, ACK)
    env.connect()
    env.create(cloudProviderEndpointRef={**ACK, "name": "orders"})


def _forbidden_reference(env: Subject) -> None:
    reference = {"apiVersion": "example.com/v1", "kind": "Endpoint", "name": "orders", "fieldPath": ".status.id"}
    env.create(cloudProviderEndpointRef=reference)


def _forbidden_project(env: Subject) -> None:
    """In a region of its own, since its project may be that of any other state."""
    reference = {"apiVersion": "example.com/v1", "kind": "Project", "name": "orders", "fieldPath": ".status.id"}
    spec = env.place.spec(region="EU_NORTH_1", projectRef=reference)
    del spec["projectId"]
    env.resources.create(NAME, spec)


def _missing_key(env: EncryptionAtRestSubject) -> None:
    env.change_settings(enabled=False)
    env.create()


def _public_key(env: EncryptionAtRestSubject) -> None:
    env.change_settings(requirePrivateNetworking=False)
    env.create()


def _rival(env: Subject) -> None:
    env.connect()
    env.resources.create("first", env.place.spec(**env.NAMED))
    env.resources.wait_ready("first")
    env.create(**env.NAMED)


def _elsewhere(env: Subject, **fields: str) -> None:
    env.resources.create(NAME, env.place.spec(**env.NAMED, **fields))


def _for_a_while_and_for_long(env: Subject, *, arrange: Callable[[Any], None], reason: str, pair: str) -> Body:
    arrange(env)
    return _says(env, reason, pair)


for _kinds, _reason, _name, _arrange in (
    (KINDS, "CredentialsInvalid", "credentials-invalid", _missing_credentials),
    (KINDS, "MissingRole", "missing-role", _missing_role),
    (KINDS, "IPNotAllowed", "ip-not-allowed", _closed_access_list),
    ({SERVERLESS}, "ReferenceNotReady", "reference-not-ready", _missing_reference),
    (REGISTERED, "ReferenceNotReady", "reference-not-ready", _forbidden_reference),
    ({*MADE_BY_ATLAS, REGIONAL_MODE}, "ReferenceNotReady", "reference-not-ready", _forbidden_project),
    ({SERVERLESS}, "EndpointNotFound", "endpoint-not-found", _missing_endpoint),
    (OTHERS, "EndpointNotFound", "endpoint-not-found", _nothing_to_observe),
    ({ENCRYPTION_AT_REST}, "EncryptionNotConfigured", "encryption-not-configured", _missing_key),
    ({ENCRYPTION_AT_REST}, "PrivateNetworkingRequired", "private-networking-required", _public_key),
    (KINDS, "Conflict", "conflict", _rival),
    (KINDS, "ProjectNotFound", "project-not-found", partial(_elsewhere, projectId="f" * 24)),
    ({SERVERLESS}, "InstanceNotFound", "instance-not-found", partial(_elsewhere, instanceName="store")),
):
    for _health, _pair, _when in (("Progressing", "Reconciling", ""), ("Degraded", "Stalled", "-for-long")):
        _state(_health, of=_kinds, name=_name + _when)(
            partial(_for_a_while_and_for_long, arrange=_arrange, reason=_reason, pair=_pair)
        )


# A person must act


@_state("Degraded", of=ENDPOINTS)
def endpoint_failed(env: Subject) -> Body:
    available(env)
    why = "Failed to accept interface endpoint due to code={InvalidVpcEndpointId.NotFound}."
    env.change(status="FAILED", errorMessage=why)
    return _says(env, "EndpointFailed")


@_state("Degraded")
def update_rejected(env: Subject) -> Body:
    if isinstance(env, ServerlessSubject):
        available(env)
        env.edit(cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    else:
        method = "PATCH" if isinstance(env, RegionalModeSubject) else "POST"
        env.atlas.fail(env.place, method=method, status=400, errorCode="INVALID_ATTRIBUTE")
        env.create(**env.NAMED)
    return _says(env, "UpdateRejected")


@_state("Degraded", operator=NOBODY)
def invalid_spec(env: Subject) -> Body:
    """Written as the operator would, since only a CRD of another version lets such a spec pass."""
    newer = {"metadata": {"namespace": "shop", "name": NAME, "uid": "1", "generation": 1, "resourceVersion": "1"}}
    try:
        env.KIND.resource.parse({**newer, "spec": env.place.spec(driftPolicy="Ask")})
    except InvalidSpecError as error:
        return _written(env, failures.of_invalid_spec(error, _first_attempt(env)))
    raise AssertionError("the spec was to be invalid")


@_state("Degraded", of=ENDPOINTS, operator=NOBODY)
def provisioning_timeout(env: Subject) -> Body:
    """With a status that was written long ago."""
    since = f"{datetime.now(UTC) - timedelta(hours=4):%Y-%m-%dT%H:%M:%SZ}"
    late = {
        name: {**shown, "stateSince" if "state" in shown else "statusSince": since}
        for name, shown in env.stick().items()
    }
    env.create(**env.NAMED)
    env.resources.write_status(NAME, {"observedGeneration": 1, **late})
    _serve(env, NAME, WORKING)
    return _says(env, "ProvisioningTimeout")


@_state("Degraded", of={REGIONAL_MODE})
def strings_will_change(env: RegionalModeSubject) -> Body:
    cluster = {
        "name": "orders",
        "clusterType": "SHARDED",
        "regions": [{"regionName": REGION}, {"regionName": "US_EAST_1"}],
    }
    strings = {"privateEndpoint": [{"connectionString": "mongodb://pl-0-eu-west-1.example.net"}]}
    env.atlas.post("clusters", {"projectId": env.place.project, **cluster, "connectionStrings": strings})
    env.create()
    return _says(env, "StringsWillChange")


@_state("Degraded", of={*CONNECTED, REGIONAL_MODE})
def drifted(env: Subject) -> Body:
    env.create(connected=True, driftPolicy="Report", **env.FIELDS)
    _says(env, "Available")
    if isinstance(env, DedicatedSubject):
        env.change_service(remove=True)
    elif isinstance(env, RegionalModeSubject):
        env.change(enabled=False)
    else:
        env.change(comment="theirs")
    return _says(env, "Drifted")


# A person has said so


@_state("Suspended")
def suspended(env: Subject) -> Body:
    available(env)
    env.edit(suspend=True)
    return _says(env, "Suspended")


@_state("Suspended")
def skipped(env: Subject) -> Body:
    available(env)
    env.resources.annotate(NAME, {"atlas-endpoints.dev/reconcile-policy": "skip"})
    return _says(env, "Suspended")


def _first_attempt(env: Subject) -> Attempt:
    return Attempt(1, env.KIND.resource.status_type(), datetime.now(UTC), GRACE)


def _written(env: Subject, outcome: Outcome) -> Body:
    """Have the API server take the status of an outcome, of a resource that no operator serves."""
    env.create(**env.NAMED)
    status = render(_first_attempt(env), outcome)
    return env.resources.write_status(NAME, status.to_json())
