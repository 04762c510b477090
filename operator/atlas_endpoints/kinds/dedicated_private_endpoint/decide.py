"""Decide about a private endpoint of dedicated clusters: from the facts to its state and at most one write. Pure.

First the service of its region, then the regions from which others may connect to it, then the endpoint.
"""

from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint import remote_regions
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Service
from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import (
    decide_endpoint,
    registrations_of,
    until_next_look,
    waiting_for_cloud,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import (
    Facts,
    is_known,
    not_ready,
    readiness,
    service_of,
    shown_in_status,
    without_service,
)
from atlas_endpoints.reconcile.kind import SOON, Decision, State
from atlas_endpoints.reconcile.reasons import DeprecatedReason, Reason
from atlas_endpoints.reconcile.status import Cause, Finding

LEGACY = (
    "Atlas has announced that endpoints without port mapping stop working on 2027-04-30. Create a resource with"
    " gcp.portMappingEnabled true in the same region, move the applications to it, and delete this one."
)


def decide(facts: Facts) -> Decision:
    """Return the decision about a resource that is not being deleted."""
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
    # An endpoint that is gone is registered again with the values that were confirmed.
    return replace(decision, state=state, keeps_confirmed=True)


def _with_service(facts: Facts, service: Service) -> Decision:
    resource = facts.resource
    regions = remote_regions.recorded(facts, service)
    status = shown_in_status(facts, service).model_copy(
        update={"remote_regions": regions if regions.to_json() else None}
    )
    own: dict[str, Any] = {"service": status, "service_creation": None}
    if (registrations := registrations_of(facts)) != resource.status.registrations:
        own["registrations"] = registrations
    if resource.entry is None:
        own["endpoint"] = None
    decision = _on_service(facts, service)
    return replace(decision, own={**own, **decision.own})


def _on_service(facts: Facts, service: Service) -> Decision:
    resource, endpoint_id = facts.resource, facts.resource.endpoint_id
    if service.status not in READY:
        return not_ready(facts, service)
    if not is_known(facts, service) and (endpoint_id is not None or resource.spec.supported_remote_regions):
        # The resource stands for its endpoint once its status names the service: another resource may own it.
        message = "The endpoint service is ready. The operator goes on with it next."
        return Decision(State(Reason.PENDING, message, SOON))
    decision = Decision(waiting_for_cloud(facts, service))
    if endpoint_id is not None:
        decision = decide_endpoint(facts, service, endpoint_id)
    update = remote_regions.update(facts, service)
    if update is None or update.write is None:
        return remote_regions.with_problem(facts, service, decision)
    if update.write.cause is Cause.DRIFT and decision.write is not None:
        return decision
    # An edit comes first: the endpoint may be in the region that it adds.
    return replace(decision, state=update.state, write=update.write)
