"""Bugs of operators of endpoints of serverless instances; most are in what all kinds share. See ``model.mutants``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import UNKNOWN_FOR, ObservationCache, View
from atlas_endpoints.controller import cache
from atlas_endpoints.controller.cache import RunningList, generation_of, key_of
from atlas_endpoints.controller.controller import Controller
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.core import Core
from atlas_endpoints.kinds.serverless_private_endpoint import decide
from atlas_endpoints.reconcile import creation, observe, ownership, summarize
from atlas_endpoints.reconcile.decision import Decision, State
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.last import LastCourse
from atlas_endpoints.reconcile.observe import SHARED_FOR
from atlas_endpoints.reconcile.outcome import status_unchanged
from atlas_endpoints.reconcile.reasons import Reason
from model.invariants import Invariant
from model.mutants import planter
from model.ports import Ports
from model.serverless.models import (
    BRIEF,
    CLAIMED,
    DELETE,
    EDIT,
    GATE,
    INHERITED,
    REPORTED,
    RESERVE,
    REVERT,
    SLOWLY,
    TWO,
    model_of,
)

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)


@plants(
    "the status contains the result of a PATCH before the PATCH is sent",
    Invariant.CLAIMS,
    model_of(EDIT, settled=1, left="fault"),
    Gateway,
    "write",
)
async def _status_before_patch(right: Any, self: Any, scope: Any, request: Any, **how: Any) -> Any:
    if request.method != "PATCH":
        return await right(self, scope, request, **how)
    before = self.view(scope).entries[how["touches"][0]].value
    later = asyncio.create_task(right(self, scope, request, **how), name="later")
    later.add_done_callback(lambda task: task.cancelled() or task.exception())
    answer = replace(before, **{_snake(name): value for name, value in request.body.items()})
    return how["touches"][0], answer


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


@plants(
    "a new generation waits for the backoff of the old one",
    Invariant.AT_ONCE,
    model_of(REVERT, settled=1, left="fault"),
    Queue,
    "add",
)
def _keeps_the_old_backoff(right: Any, self: Any, key: Any, **kwargs: Any) -> None:
    if key not in self:
        right(self, key, **kwargs)


@plants(
    "an edit that arrives during a reconcile is lost", Invariant.AT_ONCE, model_of(REVERT, settled=1), Queue, "done"
)
def _drops_what_is_added_meanwhile(right: Any, self: Any, key: Any, *, delay: Any = None, urgent: bool = False) -> None:
    self.forget(key)
    right(self, key)
    if delay is not None:
        self.add(key, delay=delay, urgent=urgent)


@plants(
    "one resource has two reconciles at once", Invariant.ONE_AT_A_TIME, model_of(REVERT, settled=1), Controller, "run"
)
async def _runs_twice(right: Any, self: Any, key: Any) -> Any:
    following, _ = await asyncio.gather(right(self, key), right(self, key))
    return following


@plants(
    "a LIST overwrites the answer of a newer write",
    Invariant.CLAIMS,
    model_of(REVERT, settled=1, left="slow"),
    View,
    "after",
)
def _list_overwrites(right: Any, self: Any, listing: Any, began: Any, **written: Any) -> Any:
    return right(replace(self, entries={}), listing, began, written=())


@plants(
    "an unknown outcome of a write keeps the last observation",
    Invariant.REST,
    model_of(REVERT, settled=1, left="fault"),
    ObservationCache,
    "outcome_unknown",
)
def _keeps_the_observation(right: Any, self: Any, scope: Any, entry: str) -> None:
    """Keep the last observation, with any outcome of the write."""


@plants(
    "a resource is Ready without a new observation",
    Invariant.CLAIMS,
    GATE["the sync interval is edited, and somebody changes the endpoint"],
    observe,
    "_memory_suffices",
)
def _ready_from_memory(right: Any, facts: Any, decision: Any, began: Any, is_claimed: Any) -> bool:
    entry = facts.resource.entry
    seen = None if entry is None else facts.view.entries.get(entry)
    return not facts.uncertain and seen is not None and seen.at >= began - 10 * SHARED_FOR - 600


@plants(
    "a failed status update is not repeated",
    Invariant.REST,
    model_of(EDIT, settled=1, left="fault"),
    Ports,
    "write",
)
async def _write_drops(right: Any, self: Any, body: Any, status: Any) -> Any:
    try:
        return await right(self, body, status)
    except Exception:  # noqa: BLE001  # the bug
        return {**body, "status": status}


@plants(
    "a status has a generation that was not reconciled",
    Invariant.WORDS,
    model_of(REVERT, settled=1),
    Gatherer,
    "attempt",
)
def _shows_a_newer_generation(right: Any, self: Any, body: Any, now: Any) -> Any:
    newest = self.ports.resources.get(key_of(body)) or body
    return replace(right(self, body, now), generation=generation_of(newest))


@plants(
    "confirmed values stay although a later write may have replaced them",
    Invariant.STALLED,
    model_of(REPORTED, settled=1, left="crash, lost answer", within=SLOWLY),
    summarize,
    "of_error",
)
def _keeps_what_was_confirmed(right: Any, kind: Any, facts: Any, trouble: Any, **what: Any) -> Any:
    return replace(right(kind, facts, trouble, **what), applied=facts.previous.applied)


@plants(
    "the endpoint is not observed again when a lost write may have arrived late",
    Invariant.REST,
    model_of(REVERT, settled=1, left="fault"),
    ObservationCache,
    "unknown_for",
)
def _does_not_observe_again(right: Any, self: Any, scope: Any, entry: str) -> Any:
    left = right(self, scope, entry)
    return left if left is None else 0.0 if left < UNKNOWN_FOR else None


@plants(
    "an object that was deleted without an event stays in the cache",
    Invariant.REST,
    GATE["a resource is deleted, and an event is lost"],
    RunningList,
    "vanished",
)
def _keeps_deleted_objects(right: Any, self: Any, listed: Any) -> list[Any]:
    return []


@plants(
    "an outdated object replaces a newer one",
    Invariant.FORWARD,
    model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
    cache,
    "is_older",
)
def _accepts_any_object(right: Any, body: Any, known: Any) -> bool:
    return False


@plants(
    "an object of the same generation replaces a newer one, with any age",
    Invariant.FORWARD,
    model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
    cache,
    "is_older",
)
def _older_by_generation(right: Any, body: Any, known: Any) -> bool:
    new, old = body["metadata"], known["metadata"]
    return bool(new["uid"] == old["uid"] and new["generation"] < old["generation"])


@plants("there is one worker instead of four", Invariant.AT_ONCE, model_of(TWO[:3], settled=1), Loop, "__init__")
def _one_worker(right: Any, self: Any, *arguments: Any, workers: int, **further: Any) -> None:
    right(self, *arguments, workers=1, **further)


@plants(
    "the Lease is released while a write is in progress",
    Invariant.RELEASE,
    model_of(EDIT, settled=1, replicas=2, left="hand over"),
    Core,
    "stop",
)
async def _stops_at_once(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    self.queue.close()
    return True


@plants(
    "the Lease is released at the end of the grace period, with any work in progress",
    Invariant.RELEASE,
    model_of(EDIT, settled=1, replicas=2, left="hand over, slow, slow", within=SLOWLY),
    Core,
    "stop",
)
async def _ends_after_the_grace_period(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    await right(self, workers, within=within)
    return True


@plants(
    "a replica writes without a check whether it leads",
    Invariant.LEADER,
    model_of(EDIT, settled=1, replicas=2, left="silence", within=SLOWLY),
    Ports,
    "may_write",
)
def _writes_without_the_lease(right: Any, self: Any) -> bool:
    return True


@plants(
    "a resource ends as soon as the deletion of its endpoint was requested",
    Invariant.KEPT,
    model_of(DELETE, settled=1, left="crash", within=SLOWLY),
    LastCourse,
    "_waiting",
)
def ends_at_the_request(right: Any, self: Any, facts: Any, decision: Any) -> Any:
    return replace(status_unchanged(NoRequeue()), ending={})


@plants(
    "a resource ends without waiting for an endpoint that may have been reserved",
    Invariant.KEPT,
    model_of(BRIEF, left="lost answer, list lags, list lags", within=SLOWLY),
    decide,
    "may_arrive_for",
)
@plants(
    "an endpoint that may have been reserved is requested again at once",
    Invariant.ONCE,
    model_of(RESERVE, left="crash", within=SLOWLY),
    creation,
    "may_arrive_for",
)
def _waits_for_no_reservation(right: Any, *asked: Any) -> float:
    return 0.0


@plants(
    "an endpoint is requested before the status records it",
    Invariant.ONCE,
    model_of(RESERVE, left="crash, list lags, list lags", within=SLOWLY),
    Ports,
    "write",
)
async def _requests_without_a_record(right: Any, self: Any, body: Any, status: Any) -> Any:
    intends = "endpointId" not in status.get("reservation", {"endpointId": None})
    return {**body, "status": status} if intends else await right(self, body, status)


@plants(
    "an endpoint counts as reserved when it is about to be requested",
    Invariant.PRESENT,
    model_of(RESERVE, left="fault", within=SLOWLY),
    summarize,
    "of_step",
)
def _is_reserved_when_requested(right: Any, kind: Any, facts: Any, operation: Any, decision: Any) -> Any:
    outcome = right(kind, facts, operation, decision)
    is_requested = decision.state.reason is Reason.RESERVATION_REQUESTED
    return replace(outcome, state=replace(outcome.state, reason=Reason.AVAILABLE)) if is_requested else outcome


@plants(
    "an expired reservation is not detected",
    Invariant.REST,
    model_of(RESERVE, settled=1, left="expires", within=SLOWLY),
    decide,
    "_absent",
)
def _ignores_an_absence(right: Any, facts: Any, entry: Any) -> Any:
    return Decision(State(Reason.RESERVATION_REQUESTED, "It was reserved."), absent=entry)


@plants(
    "a resource deletes an endpoint that another one names",
    Invariant.OWN,
    model_of(INHERITED, settled=1, within=SLOWLY),
    ownership,
    "protectors",
)
def _nobody_protects(right: Any, *asked: Any) -> Any:
    """Delete the endpoint, with any other resource that names it."""
    return ()


@plants(
    "both resources write to the endpoint that they name",
    Invariant.OWNER,
    model_of(CLAIMED, within=SLOWLY),
    ownership,
    "owner_before",
)
def _nobody_owns_it(right: Any, *asked: Any) -> None:
    """Have each resource that has seen an endpoint write to it."""
