"""Bugs of operators of private endpoints for Data Federation: what they would delete, send twice or take for shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import DataFederationPrivateEndpoints
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.status import Cause
from model.data_federation.models import AGAIN, MODELS, ONE, model_of
from model.invariants import Invariant
from model.mutants import planter
from model.serverless.mutants import ends_at_the_request, nobody_protects

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)

LATER_PAGE = model_of(ONE, pages=True, in_steps=True, left="patience")

plants(
    "an answer to a DELETE proves that an endpoint for Data Federation is gone",
    Invariant.KEPT,
    MODELS["an endpoint goes with its resource at the second request, and an answer is lost"],
    DataFederationPrivateEndpoints,
    "decide_deletion",
)(ends_at_the_request)
plants(
    "an endpoint for Data Federation is deleted that another resource names",
    Invariant.NAMED,
    MODELS["a resource is renamed while the operator is away"],
    ownership,
    "protectors",
)(nobody_protects)


@plants(
    "what a resource of another namespace has seen of Data Federation does not count",
    Invariant.NAMED,
    MODELS["a resource moves to another namespace while the operator is away"],
    DataFederationPrivateEndpoints,
    "shown_in",
)
def _shows_nothing(right: Any, self: Any, status: Any) -> Any:
    return ()


@plants(
    "a resource ends while a change of the comment may still register its endpoint",
    Invariant.KEPT,
    MODELS["an edit, a crash, and the resource goes"],
    DataFederationPrivateEndpoints,
    "decide_deletion",
)
def _expects_nothing(right: Any, self: Any, facts: Any) -> Any:
    is_asked = facts.resource.status.is_being_deleted and not facts.uncertain
    return right(self, replace(facts, arrives_for=0.0) if is_asked else facts)


@plants(
    "a DELETE for Data Federation that Atlas does not carry out is not repeated",
    Invariant.STALLED,
    MODELS["an endpoint goes with its resource at the second request, and an answer is lost"],
    registered,
    "deletion",
)
def _asks_once(right: Any, facts: Any, state: Any, shown: Any, *how: Any) -> Any:
    decision = right(facts, state, shown, *how)
    return decision if shown is None or shown.status != "DELETING" else replace(decision, write=None)


@plants(
    "a request deletes an endpoint for Data Federation that works",
    Invariant.LIVE,
    model_of(AGAIN, settled=1),
    DataFederationPrivateEndpoints,
    "decide",
)
def _is_dead_on_request(right: Any, self: Any, facts: Any) -> Any:
    entry, seen = facts.resource.entry, facts.view.entries.get(facts.resource.entry)
    if facts.forced and seen is not None and seen.value is not None:
        facts = replace(
            facts, view=facts.view.showing(entry, replace(seen, value=replace(seen.value, status="FAILED")))
        )
    return right(self, facts)


@plants(
    "a request to make a dead endpoint for Data Federation again is never handled",
    Invariant.BOUND,
    MODELS["a dead endpoint is made again in steps, it may fail again, and an answer is lost"],
    DataFederationPrivateEndpoints,
    "decide",
)
def _is_forced_for_ever(right: Any, self: Any, facts: Any) -> Any:
    return right(self, replace(facts, forced=facts.resource.metadata.reconcile_request is not None))


@plants(
    "an endpoint for Data Federation that failed is deleted without a request",
    Invariant.NAMED,
    MODELS["an endpoint is registered in steps, it may fail, and a LIST does not show it"],
    registered,
    "dead",
)
def _deletes_what_is_dead(right: Any, *asked: Any) -> Any:
    return replace(right(*asked), write=asked[-1](Cause.FORCED))


@plants(
    "what is gone from Data Federation is registered again although drift is only reported",
    Invariant.REPORTED,
    MODELS["somebody removes an endpoint, and drift is only reported"],
    registered,
    "is_confirmed",
)
def _is_never_confirmed(right: Any, *asked: Any) -> bool:
    return False


@plants(
    "a comment in Data Federation is changed back although drift is only reported",
    Invariant.REPORTED,
    MODELS["somebody changes the comment, and drift is only reported"],
    DataFederationPrivateEndpoints,
    "decide",
)
def _takes_drift_for_an_edit(right: Any, self: Any, facts: Any) -> Any:
    return right(self, replace(facts, baseline=replace(facts.baseline, nothing_missed=False)))


@plants(
    "what was sent to Data Federation counts as shown if the answer is another page",
    Invariant.CLAIMS,
    LATER_PAGE,
    DataFederationPrivateEndpoints,
    "written",
)
def _takes_sent_for_shown(right: Any, self: Any, *answered: Any) -> Any:
    entry, endpoint = right(self, *answered)
    return entry, replace(endpoint, is_sent=False)


@plants(
    "the first endpoint on a page of Data Federation counts as the one that was registered",
    Invariant.CLAIMS,
    LATER_PAGE,
    DataFederationPrivateEndpoints,
    "written",
)
def _takes_the_first(right: Any, self: Any, write: Any, answer: Any) -> Any:
    _, endpoint = self.listed(answer["results"][0])
    return write.touches[0], endpoint


@plants(
    "an endpoint for Data Federation counts as OK while Atlas approves it",
    Invariant.CLAIMS,
    LATER_PAGE,
    DataFederationPrivateEndpoints,
    "got",
)
def _does_not_wait(right: Any, self: Any, *asked: Any) -> Any:
    return replace(right(self, *asked), status="OK")
