"""Decide about a private endpoint of dedicated clusters: from the facts to its state and at most one write. Pure.

Atlas has one endpoint service for each region of a project (on GCP one for each way of mapping ports), which all
resources of the region share. An endpoint is registered with it: by a POST with the cloud's ID, which a second POST
cannot repeat. Atlas has no update of an endpoint, so a change is a DELETE and a POST.

Only endpoints in ``status.registrations`` are ever deleted: the status contains the intention before the POST. The service is
deleted with the last resource that shares it, if a resource's own POST created it and Atlas shows no endpoint in it.

Sources: the Atlas Admin API, "Private Endpoint Services"; recorded answers. A service is INITIATING, then AVAILABLE
(earlier: WAITING_FOR_USER), also without endpoints; FAILED and DELETING at any time.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.cache import Body, spec_of, status_of
from atlas_endpoints.controller.requeue import RequeueAfter, doubled
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Endpoint, Service, ServiceState, entry_name
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import State as EndpointState
from atlas_endpoints.kinds.dedicated_private_endpoint.regions import atlas_name, same_region
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    DedicatedPrivateEndpoint,
    EndpointStatus,
    Origin,
    Registration,
    ServiceStatus,
)
from atlas_endpoints.reconcile.compare import Comparison, cause_of, described
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.deletion import REMEDY_WHILE_DELETING
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.kind import POLL_FIRST, Creates, Decision, Look, State, Write, WriteOutcome, pace
from atlas_endpoints.reconcile.reasons import DeprecatedReason, Reason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Finding, as_shown

Facts: TypeAlias = AnyFacts[DedicatedPrivateEndpoint]

ATTEMPTS = 3
"""Registrations of one endpoint in a row, if Atlas rejects it or it fails."""

AGAIN_FIRST, AGAIN_LAST = 60.0, 3600.0
"""Seconds between a registration and the next one; doubled each time."""

RESET_AFTER = timedelta(hours=1)
"""An endpoint that was registered for so long is registered again at once, and the attempts begin again at 1."""

REGISTERED_AGAIN = timedelta(seconds=60)
"""An endpoint that Atlas still shows as present so long after it accepted the DELETE was registered again by others."""

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

LEGACY = (
    "Atlas has announced that endpoints without port mapping stop working on 2027-04-30. Create a resource with"
    " gcp.portMappingEnabled true in the same region, move the applications to it, and delete this one."
)

OBSERVE = "spec.managementPolicy is Observe, so the operator sends nothing"


class ServiceReason(StrEnum):
    """Reasons of ``ServiceReady``."""

    READY = "Ready"
    NOT_READY = "NotReady"
    NOT_FOUND = "NotFound"


def decide(facts: Facts) -> Decision:
    """Return the decision about a resource that is not being deleted."""
    service, known = service_of(facts), facts.resource.status.service
    decision = _without_service(facts) if service is None else _with_service(facts, service)
    if service is None and known is not None and facts.policy != "Observe":
        decision = replace(decision, absent=known.id)  # a LIST may lag
    state = replace(decision.state, conditions=_conditions(facts, service))
    # An endpoint that is gone is registered again with the values that were confirmed.
    return replace(decision, state=state, keeps_confirmed=True)


def _conditions(facts: Facts, service: Service | None) -> Mapping[str, Finding]:
    if service is None:
        ready = Finding("False", ServiceReason.NOT_FOUND, "Atlas has no endpoint service for this region.")
    elif service.status in READY:
        ready = Finding("True", ServiceReason.READY, "The endpoint service takes endpoints.")
    else:
        message = f"Atlas reports {_unknown(service.status)} for the endpoint service."
        ready = Finding("False", ServiceReason.NOT_READY, message)
    if not facts.resource.spec.is_legacy:
        return {"ServiceReady": ready}
    return {"ServiceReady": ready, "Deprecated": Finding("True", DeprecatedReason.DEPRECATED, LEGACY)}


def _with_service(facts: Facts, service: Service) -> Decision:
    own: dict[str, Any] = {"service": _service_status(facts, service)}
    known = facts.resource.status.service
    if facts.resource.entry is None:
        own["endpoint"] = None
    if service.status not in READY:
        is_replaced = service.status == ServiceState.FAILED and facts.forced and _may_delete(facts, service)
        write = _service_deletion(facts, service, Cause.FORCED) if is_replaced and facts.policy != "Observe" else None
        return Decision(_service_state(facts, service), write, own=own)
    if (update := _regions(facts, service)) is not None:
        return Decision(*update, own=own)
    if facts.resource.endpoint_id is None:
        return Decision(_waiting_for_cloud(facts, service), own=own)
    if known is None or known.id != as_shown(service.id):
        # The resource stands for its endpoint once its status names the service: another resource may own it.
        state = State(Reason.PENDING, "The endpoint service is ready. The operator registers the endpoint next.", _SOON)
        return Decision(state, own=own)
    return _with_own(_endpoint(facts, service, facts.resource.endpoint_id), own)


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
        if isinstance(seen.value, Service)
        and same_region(spec.provider_name, seen.value.region_name, spec.region)
        and (spec.provider_name != "GCP" or bool(seen.value.port_mapping_enabled) is not spec.is_legacy)
    ]
    lasting = (each for each in found if each.status != ServiceState.DELETING)
    return next(lasting, None) or next(iter(found), None)


def _without_service(facts: Facts) -> Decision:
    """Decide about a region without an endpoint service."""
    spec, known = facts.resource.spec, facts.resource.status.service
    region = f"{spec.provider_name} region {spec.region}"
    own = {"service": None, "endpoint": None}
    if facts.policy == "Observe":
        message = f"Atlas has no endpoint service for {region}; {OBSERVE}."
        return Decision(State(Reason.ENDPOINT_NOT_FOUND, message), own=own, none_created=True)
    if facts.uncertain:
        message = f"Atlas may be creating the endpoint service of {region}. The operator looks for it."
        return Decision(State(Reason.SERVICE_INITIATING, message, _POLL), own=own)
    is_lost = known is not None and facts.resource.status.applied is not None
    if is_lost and spec.drift_policy != "Correct" and not facts.forced:
        message = (
            f"The endpoint service of {region} no longer exists in Atlas, and spec.driftPolicy is Report. To create it"
            f" again, set spec.driftPolicy to Correct, or {FORCE}. Its coordinates will be other ones."
        )
        return Decision(State(Reason.DRIFTED, message), none_created=True)
    endpoint_id = facts.resource.endpoint_id
    follows = "" if endpoint_id is None else f", and then registers endpoint {endpoint_id}"
    message = f"The operator creates the endpoint service of {region}{follows}."
    write = Write(
        atlas.creation_of(
            facts.scope.project_id,
            spec.provider_name,
            spec.region,
            port_mapping=None if spec.provider_name != "GCP" else not spec.is_legacy,
        ),
        Cause.DRIFT if is_lost else Cause.FIRST_CONTACT,
        touches=(facts.resource.written_as,),
    )
    return Decision(State(Reason.SERVICE_INITIATING, message, _POLL), write, own=own, none_created=True)


def _service_state(facts: Facts, service: Service) -> State:
    """Return the state of a resource whose service takes no endpoints (yet)."""
    since = _service_since(facts, service)
    match service.status:
        case ServiceState.INITIATING:
            message = "Atlas is creating the endpoint service. This takes a few minutes."
            return _timed(facts, Reason.SERVICE_INITIATING, message, since)
        case ServiceState.DELETING:
            message = "Atlas is deleting the endpoint service. The operator creates another one afterwards."
            return _timed(facts, Reason.SERVICE_INITIATING, message, since)
        case ServiceState.FAILED:
            remedy = (
                f"To delete it and create another one, {FORCE}."
                if _may_delete(facts, service)
                else "Delete it in Atlas when nothing uses it; then the operator creates another one."
            )
            message = f"The endpoint service failed. {remedy} Message from Atlas: {_words(service.error_message)}"
            return State(Reason.SERVICE_FAILED, message)
        case other:
            message = (
                f"Atlas reports {_unknown(other)} for the endpoint service. The operator waits for another status."
            )
            return _timed(facts, Reason.SERVICE_INITIATING, message, since)


def _waiting_for_cloud(facts: Facts, service: Service) -> State:
    """Return what to create in the cloud."""
    problem = facts.problem
    message = f"The endpoint service is ready. {_to_connect(facts, service)}"
    if problem is not None and problem.reason in TEMPORARY:
        return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, f"{message} {problem.message}", differences=())
    if problem is not None:
        return State(Reason.REFERENCE_NOT_READY, problem.message)
    return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, differences=())


def _to_connect(facts: Facts, service: Service) -> str:
    spec = facts.resource.spec
    names = "spec.cloudProviderEndpointId and spec.privateEndpointIpAddress"
    match spec.provider_name:
        case "AWS":
            target = service.endpoint_service_name or "that Atlas has not named yet"
            return f"In AWS, create an interface VPC endpoint to the service {target}; then set spec.cloudProviderEndpointId."
        case "AZURE":
            target = service.private_link_service_resource_id or "the private link service that Atlas has not named yet"
            return f"In Azure, create a private endpoint with a manual connection to {target}; then set {names}."
        case _:
            if spec.is_legacy:
                names = "spec.gcp.endpointGroupName and spec.gcp.endpoints"
            return (
                "In Google Cloud, create a forwarding rule to each service attachment in"
                f" status.service.serviceAttachmentNames; then set {names}."
            )


def _endpoint(facts: Facts, service: Service, endpoint_id: str) -> Decision:
    """Decide about the endpoint that the spec names."""
    entry, mine = entry_name(service.id, endpoint_id), facts.resource.status.registration(service.id, endpoint_id)
    seen = facts.view.entries.get(entry)
    # The answer to a registration is newer than the LIST, and a LIST may lag.
    is_new = seen is not None and seen.value is not None and seen.at >= facts.view.began
    is_recent = mine is not None and mine.confirmed and may_arrive_for(mine, facts.now) > 0
    if not (service.shows(endpoint_id) or is_new or (is_recent and not _is_going(facts))):
        if mine is None or not mine.confirmed:
            return _unregistered(facts, service, endpoint_id, mine)
        if seen is not None and seen.value is None:
            return replace(_unregistered(facts, service, endpoint_id, mine), looks=(Look(entry),))
        # A LIST alone proves no absence of what Atlas has shown before.
    endpoint = None if seen is None or not (service.shows(endpoint_id) or is_new or is_recent) else seen.value
    if not isinstance(endpoint, Endpoint):
        message = f"Atlas lists endpoint {endpoint_id} and does not show it yet."
        return Decision(State(Reason.PENDING, message, _POLL), looks=(Look(entry),))
    known = facts.resource.status.registrations
    if mine is not None and not mine.confirmed and facts.unsent:
        # Somebody else has registered it since the operator recorded that it would.
        known, mine = tuple(each for each in known if each is not mine), None
    decision = _present(facts, _Found(service, endpoint_id, endpoint, mine, known))
    confirmed = tuple(each.model_copy(update={"confirmed": True}) if each is mine else each for each in known)
    is_alone = all(each is mine for each in known)
    is_settled = endpoint.status == EndpointState.AVAILABLE and decision.write is None and is_alone
    own = {"registrations": confirmed, **decision.own}
    return replace(decision, seen=endpoint, own=own, looks=(Look(entry, is_settled), *decision.looks))


@dataclass(frozen=True, slots=True)
class _Found:
    """The endpoint that the spec names, as Atlas shows it; ``mine`` is None if the operator did not register it."""

    service: Service
    id: str
    endpoint: Endpoint
    mine: Registration | None
    registrations: Sequence[Registration]


def _unregistered(facts: Facts, service: Service, endpoint_id: str, mine: Registration | None) -> Decision:
    """Decide about an endpoint that the service does not have."""
    own: dict[str, Any] = {"endpoint": None}
    if facts.policy == "Observe":
        message = f"The endpoint service has no endpoint {endpoint_id}; {OBSERVE}."
        return Decision(State(Reason.ENDPOINT_NOT_FOUND, message), own=own)
    if facts.problem is not None:
        return Decision(_waiting_for_cloud(facts, service), own=own)
    if _was_with_another(facts, service, endpoint_id) and not facts.forced:
        message = (
            f"The endpoint service was replaced, and endpoint {endpoint_id} belongs to the former one. {_to_connect(facts, service)}"
            f" If {endpoint_id} is connected to the new service, {FORCE}."
        )
        return Decision(State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message), own=own)
    searched = (
        f"Endpoint {endpoint_id} may already be registered. The operator looks for it before it registers it again."
    )
    if facts.uncertain:
        return Decision(State(Reason.INITIATING, searched, _POLL), own=own)
    is_edited = _is_edited(facts) or facts.forced
    is_lost = (mine is None or mine.confirmed is True) and not is_edited and not _is_going(facts)
    if is_lost and facts.resource.spec.drift_policy != "Correct":
        message = (
            f"Endpoint {endpoint_id} is no longer registered in Atlas, and spec.driftPolicy is Report. To register it again,"
            f" set spec.driftPolicy to Correct, or {FORCE}."
        )
        return Decision(State(Reason.DRIFTED, message))
    attempt = 1 if mine is None or is_edited else mine.attempt
    if mine is not None and mine.confirmed and not is_edited:
        lasted = facts.now - mine.requested_at
        attempt = 1 if lasted >= RESET_AFTER and not _is_going(facts) else mine.attempt + 1
        wait = _wait(mine, facts.now)
        if attempt > 1 and wait > 0:
            message = f"Endpoint {endpoint_id} is no longer registered. The operator registers it again, after a wait that doubles each time."
            return Decision(State(Reason.PENDING, message, RequeueAfter(wait)))
    others = (each for each in facts.resource.status.registrations if each is not mine)
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
    return Decision(State(creates.reason, creates.intended, _SOON), write, own=own, none_created=True)


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
    since = _endpoint_since(facts, found.id, found.endpoint.status)
    match found.endpoint.status:
        case EndpointState.AVAILABLE:
            return _available(facts, found)
        case status if status in ON_ITS_WAY:
            return Decision(_timed(facts, Reason.INITIATING, f"Atlas is connecting endpoint {found.id}.", since))
        case status if status in REFUSED:
            return _refused(facts, found)
        case status if status in GOING:
            message = f"Atlas is deleting endpoint {found.id}. The operator registers it again afterwards."
            return Decision(_timed(facts, Reason.DELETING, message, since))
        case other:
            message = f"Atlas reports {_unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
            return Decision(_timed(facts, Reason.PENDING, message, since))


def _available(facts: Facts, found: _Found) -> Decision:
    comparison = Comparison.of(facts, found.endpoint, lambda _: True)
    differences = comparison.differences
    if differences and found.mine is None:
        message = (
            f"The endpoint differs from the spec, and the operator did not register it: {described(differences)}. Correct the"
            " spec. Or delete the endpoint in Atlas; then the operator registers it."
        )
        return Decision(State(Reason.DRIFTED, message, RequeueAfter(_until_next_look(facts)), differences))
    if comparison.chosen and facts.policy != "Observe":
        message = f"Atlas cannot change an endpoint, so the operator deletes and registers {found.id} again: {described(differences)}."
        cause = cause_of(comparison.chosen, facts, found.endpoint, lambda _: True)
        state = State(Reason.PENDING, message, _POLL, differences)
        return Decision(state, replace(_deletion(facts, found.service.id, found.id, cause), announced=message))
    if differences:
        why = OBSERVE if facts.policy == "Observe" else "spec.driftPolicy is Report"
        message = f"The endpoint differs from the spec, and {why}: {described(differences)}."
        return Decision(State(Reason.DRIFTED, message, RequeueAfter(_until_next_look(facts)), differences))
    state = State(
        Reason.AVAILABLE, "The endpoint is available and matches the spec.", RequeueAfter(_until_next_look(facts)), ()
    )
    if (problem := facts.problem) is not None:
        message = f"{problem.message} Until the reference is resolved, Atlas keeps endpoint {found.id}."
        return Decision(replace(state, reason=Reason.REFERENCE_NOT_READY, message=message))
    return _without_replaced(facts, found, state)


def _until_next_look(facts: Facts) -> float:
    """Return the seconds until the endpoint is read again: each resource has its own moment of the interval."""
    interval = facts.interval.total_seconds()
    phase = zlib.crc32(facts.resource.metadata.uid.encode()) / 2**32
    return interval - (facts.now.timestamp() - phase * interval) % interval


def _without_replaced(facts: Facts, found: _Found, state: State) -> Decision:
    """Delete the endpoints that the operator registered and the spec no longer names; forget those that are gone."""
    kept: list[Registration] = []
    for each in found.registrations:
        if each is found.mine:
            kept.append(each.model_copy(update={"confirmed": True}))
            continue
        seen = facts.view.entries.get(each.entry)
        is_gone = each.service_id != found.service.id or not found.service.shows(each.endpoint_id)
        if is_gone or (seen is not None and seen.value is None):
            continue
        kept.append(each)
        if facts.policy != "Manage" or facts.is_claimed_by_other(each.entry):
            continue
        looks, waiting = (Look(each.entry),), replace(state, requeue=_POLL)
        if seen is None or (isinstance(seen.value, Endpoint) and seen.value.status in GOING):
            return Decision(waiting, looks=looks)
        write = _deletion(facts, each.service_id, each.endpoint_id, None)
        because = f"{found.id} has replaced it"
        return Decision(waiting, replace(write, surplus=each.endpoint_id, because=because), looks=looks)
    return Decision(state, own={"registrations": tuple(kept)})


def _refused(facts: Facts, found: _Found) -> Decision:
    """Decide about an endpoint that Atlas rejected, or that failed."""
    mine, said = found.mine, f"Atlas reports {found.endpoint.status} for endpoint {found.id}"
    words = f"Message from Atlas: {_words(found.endpoint.error_message)}"
    if facts.policy == "Observe" or mine is None:
        why = OBSERVE if facts.policy == "Observe" else "the operator did not register it, and does not delete it"
        return Decision(State(Reason.ENDPOINT_FAILED, f"{said}; {why}. {words}", RequeueAfter(_until_next_look(facts))))
    if mine.attempt >= ATTEMPTS and not facts.forced:
        message = (
            f"{said}, also after {ATTEMPTS} registrations. Check in the cloud that it exists and connects to the service in"
            f" status.service. Then change the spec, or {FORCE}. {words}"
        )
        return Decision(State(Reason.ENDPOINT_FAILED, message, RequeueAfter(_until_next_look(facts))))
    wait = 0.0 if facts.forced else _wait(mine, facts.now)
    message = f"{said}. The operator deletes and registers it again, {ATTEMPTS} times at most. {words}"
    state = State(Reason.INITIATING, message, RequeueAfter(max(wait, POLL_FIRST)))
    cause = Cause.FORCED if facts.forced else Cause.EDIT
    return Decision(state, None if wait > 0 else _deletion(facts, mine.service_id, found.id, cause))


def _regions(facts: Facts, service: Service) -> tuple[State, Write] | None:
    """Return the update of the regions from which others may connect, if it is needed."""
    named, before, shown = _named_regions(facts, service), _requested(facts, service), _shown_regions(service)
    # On a service that was adopted, what others have set stays.
    wanted = named if origin_of(facts, service) == "Created" else named | (shown - before)
    if wanted == shown or facts.policy == "Observe" or not (named or before):
        return None
    # An edit is about a region that was not named before, or is not named any more.
    is_drift = not (named ^ before) & (wanted ^ shown)
    if is_drift and facts.resource.spec.drift_policy != "Correct" and not facts.forced:
        return None
    message = (
        f"The operator updates supportedRemoteRegions of the endpoint service to {', '.join(sorted(wanted)) or 'none'}."
    )
    request = atlas.remote_regions_of(facts.scope.project_id, service.id, wanted)
    cause = Cause.DRIFT if is_drift else Cause.EDIT
    return State(Reason.PENDING, message, _POLL), Write(request, cause, touches=(service.id, facts.resource.written_as))


def _named_regions(facts: Facts, service: Service) -> set[str]:
    """Return the remote regions that the resources which share a service name.

    What other namespaces name counts once it is shown: they add it with their own credentials, since a resource there
    proves only that its credentials can read the service.
    """
    shown, named = _shown_regions(service), _named(facts.resource.spec.supported_remote_regions)
    for body in facts.sharers(service.id):
        is_beside = body["metadata"]["namespace"] == facts.resource.metadata.namespace
        named |= _regions_in(body) if is_beside else _regions_in(body) & shown
    return named


def _regions_in(body: Body) -> set[str]:
    spec = spec_of(body)
    manages = spec.get("managementPolicy", "Manage") == "Manage" and not spec.get("suspend")
    return _named(spec.get("supportedRemoteRegions") or ()) if manages else set()


def _named(regions: Iterable[str]) -> set[str]:
    return {atlas_name("AWS", each) for each in regions}


def _shown_regions(service: Service) -> set[str]:
    return _named(service.supported_remote_regions)


def _requested(facts: Facts, service: Service) -> set[str]:
    """Return the regions that resources have named and Atlas has shown."""
    before = facts.resource.status.service
    return set(before.requested_remote_regions) if before is not None and before.id == as_shown(service.id) else set()


def origin_of(facts: Facts, service: Service) -> Origin:
    """Return whether a resource created the service: this one or one that shares it; else it counts as adopted."""
    done, before = facts.done, facts.resource.status.service
    if done is not None and done.write.request.operation == atlas.CREATE and done.outcome is WriteOutcome.CONFIRMED:
        return "Created"
    if before is not None and before.id == as_shown(service.id) and before.origin == "Created":
        return "Created"
    others = (part(status_of(each), "service") for each in facts.sharers(service.id))
    return "Created" if any(each.get("origin") == "Created" for each in others) else "Adopted"


def decide_deletion(facts: Facts) -> Decision:
    """Return the decision about what the operator registered and created for a resource that is being deleted."""
    own = [each for each in facts.resource.status.registrations if not _is_handed_over(facts, each)]
    # If another resource needs the endpoint that the spec names, it is the end of the deletion.
    for each in sorted(own, key=lambda each: each.entry == facts.resource.entry):
        if (decision := _delete_endpoint(facts, each)) is not None:
            return decision
    if (left := may_arrive_for(facts.previous.creation, facts.now)) > 0:
        message = (
            "An endpoint may be registered for this resource. The operator looks for it before the resource is removed."
        )
        return Decision(State(Reason.DELETING, message, RequeueAfter(min(left, POLL_FIRST))))
    return replace(_delete_service(facts), looks=tuple(Look(each.entry) for each in own))


def _is_handed_over(facts: Facts, mine: Registration) -> bool:
    """Return whether an endpoint that the spec no longer names belongs to another resource."""
    return not mine.is_of(facts.resource.entry) and facts.is_claimed_by_other(mine.entry)


def _delete_endpoint(facts: Facts, mine: Registration) -> Decision | None:
    """Return the decision about an endpoint that was registered for the resource; None: it is gone, or another's."""
    looks, seen = (Look(mine.entry),), facts.view.entries.get(mine.entry)
    if seen is None:  # the LIST is no proof, it may lag
        message = f"The operator looks whether endpoint {mine.endpoint_id} is registered."
        return Decision(State(Reason.DELETING, message, _POLL), looks=looks)
    if not isinstance(seen.value, Endpoint):
        return None
    before = facts.resource.status.endpoint
    asked = seen.value.model_copy(update={"status": str(EndpointState.DELETING)})
    is_asked = before is not None and (before.id, before.status) == (as_shown(mine.endpoint_id), asked.status)
    is_asked = is_asked and not facts.forced
    since, is_going = _endpoint_since(facts, mine.endpoint_id, asked.status), _is_leaving(seen.value)
    if is_asked and not is_going and facts.now - since >= REGISTERED_AGAIN:
        return None
    own = {"endpoint": EndpointStatus.of(mine.endpoint_id, asked, since)}
    write = None if is_asked or is_going else _deletion(facts, mine.service_id, mine.endpoint_id, None)
    return Decision(_deleting(facts, f"endpoint {mine.endpoint_id}", since), write, own=own, looks=looks)


def _is_leaving(endpoint: Endpoint) -> bool:
    return endpoint.status in GOING or bool(endpoint.delete_requested)


def _deleting(facts: Facts, what: str, since: datetime) -> State:
    elapsed = facts.now - since
    if elapsed >= facts.provisioning_timeout:
        message = (
            f"Atlas has not deleted {what} within spec.provisioningTimeout. The operator continues to check. Ask MongoDB"
            f" support. {REMEDY_WHILE_DELETING}"
        )
        return State(Reason.DELETION_BLOCKED, message, RequeueAfter(pace(elapsed)))
    message = f"Atlas is deleting {what}. The resource is removed when it no longer exists."
    return State(Reason.DELETING, message, RequeueAfter(pace(elapsed)))


def _delete_service(facts: Facts) -> Decision:
    """Decide about the service, when nothing of the resource is registered with it."""
    known = facts.resource.status.service
    service = None if known is None else facts.view.value(known.id)
    notes = [*_about_endpoints(facts, service)]
    if not isinstance(service, Service):
        return replace(_nothing_left(notes), absent=None if known is None else known.id)
    if (why := _why_it_stays(facts, service)) is not None:
        return _nothing_left([*notes, f"The endpoint service {service.id} stays in Atlas: {why}."])
    if service.endpoint_ids:
        message = "Atlas still lists the endpoint that it has deleted. Then the operator deletes the endpoint service."
        return Decision(State(Reason.DELETING, message, _POLL), own={"endpoint": None})
    state = _deleting(facts, "the endpoint service", _service_since(facts, service))
    own = {"service": _service_status(facts, service), "endpoint": None}
    if service.status == ServiceState.DELETING:
        return Decision(state, own=own)
    write = _service_deletion(facts, service, None)
    return Decision(replace(state, reason=Reason.DELETING, requeue=_POLL), write, own=own)


def _about_endpoints(facts: Facts, service: object) -> Iterator[str]:
    """Yield what becomes of the endpoints of a deleted resource."""
    registrations, endpoint_id = facts.resource.status.registrations, facts.resource.endpoint_id
    is_registered = any(each.entry == facts.resource.entry for each in registrations)
    if endpoint_id is not None and not is_registered and isinstance(service, Service) and service.shows(endpoint_id):
        yield f"Endpoint {endpoint_id} stays in Atlas: the operator did not register it."
    stay = [each for each in registrations if _is_handed_over(facts, each) or facts.view.value(each.entry) is not None]
    if stay:
        ids = ", ".join(each.endpoint_id for each in stay)
        yield f"Endpoint {ids} stays in Atlas: another resource names it, or somebody has registered it again."
    if gone := ", ".join(each.endpoint_id for each in registrations if each not in stay):
        yield f"Endpoint {gone} is deleted from Atlas."


def _may_delete(facts: Facts, service: Service) -> bool:
    return origin_of(facts, service) == "Created" and not service.endpoint_ids


def _service_deletion(facts: Facts, service: Service, cause: Cause | None) -> Write:
    request = atlas.deletion_of(facts.scope.project_id, facts.resource.spec.provider_name, service.id)
    return Write(request, cause, touches=(service.id, facts.resource.written_as))


def _why_it_stays(facts: Facts, service: Service) -> str | None:
    """Return why the service of a deleted resource stays in Atlas; None: it is to be deleted."""
    if origin_of(facts, service) != "Created":
        return "it was there before this resource"
    gone = {each.endpoint_id.casefold() for each in facts.resource.status.registrations if _is_gone(facts, each)}
    if others := [each for each in service.endpoint_ids if each.casefold() not in gone]:
        return f"it has endpoints that this resource did not register: {', '.join(others)}"
    if facts.sharers(service.id):
        return "other resources use it"
    return None


def _is_gone(facts: Facts, mine: Registration) -> bool:
    """Return whether a GET has proved that an endpoint is gone; a LIST may still show it."""
    seen = facts.view.entries.get(mine.entry)
    return seen is not None and seen.value is None


def _nothing_left(notes: Sequence[str]) -> Decision:
    state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
    return Decision(state, none_created=True, nothing_left=True, gone=" ".join(notes) or None)


def _was_with_another(facts: Facts, service: Service, endpoint_id: str) -> bool:
    """Return whether an endpoint was registered with a service that is gone: the cloud connects it to that one for ever."""
    found = [
        each for each in facts.resource.status.registrations if each.endpoint_id.casefold() == endpoint_id.casefold()
    ]
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


def _deletion(facts: Facts, service_id: str, endpoint_id: str, cause: Cause | None) -> Write:
    request = atlas.deregistration_of(
        facts.scope.project_id, facts.resource.spec.provider_name, service_id, endpoint_id
    )
    return Write(request, cause, touches=(entry_name(service_id, endpoint_id), facts.resource.written_as))


def _service_status(facts: Facts, service: Service) -> ServiceStatus:
    found = ServiceStatus.of(service, _service_since(facts, service), origin_of(facts, service))
    named, before = _named_regions(facts, service), _requested(facts, service)
    requested = named if named <= _shown_regions(service) else before
    return found.model_copy(update={"requested_remote_regions": tuple(sorted(requested))})


def _service_since(facts: Facts, service: Service) -> datetime:
    """Return since when the service has been observed in its status."""
    before = facts.resource.status.service
    if (
        before is not None
        and (before.id, before.status) == (as_shown(service.id), as_shown(service.status))
        and before.status_since
    ):
        return before.status_since
    return facts.now


def _endpoint_since(facts: Facts, endpoint_id: str, status: str | None) -> datetime:
    """Return since when the endpoint has been observed in its status."""
    before = facts.resource.status.endpoint
    if (
        before is not None
        and (before.id, before.status) == (as_shown(endpoint_id), as_shown(status))
        and before.status_since
    ):
        return before.status_since
    return facts.now


def endpoint_status(facts: Facts, endpoint: Endpoint) -> EndpointStatus:
    """Return what the status shows of the endpoint that the spec names."""
    endpoint_id = facts.resource.endpoint_id or next(iter(endpoint.ids), "")
    return EndpointStatus.of(endpoint_id, endpoint, _endpoint_since(facts, endpoint_id, endpoint.status))


def _is_going(facts: Facts) -> bool:
    """Return whether Atlas was seen rejecting or deleting the endpoint, so that its absence is no drift."""
    endpoint = facts.resource.status.endpoint
    return endpoint is not None and endpoint.status in {*REFUSED, *GOING}


def _wait(mine: Registration, now: datetime) -> float:
    """Return the seconds until an endpoint may be registered again."""
    return doubled(AGAIN_FIRST, mine.attempt - 1, AGAIN_LAST) - (now - mine.requested_at).total_seconds()


def _timed(facts: Facts, reason: Reason, message: str, since: datetime) -> State:
    """Return a state that Atlas is to leave by itself, or that it has not left in time."""
    elapsed = facts.now - since
    if elapsed >= facts.provisioning_timeout:
        message = f"{message} It has not ended within spec.provisioningTimeout. The operator continues to check. Ask MongoDB support."
        reason = Reason.PROVISIONING_TIMEOUT
    return State(reason, message, RequeueAfter(pace(elapsed)))


def _with_own(decision: Decision, own: Mapping[str, Any]) -> Decision:
    return replace(decision, own={**own, **decision.own})


def _words(text: str | None) -> str:
    return one_line(text or "", limit=500) or "none"


def _unknown(status: str | None) -> str:
    return f"the status {one_line(status, limit=100)}" if status else "no status"


_SOON = RequeueAfter(0.0)

_POLL = RequeueAfter(POLL_FIRST)
