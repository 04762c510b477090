"""Decide about what Atlas has for a resource that is being deleted. Pure.

First the endpoint that the spec names goes, whoever registered it; when a GET has proved that it is gone, the service, unless it stays.
"""

from collections.abc import Sequence
from dataclasses import replace

from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import (
    Endpoint,
    EndpointState,
    Service,
    ServiceState,
    entry_name,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import GOING, endpoint_since, endpoint_status
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import deletion_of as endpoint_deletion_of
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import EndpointStatus
from atlas_endpoints.kinds.dedicated_private_endpoint.service import (
    Facts,
    deletion_of,
    origin_of,
    service_of,
    service_since,
    shown_in_status,
)
from atlas_endpoints.kinds.lives.life import ask, may_appear
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, Get, State
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.waiting import deleted_at, deleting


def decide_deletion(facts: Facts) -> Decision:
    """Return the decision about a resource that is being deleted."""
    status, service = facts.resource.status, service_of(facts)
    if status.service_creation is not None and service is not None:
        message = "The operator has found the endpoint service that it created for this resource."
        own = {"service": shown_in_status(facts, service), "service_creation": None}
        return Decision(State(Reason.DELETING, message, SOON), own=own)
    gets: tuple[Get, ...] = ()
    if service is not None and (endpoint_id := facts.resource.endpoint_id) is not None:
        gets = (Get(entry_name(service.id, endpoint_id)),)
        if (decision := _delete_endpoint(facts, service, endpoint_id)) is not None:
            return replace(decision, gets=gets)
    if (left := _may_appear_for(facts)) > 0:
        return replace(may_appear(facts, left), gets=gets)
    return _delete_service(facts, service, gets)


def _may_appear_for(facts: Facts) -> float:
    """Return for how many more seconds Atlas may show something that was requested for the resource, and never shown."""
    status = facts.resource.status
    left = may_arrive_for(status.service_creation, facts.now, facts.arrives_for)
    is_deleted = status.endpoint is not None and status.endpoint.status in GOING
    if facts.resource.endpoint_id is not None and (not is_deleted or facts.uncertain):
        left = max(left, facts.arrives_for, facts.unknown_for)
    return left


def _delete_endpoint(facts: Facts, service: Service, endpoint_id: str) -> Decision | None:
    """Return the decision about the endpoint; None: it is gone."""
    seen = facts.view.entries.get(entry_name(service.id, endpoint_id))
    what = f"endpoint {endpoint_id}"
    if seen is None:  # the LIST is no proof, it may lag
        return Decision(State(Reason.DELETING, f"The operator looks whether {what} is registered.", POLL))
    endpoint = seen.value
    if not isinstance(endpoint, Endpoint):
        return None
    if endpoint.status in GOING:
        since = endpoint_since(facts, endpoint_id, endpoint.status)
        return Decision(deleting(facts, what, since), own={"endpoint": endpoint_status(facts, endpoint)})
    state = deleting(facts, f"{what} (now {endpoint.status})", deleted_at(facts))
    asked = EndpointStatus.of(endpoint_id, replace(endpoint, status=str(EndpointState.DELETING)), facts.now)
    write = endpoint_deletion_of(facts, service, endpoint_id, None)
    return ask(facts, state, facts.resource.status.endpoint, write, {"endpoint": asked})


def _delete_service(facts: Facts, service: Service | None, gets: tuple[Get, ...]) -> Decision:
    """Decide about the service, when the endpoint is gone."""
    known, endpoint_id = facts.resource.status.service, facts.resource.endpoint_id
    was_there = facts.resource.status.endpoint is not None
    gone = [f"Endpoint {endpoint_id} is deleted from Atlas."] if endpoint_id is not None and was_there else []
    if service is None:
        if known is not None:
            is_deleted = known.status == ServiceState.DELETING
            end = f"is deleted{', too' if gone else ''}" if is_deleted else "no longer exists in Atlas"
            gone.append(f"Endpoint service {known.id} {end}.")
        return _nothing_left(gone, gets, absent=None if known is None else known.id)
    shown, is_listed = shown_in_status(facts, service), endpoint_id is not None and service.shows(endpoint_id)
    if (why := _why_it_stays(facts, service)) is not None and not is_listed:
        return _nothing_left(gone, gets, stays=f"Endpoint service {service.id} stays in Atlas: {why}.")
    if why is None and service.status == ServiceState.DELETING:
        return Decision(deleting(facts, "the endpoint service", service_since(facts, service)), own={"service": shown})
    what = f"endpoint {endpoint_id}, which it still lists" if is_listed else "the endpoint service"
    state = deleting(facts, what, deleted_at(facts))
    if is_listed:
        if state.reason is not Reason.DELETION_BLOCKED:
            message = f"Atlas still lists endpoint {endpoint_id}, and answers that it does not exist. The operator looks again."
            state = replace(state, message=message)
        state = replace(state, requeue=facts.as_long_again)
        return Decision(state, own={"service": shown})  # it rests on the LIST alone
    asked = shown.model_copy(update={"status": str(ServiceState.DELETING), "status_since": facts.now})
    decision = ask(facts, state, known, deletion_of(facts, service, None), {"service": asked})
    return decision if decision.write is None else replace(decision, gets=gets)  # only a LIST shows what became of it


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
