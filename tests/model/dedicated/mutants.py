"""Bugs of operators of private endpoints of dedicated clusters: what they would delete, leave behind or make twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.dedicated_private_endpoint import service
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import DedicatedPrivateEndpoints
from atlas_endpoints.reconcile import creation, deletion, ownership
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.simulator.service import FAILED, REJECTED
from model.dedicated.atlas import vpce
from model.dedicated.models import (
    DEEPER,
    EMPTY_GOES,
    GATE,
    GOES,
    MADE_AGAIN,
    MODELS,
    RENAMED,
    model_of,
)
from model.invariants import Invariant
from model.mutants import planter
from model.ports import Ports
from model.serverless.mutants import ends_at_the_request, nobody_protects, nothing_may_arrive

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)


plants(
    "a resource ends as soon as the deletion of its endpoint was requested, which it shares a service with",
    Invariant.KEPT,
    GATE["a service and an endpoint go with their resource, and an answer is lost"],
    DedicatedPrivateEndpoints,
    "decide_deletion",
)(ends_at_the_request)
plants(
    "an endpoint is deleted that another resource names",
    Invariant.NAMED,
    GATE["a resource is renamed while the operator is away"],
    ownership,
    "protectors",
)(nobody_protects)
plants(
    "a service is deleted that another resource shares",
    Invariant.SHARED,
    MODELS["one of two resources goes, and the other one has no endpoint"],
    ownership,
    "protectors",
)(nobody_protects)
plants(
    "a service is asked for again while an earlier call may still create it",
    Invariant.ONCE,
    GATE["a service and an endpoint are made, and a crash"],
    creation,
    "may_arrive_for",
)(nothing_may_arrive)


@plants(
    "a request for a reconcile deletes an endpoint that is AVAILABLE",
    Invariant.LIVE,
    model_of(MADE_AGAIN, settled=1),
    DedicatedPrivateEndpoints,
    "decide",
)
def is_dead_on_request(right: Any, self: Any, facts: Any) -> Any:
    entry = facts.resource.entry
    seen = facts.view.entries.get(entry)
    if facts.forced and seen is not None and seen.value is not None:
        value: Any = seen.value
        dead = replace(seen, value=value.model_copy(update={"status": FAILED}))
        facts = replace(facts, view=facts.view.showing(entry, dead))
    return right(self, facts)


@plants(
    "a request to make a dead endpoint again is never handled",
    Invariant.BOUND,
    model_of(MADE_AGAIN, settled=1, left="Atlas rejects", others={vpce("a"): REJECTED}),
    DedicatedPrivateEndpoints,
    "decide",
)
def is_forced_for_ever(right: Any, self: Any, facts: Any) -> Any:
    return right(self, replace(facts, forced=facts.resource.metadata.reconcile_request is not None))


@plants(
    "no Event names an endpoint that stays for another resource",
    Invariant.KEPT,
    model_of(RENAMED, settled=2),
    Ports,
    "recorded",
)
def emits_nothing(right: Any, self: Any, *event: Any) -> None:
    """Keep it to itself."""


@plants(
    "an endpoint is deleted that is to be retained",
    Invariant.NAMED,
    MODELS["a resource is to retain its endpoint while it goes"],
    deletion,
    "ending_of",
)
def _deletes_in_any_case(right: Any, *asked: Any, **further: Any) -> Any:
    return None


@plants(
    "what is gone is made again although drift is only reported",
    Invariant.REPORTED,
    MODELS["drift is only reported, and others delete an endpoint and its service"],
    DedicatedPrivateEndpoints,
    "decide",
)
def remembers_nothing(right: Any, self: Any, facts: Any) -> Any:
    return right(self, replace(facts, baseline=replace(facts.baseline, confirmed=None)))


@plants(
    "a resource ends while a call may still register its endpoint",
    Invariant.KEPT,
    model_of(GOES, left="late write", leisure=0.0, others={}),
    DedicatedPrivateEndpoints,
    "decide_deletion",
)
@plants(
    "a resource ends while a call may still create its service",
    Invariant.KEPT,
    DEEPER["a service is made and goes, an answer is lost, and a LIST does not show what is new"],
    DedicatedPrivateEndpoints,
    "decide_deletion",
)
def _expects_nothing(right: Any, self: Any, facts: Any) -> Any:
    status = facts.resource.status.model_copy(update={"service_creation": None})
    resource = facts.resource.model_copy(update={"status": status})
    return right(self, replace(facts, resource=resource, arrives_for=0.0, unknown_for=0.0))


@plants(
    "a resource ends before others have recorded who made the service",
    Invariant.KEPT,
    DEEPER["two resources share a service, and both go"],
    DedicatedPrivateEndpoints,
    "took_over",
)
def _nobody_has_to_know(right: Any, self: Any, *asked: Any) -> bool:
    return True


@plants(
    "a service that others made is deleted with the last resource that uses it",
    Invariant.SHARED,
    model_of(EMPTY_GOES, settled=1, others={}),
    service,
    "origin_of",
)
def _has_made_it(right: Any, *asked: Any) -> str:
    return "Created"


@plants(
    "regions are added to what was shown a while ago",
    Invariant.REGIONS,
    GATE["a resource adds a region to its service, somebody another one, and a LIST does not show what is new"],
    DedicatedPrivateEndpoints,
    "decide",
)
@plants(
    "two resources add regions to one service at once",
    Invariant.ONE_AT_A_TIME,
    MODELS["two resources add regions to one service"],
    DedicatedPrivateEndpoints,
    "decide",
)
def reads_nothing_before(right: Any, self: Any, facts: Any) -> Any:
    decision = right(self, facts)
    write: Any = decision.write
    return replace(decision, write=replace(write, reads=None)) if write and write.is_beside else decision


@plants(
    "two resources ask for one service at once",
    Invariant.ONCE,
    DEEPER["two resources ask for one service at once"],
    Creations,
    "wait",
)
def _takes_no_turns(right: Any, self: Any, *asked: Any, **how: Any) -> float:
    return 0.0
