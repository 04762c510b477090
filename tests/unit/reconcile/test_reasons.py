"""The table of reasons is a promise to users; it is written down once more in the checker of statuses."""

import re

import pytest

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.reconcile.reasons import Progress, Reason
from support.kstatus import A_PERSON_MUST_ACT, HEALS_BY_ITSELF, OTHERS_MAY_HEAL, REASONS


def test_the_reasons_are_those_that_are_promised() -> None:
    assert {reason.value for reason in Reason} == REASONS["Ready"]


@pytest.mark.parametrize("reason", Reason)
def test_the_meaning_of_a_reason_is_the_one_that_is_promised(reason: Reason) -> None:
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


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word_for_programs(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", reason)
    assert len(reason) <= 64


def test_every_error_of_atlas_leads_to_a_reason() -> None:
    def reasons(base: type[AtlasError]) -> set[str]:
        return {base.reason}.union(*(reasons(each) for each in base.__subclasses__()))

    assert reasons(AtlasError) <= set(Reason)
