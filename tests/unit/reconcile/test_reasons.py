"""Users depend on the reasons, so the checker of statuses repeats them."""

import pytest

from atlas_endpoints.kinds import KINDS
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from support.kstatus import A_PERSON_MUST_ACT, HEALS_BY_ITSELF, OTHERS_MAY_HEAL, REASONS

ALL = {str(each): each for kind in KINDS for each in kind.reasons}


def test_the_reasons_are_those_of_the_checker() -> None:
    assert ALL.keys() == REASONS["Ready"]


@pytest.mark.parametrize("reason", ALL.values(), ids=ALL)
def test_the_meaning_of_each_reason(reason: ReadyReason) -> None:
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
    assert reason.ready == (
        "True" if reason is Reason.AVAILABLE else "Unknown" if reason is Reason.PENDING else "False"
    )
