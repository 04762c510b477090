"""Bugs of the kinds that operators have had, planted by patching: the explorer has to find each in a small environment.

Each names the environment that shows it, with the least that is needed to.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas import observations
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import UNKNOWN_FOR, ObservationCache
from atlas_endpoints.controller import cache
from atlas_endpoints.controller.cache import Comparison
from atlas_endpoints.controller.controller import Controller
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.core import Core
from atlas_endpoints.reconcile import observe, summarize
from atlas_endpoints.reconcile.observe import SHARED
from atlas_endpoints.reconcile.reconciler import Reconciler
from model.invariants import Invariant
from model.lifecycle_mutants import LIFECYCLE
from model.models import EDIT, GATE, REPORTED, REVERT, SLOWLY, TWO, model_of
from model.mutant import Mutant
from model.ports import Ports


async def _status_before_patch(right: Any, self: Any, scope: Any, request: Any, **how: Any) -> Any:
    if request.method != "PATCH":
        return await right(self, scope, request, **how)
    before = self.view(scope).entries[how["touches"][0]].value
    later = asyncio.create_task(right(self, scope, request, **how), name="later")
    later.add_done_callback(lambda task: task.cancelled() or task.exception())
    return before.model_copy(update={_snake(name): value for name, value in request.body.items()})


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _keeps_the_old_backoff(right: Any, self: Any, key: Any, **kwargs: Any) -> None:
    if key not in self:
        right(self, key, **kwargs)


def _drops_what_is_added_meanwhile(right: Any, self: Any, key: Any, *, delay: Any = None) -> None:
    self.forget(key)
    right(self, key)
    if delay is not None:
        self.add(key, delay=delay)


async def _runs_twice(right: Any, self: Any, key: Any) -> Any:
    following, _ = await asyncio.gather(right(self, key), right(self, key))
    return following


def _list_overwrites(right: Any, known: Any, listing: Any, began: Any, **written: Any) -> Any:
    return right({}, listing, began, written=())


def _doubts_nothing(right: Any, self: Any, scope: Any, entry: str) -> None:
    """Keep what was observed before, whatever became of the write."""


def _ready_from_memory(right: Any, facts: Any, decision: Any, began: Any, is_claimed: Any) -> bool:
    entry = facts.resource.entry
    seen = None if entry is None else facts.view.entries.get(entry)
    return not facts.uncertain and seen is not None and seen.at >= began - 10 * SHARED - 600


async def _write_drops(right: Any, self: Any, body: Any, status: Any) -> Any:
    try:
        return await right(self, body, status)
    except Exception:  # noqa: BLE001  # the bug
        return {**body, "status": status}


def _speaks_of_what_it_has_not_seen(right: Any, self: Any, body: Any, previous: Any, outcome: Any) -> Any:
    generation = body["metadata"]["generation"]
    return right(self, body, previous, replace(outcome, generation=max(outcome.generation, generation)))


def _keeps_what_was_confirmed(right: Any, kind: Any, facts: Any, trouble: Any, **what: Any) -> Any:
    return replace(right(kind, facts, trouble, **what), applied=facts.previous.applied)


def _looks_no_more(right: Any, self: Any, scope: Any, entry: str) -> Any:
    left = right(self, scope, entry)
    return left if left is None else 0.0 if left < UNKNOWN_FOR else None


def _misses_what_vanished(right: Any, self: Any, listed: Any) -> list[Any]:
    return []


def _believes_any_body(right: Any, body: Any, known: Any) -> bool:
    return False


async def _stops_at_once(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    self.queue.close()
    return True


async def _takes_time_for_rest(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    await right(self, workers, within=within)
    return True


def _one_worker(right: Any, self: Any, *arguments: Any, workers: int, **further: Any) -> None:
    right(self, *arguments, workers=1, **further)


def _older_by_generation(right: Any, body: Any, known: Any) -> bool:
    new, old = body["metadata"], known["metadata"]
    return bool(new["uid"] == old["uid"] and new["generation"] < old["generation"])


def _asks_nobody(right: Any, self: Any) -> bool:
    return True


MUTANTS = [
    Mutant(
        "it says what a PATCH will have done, and sends it afterwards",
        Invariant.CLAIMS,
        model_of(EDIT, settled=1, left="fault"),
        Gateway,
        "write",
        _status_before_patch,
    ),
    Mutant(
        "a new generation waits until the old one's backoff is over",
        Invariant.AT_ONCE,
        model_of(REVERT, settled=1, left="fault"),
        Queue,
        "add",
        _keeps_the_old_backoff,
    ),
    Mutant(
        "an edit that arrives while a pass runs is forgotten",
        Invariant.AT_ONCE,
        model_of(REVERT, settled=1),
        Queue,
        "done",
        _drops_what_is_added_meanwhile,
    ),
    Mutant(
        "two passes run over one resource at once",
        Invariant.ONE_AT_A_TIME,
        model_of(REVERT, settled=1),
        Controller,
        "run",
        _runs_twice,
    ),
    Mutant(
        "a LIST overwrites the answer of a newer write",
        Invariant.CLAIMS,
        model_of(REVERT, settled=1, left="slow"),
        observations,
        "merged",
        _list_overwrites,
    ),
    Mutant(
        "a write of unknown fate leaves the last observation as it was",
        Invariant.REST,
        model_of(REVERT, settled=1, left="fault"),
        ObservationCache,
        "outcome_unknown",
        _doubts_nothing,
    ),
    Mutant(
        "memory is enough to be Ready",
        Invariant.CLAIMS,
        GATE["the sync interval is edited, and somebody changes the endpoint"],
        observe,
        "_memory_suffices",
        _ready_from_memory,
    ),
    Mutant(
        "a status that could not be written is given up",
        Invariant.REST,
        model_of(EDIT, settled=1, left="fault"),
        Ports,
        "write",
        _write_drops,
    ),
    Mutant(
        "a status speaks of a generation that no pass was over",
        Invariant.WORDS,
        model_of(REVERT, settled=1),
        Reconciler,
        "render",
        _speaks_of_what_it_has_not_seen,
    ),
    Mutant(
        "what was confirmed before stands although a later write may have undone it",
        Invariant.STALLED,
        model_of(REPORTED, settled=1, left="crash, lost answer", within=SLOWLY),
        summarize,
        "of_error",
        _keeps_what_was_confirmed,
    ),
    Mutant(
        "nobody looks again when a lost write may have arrived late",
        Invariant.REST,
        model_of(REVERT, settled=1, left="fault"),
        ObservationCache,
        "unknown_for",
        _looks_no_more,
    ),
    Mutant(
        "what has vanished without an event stays in the store",
        Invariant.REST,
        GATE["a resource is deleted, and an event is lost"],
        Comparison,
        "vanished",
        _misses_what_vanished,
    ),
    Mutant(
        "an outdated body is taken for news",
        Invariant.FORWARD,
        model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
        cache,
        "is_older",
        _believes_any_body,
    ),
    Mutant(
        "a body of the same generation is taken for news, however old it is",
        Invariant.FORWARD,
        model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
        cache,
        "is_older",
        _older_by_generation,
    ),
    Mutant(
        "there is one worker instead of four",
        Invariant.AT_ONCE,
        model_of(TWO[:3], settled=1),
        Loop,
        "__init__",
        _one_worker,
    ),
    Mutant(
        "the Lease is released while a write is under way",
        Invariant.RELEASE,
        model_of(EDIT, settled=1, replicas=2, left="hand over"),
        Core,
        "stop",
        _stops_at_once,
    ),
    Mutant(
        "the Lease is released when the time for finishing is over, whatever is under way",
        Invariant.RELEASE,
        model_of(EDIT, settled=1, replicas=2, left="hand over, slow, slow", within=SLOWLY),
        Core,
        "stop",
        _takes_time_for_rest,
    ),
    Mutant(
        "a replica writes without asking whether it leads",
        Invariant.LEADER,
        model_of(EDIT, settled=1, replicas=2, left="silence", within=SLOWLY),
        Ports,
        "may_write",
        _asks_nobody,
    ),
    *LIFECYCLE,
]
