"""Decide about a private endpoint of dedicated clusters: from the facts to its state and at most one write. Pure.

First the service of its region, then the regions from which others may connect to it, then the endpoint.
"""

from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas, remote_regions
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Service, ServiceState
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import decide_endpoint, waiting_for_cloud
from atlas_endpoints.kinds.dedicated_private_endpoint.service import (
    DedicatedReason,
    Facts,
    is_known,
    not_ready,
    readiness,
    service_of,
    shown_in_status,
    without_service,
)
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, Get, State
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.reasons import DeprecatedReason, Reason
from atlas_endpoints.reconcile.status import Cause, Finding
from atlas_endpoints.reconcile.waiting import until_next_look

LEGACY = (
    "Atlas has announced that endpoints without port mapping stop working on 2027-04-30. Create a resource with"
    " gcp.portMappingEnabled true in the same region, move the applications to it, and delete this one."
)


def decide(facts: Facts) -> Decision:
    """Return the decision about a resource that is not being deleted."""
    if facts.done is not None and facts.done.write.request.operation == atlas.DELETE:
        message = "Atlas is deleting the endpoint service that failed. Then the operator creates another one."
        state = State(DedicatedReason.SERVICE_INITIATING, message, POLL, conditions={"ServiceReady": readiness(None)})
        return Decision(state, own={"service": None, "endpoint": None})
    service, known = service_of(facts), facts.resource.status.service
    decision = without_service(facts) if service is None else _with_service(facts, service)
    if known is not None and (service is None or not is_known(facts, service)):
        decision = replace(decision, absent=known.id)  # a LIST may lag
    conditions = {"ServiceReady": readiness(service)}
    if facts.resource.spec.is_legacy:
        conditions["Deprecated"] = Finding("True", DeprecatedReason.DEPRECATED, LEGACY)
    state = replace(decision.state, conditions=conditions)
    if decision.write is not None and facts.done is None:
        state = replace(state, requeue=RequeueAfter(until_next_look(facts)))  # if it is not sent
    if service is not None and _is_half_done(facts, service):
        decision = replace(decision, leaves_open=True)
    return replace(decision, state=state)


def _is_half_done(facts: Facts, service: Service) -> bool:
    """Return whether a request that has made the service has to register the endpoint, too, which is otherwise only reported."""
    done, spec = facts.done, facts.resource.spec
    is_requested = facts.forced or (done is not None and done.write.cause is Cause.FORCED)
    waits = service.status == ServiceState.INITIATING and facts.resource.endpoint_id is not None
    return is_requested and waits and spec.drift_policy != "Correct"


def _with_service(facts: Facts, service: Service) -> Decision:
    own: dict[str, Any] = {"service_creation": None}
    regions = remote_regions.Regions.of(facts, service)
    if facts.forced and facts.done is None and service.status == ServiceState.DELETING:
        own["service"] = None  # as after the DELETE of this request, whose answer may be lost
    elif facts.done is not None or service.status != ServiceState.DELETING or is_known(facts, service):
        shown = shown_in_status(facts, service)
        own["service"] = shown.model_copy(update={"remote_regions": regions.recorded})
    if facts.resource.endpoint_id is None:
        own["endpoint"] = None
    decision = _on_service(facts, service, regions)
    return replace(decision, own={**own, **decision.own})


def _on_service(facts: Facts, service: Service, regions: remote_regions.Regions) -> Decision:
    resource, endpoint_id = facts.resource, facts.resource.endpoint_id
    if service.status not in READY:
        decision = not_ready(facts, service)
        if service.status == ServiceState.FAILED and not is_known(facts, service):
            # After a deletion on request, a LIST that lags still shows it.
            decision = replace(decision, gets=(Get(service.id, beyond_list=True),))
        return decision
    if (endpoint_id is not None or resource.spec.supported_remote_regions) and not _is_recorded(facts, service):
        # Before anything is registered or adopted, the status names the service, and the value that a reference is bound to.
        message = "The endpoint service is ready. The operator goes on with it next."
        return Decision(State(Reason.PENDING, message, POLL), status_first=True)
    decision = Decision(waiting_for_cloud(facts, service))
    if endpoint_id is not None:
        decision = decide_endpoint(facts, service, endpoint_id)
    if regions.is_sent and endpoint_id is not None and is_forced(resource):
        # The request asked for the endpoint as well, if it is dead or lost.
        as_asked = decide_endpoint(replace(facts, forced=True, done=None), service, endpoint_id)
        if as_asked.write is not None:
            return replace(decision, state=replace(decision.state, requeue=SOON), leaves_open=True)
    write = remote_regions.update(facts, service, regions, repeats=facts.forced and decision.write is None)
    if write is None:
        return remote_regions.with_problem(facts, service, regions, decision)
    if write.cause is Cause.DRIFT and decision.write is not None:
        return decision
    # An edit comes first: the endpoint may be in the region that it adds.
    follows = "" if decision.write is None or not decision.write.planned else f" Then it {decision.write.planned}."
    return replace(decision, state=remote_regions.state_of(write, follows), write=write)


def _is_recorded(facts: Facts, service: Service) -> bool:
    """Return whether the status shows the service as it is, and the values of references.

    If the endpoint is refused then, the status still shows what to connect to.
    """
    resource, known = facts.resource, facts.resource.status.service
    is_shown = known is not None and known.status == service.status
    is_bound = all(resource.same(field, resource.bound(field), value) for field, value in facts.desired.items())
    return is_shown and is_known(facts, service) and (is_bound or not resource.references)
