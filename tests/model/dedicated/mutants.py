"""The bugs that histories and cases of private endpoints of dedicated clusters find, and where the explorer finds them.

It does not find that the public connection string is handed over: no ConfigMap and no cluster is in its environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from histories.dedicated.mutants import IN_CASES, IN_HISTORIES
from model.dedicated.models import GATE
from model.invariants import Invariant
from model.mutants import Mutant
from model.serverless.mutants import MUTANTS as OF_SERVERLESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from histories.dedicated.mutants import Mutant as AnyMutant
    from model.environment import Environment

FOUND: Mapping[str, tuple[Invariant, Environment]] = {
    "a service is deleted that another resource shares": (
        Invariant.SHARED,
        GATE["one of two resources goes, and the other one has no endpoint"],
    ),
    "an endpoint is deleted that nobody registered for the resource": (
        Invariant.STRANGER,
        GATE["an endpoint of others is adopted, and Atlas may reject it"],
    ),
    "an endpoint that Atlas rejects is registered without end": (
        Invariant.BOUND,
        GATE["an endpoint is made, and Atlas rejects it again and again"],
    ),
    "a service is asked for again while an earlier call may still create it": (
        Invariant.ONCE,
        GATE["a service and an endpoint are made, an answer is lost, and a LIST does not show what is new"],
    ),
    "a resource ends as soon as the deletion of its endpoint was requested": (
        Invariant.KEPT,
        GATE["a service and an endpoint go with their resource, and an answer is lost"],
    ),
}
"""The invariant that each bug breaks first, and the model that shows it."""

_BUGS: list[AnyMutant | Mutant] = [*IN_HISTORIES, *IN_CASES, *OF_SERVERLESS]
MUTANTS = [Mutant(each.bug, *FOUND[each.bug], each.owner, each.name, each.wrong) for each in _BUGS if each.bug in FOUND]
