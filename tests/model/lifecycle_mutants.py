"""Planted bugs of how endpoints come and go: reserved, claimed by two resources, and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.serverless_private_endpoint import decide
from atlas_endpoints.reconcile import creation, ownership
from atlas_endpoints.reconcile.converge import Converger
from atlas_endpoints.reconcile.deletion import Finisher
from atlas_endpoints.reconcile.kind import Decision, State
from atlas_endpoints.reconcile.outcome import quiet
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FINALIZER
from model.invariants import Invariant
from model.models import BRIEF, CLAIMED, DELETE, INHERITED, RESERVE, SLOWLY, model_of
from model.mutant import Mutant
from model.ports import Ports


async def _asks_without_telling(right: Any, self: Any, body: Any, status: Any) -> Any:
    intends = "endpointId" not in status.get("reservation", {"endpointId": None})
    return {**body, "status": status} if intends else await right(self, body, status)


def _is_there_when_asked_for(right: Any, self: Any, *intended: Any) -> Any:
    outcome = right(self, *intended)
    return replace(outcome, state=replace(outcome.state, reason=Reason.AVAILABLE))


def _believes_no_absence(right: Any, facts: Any, entry: Any) -> Any:
    return Decision(State(Reason.RESERVATION_REQUESTED, "It was reserved."), absent=entry)


def _nobody_needs_it(right: Any, *asked: Any) -> None:
    """Take what is to go along, whoever else stands for it."""


def _nobody_owns_it(right: Any, *asked: Any) -> None:
    """Have each resource that has seen an endpoint write to it."""


def _goes_when_asked(right: Any, self: Any, facts: Any, decision: Any) -> Any:
    return replace(quiet(facts.generation, NoRequeue()), metadata=MetadataChange({FINALIZER: False}))


def _waits_for_no_reservation(right: Any, *asked: Any) -> float:
    return 0.0


LIFECYCLE = [
    Mutant(
        "an endpoint that may have been reserved is asked for again at once",
        Invariant.ONCE,
        model_of(RESERVE, left="lost answer, list lags, list lags", within=SLOWLY),
        creation,
        "may_arrive_for",
        _waits_for_no_reservation,
    ),
    Mutant(
        "an endpoint is asked for without telling before",
        Invariant.ONCE,
        model_of(RESERVE, left="crash, list lags, list lags", within=SLOWLY),
        Ports,
        "write",
        _asks_without_telling,
    ),
    Mutant(
        "an endpoint counts as there when it is about to be asked for",
        Invariant.PRESENT,
        model_of(RESERVE, left="fault", within=SLOWLY),
        Converger,
        "_intend",
        _is_there_when_asked_for,
    ),
    Mutant(
        "a reservation that has expired is missed by nobody",
        Invariant.REST,
        model_of(RESERVE, settled=1, left="expires", within=SLOWLY),
        decide,
        "_absent",
        _believes_no_absence,
    ),
    Mutant(
        "a resource takes its endpoint along from under another",
        Invariant.OWN,
        model_of(INHERITED, settled=1, within=SLOWLY),
        ownership,
        "needed_by",
        _nobody_needs_it,
    ),
    Mutant(
        "each of two resources writes to the endpoint that both name",
        Invariant.OWNER,
        model_of(CLAIMED, within=SLOWLY),
        ownership,
        "owner_before",
        _nobody_owns_it,
    ),
    Mutant(
        "a resource goes as soon as Atlas was asked to delete its endpoint",
        Invariant.KEPT,
        model_of(DELETE, settled=1, left="crash", within=SLOWLY),
        Finisher,
        "_waiting",
        _goes_when_asked,
    ),
    Mutant(
        "a resource goes without waiting for an endpoint that may have been reserved",
        Invariant.KEPT,
        model_of(BRIEF, left="lost answer, list lags, list lags", within=SLOWLY),
        decide,
        "may_arrive_for",
        _waits_for_no_reservation,
    ),
]
