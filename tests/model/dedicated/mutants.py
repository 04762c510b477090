"""Bugs of operators of private endpoints of dedicated clusters: what they would delete, leave behind or make twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.dedicated_private_endpoint import deletion, endpoint, remote_regions, service
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import DedicatedPrivateEndpoints
from atlas_endpoints.reconcile import creation, gather, last, ownership, writes
from atlas_endpoints.reconcile import deletion as reconcile_deletion
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.last import LastCourse
from atlas_endpoints.simulator.service import REJECTED
from model.dedicated.atlas import vpce
from model.dedicated.models import (
    EMPTY_GOES,
    GATE,
    GOES,
    MADE_AGAIN,
    MODELS,
    NO_ENDPOINT,
    RENAMED,
    model_of,
)
from model.invariants import Invariant
from model.mutants import planter
from model.serverless.mutants import ends_at_the_request

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)


plants(
    "a resource ends as soon as the deletion of its endpoint was requested, which it shares a service with",
    Invariant.KEPT,
    GATE["a service and an endpoint go with their resource, and an answer is lost"],
    LastCourse,
    "_waiting",
)(ends_at_the_request)


@plants(
    "a service is deleted that another resource shares",
    Invariant.SHARED,
    MODELS["one of two resources goes, and the other one has no endpoint"],
    ownership,
    "protectors",
)
@plants(
    "an endpoint is deleted that another resource names",
    Invariant.NAMED,
    GATE["a resource is renamed while the operator is away"],
    ownership,
    "protectors",
)
def _nobody_protects(right: Any, *asked: Any) -> Any:
    """Delete it, with any other resource that names it."""
    return ()


@plants(
    "a request for a reconcile deletes an endpoint that is AVAILABLE",
    Invariant.LIVE,
    model_of(MADE_AGAIN, settled=1),
    endpoint,
    "_present",
)
def _makes_it_again(right: Any, known: Any, *found: Any) -> Any:
    return endpoint._dead(known, *found) if known.forced else right(known, *found)  # noqa: SLF001  # where the bug is


@plants(
    "a request to make a dead endpoint again is never handled",
    Invariant.BOUND,
    model_of(MADE_AGAIN, settled=1, left="Atlas rejects", others={vpce("a"): REJECTED}),
    gather,
    "is_forced",
)
def _is_forced_for_ever(right: Any, resource: Any) -> bool:
    return resource.metadata.reconcile_request is not None


@plants(
    "no Event names an endpoint that stays for another resource",
    Invariant.KEPT,
    model_of(RENAMED, settled=2),
    last,
    "_released",
)
def _ends_in_silence(right: Any, _: Any) -> Any:
    return right({})


@plants(
    "an endpoint is deleted that is to be retained",
    Invariant.NAMED,
    MODELS["a resource is to retain its endpoint while it goes"],
    reconcile_deletion,
    "decide",
)
def _deletes_in_any_case(right: Any, *asked: Any, **further: Any) -> Any:
    return None


@plants(
    "what is gone is made again although drift is only reported",
    Invariant.REPORTED,
    MODELS["drift is only reported, and others delete an endpoint and its service"],
    endpoint,
    "_is_confirmed",
)
def _remembers_nothing(right: Any, known: Any) -> bool:
    return False


@plants(
    "a resource ends while a call may still register its endpoint",
    Invariant.KEPT,
    model_of(GOES, left="late write", leisure=0.0, others={}),
    deletion,
    "_may_appear_for",
)
@plants(
    "a resource ends while a call may still create its service",
    Invariant.KEPT,
    MODELS["a service is made and goes, an answer is lost, and a LIST does not show what is new"],
    deletion,
    "_may_appear_for",
)
def _expects_nothing(right: Any, known: Any) -> float:
    return 0.0


@plants(
    "a resource ends before others have recorded who made the service",
    Invariant.KEPT,
    MODELS["two resources share a service, and both go"],
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
    "a service is asked for again while an earlier call may still create it",
    Invariant.ONCE,
    GATE["a service and an endpoint are made, and a crash"],
    creation,
    "may_arrive_for",
)
def _searches_nothing(right: Any, *asked: Any) -> float:
    return 0.0


@plants(
    "regions are added to what was shown a while ago",
    Invariant.REGIONS,
    GATE["a resource adds a region to its service, somebody another one, and a LIST does not show what is new"],
    writes,
    "read_entry",
)
async def _reads_nothing(right: Any, atlas: Any, known: Any, entry: str) -> Any:
    return known.view


@plants(
    "two resources add regions to one service at once",
    Invariant.ONE_AT_A_TIME,
    MODELS["two resources add regions to one service"],
    remote_regions,
    "update",
)
def _takes_no_turn(right: Any, *asked: Any) -> Any:
    write = right(*asked)
    return None if write is None else replace(write, reads=None)


@plants(
    "two resources ask for one service at once",
    Invariant.ONCE,
    model_of([("a", NO_ENDPOINT), ("b", NO_ENDPOINT)]),
    Creations,
    "wait",
)
def _takes_no_turns(right: Any, self: Any, *asked: Any, forced: bool) -> float:
    return 0.0
