"""Decide about the endpoint that a spec names, in the service of its region. Pure.

An endpoint is registered by a POST with the cloud's ID, which a second POST cannot repeat. Atlas has no update of an endpoint,
so a change is a DELETE and a POST. Only endpoints in ``status.registrations`` are ever deleted: the status contains the
intention before the POST, and a registration stays in it until Atlas has deleted it.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.cache import Body, status_of
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter, doubled
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, Service, entry_name
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import State as EndpointState
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    REGISTRATIONS,
    DedicatedPrivateEndpoint,
    DedicatedStatus,
    EndpointStatus,
    Registration,
    entry_of,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts
from atlas_endpoints.reconcile.compare import Comparison, Treatment, cause_of, described
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.kind import (
    POLL,
    POLL_FIRST,
    POLL_LAST,
    SOON,
    Creates,
    Decision,
    Look,
    State,
    Write,
    WriteOutcome,
    pace,
)
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import FORCE
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import OBSERVE, RESET_AFTER, since_shown, unknown, waiting, words

ATTEMPTS = 3
"""Registrations of one endpoint in a row, if Atlas rejects it or it fails."""

AGAIN_FIRST, AGAIN_LAST = 60.0, 3600.0
"""Seconds between a registration and the next one; doubled each time."""

ON_ITS_WAY = frozenset[str](
    {
        EndpointState.PENDING_ACCEPTANCE,
        EndpointState.PENDING,
        EndpointState.INITIATING,
        EndpointState.VERIFIED,
        EndpointState.NONE,
    }
)

REFUSED = frozenset[str]({EndpointState.REJECTED, EndpointState.FAILED})

GOING = frozenset[str]({EndpointState.DELETING, EndpointState.DELETED})


def registrations_of(facts: Facts) -> tuple[Registration, ...]:
    """Return the registrations of the resource, with what is known of them since.

    A registration follows its endpoint to another resource that names it. One that Atlas has deleted as the operator requested,
    and shows again, is somebody else's.
    """
    done, deleted = facts.done, None
    if (
        done is not None
        and done.outcome is WriteOutcome.CONFIRMED
        and done.write.request.operation == atlas.DELETE_ENDPOINT
    ):
        deleted = done.write.touches[0]
    found = []
    for each in facts.resource.status.registrations:
        endpoint = facts.view.value(each.entry)
        status = endpoint.status if isinstance(endpoint, Endpoint) else None
        if each.is_of(deleted):
            found.append(each.model_copy(update={"deletion_requested_at": facts.now, "deleting": None}))
        elif each.is_being_deleted and status in GOING:
            found.append(each.model_copy(update={"deleting": True}))
        elif not (each.deleting and status is not None) and not _is_passed_on(facts, each):
            found.append(each)
    if len(found) < REGISTRATIONS and (passed := _passed_by_others(facts, found)) is not None:
        found.insert(0, passed)
    return tuple(found)


def _is_passed_on(facts: Facts, mine: Registration) -> bool:
    """Return whether another resource names an endpoint that this one no longer names, and has taken the registration over."""
    if mine.is_of(facts.resource.entry) or not facts.is_claimed_by_other(mine.entry):
        return False
    beside = [body for body in _beside(facts, mine.service_id) if mine.is_of(entry_of(body))]
    return all(_registration_in(body, mine.entry) is not None for body in beside)


def _passed_by_others(facts: Facts, known: Sequence[Registration]) -> Registration | None:
    """Return the registration of the endpoint that the spec names, if another resource of the namespace has it."""
    entry, service = facts.resource.entry, facts.resource.status.service
    if entry is None or service is None or any(each.is_of(entry) for each in known):
        return None
    found = (_registration_in(body, entry) for body in _beside(facts, service.id))
    return next((each for each in found if each is not None and each.confirmed and not each.is_being_deleted), None)


def _beside(facts: Facts, service_id: str) -> Sequence[Body]:
    """Return the other resources of the namespace that share a service."""
    namespace = facts.resource.metadata.namespace
    return [body for body in facts.sharers(service_id) if body["metadata"]["namespace"] == namespace]


def _registration_in(body: Body, entry: str) -> Registration | None:
    # Plain JSON first: a service may have many resources, and few of them a registration of this endpoint.
    named = (entry_name(each["serviceId"], each["endpointId"]) for each in status_of(body).get("registrations") or ())
    if entry.casefold() not in {each.casefold() for each in named}:
        return None
    status = DedicatedPrivateEndpoint.status_in(body)
    known = status.registrations if isinstance(status, DedicatedStatus) else ()
    return next((each for each in known if each.is_of(entry)), None)


def waiting_for_cloud(facts: Facts, service: Service) -> State:
    """Return what to create in the cloud."""
    problem = facts.problem
    message = f"The endpoint service is ready. {_to_connect(facts, service)}"
    known = (
        each.endpoint_id
        for each in registrations_of(facts)
        if each.service_id == service.id and service.shows(each.endpoint_id) and not each.is_being_deleted
    )
    if facts.resource.endpoint_id is None and (kept := ", ".join(known)):
        message = f"{message} Until another endpoint replaces it, or this resource is deleted, {kept} stays registered."
    if problem is not None and problem.reason in TEMPORARY:
        return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, f"{message} {problem.message}", differences=())
    if problem is not None:
        return State(Reason.REFERENCE_NOT_READY, problem.message)
    return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, differences=())


def _to_connect(facts: Facts, service: Service) -> str:
    spec = facts.resource.spec
    match spec.provider_name:
        case "AWS":
            target = service.endpoint_service_name or "that Atlas has not named yet"
            create = f"In AWS, create an interface VPC endpoint to the service {target}"
        case "AZURE":
            target = service.private_link_service_resource_id or "the private link service that Atlas has not named yet"
            create = f"In Azure, create a private endpoint with a manual connection to {target}"
        case _:
            create = "In Google Cloud, create a forwarding rule to each service attachment in status.service.serviceAttachmentNames"
    missing = [] if spec.has_cloud_id else ["spec.cloudProviderEndpointId"]
    if spec.is_legacy:
        missing = ["spec.gcp.endpointGroupName", "spec.gcp.endpoints"]
    elif spec.provider_name != "AWS" and not spec.has_address:
        missing.append("spec.privateEndpointIpAddress")
    return f"{create}; then set {' and '.join(missing)}." if missing else f"{create}."


def decide_endpoint(facts: Facts, service: Service, endpoint_id: str) -> Decision:
    """Decide about the endpoint that the spec names."""
    entry, known = entry_name(service.id, endpoint_id), registrations_of(facts)
    mine = next((each for each in known if each.is_of(entry)), None)
    seen = facts.view.entries.get(entry)
    # The answer to a registration is newer than the LIST, and a LIST may lag.
    is_new = seen is not None and seen.value is not None and seen.at >= facts.view.began
    is_recent = mine is not None and mine.confirmed is True and may_arrive_for(mine, facts.now) > 0
    is_there = service.shows(endpoint_id) or is_new or (is_recent and not _was_leaving(facts, mine))
    was_there = (mine is not None and mine.confirmed is True) or _is_shown(facts, endpoint_id)
    is_absent = seen is not None and seen.value is None
    # A LIST alone proves no absence of what Atlas has shown before.
    if not is_there and (is_absent or not was_there):
        decision = _unregistered(facts, service, endpoint_id, _Known(mine, known))
        looks = (*decision.looks, Look(entry)) if was_there else decision.looks
        return replace(decision, looks=looks)
    endpoint = None if seen is None or not (is_there or is_recent) else seen.value
    if not isinstance(endpoint, Endpoint):
        requeue = POLL if not is_absent or is_recent else RequeueAfter(until_next_look(facts))
        state = State(Reason.PENDING, f"Atlas lists endpoint {endpoint_id} and does not show it yet.", requeue)
        if mine is not None and mine.is_being_deleted:
            state = State(Reason.DELETING, _again(endpoint_id), SOON if facts.done is not None else POLL)
        return Decision(state, looks=(Look(entry),))
    if mine is not None and not mine.confirmed and facts.unsent:
        # Somebody else has registered it since the operator recorded that it would.
        known, mine = tuple(each for each in known if each is not mine), None
    decision = _present(facts, _Found(service, endpoint_id, endpoint, mine, known))
    confirmed = tuple(each.model_copy(update={"confirmed": True}) if each is mine else each for each in known)
    stays = all(each is mine and not each.is_being_deleted for each in known)
    is_settled = endpoint.status == EndpointState.AVAILABLE and decision.write is None and stays
    own = {"registrations": confirmed, **decision.own}
    if isinstance(decision.state.requeue, NoRequeue):  # a LIST does not show the status of an endpoint
        state = replace(decision.state, requeue=RequeueAfter(until_next_look(facts)))
        decision = replace(decision, state=state)
    return replace(decision, seen=endpoint, own=own, looks=(Look(entry, is_settled), *decision.looks))


def _is_shown(facts: Facts, endpoint_id: str) -> bool:
    """Return whether the status shows an endpoint."""
    shown = facts.resource.status.endpoint
    return shown is not None and shown.id.casefold() == endpoint_id.casefold()


@dataclass(frozen=True, slots=True)
class _Known:
    """The registration of the endpoint that the spec names, or None, and all of them."""

    mine: Registration | None
    all: Sequence[Registration]

    @property
    def others(self) -> Sequence[Registration]:
        return [each for each in self.all if each is not self.mine]


@dataclass(frozen=True, slots=True)
class _Found:
    """The endpoint that the spec names, as Atlas shows it; ``mine`` is None if the operator did not register it."""

    service: Service
    id: str
    endpoint: Endpoint
    mine: Registration | None
    registrations: Sequence[Registration]


def _unregistered(facts: Facts, service: Service, endpoint_id: str, known: _Known) -> Decision:
    """Decide about an endpoint that the service does not have."""
    mine, others, own = known.mine, known.others, {"endpoint": None}
    if facts.policy == "Observe":
        message = f"The endpoint service has no endpoint {endpoint_id}; {OBSERVE}."
        return Decision(State(Reason.ENDPOINT_NOT_FOUND, message), own=own)
    if facts.problem is not None:
        return Decision(waiting_for_cloud(facts, service), own=own)
    if _was_with_another(facts, service, endpoint_id) and not facts.forced:
        message = (
            f"The endpoint service was replaced, and endpoint {endpoint_id} belongs to the former one. {_to_connect(facts, service)}"
            f" Then name the new endpoint in the spec. If {endpoint_id} is connected to the new service, {FORCE}."
        )
        return Decision(State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message), own=own)
    searched = (
        f"Endpoint {endpoint_id} may already be registered. The operator looks for it before it registers it again."
    )
    if facts.uncertain:
        return Decision(State(Reason.INITIATING, searched, POLL), own=own)
    was_leaving, is_edited = _was_leaving(facts, mine), _is_edited(facts) or facts.forced
    is_lost = (mine is None or mine.confirmed is True) and not is_edited and not was_leaving
    if is_lost and facts.resource.spec.drift_policy != "Correct":
        message = (
            f"Endpoint {endpoint_id} is no longer registered in Atlas, and spec.driftPolicy is Report. To register it again,"
            f" set spec.driftPolicy to Correct, or {FORCE}."
        )
        return Decision(State(Reason.DRIFTED, message), own={**own, "registrations": tuple(others)})
    if len(others) >= REGISTRATIONS:
        return _too_many(facts, others)
    attempt = 1 if mine is None or is_edited else mine.attempt
    if mine is not None and mine.confirmed and not is_edited:
        lasted = facts.now - mine.requested_at
        attempt = 1 if lasted >= RESET_AFTER and not was_leaving else mine.attempt + 1
        wait = _wait(mine, facts.now)
        if attempt > 1 and wait > 0:
            message = f"Endpoint {endpoint_id} is no longer registered. The operator registers it again, after a wait that doubles each time."
            return Decision(State(Reason.PENDING, message, RequeueAfter(wait)), own=own)
    replaced = [
        each.endpoint_id for each in others if each.service_id == service.id and service.shows(each.endpoint_id)
    ]
    follows = f", and deletes {', '.join(replaced)} when {endpoint_id} is available" if replaced else ""
    creates = Creates(
        entry_name(service.id, endpoint_id),
        attempt,
        Reason.INITIATING,
        intended=f"The operator is about to register endpoint {endpoint_id}.",
        searched=searched,
        planned=f"registers endpoint {endpoint_id}{follows}",
    )
    write = Write(
        _registration(facts, service, endpoint_id),
        _registration_cause(facts, is_lost=is_lost),
        facts.desired,
        touches=(creates.name, facts.resource.written_as),
        creates=creates,
    )
    return Decision(State(creates.reason, creates.intended, SOON), write, own=own, none_created=True)


def _too_many(facts: Facts, others: Sequence[Registration]) -> Decision:
    """Decide about a resource that has no room for another registration: forget those that are gone."""
    left = tuple(each for each in others if not _is_gone(facts, each))
    ids = ", ".join(each.endpoint_id for each in left)
    message = (
        f"This resource has registered {REGISTRATIONS} other endpoints, and none was available to replace them: {ids}. Set"
        " spec.cloudProviderEndpointId to one of them, or delete those in Atlas that nothing uses."
    )
    state = State(Reason.ENDPOINT_FAILED, message, RequeueAfter(until_next_look(facts)))
    if len(left) < REGISTRATIONS:
        state = State(Reason.PENDING, "The operator forgets the endpoints that Atlas no longer has.", SOON)
    return Decision(
        state, own={"endpoint": None, "registrations": left}, looks=tuple(Look(each.entry) for each in others)
    )


def _is_gone(facts: Facts, mine: Registration) -> bool:
    """Return whether Atlas has answered that an endpoint is absent, and no POST may still register it."""
    seen = facts.view.entries.get(mine.entry)
    is_absent = seen is not None and seen.value is None
    return is_absent and (bool(mine.confirmed) or may_arrive_for(mine, facts.now) <= 0)


def _registration(facts: Facts, service: Service, endpoint_id: str) -> Request:
    """Return the POST that registers the endpoint of the spec."""
    spec = facts.resource.spec
    body = atlas.aws_endpoint(endpoint_id)
    if spec.provider_name == "AZURE":
        body = atlas.azure_endpoint(endpoint_id, spec.private_endpoint_ip_address or "")
    elif spec.gcp is not None:
        body = atlas.gcp_endpoint(spec.gcp.project_id, endpoint_id, spec.rules)
    return atlas.registration_of(facts.scope.project_id, spec.provider_name, service.id, body)


def _present(facts: Facts, found: _Found) -> Decision:
    """Decide about a registered endpoint."""
    mine, is_going = found.mine, found.endpoint.status in GOING
    is_deleted = mine is not None and mine.is_being_deleted
    if is_going or (is_deleted and not facts.forced):
        return _leaving(facts, found)
    decision = _by_status(facts, found)
    # A forced sync repeats the deletion of what still has to go.
    return decision if decision.write is not None or not is_deleted else _leaving(facts, found)


def _leaving(facts: Facts, found: _Found) -> Decision:
    message = f"Atlas is deleting endpoint {found.id}; {OBSERVE}." if facts.policy == "Observe" else _again(found.id)
    since = endpoint_since(facts, found.id, found.endpoint.status)
    if found.mine is not None and found.mine.deletion_requested_at is not None:
        since = found.mine.deletion_requested_at
    return Decision(waiting(facts, Reason.DELETING, message, since))


def _by_status(facts: Facts, found: _Found) -> Decision:
    since = endpoint_since(facts, found.id, found.endpoint.status)
    match found.endpoint.status:
        case EndpointState.AVAILABLE:
            return _available(facts, found)
        case status if status in ON_ITS_WAY:
            return Decision(waiting(facts, Reason.INITIATING, f"Atlas is connecting endpoint {found.id}.", since))
        case status if status in REFUSED:
            return _refused(facts, found)
        case other:
            message = f"Atlas reports {unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
            return Decision(waiting(facts, Reason.PENDING, message, since))


def _again(endpoint_id: str) -> str:
    return f"Atlas is deleting endpoint {endpoint_id}. The operator registers it again afterwards."


def _available(facts: Facts, found: _Found) -> Decision:
    comparison = Comparison.of(facts, found.endpoint, lambda _: True)
    differences = comparison.differences
    next_look = RequeueAfter(until_next_look(facts))
    if differences and found.mine is None:
        message = (
            f"The endpoint differs from the spec, and the operator did not register it: {described(differences)}. Correct the"
            " spec. Or delete the endpoint in Atlas; then the operator registers it."
        )
        return Decision(State(Reason.DRIFTED, message, next_look, differences))
    if comparison.chosen and facts.policy != "Observe":
        message = f"Atlas cannot change an endpoint, so the operator deletes and registers {found.id} again: {described(differences)}.{_of_only_one(found)}"
        cause = cause_of(comparison.chosen, facts, found.endpoint, lambda _: True)
        write = deletion_of(facts, found.service.id, found.id, cause)
        return Decision(State(Reason.PENDING, message, POLL, differences), replace(write, announced=message))
    if differences:
        message = f"The endpoint differs from the spec, and {_why_unsent(facts, comparison)}: {described(differences)}."
        return Decision(State(Reason.DRIFTED, message, next_look, differences))
    state = State(Reason.AVAILABLE, "The endpoint is available and matches the spec.", next_look, ())
    if (problem := facts.problem) is not None:
        message = f"{problem.message} Until the reference is resolved, Atlas keeps endpoint {found.id}."
        return Decision(replace(state, reason=Reason.REFERENCE_NOT_READY, message=message))
    return _without_replaced(facts, found, state)


def _of_only_one(found: _Found) -> str:
    if len(found.service.endpoint_ids) > 1:
        return ""
    return " It is the only one of its endpoint service, so Atlas may delete the service with it; then the cloud needs a new endpoint."


def _why_unsent(facts: Facts, comparison: Comparison) -> str:
    if facts.policy == "Observe":
        return OBSERVE
    if comparison.by_treatment[Treatment.REPORT]:
        return "spec.driftPolicy is Report"
    return f"Atlas stored another value than the operator sent (change the spec, or {FORCE} to register it again)"


def until_next_look(facts: Facts) -> float:
    """Return the seconds until the endpoint is read again: each resource has its own moment of the interval."""
    interval = facts.interval.total_seconds()
    phase = zlib.crc32(facts.resource.metadata.uid.encode()) / 2**32
    return interval - (facts.now.timestamp() - phase * interval) % interval


def _without_replaced(facts: Facts, found: _Found, state: State) -> Decision:
    """Delete the endpoints that the operator registered and the spec no longer names; forget those that are gone."""
    kept: list[Registration] = []
    write, looks, waits, late = None, [], [], []
    for each in found.registrations:
        if each is found.mine:
            kept.append(each.model_copy(update={"confirmed": True}))
            continue
        if each.service_id != found.service.id or _is_gone(facts, each):
            continue
        kept.append(each)
        if facts.policy != "Manage" or facts.is_claimed_by_other(each.entry):
            continue
        looks.append(Look(each.entry))
        seen = facts.view.value(each.entry)
        since = None if facts.forced else each.deletion_requested_at
        if since is not None and facts.now - since >= facts.provisioning_timeout:
            late.append(each.endpoint_id)
        elif since is not None:
            waits.append(0.0 if facts.done is not None else pace(facts.now - since))
        elif not isinstance(seen, Endpoint) or seen.status in GOING:
            waits.append(POLL_LAST)
        elif write is None:
            write = replace(
                deletion_of(facts, each.service_id, each.endpoint_id, None),
                surplus=each.endpoint_id,
                because=f"{found.id} has replaced it",
            )
    if late:
        message = (
            f"{state.message} Atlas has not deleted the replaced endpoint {', '.join(late)} within spec.provisioningTimeout."
            f" To delete it once more, {FORCE}."
        )
        state = replace(state, message=message)
    if waits or write is not None:
        state = replace(state, requeue=RequeueAfter(min([*waits, POLL_LAST])))
    return Decision(state, write, own={"registrations": tuple(kept)}, looks=tuple(looks))


def _refused(facts: Facts, found: _Found) -> Decision:
    """Decide about an endpoint that Atlas rejected, or that failed."""
    mine, said = found.mine, f"Atlas reports {found.endpoint.status} for endpoint {found.id}"
    atlas_says = f"Message from Atlas: {words(found.endpoint.error_message)}"
    next_look = RequeueAfter(until_next_look(facts))
    if facts.policy == "Observe" or mine is None:
        why = OBSERVE if facts.policy == "Observe" else "the operator did not register it, and does not delete it"
        return Decision(State(Reason.ENDPOINT_FAILED, f"{said}; {why}. {atlas_says}", next_look))
    if mine.attempt >= ATTEMPTS and not facts.forced:
        message = (
            f"{said}, also after {ATTEMPTS} registrations. Check in the cloud that it exists, connects to the service in"
            f" status.service, and is in its region or one in supportedRemoteRegions. Then change the spec, or {FORCE}. {atlas_says}"
        )
        return Decision(State(Reason.ENDPOINT_FAILED, message, next_look))
    # What was registered long ago has failed since: that is drift.
    is_drift = facts.now - mine.requested_at >= RESET_AFTER and not _is_edited(facts)
    if is_drift and facts.resource.spec.drift_policy != "Correct" and not facts.forced:
        message = f"{said}, and spec.driftPolicy is Report. To delete and register it again, {FORCE}. {atlas_says}"
        return Decision(State(Reason.ENDPOINT_FAILED, message, next_look))
    wait = 0.0 if facts.forced else _wait(mine, facts.now)
    message = f"{said}. The operator deletes and registers it again, {ATTEMPTS} times at most. {atlas_says}"
    state = State(Reason.INITIATING, message, RequeueAfter(max(wait, POLL_FIRST)))
    if wait > 0:
        return Decision(state)
    cause = Cause.FORCED if facts.forced else Cause.DRIFT if is_drift else Cause.EDIT
    write = deletion_of(facts, mine.service_id, found.id, cause)
    return Decision(state, replace(write, announced=f"{message}{_of_only_one(found)}" if is_drift else None))


def _was_with_another(facts: Facts, service: Service, endpoint_id: str) -> bool:
    """Return whether an endpoint was registered with a service that is gone: the cloud connects it to that one for ever."""
    known = facts.resource.status.registrations
    found = [each for each in known if each.endpoint_id.casefold() == endpoint_id.casefold()]
    return bool(found) and all(each.service_id != service.id for each in found)


def _registration_cause(facts: Facts, *, is_lost: bool) -> Cause:
    if facts.forced:
        return Cause.FORCED
    if not facts.baseline.contacted:
        return Cause.FIRST_CONTACT
    return Cause.DRIFT if is_lost else Cause.EDIT


def _is_edited(facts: Facts) -> bool:
    """Return whether the spec wants something that Atlas has not confirmed."""
    confirmed = facts.baseline.confirmed
    return confirmed is None or any(
        not facts.resource.same(name, confirmed.get(name), value) for name, value in facts.desired.items()
    )


def _was_leaving(facts: Facts, mine: Registration | None) -> bool:
    """Return whether the absence of an endpoint is no drift: the operator has deleted it, or Atlas had refused it."""
    endpoint = facts.resource.status.endpoint
    return (mine is not None and mine.is_being_deleted) or (endpoint is not None and endpoint.status in REFUSED)


def _wait(mine: Registration, now: datetime) -> float:
    """Return the seconds until an endpoint may be registered again."""
    return doubled(AGAIN_FIRST, mine.attempt - 1, AGAIN_LAST) - (now - mine.requested_at).total_seconds()


def deletion_of(facts: Facts, service_id: str, endpoint_id: str, cause: Cause | None) -> Write:
    """Return the write that deletes an endpoint."""
    provider = facts.resource.spec.provider_name
    request = atlas.deregistration_of(facts.scope.project_id, provider, service_id, endpoint_id)
    return Write(request, cause, touches=(entry_name(service_id, endpoint_id), facts.resource.written_as))


def endpoint_since(facts: Facts, endpoint_id: str, status: str | None) -> datetime:
    """Return since when the endpoint has been observed in its status."""
    return since_shown(facts.resource.status.endpoint, endpoint_id, status, facts.now)


def endpoint_status(facts: Facts, endpoint: Endpoint) -> EndpointStatus:
    """Return what the status shows of the endpoint that the spec names."""
    endpoint_id = facts.resource.endpoint_id or next(iter(endpoint.ids), "")
    return EndpointStatus.of(endpoint_id, endpoint, endpoint_since(facts, endpoint_id, endpoint.status))
