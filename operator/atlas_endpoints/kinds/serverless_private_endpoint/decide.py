"""Decide about a live serverless private endpoint: from the facts to its state and at most one write. Pure.

Source: the Atlas Admin API, "Serverless Private Endpoints".

A POST is not idempotent. So the comment of a new endpoint is a mark, by which a LIST finds it, and the status
contains the intention before the POST (see ``reconcile.creation``).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter, doubled
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    FIELD,
    EndpointStatus,
    Reservation,
    ServerlessPrivateEndpoint,
)
from atlas_endpoints.reconcile.compare import (
    Comparison,
    Treatment,
    available,
    catch_up,
    cause_of,
    is_edit,
    not_as_desired,
    quoted,
    sends_next,
)
from atlas_endpoints.reconcile.decision import Create, Decision, Difference, State, Write
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import FORCE
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import (
    RESET_AFTER,
    since_shown,
    unknown,
    waiting,
    words,
)

Facts: TypeAlias = AnyFacts[ServerlessPrivateEndpoint]


class ServerlessReason(ReadyReason):
    """The reason of ``Ready`` that only this kind has."""

    RESERVATION_REQUESTED = "ReservationRequested", "False", Progress.RECONCILING


# Each one has its own time: a person takes any between two of them.
STATES: States = {
    "RESERVATION_REQUESTED": Waits(
        "Atlas is reserving the endpoint.", ServerlessReason.RESERVATION_REQUESTED, is_step=False
    ),
    "RESERVED": Waits("", Reason.WAITING_FOR_CLOUD_ENDPOINT, is_step=False),
    "INITIATING": Waits("Atlas is connecting the endpoint.", is_step=False),  # after the ID of the cloud was sent
    "AVAILABLE": Works(),
    "FAILED": Dead(),
    "DELETING": Going(),
}

REPLACE_FIRST, REPLACE_LAST = 60.0, 3600.0
"""Seconds between the reservation of an endpoint and that of the next one if it was lost; doubled each time."""

DELETING = (
    "Atlas is deleting the endpoint, which cannot be stopped, and the operator sends nothing more. Delete this resource. If you"
    " need an endpoint, reserve another one and create a resource for it."
)

PROVIDER_ANEW = (
    "providerName is immutable: delete this resource, and create it again with providerName {0}. Atlas keeps the endpoint, unless"
    " deletionPolicy is Delete. Set deletionPolicy to Delete first only if this resource reserved the endpoint by mistake."
)
"""The remedy if Atlas shows another provider; also for users who have no resource yet."""


def decide(facts: Facts) -> Decision:
    """Return the decision about a resource that is not being deleted."""
    resource = facts.resource
    if resource.entry is None:
        return _without_endpoint(facts)
    endpoint = facts.view.value(resource.entry)
    return _absent(facts, resource.entry) if endpoint is None else _present(facts, endpoint)


def status_since(facts: Facts, endpoint: EndpointStatus) -> datetime:
    """Return since when an endpoint has been observed in its status."""
    return since_shown(facts.resource.status.endpoint, endpoint.id, endpoint.status, facts.now)


def _present(facts: Facts, endpoint: EndpointStatus) -> Decision:
    if endpoint.provider_name is not None and endpoint.provider_name != facts.resource.spec.provider_name:
        return Decision(_of_another_provider(facts, endpoint), seen=endpoint)
    takes = _takes(facts, endpoint)
    found = Comparison.of(facts, endpoint, takes)
    write = _update(facts, endpoint, found, takes)
    state = _with_references(facts, endpoint, _state(facts, endpoint, found))
    if write is not None and facts.done is None:
        state = replace(state, requeue=_unsent(facts, endpoint))
    return Decision(state, write, seen=endpoint)


def _update(facts: Facts, endpoint: EndpointStatus, found: Comparison, takes: Callable[[str], bool]) -> Write | None:
    if facts.forced and facts.desired and endpoint.status == "FAILED" and endpoint.endpoint_service_name:
        return _patch(facts, endpoint, facts.desired, Cause.FORCED)
    if not found.chosen:
        return None
    names = {each.field for each in found.chosen}
    connection = facts.resource.connection.keys()
    if endpoint.status in {"RESERVED", "FAILED"} and connection & names:
        # A connection is sent as a whole: Azure's id and address belong together.
        names |= connection
    fields = {name: value for name, value in facts.desired.items() if name in names}
    return _patch(facts, endpoint, fields, cause_of(found.chosen, facts, endpoint, takes))


def _patch(facts: Facts, endpoint: EndpointStatus, fields: Mapping[str, str], cause: Cause) -> Write:
    # Atlas requires the provider; an empty comment clears it.
    body = {"providerName": facts.resource.spec.provider_name, **fields}
    return Write(ENDPOINTS.update_of(facts.scope, endpoint.id, body), cause, fields, touches=(endpoint.id,))


def _state(facts: Facts, endpoint: EndpointStatus, found: Comparison) -> State:
    """Return the state of an endpoint if no write follows in this reconcile."""
    is_dead = facts.done is None and endpoint.status == "FAILED"
    if not is_dead and (state := sends_next(found)) is not None:
        return state
    since = status_since(facts, endpoint)
    match STATES.get(endpoint.status or ""):
        case Waits() if endpoint.status == "RESERVED":
            reserved = _reserved_and_connected if FIELD in facts.desired else _reserved
            return reserved(found, facts, endpoint)
        case Waits(message, reason):
            pending = _pending(found, facts) if endpoint.status == "INITIATING" else ""
            state = waiting(facts, reason, message + pending, since, found.differences)
            return replace(state, observed=state.message.replace(pending, "")) if pending else state
        case Works() | Dead() if _connects(found.lagging, facts):
            message = "Atlas accepted the change and has not started to connect the endpoint yet."
            return waiting(facts, Reason.INITIATING, message, since, found.differences)
        case Works():
            return available(found, facts)
        case Dead():
            return _failed(endpoint, found)
        case Going():
            return waiting(facts, Reason.DELETING, DELETING, since, found.differences)
        case None:
            message = f"Atlas reports {unknown(endpoint.status)}. The operator waits for another status. If it does not change, upgrade the operator."
            return waiting(facts, Reason.PENDING, message, since, found.differences)


def _of_another_provider(facts: Facts, endpoint: EndpointStatus) -> State:
    shown = one_line(endpoint.provider_name or "", limit=100)
    return State(
        Reason.INVALID_SPEC,
        f"spec.providerName is {facts.resource.spec.provider_name}, but the provider of the endpoint in Atlas is {shown}, so the"
        f" operator sends nothing. {PROVIDER_ANEW.format(shown)}",
    )


def _with_references(facts: Facts, endpoint: EndpointStatus, state: State) -> State:
    """Report a reference that cannot be resolved, unless something else is more urgent."""
    problem = facts.problem
    if problem is None or state.reason not in {Reason.WAITING_FOR_CLOUD_ENDPOINT, Reason.AVAILABLE}:
        return state
    if state.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT and problem.reason in TEMPORARY:
        service, link = endpoint.endpoint_service_name, endpoint.private_link_service_resource_id
        what = (
            f"connect to {link} with a manual connection named {service}"
            if link
            else f"connect to the service {service}"
        )
        return replace(state, message=f"The endpoint is reserved; {what}. {problem.message}")
    connected = endpoint.cloud_provider_endpoint_id
    kept = f" Until the reference is resolved, Atlas keeps the connection to {connected}." if connected else ""
    return replace(state, reason=Reason.REFERENCE_NOT_READY, message=problem.message + kept)


def _absent(facts: Facts, entry: str) -> Decision:
    """Decide about an endpoint that Atlas does not show."""
    reservation = facts.resource.status.reservation
    if not _replaces_lost(facts) or reservation is None:
        return Decision(State(Reason.ENDPOINT_NOT_FOUND, "Atlas has no endpoint with this ID."), absent=entry)
    lasted = facts.now - reservation.requested_at
    wait = doubled(REPLACE_FIRST, reservation.attempt - 1, REPLACE_LAST) - lasted.total_seconds()
    if wait > 0 and facts.policy == "Manage":
        message = (
            "The reserved endpoint no longer exists in Atlas: it has expired or was deleted. The operator reserves another one, after"
            " a wait that doubles each time."
        )
        return Decision(State(ServerlessReason.RESERVATION_REQUESTED, message, RequeueAfter(wait)), absent=entry)
    attempt = 1 if lasted >= RESET_AFTER else reservation.attempt + 1
    return replace(_reserve(facts, attempt), absent=entry)


def _without_endpoint(facts: Facts) -> Decision:
    """Decide about a resource that has no endpoint (yet)."""
    record, recorded = facts.resource.metadata.endpoint_record, None
    if record is not None and facts.resource.status.reservation is None:
        recorded = record.endpoint_id
        seen = facts.view.entries.get(recorded)
        if not (_replaces_lost(facts) and seen is not None and seen.value is None):
            message = "The operator takes over the endpoint that the annotation of an earlier resource names."
            adopted = Reservation(requested_at=facts.now, endpoint_id=recorded, adopted=True)
            unseen = recorded if _replaces_lost(facts) and seen is None else None
            state, own = State(Reason.PENDING, message, RequeueAfter(0.0)), {"reservation": adopted, "endpoint": None}
            return Decision(state, absent=unseen, own=own, leaves_open=True)
    # Endpoints in DELETING, and those of other resources, are not adopted.
    marked = [each for each in marked_for(facts) if each.status != "DELETING"]
    if not marked:
        reservation = facts.previous.creation
        return replace(_reserve(facts, reservation.attempt if reservation is not None else 1), absent=recorded)
    return _adopt(facts, min(marked, key=lambda each: (each.cloud_provider_endpoint_id is None, each.id)))


def _adopt(facts: Facts, endpoint: EndpointStatus) -> Decision:
    """Record an endpoint that was reserved for the resource, before anything else is done with it."""
    decision = _present(facts, endpoint)
    before = facts.resource.status.reservation
    reservation = Reservation(
        requested_at=before.requested_at if before is not None else facts.now,
        endpoint_id=endpoint.id,
        attempt=before.attempt if before is not None else 1,
    )
    return Decision(
        replace(decision.state, requeue=RequeueAfter(0.0)),
        seen=endpoint,
        own={"reservation": reservation},
    )


def _reserve(facts: Facts, attempt: int) -> Decision:
    write = reservation(facts, attempt)
    return Decision(State(write.reason, write.intended, RequeueAfter(0.0)), write)


def reservation(facts: Facts, attempt: int) -> Create:
    """Return the write that reserves an endpoint."""
    mark = facts.resource.created_as
    return Create(
        ENDPOINTS.creation_of(facts.scope, {"comment": mark}),
        Cause.RESERVATION,
        planned="reserves an endpoint",
        touches=(mark,),
        name=mark,
        attempt=attempt,
        reason=ServerlessReason.RESERVATION_REQUESTED,
        intended="The operator is about to reserve an endpoint.",
        searched="An endpoint may already be reserved. The operator looks for it in Atlas before it reserves another one.",
    )


def marked_for(facts: Facts) -> list[EndpointStatus]:
    """Return the endpoints that were reserved for the resource and that no other resource has."""
    found, own = facts.view.labelled.get(facts.resource.created_as, ()), facts.resource.entry
    return [each for each in found if each.id != own and not facts.is_claimed_by_other(each.id)]


def _replaces_lost(facts: Facts) -> bool:
    """Return whether to reserve another endpoint when this one disappears from Atlas: that is drift, too."""
    spec = facts.resource.spec
    return spec.endpoint_id is None and spec.drift_policy == "Correct"


def _takes(facts: Facts, endpoint: EndpointStatus) -> Callable[[str], bool]:
    """Return a function that returns whether Atlas accepts a change of a field in the endpoint's status."""
    connection = facts.resource.connection

    def takes(name: str) -> bool:
        match endpoint.status:
            case "AVAILABLE":
                return True
            case "RESERVED":
                # An address alone is no connection.
                return name not in connection or FIELD in facts.desired
            case "FAILED":
                return bool(endpoint.endpoint_service_name)
            case "INITIATING":
                return name not in connection
            case _:
                return False

    return takes


def _reserved(found: Comparison, facts: Facts, endpoint: EndpointStatus) -> State:
    """Return the state of a reservation that waits for the private endpoint in the user's cloud."""
    if any(each not in found.by_treatment[Treatment.WAIT] for each in found.differences):
        return not_as_desired(found, facts)
    service, requeue = endpoint.endpoint_service_name, catch_up(found)
    if not service:
        message = "The endpoint is reserved. Atlas has not named the service to connect to yet."
        requeue = facts.polls
    elif endpoint.provider_name == "AZURE" or endpoint.private_link_service_resource_id:
        target = endpoint.private_link_service_resource_id or "the private link service of the endpoint"
        message = (
            f"The endpoint is reserved. In Azure, create a private endpoint with a manual connection named {service} to"
            f" {target}; then set spec.cloudProviderEndpointId and spec.privateEndpointIpAddress."
        )
    else:
        message = (
            f"The endpoint is reserved. In AWS, create an interface VPC endpoint to the service {service}; then set"
            " spec.cloudProviderEndpointId."
        )
    return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, requeue, found.differences)


def _reserved_and_connected(found: Comparison, facts: Facts, endpoint: EndpointStatus) -> State:
    """Return the state of a reservation whose private endpoint is known, and which Atlas has to connect."""
    if _connects(found.differences, facts) and not _connects(found.by_treatment[Treatment.SETTLE], facts):
        return not_as_desired(found, facts)
    # The reservation may be old: the time counts from when the cloud's endpoint id was sent.
    seen, confirmed_at = status_since(facts, endpoint), facts.baseline.confirmed_at
    message = "Atlas accepted the ID of the private endpoint and has not started to connect it yet."
    since = max(seen, confirmed_at or seen)
    return waiting(facts, Reason.INITIATING, message, since, found.differences)


def _failed(endpoint: EndpointStatus, found: Comparison) -> State:
    said = f"Message from Atlas: {words(endpoint.error_message)}"
    what = "Atlas reports that the endpoint failed."
    remedy = f"Fix the cause. Then change spec.cloudProviderEndpointId, or {FORCE} to send the same values again."
    if not endpoint.endpoint_service_name:
        what = "Atlas could not reserve the endpoint, so nothing can connect to it."
        remedy = "Reserve another one in Atlas, and name it in a new resource."
    message, observed = f"{what} {remedy} {said}", f"{what} {said}"
    return State(Reason.ENDPOINT_FAILED, message, catch_up(found), found.differences, observed=observed)


def _unsent(facts: Facts, endpoint: EndpointStatus) -> Requeue:
    """Return when to observe again though nothing is sent: Atlas may be connecting all the same."""
    if endpoint.status == "INITIATING":
        return facts.polls
    return NoRequeue()


def _connects(differences: Iterable[Difference], facts: Facts) -> bool:
    return any(each.field in facts.resource.connection for each in differences)


def _pending(found: Comparison, facts: Facts) -> str:
    """Return a sentence about the changes that are sent as soon as Atlas accepts them."""
    corrects = facts.resource.spec.drift_policy == "Correct"
    waiting = [each for each in found.by_treatment[Treatment.WAIT] if corrects or is_edit(each, facts)]
    if not waiting:
        return ""
    changes = " and ".join(f"{each.field} to {quoted(each.desired)}" for each in waiting)
    return f" The operator changes {changes} when the endpoint is connected."
