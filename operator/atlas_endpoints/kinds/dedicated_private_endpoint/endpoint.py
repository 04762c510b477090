"""Decide about the endpoint that a spec names, in the service of its region. Pure.

An endpoint is registered by a POST with the cloud's ID, which a second POST cannot repeat, and Atlas has no update of it: what
differs is reported. An endpoint that Atlas rejected, or that failed, is deleted and registered again only on request.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter, at_latest
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Endpoint, EndpointState, Service, entry_name
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import EndpointStatus
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts
from atlas_endpoints.kinds.lives import registered
from atlas_endpoints.kinds.lives.life import dead, unchangeable
from atlas_endpoints.kinds.lives.registered import WORDS
from atlas_endpoints.kinds.registered import waiting_for_cloud as waiting_for_the_cloud
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import same_id, since_shown, unknown, until_next_look, waiting

ON_ITS_WAY = frozenset[str](
    {
        EndpointState.PENDING_ACCEPTANCE,
        EndpointState.PENDING,
        EndpointState.INITIATING,
        EndpointState.VERIFIED,
        EndpointState.NONE,
    }
)

DEAD = frozenset[str]({EndpointState.REJECTED, EndpointState.FAILED})

GOING = frozenset[str]({EndpointState.DELETING, EndpointState.DELETED})

DELETE = "Delete this resource with deletionPolicy Delete, wait until it is gone,"
KEEP = (
    " To keep the endpoint service meanwhile, first create another resource of the region that names no private endpoint (Google Cloud:"
    " with the same portMappingEnabled)."
)
"""Ways out of what Atlas cannot change, as parts of messages."""

LISTED_ONLY = 600.0
"""Seconds until an endpoint that a LIST shows and no GET is looked for again, at most."""


def waiting_for_cloud(facts: Facts, service: Service) -> State:
    """Return what to create in the cloud."""
    spec = facts.resource.spec
    match spec.provider_name:
        case "AWS":
            target = service.endpoint_service_name or "that Atlas has not named yet"
            create = f"In AWS, create an interface VPC endpoint to the service {target}"
        case "AZURE":
            target = service.private_link_service_resource_id or "the private link service that Atlas has not named yet"
            named = f" named {service.private_link_service_name}" if service.private_link_service_name else ""
            create = f"In Azure, create a private endpoint with a manual connection{named} to {target}"
        case _:
            count = len(service.service_attachment_names)
            target = f"each of the {count} service attachments" if count > 1 else "the service attachment"
            create = f"In Google Cloud, create a forwarding rule to {target} in status.service.serviceAttachmentNames"
    of_group = ["spec.gcp.endpointGroupName", "spec.gcp.endpoints"] if spec.is_legacy else []
    return waiting_for_the_cloud(facts, f"The endpoint service is ready. {create}", of_group)


def decide_endpoint(facts: Facts, service: Service, endpoint_id: str) -> Decision:
    """Decide about the endpoint that the spec names."""
    entry = entry_name(service.id, endpoint_id)
    seen = facts.view.entries.get(entry)
    endpoint = None if seen is None else seen.value
    if isinstance(endpoint, Endpoint):
        decision = _present(facts, service, endpoint_id, endpoint)
        # A LIST does not show the status of an endpoint.
        if isinstance(decision.state.requeue, NoRequeue):
            state = replace(decision.state, requeue=RequeueAfter(until_next_look(facts)))
            decision = replace(decision, state=state)
        is_settled = endpoint.status == EndpointState.AVAILABLE and decision.write is None
        return replace(decision, seen=endpoint, gets=(Get(entry, is_settled),))
    is_listed = service.shows(endpoint_id)
    if facts.done is not None and facts.done.write.request.operation == atlas.DELETE_ENDPOINT:
        return Decision(State(Reason.DELETING, _deleting(endpoint_id), POLL), gets=() if is_listed else (Get(entry),))
    if is_listed and seen is None:
        return Decision(State(Reason.PENDING, f"Atlas lists endpoint {endpoint_id}.", POLL), gets=(Get(entry),))
    if is_listed:
        message = f"Atlas lists endpoint {endpoint_id}, and answers that it does not exist. The operator looks again."
        state = State(Reason.PENDING, message, at_latest(facts.as_long_again, min(until_next_look(facts), LISTED_ONLY)))
        return Decision(state, absent=entry, gets=(Get(entry),))  # a LIST after the GET
    decision, shown = _absent(facts, service, entry, endpoint_id), facts.resource.status.endpoint
    # A LIST alone proves no absence of what Atlas has shown before.
    was_shown = registered.is_confirmed(facts, endpoint_id) or (
        shown is not None and shown.id.casefold() == endpoint_id.casefold()
    )
    return replace(decision, gets=(Get(entry),)) if was_shown else decision


def _absent(facts: Facts, service: Service, entry: str, endpoint_id: str) -> Decision:
    """Decide about an endpoint that the service does not have."""

    def registration() -> Write:
        touches = (entry, facts.resource.written_as)
        doubt = _wrong_number(facts, service, "Delete this resource,")
        return Write(_registration(facts, service, endpoint_id), doubt=doubt, touches=touches)

    return registered.absent(facts, lambda: waiting_for_cloud(facts, service), registration)


def _wrong_number(facts: Facts, service: Service, delete: str = DELETE) -> str:
    """Return a sentence, after a blank, about forwarding rules that are fewer or more than Google's attachments; "": they fit.

    Args:
        delete: how to delete this resource, as the beginning of a sentence.
    """
    spec, count = facts.resource.spec, len(service.service_attachment_names)
    if not spec.is_legacy or len(spec.rules) == count:
        return ""
    return (
        f" Each service attachment needs one forwarding rule. Service attachments in status.service: {count}; rules in"
        f" spec.gcp.endpoints: {len(spec.rules)}. {delete} and create it again with a rule for each of them."
    )


def _registration(facts: Facts, service: Service, endpoint_id: str) -> Request:
    """Return the POST that registers the endpoint of the spec."""
    spec = facts.resource.spec
    return atlas.registration_of(
        facts.scope.project_id,
        spec.provider_name,
        service.id,
        endpoint_id,
        address=spec.private_endpoint_ip_address or "",
        gcp_project=spec.gcp.project_id if spec.gcp is not None else None,
        rules=spec.rules,
    )


def _present(facts: Facts, service: Service, endpoint_id: str, endpoint: Endpoint) -> Decision:
    """Decide about a registered endpoint."""
    since = endpoint_since(facts, endpoint_id, endpoint.status)
    match endpoint.status:
        case EndpointState.AVAILABLE:
            return Decision(_available(facts, endpoint_id, endpoint))
        case status if status in ON_ITS_WAY:
            message = f"Atlas is connecting endpoint {endpoint_id}.{_wrong_number(facts, service)}"
            return Decision(waiting(facts, Reason.INITIATING, message, since))
        case status if status in DEAD:
            return _dead(facts, service, endpoint_id, endpoint)
        case status if status in GOING:
            return Decision(waiting(facts, Reason.DELETING, _deleting(endpoint_id), since))
        case other:
            message = f"Atlas reports {unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
            return Decision(waiting(facts, Reason.PENDING, message, since))


def _deleting(endpoint_id: str) -> str:
    return f"Atlas is deleting endpoint {endpoint_id}."


def _available(facts: Facts, endpoint_id: str, endpoint: Endpoint) -> State:
    next_look = RequeueAfter(until_next_look(facts))
    if differences := compare(facts.resource, facts.desired, endpoint):
        message = unchangeable(differences, keep=KEEP)
        return State(Reason.DRIFTED, message, next_look, differences, observed=message)
    if (problem := facts.problem) is not None:
        message = f"{problem.message} Until then, Atlas keeps endpoint {endpoint_id}."
        return State(Reason.REFERENCE_NOT_READY, message, next_look, ())
    return State(Reason.AVAILABLE, "The endpoint is available and matches the spec.", next_look, ())


def _dead(facts: Facts, service: Service, endpoint_id: str, endpoint: Endpoint) -> Decision:
    """Decide about an endpoint that Atlas rejected, or that failed."""
    said = f"Atlas reports {endpoint.status} for endpoint {endpoint_id}.{_wrong_number(facts, service)}"
    regions = (
        "its region or one in supportedRemoteRegions" if facts.resource.spec.provider_name == "AWS" else "its region"
    )
    check = f" Check in the cloud that it exists, connects to the service in status.service, and is in {regions}."
    deletion = partial(deletion_of, facts, service, endpoint_id)
    return dead(facts, WORDS, said, check, error_message=endpoint.error_message, deletion=deletion, keep=KEEP)


def deletion_of(facts: Facts, service: Service, endpoint_id: str, cause: Cause | None) -> Write:
    """Return the write that deletes the endpoint that the spec names, unless others protect it."""
    provider, entry = facts.resource.spec.provider_name, entry_name(service.id, endpoint_id)
    request = atlas.deletion_of(facts.scope.project_id, provider, entry)
    return Write(
        request,
        cause,
        names=("endpoint",),
        touches=(entry, facts.resource.written_as),
        reads=entry,
        deletes=facts.resource.thing,
    )


def endpoint_since(facts: Facts, endpoint_id: str, status: str | None) -> datetime:
    """Return since when the endpoint has been observed in its status."""
    no_steps = DEAD | GOING | {EndpointState.AVAILABLE}
    return since_shown(facts.resource.status.endpoint, endpoint_id, status, facts.now, no_steps)


def endpoint_status(facts: Facts, endpoint: Endpoint) -> EndpointStatus:
    """Return what the status shows of the endpoint that the spec names; the letter case that was shown first stays."""
    endpoint_id, before = facts.resource.endpoint_id or next(iter(endpoint.ids), ""), facts.resource.status.endpoint
    status = EndpointStatus.of(endpoint_id, endpoint, endpoint_since(facts, endpoint_id, endpoint.status))
    return (
        status.model_copy(update={"id": before.id}) if before is not None and same_id(before.id, status.id) else status
    )
