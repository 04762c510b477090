"""Bugs of operators of endpoints of serverless instances; most are in what all kinds share. See ``model.mutants``."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import ObservationCache, View
from atlas_endpoints.controller import cache
from atlas_endpoints.controller.cache import RunningList
from atlas_endpoints.controller.controller import Controller
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.core import Core
from atlas_endpoints.kinds.serverless_private_endpoint.kind import ServerlessPrivateEndpoints, ServerlessReason
from atlas_endpoints.reconcile import creation, ownership
from atlas_endpoints.reconcile.decision import Create, State
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.tunings import UNKNOWN_FOR
from model.invariants import Invariant
from model.mutants import planter
from model.ports import Ports
from model.serverless.models import (
    CLAIMED,
    DEEPER,
    DELETE,
    EDIT,
    GATE,
    INHERITED,
    REPORTED,
    RESERVE,
    REVERT,
    SLOWLY,
    TWO,
    A,
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
    return how["touches"][0], before.model_copy(update={"comment": request.body["comment"]})


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
def _drops_what_is_added_meanwhile(right: Any, self: Any, key: Any, *, delay: Any, **how: Any) -> None:
    self.forget(key)
    right(self, key)
    if delay is not None:
        self.add(key, delay=delay, **how)


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
def _list_overwrites(right: Any, self: Any, *listing: Any, written: Any) -> Any:
    return right(replace(self, entries={}), *listing, written=())


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
    model_of([("a", A), ("a", {**A, "syncInterval": "20m"})], settled=1, left="person", within=3 * SLOWLY),
    Gateway,
    "list",
)
async def _lists_from_memory(right: Any, self: Any, scope: Any, *, since: float) -> Any:
    return await right(self, scope, since=since - 600)


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
    Ports,
    "write",
)
async def _shows_a_newer_generation(right: Any, self: Any, body: Any, status: Any) -> Any:
    return await right(self, body, {**status, "observedGeneration": body["metadata"]["generation"]})


@plants(
    "confirmed values stay although a later write may have replaced them",
    Invariant.STALLED,
    model_of(REPORTED, settled=1, left="crash, lost answer", within=SLOWLY),
    Ports,
    "write",
)
async def _keeps_what_was_confirmed(right: Any, self: Any, body: Any, status: Any) -> Any:
    kept = {name: value for name, value in body["status"].items() if name == "applied"}
    return await right(self, body, {**kept, **status})


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


@plants("there is one worker instead of four", Invariant.AT_ONCE, model_of(TWO[:3], settled=1), Loop, "work")
async def _one_worker(right: Any, self: Any) -> None:  # it is replaced as a whole
    while (key := await self.queue.get()) is not None:
        await self._handle(key)


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
    ServerlessPrivateEndpoints,
    "decide_deletion",
)
def ends_at_the_request(right: Any, self: Any, facts: Any) -> Any:
    decision = right(self, facts)
    return decision if decision.write is None else replace(decision, nothing_left=True)


@plants(
    "a resource ends without waiting for an endpoint that may have been reserved",
    Invariant.KEPT,
    DEEPER["a resource goes while its endpoint is reserved, a crash, and a LIST does not show what is new"],
    ServerlessPrivateEndpoints,
    "decide_deletion",
)
def _ends_when_nothing_is_shown(right: Any, self: Any, facts: Any) -> Any:
    decision = right(self, facts)
    return decision if decision.seen is not None else replace(decision, nothing_left=True)


@plants(
    "an endpoint that may have been reserved is requested again at once",
    Invariant.ONCE,
    model_of(RESERVE, left="crash", within=SLOWLY),
    creation,
    "may_arrive_for",
)
def nothing_may_arrive(right: Any, *asked: Any) -> float:
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
    ServerlessPrivateEndpoints,
    "decide",
)
def _is_reserved_when_requested(right: Any, self: Any, facts: Any) -> Any:
    decision = right(self, facts)
    if not isinstance(decision.write, Create):
        return decision
    return replace(decision, write=replace(decision.write, reason=Reason.AVAILABLE))


@plants(
    "an expired reservation is not detected",
    Invariant.REST,
    model_of(RESERVE, settled=1, left="expires", within=SLOWLY),
    ServerlessPrivateEndpoints,
    "decide",
)
def _ignores_an_absence(right: Any, self: Any, facts: Any) -> Any:
    decision, state = right(self, facts), State(ServerlessReason.RESERVATION_REQUESTED, "It was reserved.")
    return decision if decision.absent is None else replace(decision, state=state, write=None)


@plants(
    "a resource deletes an endpoint that another one names",
    Invariant.OWN,
    model_of(INHERITED, settled=1, within=SLOWLY),
    ownership,
    "protectors",
)
def nobody_protects(right: Any, *asked: Any) -> Any:
    """Delete a thing, with any other resource that names it."""
    return ()


@plants(
    "both resources write to the endpoint that they name",
    Invariant.OWNER,
    model_of(CLAIMED, within=SLOWLY),
    ownership,
    "owner_before",
)
def _nobody_owns_it(right: Any, *asked: Any, **how: Any) -> None:
    """Have each resource that has seen an endpoint write to it."""
