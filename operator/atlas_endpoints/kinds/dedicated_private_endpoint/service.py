"""Decide about the endpoint service of a region, which all resources of the region share. Pure.

Atlas has one service for each region of a project, on GCP one for each way of mapping ports. It is INITIATING, then AVAILABLE
(earlier: WAITING_FOR_USER), also without endpoints; FAILED and DELETING at any time. Source: the Atlas Admin API, "Private
Endpoint Services"; recorded answers.

A service is deleted with the last resource that shares it, if a resource's own POST created it and Atlas shows no endpoint
in it. Atlas refuses a second POST for the same region.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from atlas_endpoints.controller.cache import Body, status_of
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Service, ServiceState
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import DedicatedPrivateEndpoint, Origin, ServiceStatus
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.reconcile.compare import cause_of_loss
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Create, Decision, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason, Trait
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Finding, as_shown, find, rfc3339
from atlas_endpoints.reconcile.waiting import since_shown, unknown, waiting, words

Facts: TypeAlias = AnyFacts[DedicatedPrivateEndpoint]


NAME = "endpointService"
"""What the history calls the creation or deletion of a service."""

LASTING = 3600.0
"""Seconds between a service that vanishes and the next one."""


NO_STEPS = READY | {ServiceState.FAILED, ServiceState.DELETING}
"""The statuses that are no step on the way of a service that is created."""


class DedicatedReason(ReadyReason):
    """The reasons of ``Ready`` that only this kind has."""

    SERVICE_INITIATING = "ServiceInitiating", "False", Progress.RECONCILING
    SERVICE_FAILED = "ServiceFailed", "False", Progress.STALLED, Trait.DEAD


class ServiceReason(StrEnum):
    """Reasons of ``ServiceReady``."""

    READY = "Ready"
    NOT_READY = "NotReady"
    NOT_FOUND = "NotFound"


def service_of(facts: Facts) -> Service | None:
    """Return the endpoint service of the resource's region: the recorded one, if Atlas still shows it.

    That one, and the one that was just created, are known by their ids: Atlas may spell a region as nobody knows.
    """
    spec, known, done = facts.resource.spec, facts.resource.status.service, facts.done
    if done is not None and isinstance(done.answer, Service) and done.write.request.operation == atlas.CREATE:
        return done.answer
    recorded = None if known is None else facts.view.value(known.id)
    if isinstance(recorded, Service):
        return recorded
    found = [
        seen.value
        for _, seen in sorted(facts.view.entries.items())
        if isinstance(seen.value, Service) and spec.is_served_by(seen.value)
    ]
    lasting = (each for each in found if each.status != ServiceState.DELETING)
    return next(lasting, None) or next(iter(found), None)


def origin_of(facts: Facts, service: Service) -> Origin:
    """Return whether a resource created the service: this one or one that shares it; else it counts as adopted.

    One that appears soon after the intention to create it, when a LIST had shown none, is the result of that POST, unless a
    resource has shown it before.
    """
    done, status = facts.done, facts.resource.status
    if done is not None and done.write.request.operation == atlas.CREATE and done.result is WriteResult.CONFIRMED:
        return "Created"
    known = status.service.origin if status.service is not None and is_known(facts, service) else None
    if known == "Created" or (known is not None and facts.attempt.is_settled):
        return known
    shown = [part(status_of(body), "service") for body in facts.sharers(facts.resource.service(service.id))]
    of_others = [each for each in shown if each.get("id") == as_shown(service.id)]
    if any(each.get("origin") == "Created" for each in of_others):
        return "Created"
    intent = None if known is not None or facts.unsent else status.service_creation
    if intent is None or may_arrive_for(intent, facts.now, 0.0) <= 0:
        return "Adopted"
    was_there = any(each.get("statusSince", "") < rfc3339(intent.requested_at) for each in of_others)
    return "Adopted" if was_there else "Created"


def is_created_in(body: Body, service_id: str) -> bool:
    """Return whether a status records that a resource created a service."""
    shown = part(status_of(body), "service")
    return shown.get("id") == as_shown(service_id) and shown.get("origin") == "Created"


def is_known(facts: Facts, service: Service) -> bool:
    """Return whether it is the service in the status."""
    known = facts.resource.status.service
    return known is not None and known.id == as_shown(service.id)


def readiness(service: Service | None) -> Finding:
    """Return the content of ``ServiceReady``."""
    if service is None:
        return Finding("False", ServiceReason.NOT_FOUND, "Atlas has no endpoint service for this region.")
    if service.status in READY:
        return Finding("True", ServiceReason.READY, "The endpoint service takes endpoints.")
    shown = f"is {service.status}" if service.status in set(ServiceState) else f"has {unknown(service.status)}"
    return Finding("False", ServiceReason.NOT_READY, f"The endpoint service {shown}.")


def shown_in_status(facts: Facts, service: Service) -> ServiceStatus:
    """Return what the status shows of a service."""
    return ServiceStatus.of(service, service_since(facts, service), origin_of(facts, service))


def service_since(facts: Facts, service: Service) -> datetime:
    """Return since when the service has been observed in its status, or is on its way."""
    if facts.done is not None and facts.done.write.request.operation == atlas.CREATE:
        return facts.now
    return since_shown(facts.resource.status.service, service.id, service.status, facts.now, NO_STEPS)


def without_service(facts: Facts) -> Decision:
    """Decide about a region without an endpoint service."""
    spec, known = facts.resource.spec, facts.resource.status.service
    region = f"{spec.provider_name} region {spec.region}"
    # The status remembers a service that is lost until it is created again.
    own: dict[str, Any] = {"endpoint": None}
    none = f"Atlas has no endpoint service for {region}."
    if known is not None and spec.drift_policy != "Correct" and not facts.forced:
        lost = f"The endpoint service of {region} no longer exists in Atlas"
        message = (
            f"{lost}, and spec.driftPolicy is Report. To create it again, set spec.driftPolicy to Correct, or {FORCE}. Its"
            " coordinates will be other ones."
        )
        return Decision(State(Reason.DRIFTED, message, observed=f"{lost}."), own=own)
    endpoint_id = facts.resource.endpoint_id
    since = None if known is None else known.status_since
    if known is not None and known.status == ServiceState.DELETING:  # how long it lasted, only its creation tells
        since = facts.baseline.patched.get(NAME)
    has_worked = known is not None and known.status != ServiceState.FAILED
    wait = LASTING - (facts.now - since).total_seconds() if has_worked and since is not None else 0.0
    if wait > 0 and facts.policy == "Manage" and not facts.forced:
        message = f"The endpoint service of {region} vanished within an hour. The operator waits before it creates another one. To create it now, {FORCE}."
        return Decision(State(DedicatedReason.SERVICE_INITIATING, message, RequeueAfter(wait), observed=none), own=own)
    follows = "" if endpoint_id is None else f", and then registers endpoint {endpoint_id}"
    request = atlas.creation_of(
        facts.scope.project_id,
        spec.provider_name,
        spec.region,
        port_mapping=None if spec.provider_name != "GCP" else not spec.is_legacy,
    )
    cause = cause_of_loss(facts, is_lost=known is not None, otherwise=Cause.FIRST_CONTACT)
    planned = f"creates the endpoint service of {region}{follows}"
    write = Create(
        request,
        cause,
        names=(NAME,),
        planned=planned,
        doubt="".join(doubt(spec.provider_name, each) for each in (spec.region, *spec.supported_remote_regions)),
        remedy=(
            "providerName and region cannot change: if one of them is wrong, delete this resource (nothing was made in Atlas) and"
            " create it again with the right one."
        ),
        touches=(facts.resource.written_as,),
        name=facts.resource.service_key,
        reason=DedicatedReason.SERVICE_INITIATING,
        intended=f"The operator creates the endpoint service of {region}{follows}.",
        searched=f"Atlas may be creating the endpoint service of {region}. The operator looks for it before it asks for it again.",
    )
    return Decision(State(write.reason, write.intended, POLL, observed=none), write, own=own)


def not_ready(facts: Facts, service: Service) -> Decision:
    """Decide about a service that takes no endpoints (yet)."""
    since = service_since(facts, service)
    match service.status:
        case ServiceState.INITIATING:
            message = "Atlas is creating the endpoint service. This takes a few minutes."
            return Decision(waiting(facts, DedicatedReason.SERVICE_INITIATING, message, since))
        case ServiceState.DELETING:
            message = "Atlas is deleting the endpoint service."
            return Decision(
                waiting(facts, DedicatedReason.SERVICE_INITIATING, message, _without_since(facts, facts.now))
            )
        case ServiceState.FAILED:
            return _failed(facts, service)
        case other:
            message = f"The endpoint service has {unknown(other)}. The operator waits for another status."
            return Decision(waiting(facts, DedicatedReason.SERVICE_INITIATING, message, since))


def _failed(facts: Facts, service: Service) -> Decision:
    """Decide about a service that failed: on request, an empty one that a resource created is made anew."""
    said = f"Message from Atlas: {words(service.error_message)}"
    write, may_delete = None, origin_of(facts, service) == "Created" and not service.endpoint_ids
    if not may_delete:
        then = "then the operator creates another one"
        if facts.resource.spec.drift_policy != "Correct":
            then = f"then, to create another one, {FORCE}"
        remedy = f"Delete it in Atlas when nothing uses it; {then}."
    elif facts.forced:
        remedy, write = "The operator deletes it and creates another one.", deletion_of(facts, service, Cause.FORCED)
    else:
        remedy = f"To delete it and create another one, {FORCE}."
    observed = f"The endpoint service failed. {said}"
    message = f"The endpoint service failed. {remedy} {said}"
    return Decision(State(DedicatedReason.SERVICE_FAILED, message, observed=observed), write)


def _without_since(facts: Facts, otherwise: datetime) -> datetime:
    """Return since when the region has had no service that takes endpoints."""
    ready = find(facts.previous, "ServiceReady")
    return otherwise if ready is None or ready.status == "True" else ready.last_transition_time


def deletion_of(facts: Facts, service: Service, cause: Cause | None) -> Write:
    """Return the write that deletes the service; with its resource, others may protect it."""
    request = atlas.deletion_of(facts.scope.project_id, facts.resource.spec.provider_name, service.id)
    deletes = facts.resource.service(service.id) if cause is None else None
    reads = None if cause is None else service.id
    # What goes with its resource may create nothing more.
    touches = (service.id,) if cause is None else (service.id, facts.resource.written_as)
    return Write(request, cause, names=(NAME,), touches=touches, reads=reads, deletes=deletes)
