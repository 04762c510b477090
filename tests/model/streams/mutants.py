"""Bugs of operators of connections to services: what they would make twice, give up or not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds import made_by_atlas
from atlas_endpoints.kinds.made_by_atlas import MadeByAtlas
from atlas_endpoints.kinds.stream_private_endpoint.kind import StreamPrivateEndpoints
from atlas_endpoints.reconcile import creation
from model.dedicated.mutants import is_dead_on_request
from model.invariants import Invariant
from model.mutants import planter
from model.regional.models import AGAIN, ONE
from model.serverless.mutants import ends_at_the_request, nothing_may_arrive
from model.streams.models import GATE, MODELS, model_of

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)

CRASH = MODELS["a connection is made, a crash, and a LIST does not show it"]
DOMAIN = GATE["a connection gets its domain, and an answer is lost"]
USED = GATE["a connection goes with its resource, when no stream uses it any more"]
LATE = MODELS["a domain changes while Atlas makes a connection, and a write arrives late"]
LAGS = MODELS["a connection goes in steps, and Atlas shows it as before for a while"]
BESIDE = model_of(ONE, settled=1, left="registration", twice=True)


def _takes_no_domain(right: Any, self: Any, facts: Any, made: Any) -> Any:
    return replace(right(self, facts, made), write=None)


def _takes_any_domain(right: Any, self: Any, facts: Any, made: Any) -> Any:
    return right(self, facts, replace(made, status="IDLE"))


def _follows_the_last(right: Any, self: Any, facts: Any) -> Any:
    first, others = right(self, facts)
    return (others[-1], [first, *others[:-1]]) if others else (first, others)


plants("a lost POST of a connection is repeated at once", Invariant.ONCE, CRASH, creation, "may_arrive_for")(
    nothing_may_arrive
)
plants("a domain that is named later is lost", Invariant.REST, DOMAIN, StreamPrivateEndpoints, "in_its_status")(
    _takes_no_domain
)
plants("a domain is sent that Atlas does not take", Invariant.NEEDED, LATE, StreamPrivateEndpoints, "in_its_status")(
    _takes_any_domain
)
plants("nobody asks which streams use it", Invariant.GUARDED, USED, StreamPrivateEndpoints, "before_delete")(
    lambda *_: ((), None)
)
plants("of several connections the last one is followed", Invariant.RECORDED, BESIDE, MadeByAtlas, "chosen")(
    _follows_the_last
)
plants("nobody knows of a DELETE of a connection", Invariant.PACED, LAGS, made_by_atlas, "asked_for")(lambda *_: 0.0)
plants("a 202 proves a deletion", Invariant.KEPT, LAGS, StreamPrivateEndpoints, "decide_deletion")(ends_at_the_request)
plants(
    "a request deletes a connection that works",
    Invariant.LIVE,
    model_of(AGAIN, settled=1),
    StreamPrivateEndpoints,
    "decide",
)(is_dead_on_request)
