"""Bugs of operators of connections to services: what they would make twice, give up or not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.stream_private_endpoint.kind import StreamPrivateEndpoints
from model.dedicated.mutants import is_dead_on_request
from model.invariants import Invariant
from model.mutants import planter
from model.ports import Ports
from model.regional.models import AGAIN, GOES, ONE
from model.regional.mutants import posts_without_an_intent
from model.serverless.mutants import ends_at_the_request
from model.streams.models import GATE, MODELS, model_of

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)

CRASH = MODELS["a connection is made, a crash, and a LIST does not show it"]
DOMAIN = GATE["a connection gets its domain, and an answer is lost"]
EDIT = MODELS["a domain changes while Atlas makes a connection, and a write arrives late"]
LAGS = MODELS["a connection goes in steps, and Atlas shows it as before for a while"]
BESIDE = model_of(ONE, settled=1, left="registration", twice=True)
IGNORED = model_of(GOES, settled=1, ignores=1)


def _takes_no_domain(right: Any, self: Any, facts: Any, made: Any) -> Any:
    return replace(right(self, facts, made), write=None)


def _takes_any_domain(right: Any, self: Any, facts: Any, made: Any) -> Any:
    return right(self, facts, made.model_copy(update={"dns_domain": None}))


def _knows_none(right: Any, self: Any, facts: Any) -> Any:
    return None


plants("no status tells of a POST of a connection", Invariant.ONCE, CRASH, Ports, "write")(posts_without_an_intent)
plants("a domain that is named later is lost", Invariant.REST, DOMAIN, StreamPrivateEndpoints, "present")(
    _takes_no_domain
)
plants("a domain is sent that Atlas does not take", Invariant.NEEDED, EDIT, StreamPrivateEndpoints, "present")(
    _takes_any_domain
)
plants(
    "of several connections none is the recorded one", Invariant.RECORDED, BESIDE, StreamPrivateEndpoints, "recorded"
)(_knows_none)
plants("nobody knows of a DELETE of a connection", Invariant.PACED, IGNORED, StreamPrivateEndpoints, "asked_for")(
    lambda *_: 0.0
)
plants("a 202 proves a deletion", Invariant.KEPT, LAGS, StreamPrivateEndpoints, "decide_deletion")(ends_at_the_request)
plants(
    "a request deletes a connection that works",
    Invariant.LIVE,
    model_of(AGAIN, settled=1),
    StreamPrivateEndpoints,
    "decide",
)(is_dead_on_request)
