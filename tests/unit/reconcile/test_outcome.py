"""What an outcome says about its reconcile."""

import pytest

from atlas_endpoints.controller.requeue import Backoff, NoRequeue, RequeueAfter
from atlas_endpoints.reconcile.decision import State
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.reasons import Reason

COMPLETE = {
    "it is at rest": (Outcome(requeue=NoRequeue(), state=State(Reason.AVAILABLE, "So it is.")), True),
    "it waits for Atlas": (Outcome(requeue=RequeueAfter(30), state=State(Reason.INITIATING, "So it is.")), True),
    "it goes on at once": (Outcome(requeue=RequeueAfter(0), state=State(Reason.INITIATING, "So it is.")), False),
    "it failed": (Outcome(requeue=Backoff(), state=State(Reason.RATE_LIMITED, "So it is.")), False),
    "its call was held, so it has seen nothing": (
        Outcome(requeue=RequeueAfter(60, held=True), state=State(Reason.RATE_LIMITED, "So it is.")),
        False,
    ),
    "its spec is invalid": (Outcome(requeue=NoRequeue(), state=State(Reason.INVALID_SPEC, "So it is.")), False),
    "it changes no status": (status_unchanged(RequeueAfter(30)), False),
    "its deletion has ended": (Outcome(requeue=NoRequeue(), ending={}), False),
}


@pytest.mark.parametrize(("outcome", "expected"), COMPLETE.values(), ids=COMPLETE)
def test_a_reconcile_is_complete_unless(outcome: Outcome, *, expected: bool) -> None:
    assert outcome.is_complete is expected
