"""The state of an entry that Atlas can change, from its comparison with the spec. Pure."""

from collections.abc import Iterable
from typing import Any

from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.compare import Comparison, Treatment, described
from atlas_endpoints.reconcile.decision import POLL_FIRST, Difference, State
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE


def available(found: Comparison, facts: Facts[Any]) -> State:
    """Return the state of an endpoint that works."""
    if found.differences:
        return not_as_desired(found, facts)
    if found.lagging and facts.desired.keys() - (facts.baseline.confirmed or {}).keys():
        # Not all of the spec has been confirmed, and what Atlas shows now confirms nothing.
        return _not_shown_yet(found.lagging, found)
    message = "The endpoint is available and matches the spec."
    return State(Reason.AVAILABLE, message, catch_up(found), found.differences)


def not_as_desired(found: Comparison, facts: Facts[Any]) -> State:
    """Return why there are differences and none is sent; of several reasons, the one that a person can do most about."""
    differences, refusal = found.differences, facts.baseline.refusal
    if found.by_treatment[Treatment.REFUSED] and refusal is not None:
        return State(Reason.UPDATE_REJECTED, refusal.message, NoRequeue(), differences)
    if settling := found.by_treatment[Treatment.SETTLE]:
        return _not_shown_yet(settling, found)
    if stored := found.by_treatment[Treatment.STORED_OTHERWISE]:
        return State(
            Reason.UPDATE_REJECTED,
            f"Atlas accepted the change but stored another value: {described(stored)}. Change the spec, or {FORCE} to send the value"
            " again.",
            NoRequeue(),
            differences,
        )
    return State(
        Reason.DRIFTED,
        f"The endpoint was changed in Atlas, and spec.driftPolicy is Report: {described(differences)}. Copy the value to the spec, or"
        " set spec.driftPolicy to Correct to restore the value of the spec.",
        NoRequeue(),
        differences,
    )


def sends_next(found: Comparison) -> State | None:
    """Return the state if a change follows; None: none does."""
    if not (new := found.by_treatment[Treatment.SEND]):
        return None
    message = f"The operator sends a change next: {_names(new)}."
    return State(Reason.PENDING, message, RequeueAfter(POLL_FIRST), found.differences)


def catch_up(found: Comparison) -> Requeue:
    """Requeue only to see whether Atlas has caught up."""
    return RequeueAfter(found.lag_left) if found.lagging else NoRequeue()


def _not_shown_yet(settling: Iterable[Difference], found: Comparison) -> State:
    message = f"Atlas accepted the change and does not show it yet: {_names(settling)}."
    return State(Reason.PENDING, message, RequeueAfter(POLL_FIRST), found.differences)


def _names(differences: Iterable[Difference]) -> str:
    return ", ".join(each.field for each in differences)
