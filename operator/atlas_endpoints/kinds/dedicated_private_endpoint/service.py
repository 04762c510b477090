"""Decide about the endpoint service of a region, which all resources of the region share. Pure.

Atlas has one service for each region of a project, on GCP one for each way of mapping ports; it works also without endpoints.
Source: the Atlas Admin API, "Private Endpoint Services"; recorded answers.

A service is deleted with the last resource that shares it, if a resource's own POST created it and Atlas shows no endpoint
in it. Atlas refuses a second POST for the same region.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from atlas_endpoints.controller.cache import Body, status_of
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint.calls import CHANGES, SERVICES
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    REGIONS,
    Origin,
    Service,
    ServiceStatus,
)
from atlas_endpoints.kinds.lives.life import Facts, ask
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works, no_steps, words_for
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.reconcile.compare import cause_of_loss
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Create, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason, Trait
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Finding, as_shown, find, rfc3339
from atlas_endpoints.reconcile.waiting import deleted_at, deleting, since_shown, unknown, waiting, words

NAME = "endpointService"
"""What the history calls the creation or deletion of a service."""

LASTING = 3600.0
"""Seconds between a service that vanishes and the next one."""

STATES: States = {
    "INITIATING": Waits("Atlas is creating the endpoint service. This takes a few minutes."),
    "AVAILABLE": Works(),
    "WAITING_FOR_USER": Works(),  # its name in earlier years
    "FAILED": Dead(),
    "DELETING": Going(),
}
READY, NO_STEPS = words_for(STATES, Works), no_steps(STATES)
"""A service with one of the former accepts endpoints; its coordinates are complete."""


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
    if done is not None and isinstance(done.answer, Service) and done.write.request.operation == CHANGES.create:
        return done.answer
    recorded = None if known is None else facts.view.value(known.id)
    if isinstance(recorded, Service):
        return recorded
    found = [
        seen.value
        for _, seen in sorted(facts.view.entries.items())
        if isinstance(seen.value, Service) and spec.is_served_by(seen.value)
    ]
    return min(found, key=lambda each: each.status == "DELETING", default=None)


def origin_of(facts: Facts, service: Service) -> Origin:
    """Return whether a resource created the service: this one or one that shares it; else it counts as adopted.

    One that appears soon after the intention to create it, when a LIST had shown none, is the result of that POST, unless a
    resource has shown it before.
    """
    done, status = facts.done, facts.resource.status
    if done is not None and done.write.request.operation == CHANGES.create and done.result is WriteResult.CONFIRMED:
        return "Created"
    known: Origin | None = status.service.origin if is_known(facts, service) else None
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
    shown = f"is {service.status}" if service.status in STATES else f"has {unknown(service.status)}"
    return Finding("False", ServiceReason.NOT_READY, f"The endpoint service {shown}.")


def shown_in_status(facts: Facts, service: Service) -> ServiceStatus:
    """Return what the status shows of a service: its attachments when it is ready, since Atlas shows them one by one."""
    attachments = service.service_attachment_names[:100] if service.status in READY else ()
    own = {
        "status_since": service_since(facts, service),
        "origin": origin_of(facts, service),
        "service_attachment_names": attachments,
        "supported_remote_regions": service.supported_remote_regions[:REGIONS],
    }
    return ServiceStatus.model_validate({**dict(service), **own})


def service_since(facts: Facts, service: Service) -> datetime:
    """Return since when the service has been observed in its status, or is on its way."""
    if facts.done is not None and facts.done.write.request.operation == CHANGES.create:
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
    since = None if known is None else known.status_since
    if known is not None and known.status == "DELETING":  # how long it lasted, only its creation tells
        since = facts.baseline.patched.get(NAME)
    has_worked = known is not None and known.status != "FAILED"
    wait = LASTING - (facts.now - since).total_seconds() if has_worked and since is not None else 0.0
    if wait > 0 and facts.policy == "Manage" and not facts.forced:
        message = f"The endpoint service of {region} vanished within an hour. The operator waits before it creates another one. To create it now, {FORCE}."
        return Decision(State(DedicatedReason.SERVICE_INITIATING, message, RequeueAfter(wait), observed=none), own=own)
    write = _creation(facts, region)
    return Decision(State(write.reason, write.intended, POLL, observed=none), write, own=own)


def _creation(facts: Facts, region: str) -> Create:
    """Return the write that creates the service of a region, for people."""
    spec, resource = facts.resource.spec, facts.resource
    body: dict[str, Any] = {"providerName": spec.provider_name, "region": spec.region}
    if spec.gcp is not None:
        body["portMappingEnabled"] = not spec.is_legacy
    follows = "" if resource.endpoint_id is None else f", and then registers endpoint {resource.endpoint_id}"
    return Create(
        CHANGES.creation_of(facts.scope, body),
        cause_of_loss(facts, is_lost=resource.status.service is not None, otherwise=Cause.FIRST_CONTACT),
        names=(NAME,),
        planned=f"creates the endpoint service of {region}{follows}",
        doubt="".join(doubt(spec.provider_name, each) for each in (spec.region, *spec.supported_remote_regions)),
        remedy=(
            "providerName and region cannot change: if one of them is wrong, delete this resource (nothing was made in Atlas) and"
            " create it again with the right one."
        ),
        touches=(resource.written_as,),
        name=resource.service_key,
        reason=DedicatedReason.SERVICE_INITIATING,
        intended=f"The operator creates the endpoint service of {region}{follows}.",
        searched=f"Atlas may be creating the endpoint service of {region}. The operator looks for it before it asks for it again.",
    )


def not_ready(facts: Facts, service: Service) -> Decision:
    """Decide about a service that takes no endpoints (yet)."""
    reason, since = DedicatedReason.SERVICE_INITIATING, service_since(facts, service)
    match STATES.get(service.status or ""):
        case Waits(message):
            return Decision(waiting(facts, reason, message, since))
        case Going():
            return Decision(waiting(facts, reason, "Atlas is deleting the endpoint service.", _without_since(facts)))
        case Dead():
            return _failed(facts, service)
        case _:
            message = f"The endpoint service has {unknown(service.status)}. The operator waits for another status."
            return Decision(waiting(facts, reason, message, since))


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


def _without_since(facts: Facts) -> datetime:
    """Return since when the region has had no service that takes endpoints."""
    ready = find(facts.previous, "ServiceReady")
    return facts.now if ready is None or ready.status == "True" else ready.last_transition_time


def deletion_of(facts: Facts, service: Service, cause: Cause | None) -> Write:
    """Return the write that deletes the service; with its resource, others may protect it."""
    request = SERVICES.deletion_of(facts.scope, service.id)
    if cause is not None:
        return Write(request, cause, names=(NAME,), touches=(service.id, facts.resource.written_as), reads=service.id)
    # What goes with its resource may create nothing more.
    return Write(request, names=(NAME,), touches=(service.id,), deletes=facts.resource.service(service.id))


def delete_service(facts: Facts, service: Service | None, gets: tuple[Get, ...]) -> Decision:
    """Decide about the service of a deleted resource, when its endpoint is gone, as ``gets`` prove."""
    known, endpoint_id = facts.resource.status.service, facts.resource.endpoint_id
    was_there = facts.resource.status.endpoint is not None
    gone = [f"Endpoint {endpoint_id} is deleted from Atlas."] if endpoint_id is not None and was_there else []
    if service is None:
        if known is not None:
            end = f"is deleted{', too' if gone else ''}" if known.status == "DELETING" else "no longer exists in Atlas"
            gone.append(f"Endpoint service {known.id} {end}.")
        return _nothing_left(gone, gets, absent=None if known is None else known.id)
    shown, is_listed = shown_in_status(facts, service), endpoint_id is not None and service.shows(endpoint_id)
    if (why := _why_it_stays(facts, service)) is not None and not is_listed:
        return _nothing_left(gone, gets, stays=f"Endpoint service {service.id} stays in Atlas: {why}.")
    what = "the endpoint service"
    if why is None and service.status == "DELETING":
        return Decision(deleting(facts, what, service_since(facts, service)), own={"service": shown})
    if is_listed:
        return Decision(_still_listed(facts, endpoint_id), own={"service": shown})
    asked = shown.model_copy(update={"status": "DELETING", "status_since": facts.now})
    state = deleting(facts, what, deleted_at(facts))
    decision = ask(facts, state, known, deletion_of(facts, service, None), {"service": asked})
    return decision if decision.write is None else replace(decision, gets=gets)  # only a LIST shows what became of it


def _still_listed(facts: Facts, endpoint_id: str | None) -> State:
    """Return the state while only a LIST, which may lag, shows the endpoint of a deleted resource."""
    state = deleting(facts, f"endpoint {endpoint_id}, which it still lists", deleted_at(facts))
    message = f"Atlas still lists endpoint {endpoint_id}, and answers that it does not exist. The operator looks again."
    if state.reason is Reason.DELETION_BLOCKED:
        message = state.message
    return State(state.reason, message, facts.as_long_again)


def _why_it_stays(facts: Facts, service: Service) -> str | None:
    """Return why the service of a deleted resource stays in Atlas; None: it is to be deleted."""
    if origin_of(facts, service) != "Created":
        call = f"DELETE {deletion_of(facts, service, None).request.path}"
        return f"as far as the operator knows, it was there before this resource. To delete it there, if nothing uses it: {call}"
    gone = (facts.resource.endpoint_id or "").casefold()
    if others := [each for each in service.endpoint_ids if each.casefold() != gone]:
        return f"it has other endpoints: {', '.join(others)}"
    if facts.is_protected(facts.resource.service(service.id)):
        return "other resources use it"
    return None


def _nothing_left(
    gone: Sequence[str], gets: tuple[Get, ...], *, stays: str | None = None, absent: str | None = None
) -> Decision:
    state, told = State(Reason.DELETING, "Atlas has no endpoint of this resource."), " ".join(gone) or None
    return Decision(state, absent=absent, gets=gets, nothing_left=True, gone=told, stays=stays)
