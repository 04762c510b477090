"""The states of resources whose write is decided but not made: by policy, or by the drift limiter. Pure."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.requeue import RequeueAfter, at_latest
from atlas_endpoints.reconcile.decision import Decision, Difference, State, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause

FORCE = "set the annotation atlas-endpoints.dev/force-sync"


def planned(facts: Facts[Any], decision: Decision, write: Write) -> State:
    """Return the state of a resource for which a write is only planned."""
    if facts.resource.spec.management_policy == "Plan":
        why = "spec.managementPolicy is Plan, so nothing is sent to Atlas until it is Manage"
    else:
        why = (
            "WRITES is off, so nothing is sent to Atlas until whoever runs the operator sets ATLAS_ENDPOINTS_WRITES=on"
        )
    if write.creates is not None:
        message = f"{why}. Then {write.creates.planned}, as status.plan shows it."
        return State(Reason.PLANNED, message, RequeueAfter(facts.interval.total_seconds()), decision.state.differences)
    because = _BECAUSE[write.cause] if write.cause is not None else ""
    changes = "; ".join(f"{name} as {quoted(value)}" for name, value in write.fields.items())
    message = f"{why}. Then this is sent, {because}, as status.plan shows it: {changes}."
    return replace(decision.state, reason=Reason.PLANNED, message=message)


def held(decision: Decision, wait: float) -> State:
    """Return the state of a resource whose correction of drift the limiter holds back.

    Args:
        wait: seconds until its turn; infinite if drift is never corrected.
    """
    state = decision.state
    drifted = told(state.differences or ())
    if math.isinf(wait):
        return replace(
            state,
            reason=Reason.DRIFTED,
            message="Atlas no longer shows what it had confirmed, and with MAX_CORRECTIONS=0 the operator corrects no drift."
            f" Whoever runs it can allow that; {FORCE} to correct this one now. Drifted: {drifted}.",
        )
    return replace(
        state,
        reason=Reason.CORRECTION_HELD,
        message="Atlas no longer shows what it had confirmed, and that of more resources than MAX_CORRECTIONS lets be corrected"
        " at a time: this one waits for its turn. Find out who changes the endpoints; set ATLAS_ENDPOINTS_WRITES=off for the"
        f" operator to stop all corrections, or {FORCE} to make this one now. Drifted: {drifted}.",
        requeue=at_latest(state.requeue, wait),
    )


def told(differences: Iterable[Difference]) -> str:
    """Return a text of the differences."""
    return "; ".join(f"{each.field} is {quoted(each.actual)}, not {quoted(each.desired)}" for each in differences)


def quoted(value: str | None) -> str:
    """Return a text of a value."""
    return "empty" if not value else f"'{value}'"


_BECAUSE = {
    Cause.FIRST_CONTACT: "since the resource is new",
    Cause.EDIT: "since the spec has changed",
    Cause.DRIFT: "since Atlas no longer shows what it had confirmed",
    Cause.FORCED: "since an annotation asks for it",
    Cause.RESERVATION: "since the resource has no endpoint",
}
