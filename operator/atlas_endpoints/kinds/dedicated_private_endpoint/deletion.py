"""Decide about what the operator registered and created for a resource that is being deleted. Pure.

First the endpoints go, each when a GET has proved that it is gone; then the service, unless it stays.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint import remote_regions
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, Service, ServiceState
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import (
    GOING,
    deletion_of,
    endpoint_since,
    registrations_of,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import EndpointStatus, Registration
from atlas_endpoints.kinds.dedicated_private_endpoint.service import (
    Facts,
    origin_of,
    service_of,
    service_since,
    shown_in_status,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import deletion_of as service_deletion_of
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.kind import POLL, POLL_FIRST, SOON, Decision, Look, State, WriteOutcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE
from atlas_endpoints.reconcile.waiting import deleting, words


def decide_deletion(facts: Facts) -> Decision:
    """Return the decision about a resource that is being deleted."""
    status = facts.resource.status
    if status.service_creation is not None and (service := service_of(facts)) is not None:
        message = "The operator has found the endpoint service that it created for this resource."
        own = {"service": shown_in_status(facts, service), "service_creation": None}
        return Decision(State(Reason.DELETING, message, SOON), own=own)
    known = registrations_of(facts)
    own_ones = [each for each in known if not _is_handed_over(facts, each)]
    # If another resource needs the endpoint that the spec names, it is the end of the deletion.
    for each in sorted(own_ones, key=lambda each: each.entry == facts.resource.entry):
        if (decision := _delete_endpoint(facts, each, known)) is not None:
            return decision
    if (left := may_arrive_for(status.creation, facts.now)) > 0:
        what = "An endpoint may be registered" if status.service_creation is None else "A service may be created"
        message = f"{what} for this resource. The operator looks for it before the resource is removed."
        return Decision(State(Reason.DELETING, message, RequeueAfter(min(left, POLL_FIRST))))
    return _delete_service(facts, tuple(Look(each.entry) for each in own_ones))


def _is_handed_over(facts: Facts, mine: Registration) -> bool:
    """Return whether an endpoint that the spec no longer names belongs to another resource."""
    return not mine.is_of(facts.resource.entry) and facts.is_claimed_by_other(mine.entry)


def _delete_endpoint(facts: Facts, mine: Registration, known: tuple[Registration, ...]) -> Decision | None:
    """Return the decision about an endpoint that was registered for the resource; None: it is gone."""
    looks, seen = (Look(mine.entry),), facts.view.entries.get(mine.entry)
    if seen is None:  # the LIST is no proof, it may lag
        message = f"The operator looks whether endpoint {mine.endpoint_id} is registered."
        return Decision(State(Reason.DELETING, message, POLL), looks=looks)
    endpoint = seen.value
    if not isinstance(endpoint, Endpoint):
        return None
    since = endpoint_since(facts, mine.endpoint_id, endpoint.status)
    shown = EndpointStatus.of(mine.endpoint_id, endpoint, since)
    own: dict[str, Any] = {"endpoint": shown, "registrations": known}
    requested_at, what = mine.deletion_requested_at, f"endpoint {mine.endpoint_id}"
    if endpoint.status in GOING:
        return Decision(deleting(facts, what, requested_at or since), own=own, looks=looks)
    if requested_at is not None and not facts.forced:
        # To delete it twice might delete what somebody has registered meanwhile.
        state = deleting(facts, f"{what} (now {endpoint.status})", requested_at)
        if state.reason is Reason.DELETION_BLOCKED:
            message = f"{state.message} To delete the endpoint once more, {FORCE}."
            state = State(state.reason, message, state.requeue)
        return Decision(state, own=own, looks=looks)
    asked = mine.model_copy(update={"deletion_requested_at": facts.now, "deleting": None})
    own["registrations"] = tuple(asked if each is mine else each for each in known)
    state = State(Reason.DELETING, f"Atlas is deleting {what}. The resource is removed when it no longer exists.", SOON)
    return Decision(state, deletion_of(facts, mine.service_id, mine.endpoint_id, None), own=own, looks=looks)


def _delete_service(facts: Facts, looks: tuple[Look, ...]) -> Decision:
    """Decide about the service, when nothing of the resource is registered with it."""
    known = facts.resource.status.service
    service = None if known is None else facts.view.value(known.id)
    stays, gone = [*_endpoints_that_stay(facts, service)], [*_endpoints_that_are_gone(facts)]
    if not isinstance(service, Service):
        if known is not None:
            gone.append(f"Endpoint service {known.id} no longer exists in Atlas.")
        return _nothing_left(stays, gone, looks, absent=None if known is None else known.id)
    if (why := _why_it_stays(facts, service)) is not None:
        stays.append(f"Endpoint service {service.id} stays in Atlas: {why}.")
        if regions := remote_regions.stay(facts, service):
            stays.append(f"Endpoints may still connect to it from {', '.join(sorted(regions))}.")
        return _nothing_left(stays, gone, looks)
    own = {"service": shown_in_status(facts, service), "endpoint": None}
    if service.status == ServiceState.DELETING:
        return Decision(deleting(facts, "the endpoint service", service_since(facts, service)), own=own, looks=looks)
    state = deleting(facts, "the endpoint service", _deleted_at(facts))
    if service.endpoint_ids:
        if state.reason is not Reason.DELETION_BLOCKED:
            message = (
                "Atlas still lists the endpoint that it has deleted. Then the operator deletes the endpoint service."
            )
            state = State(Reason.DELETING, message, state.requeue)
        return Decision(state, own=own, looks=looks)
    if (refusal := _refusal(facts)) is not None:
        said = f"Message from Atlas: {words(refusal.detail or refusal.message)}"
        if state.reason is not Reason.DELETION_BLOCKED:
            state = State(
                Reason.DELETING,
                "Atlas refuses to delete the endpoint service; the operator tries again.",
                state.requeue,
            )
        return Decision(State(state.reason, f"{state.message} {said}", state.requeue), own=own, looks=looks)
    message = "Atlas is deleting the endpoint service. The resource is removed when it no longer exists."
    write = service_deletion_of(facts, service, None)
    return Decision(State(Reason.DELETING, message, POLL), write, own=own, looks=looks)


def _refusal(facts: Facts) -> AtlasError | None:
    """Return the refusal of a deletion that was just tried, or None."""
    done = facts.done
    return done.error if done is not None and done.outcome is WriteOutcome.REFUSED else None


def _deleted_at(facts: Facts) -> datetime:
    """Return when the resource was deleted; the clock of the API server may be ahead."""
    return min(facts.resource.metadata.deletion_timestamp or facts.now, facts.now)


def _endpoints_that_stay(facts: Facts, service: object) -> Iterator[str]:
    registrations, endpoint_id = facts.resource.status.registrations, facts.resource.endpoint_id
    is_registered = any(each.is_of(facts.resource.entry) for each in registrations)
    if endpoint_id is not None and not is_registered and isinstance(service, Service) and service.shows(endpoint_id):
        yield f"Endpoint {endpoint_id} stays in Atlas: the operator did not register it."
    for each in registrations:
        if not _is_gone(facts, each):
            yield f"Endpoint {each.endpoint_id} stays in Atlas: another resource names it, or somebody has registered it again."


def _endpoints_that_are_gone(facts: Facts) -> Iterator[str]:
    for each in facts.resource.status.registrations:
        if _is_gone(facts, each):
            yield f"Endpoint {each.endpoint_id} is deleted from Atlas."


def _is_gone(facts: Facts, mine: Registration) -> bool:
    """Return whether a GET has proved that an endpoint is gone; a LIST may still show it."""
    seen = facts.view.entries.get(mine.entry)
    return not _is_handed_over(facts, mine) and seen is not None and seen.value is None


def _why_it_stays(facts: Facts, service: Service) -> str | None:
    """Return why the service of a deleted resource stays in Atlas; None: it is to be deleted."""
    if origin_of(facts, service) != "Created":
        return "as far as the operator knows, it was there before this resource"
    gone = {each.endpoint_id.casefold() for each in facts.resource.status.registrations if _is_gone(facts, each)}
    if others := [each for each in service.endpoint_ids if each.casefold() not in gone]:
        return f"it has endpoints that this resource did not register: {', '.join(others)}"
    if facts.sharers(service.id):
        return "other resources use it"
    return None


def _nothing_left(stays: list[str], gone: list[str], looks: tuple[Look, ...], *, absent: str | None = None) -> Decision:
    state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
    return Decision(
        state,
        absent=absent,
        none_created=True,
        looks=looks,
        nothing_left=True,
        gone=" ".join(gone) or None,
        stays=" ".join(stays) or None,
    )
