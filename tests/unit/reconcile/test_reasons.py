"""Users depend on the reasons, so the checker of statuses repeats them."""

import pytest

from atlas_endpoints.reconcile.reasons import Progress, Reason
from support.kstatus import A_PERSON_MUST_ACT, HEALS_BY_ITSELF, OTHERS_MAY_HEAL, REASONS


def test_the_reasons_are_those_of_the_checker() -> None:
    assert {reason.value for reason in Reason} == REASONS["Ready"]


@pytest.mark.parametrize("reason", Reason)
def test_the_meaning_of_each_reason(reason: Reason) -> None:
    progress = (
        Progress.RECONCILING
        if reason in HEALS_BY_ITSELF
        else Progress.GRACE
        if reason in OTHERS_MAY_HEAL
        else Progress.STALLED
        if reason in A_PERSON_MUST_ACT
        else Progress.NONE
    )
    assert reason.progress is progress
    assert reason.ready == {Reason.AVAILABLE: "True", Reason.PENDING: "Unknown"}.get(reason, "False")
