"""Bugs of operators of private endpoints for Data Federation: what they would delete, send twice or take for shown."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import DataFederationPrivateEndpoints as Kind
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import EndpointStatus
from atlas_endpoints.kinds.lives import life, registered
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.status import Cause
from model.data_federation.models import AGAIN, EDIT_GOES, GOES, MOVED, ONE, RENAMED, REPORTED, model_of
from model.dedicated.mutants import is_dead_on_request, is_forced_for_ever, remembers_nothing
from model.invariants import Invariant
from model.mutants import planter
from model.serverless.mutants import ends_at_the_request, nobody_protects

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)

IGNORED = model_of(GOES, settled=1, left="lost answer", ignores=1, leisure=inf)
RENAMED_AWAY, MOVED_AWAY = (model_of(each, settled=1, left="away") for each in (RENAMED, MOVED))
LATER_PAGE = model_of(ONE, left="patience", pages=True, in_steps=True)
FAILS = model_of(AGAIN, settled=1, left="Atlas fails, lost answer", holds="FAILED", in_steps=True)
DIES = model_of(ONE, left="Atlas fails", in_steps=True)
REMOVED, CHANGED = (model_of(REPORTED, settled=1, left=each, leisure=inf) for each in ("expires", "person"))
EDITED = model_of(EDIT_GOES, settled=1, left="crash")


def _asks_once(right: Any, facts: Any, state: Any, shown: Any, *how: Any) -> Any:
    decision = right(facts, state, shown, *how)
    return decision if shown is None or shown.status != "DELETING" else replace(decision, write=None)


def _waits_until_it_asks(right: Any, self: Any, facts: Any) -> Any:
    is_asked = facts.resource.status.is_being_deleted and not facts.uncertain
    return right(self, replace(facts, arrives_for=0.0) if is_asked else facts)


def _takes_sent_for_shown(right: Any, self: Any, *answered: Any) -> Any:
    entry, endpoint = right(self, *answered)
    return entry, EndpointStatus.model_validate(dict(endpoint))


def _takes_the_first(right: Any, self: Any, write: Any, answer: Any) -> Any:
    return write.touches[0], self.listed(answer["results"][0])[1]


def _deletes_what_is_dead(right: Any, self: Any, facts: Any, entry: Any, *how: Any) -> Any:
    return replace(right(self, facts, entry, *how), write=self.deletion(facts, entry, Cause.FORCED))


plants("a 204 proves a deletion", Invariant.KEPT, IGNORED, Kind, "decide_deletion")(ends_at_the_request)
plants("a DELETE without effect is not repeated", Invariant.STALLED, IGNORED, life, "ask")(_asks_once)
plants("the other resource is not asked", Invariant.NAMED, RENAMED_AWAY, ownership, "protectors")(nobody_protects)
plants("nobody elsewhere has seen it", Invariant.NAMED, MOVED_AWAY, Kind, "shown_in")(lambda *_: ())
plants("a late edit registers it", Invariant.KEPT, EDITED, Kind, "decide_deletion")(_waits_until_it_asks)
plants("a request deletes what works", Invariant.LIVE, model_of(AGAIN, settled=1), Kind, "decide")(is_dead_on_request)
plants("a request is never handled", Invariant.BOUND, FAILS, Kind, "decide")(is_forced_for_ever)
plants("what failed is deleted unasked", Invariant.NAMED, DIES, Kind, "dead")(_deletes_what_is_dead)
plants("what is gone is drift, and repaired", Invariant.REPORTED, REMOVED, registered, "is_confirmed")(lambda *_: False)
plants("any comment is an edit", Invariant.REPORTED, CHANGED, Kind, "decide")(remembers_nothing)
plants("what was sent was shown", Invariant.CLAIMS, LATER_PAGE, Kind, "written")(_takes_sent_for_shown)
plants("the first on the page is ours", Invariant.CLAIMS, LATER_PAGE, Kind, "written")(_takes_the_first)
