"""When a condition says that it changed, and what stays of the conditions before."""

from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.controller.texts import MESSAGE_LIMIT
from atlas_endpoints.reconcile.reasons import ConditionStatus
from atlas_endpoints.reconcile.status import Condition, merge

BEFORE = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOW = BEFORE + timedelta(hours=1)


def ready(
    status: ConditionStatus,
    reason: str = "Available",
    message: str = "All is well.",
    generation: int = 1,
    *,
    now: datetime,
) -> Condition:
    return condition("Ready", status=status, reason=reason, message=message, generation=generation, now=now)


def condition(
    type_: str,
    *,
    now: datetime,
    status: ConditionStatus = "True",
    reason: str = "X",
    message: str = "",
    generation: int = 1,
) -> Condition:
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=now,
    )


WANTED: dict[str, tuple[Condition, datetime]] = {
    "an equal condition": (ready("True", now=NOW), BEFORE),
    "another reason": (ready("True", "Applied", now=NOW), BEFORE),
    "another message": (ready("True", message="Still.", now=NOW), BEFORE),
    "another generation": (ready("True", generation=2, now=NOW), BEFORE),
    "another status": (ready("False", now=NOW), NOW),
    "an unknown status": (ready("Unknown", now=NOW), NOW),
}


@pytest.mark.parametrize(("wanted", "since"), WANTED.values(), ids=WANTED)
def test_the_transition_time_changes_only_with_the_status(wanted: Condition, since: datetime) -> None:
    (merged,) = merge([ready("True", now=BEFORE)], [wanted])
    assert merged == wanted.model_copy(update={"last_transition_time": since})


def test_a_new_condition_has_the_current_transition_time() -> None:
    assert merge([], [ready("True", now=NOW)]) == (ready("True", now=NOW),)


def test_an_unwanted_condition_is_removed() -> None:
    stalled = condition("Stalled", now=BEFORE)
    assert merge([stalled, ready("True", now=BEFORE)], [ready("True", now=NOW)]) == (ready("True", now=BEFORE),)


def test_conditions_keep_the_wanted_order() -> None:
    names = ["Ready", "Reconciling", "Synced"]
    wanted = [condition(name, now=NOW) for name in names]
    assert [each.type for each in merge(reversed(wanted), wanted)] == names


def test_a_long_message_is_cut() -> None:
    assert len(ready("True", message="x" * 5000, now=NOW).message) == MESSAGE_LIMIT
