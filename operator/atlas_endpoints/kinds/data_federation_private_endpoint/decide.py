"""Decide about a private endpoint for Data Federation: from the facts to its state and at most one write. Pure.

A POST registers an endpoint, or changes the comment of one that is registered. Atlas answers 201 as well to another region, DNS
name or address of a registered endpoint, and ignores it: what differs there is reported.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import Requeue, RequeueAfter
from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.data_federation_private_endpoint import atlas
from atlas_endpoints.kinds.data_federation_private_endpoint.atlas import Endpoint, EndpointState
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import (
    IN_ATLAS,
    DataFederationPrivateEndpoint,
    EndpointStatus,
    ManagedField,
    Spec,
)
from atlas_endpoints.kinds.data_federation_private_endpoint.services import doubt
from atlas_endpoints.reconcile.attempt import as_long_again
from atlas_endpoints.reconcile.compare import Comparison, Treatment, available, cause_of, sends_next
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import deleted_at, deleting, since_shown, unknown, waiting

Facts: TypeAlias = AnyFacts[DataFederationPrivateEndpoint]

_SETTLED = frozenset[str]({EndpointState.OK, EndpointState.FAILED, EndpointState.DELETING})


def decide(facts: Facts) -> Decision:
    """Return the decision about a resource that is not being deleted."""
    resource, endpoint_id = facts.resource, facts.resource.endpoint_id
    own = {"service_name": resource.spec.service_name}
    if endpoint_id is None:
        return Decision(_waiting_for_cloud(facts), own={"endpoint": None, **own})
    entry = atlas.entry_of(endpoint_id)
    endpoint = facts.view.value(entry)
    if endpoint is not None:
        decision = _present(facts, endpoint_id, endpoint)
    elif facts.done is not None and facts.done.write.request.operation == atlas.DELETE:
        decision = Decision(State(Reason.DELETING, f"Atlas is deleting endpoint {endpoint_id}.", POLL))
    else:
        decision = _absent(facts, entry, endpoint_id)
    return replace(decision, own={**own, **decision.own})


def decide_deletion(facts: Facts) -> Decision:
    """Return the decision about a resource whose endpoint is deleted with it."""
    resource, endpoint_id, status = facts.resource, facts.resource.endpoint_id or "", facts.resource.status
    entry = resource.entry
    endpoint = None if entry is None else facts.view.value(entry)
    what = f"endpoint {endpoint_id}"
    if endpoint is None:
        # Also after a DELETE: a POST that changes the comment registers what is gone.
        left = max(facts.arrives_for, facts.unknown_for)
        if entry is not None and left > 0:
            return replace(registered.may_appear(facts, left), absent=entry)
        gone = f"Endpoint {endpoint_id} is deleted from Atlas." if status.endpoint is not None else None
        state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
        return Decision(state, absent=entry, nothing_left=True, gone=gone)
    since = _since(facts, endpoint)
    if endpoint.status == EndpointState.DELETING:
        return Decision(deleting(facts, what, since), seen=endpoint)
    now = "" if endpoint.status is None else f" (now {endpoint.status})"
    state = deleting(facts, what + now, deleted_at(facts))
    asked = EndpointStatus.of(replace(endpoint, status=str(EndpointState.DELETING)), facts.now)
    shown = status.endpoint
    return registered.deletion(facts, state, shown, _deletion(facts, endpoint, None), {"endpoint": asked})


def endpoint_status(facts: Facts, endpoint: Endpoint) -> EndpointStatus:
    """Return what the status shows of an endpoint."""
    return EndpointStatus.of(endpoint, _since(facts, endpoint))


def _waiting_for_cloud(facts: Facts) -> State:
    """Return what to create in the cloud."""
    spec = facts.resource.spec
    if spec.provider_name == "AZURE":
        where = "In Azure, create a private endpoint with a manual connection to the resource ID that Atlas shows in its user interface (Network Access, Private Endpoint, Federated Database Instance)"
    elif spec.service_name is not None:
        where = f"In AWS, create an interface VPC endpoint to the service {spec.service_name}"
    else:
        where = "In AWS, create an interface VPC endpoint to the service of Data Federation in your region, which Atlas's documentation names"
    state = registered.waiting_for_cloud(facts, where)
    with_name = ""
    if spec.provider_name == "AWS" and spec.region is not None and not spec.has_dns_name:
        when = "now" if spec.cloud_provider_endpoint_ref else "in the same edit"
        with_name = f" If Atlas shall have hostnames of the region, set spec.customerEndpointDnsName {when}: it cannot come later."
    return replace(state, message=f"{state.message}{with_name}{doubt_about(spec)}")


def _absent(facts: Facts, entry: str, endpoint_id: str) -> Decision:
    """Decide about an endpoint that Atlas does not show."""

    def registration() -> Write:
        return Write(_post(facts, endpoint_id), doubt=doubt_about(facts.resource.spec), touches=(entry,))

    decision = registered.absent(facts, endpoint_id, partial(_waiting_for_cloud, facts), registration)
    if decision.write is not None and (left := _repeated_in(facts, decision.write)) > 0:
        decision = Decision(_accepted(endpoint_id, RequeueAfter(left)), own=decision.own)
    was_shown = registered.is_confirmed(facts, endpoint_id) or facts.resource.status.endpoint is not None
    return replace(decision, absent=entry) if was_shown else decision  # a LIST may lag


def _repeated_in(facts: Facts, write: Write) -> float:
    """Return the seconds until a write is repeated that Atlas has accepted in this generation, and has not shown."""
    history = (each for each in facts.resource.status.history if each.generation == facts.generation)
    times = [each.time for each in history if each.result == APPLIED and {*each.fields} & write.fields.keys()]
    if not times or write.cause in {Cause.DRIFT, Cause.FORCED}:
        return 0.0
    wait = as_long_again(times[0] - times[-1], facts.interval)
    return min(wait, wait - (facts.now - times[0]).total_seconds())  # a time in the future counts as now


def _accepted(endpoint_id: str, requeue: Requeue) -> State:
    message = f"Atlas has accepted endpoint {endpoint_id}, and has not shown it yet."
    return State(Reason.PENDING, message, requeue)


def _post(facts: Facts, endpoint_id: str) -> Request:
    spec = facts.resource.spec
    values = {IN_ATLAS[field]: value for field, value in facts.desired.items() if field in IN_ATLAS}
    return atlas.registration_of(facts.scope.project_id, spec.provider_name, endpoint_id, values)


def _present(facts: Facts, endpoint_id: str, endpoint: Endpoint) -> Decision:
    """Decide about a registered endpoint."""
    if endpoint.is_sent:
        is_new = facts.done is not None and registered.FIELD in facts.done.write.fields
        own = {"endpoint": None} if is_new else {}  # what Atlas has shown stays while only the comment changes
        return Decision(_accepted(endpoint_id, POLL), gets=(Get(atlas.entry_of(endpoint_id)),), own=own)
    found = Comparison.of(facts, endpoint, _takes)
    if endpoint.status == EndpointState.FAILED:
        said = f"Atlas reports FAILED for endpoint {endpoint_id}.{doubt_about(facts.resource.spec)}"
        check = "Check in the cloud that it exists and connects to the service of Data Federation."
        deletion = partial(_deletion, facts, endpoint)
        dead = registered.dead(facts, said, check, endpoint.error_message, deletion)
        decision = replace(dead, state=replace(dead.state, differences=found.differences), seen=endpoint)
    else:
        decision = Decision(_state(facts, endpoint_id, endpoint, found), seen=endpoint)
    if endpoint.status == EndpointState.DELETING or decision.write is not None or not found.chosen:
        return decision
    fields = {each.field: each.desired for each in found.chosen}
    cause = cause_of(found.chosen, facts, endpoint, _takes)
    entry = atlas.entry_of(endpoint.id)  # what is gone, this POST would register again
    write = Write(_post(facts, endpoint.id), cause, fields, touches=(entry,), reads=entry)
    if (left := _repeated_in(facts, write)) > 0:
        return replace(decision, state=replace(decision.state, requeue=RequeueAfter(left)))
    return replace(decision, write=write)


def _takes(field: str) -> bool:
    return field == ManagedField.COMMENT


def _state(facts: Facts, endpoint_id: str, endpoint: Endpoint, found: Comparison) -> State:
    """Return the state of a registered endpoint that has not failed, if no write follows in this reconcile."""
    since = _since(facts, endpoint)
    match endpoint.status:
        # AWS has no step between, so a status that Atlas does not send is the usual one.
        case status if status == EndpointState.OK or (status is None and facts.resource.spec.provider_name == "AWS"):
            return _ok(facts, found)
        case EndpointState.PENDING:
            message = f"Atlas is approving the connection of endpoint {endpoint_id}."
            return waiting(facts, Reason.INITIATING, message, since, found.differences)
        case EndpointState.DELETING:
            message = f"Atlas is deleting endpoint {endpoint_id}."
            return waiting(facts, Reason.DELETING, message, since, found.differences)
        case other:
            message = f"Atlas reports {unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
            return waiting(facts, Reason.PENDING, message, since, found.differences)


def _ok(facts: Facts, found: Comparison) -> State:
    fixed, state = found.by_treatment[Treatment.WAIT], sends_next(found)
    if state is not None and fixed:
        return replace(state, message=f"{state.message} {registered.unchangeable(fixed)}")
    if state is not None:
        return state
    if fixed:
        message = registered.unchangeable(fixed)
        return State(Reason.DRIFTED, message, differences=found.differences, observed=message)
    state, problem = available(found, facts), facts.problem
    if state.reason is not Reason.AVAILABLE:
        return state
    if problem is None:
        return replace(state, message=f"{state.message}{doubt_about(facts.resource.spec)}")
    message = f"{problem.message} Until then, Atlas keeps the endpoint."
    return replace(state, reason=Reason.REFERENCE_NOT_READY, message=message)


def doubt_about(spec: Spec) -> str:
    """Return a sentence, after a blank, about what is probably wrong in a spec, and what Atlas does not check; "": nothing is."""
    return doubt(spec.provider_name, spec.region, spec.customer_endpoint_dns_name, spec.cloud_provider_endpoint_id)


def _deletion(facts: Facts, endpoint: Endpoint, cause: Cause | None) -> Write:
    """Return the write that deletes the endpoint, by the ID that Atlas shows, unless others protect it."""
    request = atlas.deletion_of(facts.scope.project_id, endpoint.id)
    entry = atlas.entry_of(endpoint.id)
    return Write(request, cause, names=("endpoint",), touches=(entry,), reads=entry, deletes=facts.resource.thing)


def _since(facts: Facts, endpoint: Endpoint) -> datetime:
    return since_shown(facts.resource.status.endpoint, endpoint.id, endpoint.status, facts.now, _SETTLED)
