"""Bugs of the kinds that operators have had, planted by patching: the explorer has to find each in a small environment.

Each names the environment that shows it, with the least that is needed to. A wrong function is given the right one first.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from atlas_endpoints.atlas import observations
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import UNKNOWN_FOR, ObservationCache
from atlas_endpoints.controller import cache
from atlas_endpoints.controller.cache import Comparison
from atlas_endpoints.controller.controller import Controller, MetadataChange
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.controller.workqueue import Queue
from atlas_endpoints.core import Core
from atlas_endpoints.kinds.serverless_private_endpoint import decide
from atlas_endpoints.reconcile import creation, observe, ownership, summarize
from atlas_endpoints.reconcile.converge import Converger
from atlas_endpoints.reconcile.deletion import Finisher
from atlas_endpoints.reconcile.kind import Decision, State
from atlas_endpoints.reconcile.observe import SHARED
from atlas_endpoints.reconcile.outcome import quiet
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.resource import FINALIZER
from model.invariants import Invariant
from model.models import BRIEF, CLAIMED, DELETE, EDIT, GATE, INHERITED, REPORTED, RESERVE, REVERT, SLOWLY, TWO, model_of
from model.ports import Ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model.environment import Environment

W = TypeVar("W", bound="Callable[..., Any]")


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        bug: what the operator does wrong.
        invariant: that it breaks first.
        model: that shows it.
        owner, name, wrong: what is replaced by what.
    """

    bug: str
    invariant: Invariant
    model: Environment
    owner: Any
    name: str
    wrong: Callable[..., Any]

    @contextmanager
    def planted(self) -> Iterator[None]:
        right = getattr(self.owner, self.name)

        def wrong(*args: Any, **kwargs: Any) -> Any:
            return self.wrong(right, *args, **kwargs)

        wrong.__name__ = self.name  # by which a frozen run finds it again
        with patch.object(self.owner, self.name, wrong):
            yield


MUTANTS: list[Mutant] = []


def plants(bug: str, invariant: Invariant, model: Environment, owner: Any, name: str) -> Callable[[W], W]:
    """Enter a bug: the function below stands in for one of the operator's."""

    def enter(wrong: W) -> W:
        MUTANTS.append(Mutant(bug, invariant, model, owner, name, wrong))
        return wrong

    return enter


@plants(
    "it says what a PATCH will have done, and sends it afterwards",
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
    answer = before.model_copy(update={_snake(name): value for name, value in request.body.items()})
    return how["touches"][0], answer


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


@plants(
    "a new generation waits until the old one's backoff is over",
    Invariant.AT_ONCE,
    model_of(REVERT, settled=1, left="fault"),
    Queue,
    "add",
)
def _keeps_the_old_backoff(right: Any, self: Any, key: Any, **kwargs: Any) -> None:
    if key not in self:
        right(self, key, **kwargs)


@plants(
    "an edit that arrives while a pass runs is forgotten", Invariant.AT_ONCE, model_of(REVERT, settled=1), Queue, "done"
)
def _drops_what_is_added_meanwhile(right: Any, self: Any, key: Any, *, delay: Any = None) -> None:
    self.forget(key)
    right(self, key)
    if delay is not None:
        self.add(key, delay=delay)


@plants(
    "two passes run over one resource at once", Invariant.ONE_AT_A_TIME, model_of(REVERT, settled=1), Controller, "run"
)
async def _runs_twice(right: Any, self: Any, key: Any) -> Any:
    following, _ = await asyncio.gather(right(self, key), right(self, key))
    return following


@plants(
    "a LIST overwrites the answer of a newer write",
    Invariant.CLAIMS,
    model_of(REVERT, settled=1, left="slow"),
    observations,
    "merged",
)
def _list_overwrites(right: Any, known: Any, listing: Any, began: Any, **written: Any) -> Any:
    return right({}, listing, began, written=())


@plants(
    "a write of unknown fate leaves the last observation as it was",
    Invariant.REST,
    model_of(REVERT, settled=1, left="fault"),
    ObservationCache,
    "outcome_unknown",
)
def _doubts_nothing(right: Any, self: Any, scope: Any, entry: str) -> None:
    """Keep what was observed before, whatever became of the write."""


@plants(
    "memory is enough to be Ready",
    Invariant.CLAIMS,
    GATE["the sync interval is edited, and somebody changes the endpoint"],
    observe,
    "_memory_suffices",
)
def _ready_from_memory(right: Any, facts: Any, decision: Any, began: Any, is_claimed: Any) -> bool:
    entry = facts.resource.entry
    seen = None if entry is None else facts.view.entries.get(entry)
    return not facts.uncertain and seen is not None and seen.at >= began - 10 * SHARED - 600


@plants(
    "a status that could not be written is given up",
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
    "a status speaks of a generation that no pass was over",
    Invariant.WORDS,
    model_of(REVERT, settled=1),
    Reconciler,
    "render",
)
def _speaks_of_what_it_has_not_seen(right: Any, self: Any, body: Any, previous: Any, outcome: Any) -> Any:
    generation = body["metadata"]["generation"]
    return right(self, body, previous, replace(outcome, generation=max(outcome.generation, generation)))


@plants(
    "what was confirmed before stands although a later write may have undone it",
    Invariant.STALLED,
    model_of(REPORTED, settled=1, left="crash, lost answer", within=SLOWLY),
    summarize,
    "of_error",
)
def _keeps_what_was_confirmed(right: Any, kind: Any, facts: Any, trouble: Any, **what: Any) -> Any:
    return replace(right(kind, facts, trouble, **what), applied=facts.previous.applied)


@plants(
    "nobody looks again when a lost write may have arrived late",
    Invariant.REST,
    model_of(REVERT, settled=1, left="fault"),
    ObservationCache,
    "unknown_for",
)
def _looks_no_more(right: Any, self: Any, scope: Any, entry: str) -> Any:
    left = right(self, scope, entry)
    return left if left is None else 0.0 if left < UNKNOWN_FOR else None


@plants(
    "what has vanished without an event stays in the store",
    Invariant.REST,
    GATE["a resource is deleted, and an event is lost"],
    Comparison,
    "vanished",
)
def _misses_what_vanished(right: Any, self: Any, listed: Any) -> list[Any]:
    return []


@plants(
    "an outdated body is taken for news",
    Invariant.FORWARD,
    model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
    cache,
    "is_older",
)
def _believes_any_body(right: Any, body: Any, known: Any) -> bool:
    return False


@plants(
    "a body of the same generation is taken for news, however old it is",
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
    "the Lease is released while a write is under way",
    Invariant.RELEASE,
    model_of(EDIT, settled=1, replicas=2, left="hand over"),
    Core,
    "stop",
)
async def _stops_at_once(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    self.queue.close()
    return True


@plants(
    "the Lease is released when the time for finishing is over, whatever is under way",
    Invariant.RELEASE,
    model_of(EDIT, settled=1, replicas=2, left="hand over, slow, slow", within=SLOWLY),
    Core,
    "stop",
)
async def _takes_time_for_rest(right: Any, self: Any, workers: Any, *, within: float) -> bool:
    await right(self, workers, within=within)
    return True


@plants(
    "a replica writes without asking whether it leads",
    Invariant.LEADER,
    model_of(EDIT, settled=1, replicas=2, left="silence", within=SLOWLY),
    Ports,
    "may_write",
)
def _asks_nobody(right: Any, self: Any) -> bool:
    return True


@plants(
    "a resource goes as soon as Atlas was asked to delete its endpoint",
    Invariant.KEPT,
    model_of(DELETE, settled=1, left="crash", within=SLOWLY),
    Finisher,
    "_waiting",
)
def _goes_when_asked(right: Any, self: Any, facts: Any, decision: Any) -> Any:
    return replace(quiet(facts.generation, NoRequeue()), metadata=MetadataChange({FINALIZER: False}))


@plants(
    "a resource goes without waiting for an endpoint that may have been reserved",
    Invariant.KEPT,
    model_of(BRIEF, left="lost answer, list lags, list lags", within=SLOWLY),
    decide,
    "may_arrive_for",
)
@plants(
    "an endpoint that may have been reserved is asked for again at once",
    Invariant.ONCE,
    model_of(RESERVE, left="lost answer, list lags, list lags", within=SLOWLY),
    creation,
    "may_arrive_for",
)
def _waits_for_no_reservation(right: Any, *asked: Any) -> float:
    return 0.0


@plants(
    "an endpoint is asked for without telling before",
    Invariant.ONCE,
    model_of(RESERVE, left="crash, list lags, list lags", within=SLOWLY),
    Ports,
    "write",
)
async def _asks_without_telling(right: Any, self: Any, body: Any, status: Any) -> Any:
    intends = "endpointId" not in status.get("reservation", {"endpointId": None})
    return {**body, "status": status} if intends else await right(self, body, status)


@plants(
    "an endpoint counts as there when it is about to be asked for",
    Invariant.PRESENT,
    model_of(RESERVE, left="fault", within=SLOWLY),
    Converger,
    "_intend",
)
def _is_there_when_asked_for(right: Any, self: Any, *intended: Any) -> Any:
    outcome = right(self, *intended)
    return replace(outcome, state=replace(outcome.state, reason=Reason.AVAILABLE))


@plants(
    "a reservation that has expired is missed by nobody",
    Invariant.REST,
    model_of(RESERVE, settled=1, left="expires", within=SLOWLY),
    decide,
    "_absent",
)
def _believes_no_absence(right: Any, facts: Any, entry: Any) -> Any:
    return Decision(State(Reason.RESERVATION_REQUESTED, "It was reserved."), absent=entry)


@plants(
    "a resource takes its endpoint along from under another",
    Invariant.OWN,
    model_of(INHERITED, settled=1, within=SLOWLY),
    ownership,
    "needed_by",
)
def _nobody_needs_it(right: Any, *asked: Any) -> None:
    """Take what is to go along, whoever else stands for it."""


@plants(
    "each of two resources writes to the endpoint that both name",
    Invariant.OWNER,
    model_of(CLAIMED, within=SLOWLY),
    ownership,
    "owner_before",
)
def _nobody_owns_it(right: Any, *asked: Any) -> None:
    """Have each resource that has seen an endpoint write to it."""
