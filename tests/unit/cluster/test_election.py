"""What a replica does about the Lease, by what it says and for how long it has said so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.cluster.election import (
    GONE,
    NOT_RENEWED,
    Claim,
    Decision,
    Lease,
    Lost,
    Observation,
    Record,
    Terms,
    Wait,
    claim,
    decide,
    observe,
    released,
)

OWN, OTHER = "a_1", "b_2"
NOW = datetime(2026, 11, 25, 12, 30, 15, tzinfo=UTC)
OURS, THEIRS, NOBODYS = (Lease("7", Record(holder, 45)) for holder in (OWN, OTHER, ""))
FRESH, STALE = Observation("7", since=90.0, expires=135.0), Observation("7", since=50.0, expires=95.0)
LEADING, LAPSED = 110.0, 99.0
"""Until when we lead, at second 100."""

DECISIONS: dict[str, tuple[Lease | None, Observation | None, float | None, Decision]] = {
    "no Lease, and none was ever seen: create it": (None, None, None, Claim()),
    "no Lease any more, and its holder may still count on it: wait": (None, FRESH, None, Wait(135.0)),
    "no Lease any more, for as long as it would have lasted: create it": (None, STALE, None, Claim()),
    "nobody holds it: take it, however new that is": (NOBODYS, FRESH, None, Claim()),
    "we hold it and did not know: renew it, and lead": (OURS, FRESH, None, Claim()),
    "another holds it: wait": (THEIRS, FRESH, None, Wait(135.0)),
    "another holds it, and has not renewed it: take it": (THEIRS, STALE, None, Claim()),
    "another's time is up to the second: take it": (THEIRS, Observation("7", 55.0, 100.0), None, Claim()),
    "we lead: renew it": (OURS, FRESH, LEADING, Claim()),
    "we lead, and somebody has deleted it: create it again": (None, FRESH, LEADING, Claim()),
    "we lead, and another holds it: lost": (THEIRS, FRESH, LEADING, Lost(f"is held by {OTHER}")),
    "we lead, and another's hold looks stale: lost all the same": (THEIRS, STALE, LEADING, Lost(f"is held by {OTHER}")),
    "we lead, and nobody holds it: lost": (NOBODYS, FRESH, LEADING, Lost("was emptied by somebody")),
    "we have led too long without renewing it: lost": (OURS, FRESH, LAPSED, Lost(NOT_RENEWED)),
    "our time is up to the second: lost": (OURS, FRESH, 100.0, Lost(NOT_RENEWED)),
    "we have led too long, and it is gone: lost": (None, FRESH, LAPSED, Lost(NOT_RENEWED)),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_a_decision(case: str) -> None:
    lease, observation, valid_until, decision = DECISIONS[case]
    assert decide(lease, observation, own=OWN, valid_until=valid_until, now=100.0) == decision


OBSERVATIONS: dict[str, tuple[Observation | None, Lease | None, Observation | None]] = {
    "nothing was seen and nothing is there": (None, None, None),
    "seen for the first time": (None, THEIRS, Observation("7", 100.0, 145.0)),
    "unchanged: its time goes on": (FRESH, THEIRS, FRESH),
    "changed: its time begins anew": (FRESH, replace(THEIRS, version="8"), Observation("8", 100.0, 145.0)),
    "gone: its holder may have renewed it right before": (STALE, None, Observation(GONE, 100.0, 145.0)),
    "still gone: its time goes on": (Observation(GONE, 70.0, 115.0), None, Observation(GONE, 70.0, 115.0)),
    "there again": (Observation(GONE, 70.0, 115.0), THEIRS, Observation("7", 100.0, 145.0)),
    "gone, and its holder had counted on a longer time": (
        Observation("7", 0.0, 300.0),
        None,
        Observation(GONE, 100.0, 400.0),
    ),
    "the holder counts on a longer time": (None, Lease("7", Record(OTHER, 300)), Observation("7", 100.0, 400.0)),
    "the holder counts on a shorter time: ours": (None, Lease("7", Record(OTHER, 15)), Observation("7", 100.0, 145.0)),
    "the holder counts on nonsense: ours": (None, Lease("7", Record(OTHER, -1)), Observation("7", 100.0, 145.0)),
}


@pytest.mark.parametrize("case", OBSERVATIONS)
def test_an_observation(case: str) -> None:
    before, lease, after = OBSERVATIONS[case]
    assert observe(before, lease, 100.0, 45.0) == after


class TestClaiming:
    def test_a_new_lease(self) -> None:
        stamp = "2026-11-25T12:30:15.000000Z"
        assert claim(None, own=OWN, duration=45.0, now=NOW) == Record(OWN, 45, stamp, stamp, 0)

    def test_a_claim_of_anothers_lease_counts_as_a_transition(self) -> None:
        before = Record(OTHER, 15, "2020-01-01T00:00:00.000000Z", "2020-01-01T00:00:00.000000Z", 3)
        stamp = "2026-11-25T12:30:15.000000Z"
        assert claim(before, own=OWN, duration=45.0, now=NOW) == Record(OWN, 45, stamp, stamp, 4)

    def test_a_renewal_keeps_the_time_of_acquisition(self) -> None:
        before = claim(None, own=OWN, duration=45.0, now=NOW)
        after = claim(before, own=OWN, duration=45.0, now=NOW + timedelta(seconds=5))
        assert after == replace(before, renewed="2026-11-25T12:30:20.000000Z")

    def test_a_renewal_differs_though_the_wall_clock_stands_still(self) -> None:
        first = claim(None, own=OWN, duration=45.0, now=NOW)
        second = claim(first, own=OWN, duration=45.0, now=NOW)
        third = claim(second, own=OWN, duration=45.0, now=NOW)
        assert len({each.renewed for each in (first, second)}) == len({each.renewed for each in (second, third)}) == 2

    def test_a_released_lease_has_no_holder(self) -> None:
        stamp = "2026-11-25T12:30:15.000000Z"
        assert released(Record(OWN, 45, "then", "later", 4), now=NOW) == Record("", 1, stamp, stamp, 4)


class TestTerms:
    def test_the_default_terms(self) -> None:
        terms = Terms(45.0)
        assert (terms.deadline, terms.retry, terms.write) == (25.0, 5.0, 15.0)

    @pytest.mark.parametrize("lease", [6.0, 15.0, 45.0, 600.0])
    def test_a_write_before_the_deadline_ends_before_another_leads(self, lease: float) -> None:
        terms = Terms(lease)
        assert terms.deadline + terms.write < lease * 9 / 10

    @pytest.mark.parametrize("lease", [6.0, 45.0, 600.0])
    def test_there_are_several_tries_before_the_deadline(self, lease: float) -> None:
        terms = Terms(lease)
        assert terms.deadline >= 4 * terms.retry * 1.1

    def test_no_write_takes_longer_than_any_write_may(self) -> None:
        assert Terms(600.0).write == 15.0
