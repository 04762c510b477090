"""What counts as held up, of what passes come to."""

from __future__ import annotations

import pytest

from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.kinds.serverless_private_endpoint.failures import quiet
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Verdict

NOT_HELD_UP = {
    "Available", "Pending", "ReservationRequested", "Initiating", "WaitingForCloudEndpoint", "Deleting", "CorrectionHeld",
    "Drifted", "Planned", "Suspended",
}  # fmt: skip


@pytest.mark.parametrize("reason", MEANING)
def test_a_verdict_holds_up_if_something_failed_or_only_a_person_can_move_on(reason: Reason) -> None:
    outcome = Outcome(next=Rest(), generation=1, verdict=Verdict(reason, "Words.", Rest()))
    assert outcome.held_up_by == (None if reason.value in NOT_HELD_UP else reason.value)


@pytest.mark.parametrize(
    ("following", "unsaid", "held_up_by"),
    [
        (Rest(), None, None),
        (Again(5), None, None),
        (Retry(), None, "ClusterUnavailable"),
        (Retry(), "AtlasUnavailable", "AtlasUnavailable"),
        (Again(5), "RateLimited", "RateLimited"),
    ],
)
def test_what_no_status_tells_is_counted_too(following: Next, unsaid: str | None, held_up_by: str | None) -> None:
    assert quiet(1, following, unsaid=unsaid).held_up_by == held_up_by
