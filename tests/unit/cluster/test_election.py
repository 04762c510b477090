"""Who leads when: the decisions, and replicas on hosts of their own with one Lease, on virtual time."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from atlas_endpoints.cluster.election import (
    GONE,
    NOT_RENEWED,
    Claim,
    Lost,
    Observation,
    Terms,
    Wait,
    claim,
    decide,
    observe,
    released,
)
from atlas_endpoints.cluster.errors import LeaseRefusedError
from atlas_endpoints.cluster.lease import Lease, Record
from unit.cluster.replicas import Harness, Loss, Passage, held_by

OWN, OTHER = "a_1", "b_2"
NOW = datetime(2026, 11, 25, 12, 30, 15, tzinfo=UTC)
OURS, THEIRS, NOBODYS = (Lease("7", Record(holder, 45)) for holder in (OWN, OTHER, ""))
FRESH, STALE = Observation("7", since=90.0, expires=135.0), Observation("7", since=50.0, expires=95.0)
LEADING, LAPSED = 110.0, 99.0
"""Until when we lead, at second 100."""

DECISIONS: dict[str, tuple[Lease | None, Observation | None, float | None, Claim | Wait | Lost]] = {
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
    "we lead, and nobody holds it: lost": (NOBODYS, FRESH, LEADING, Lost("was cleared by somebody")),
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


STAMP = "2026-11-25T12:30:15.000000Z"
LONG_AGO = "2020-01-01T00:00:00.000000Z"
CLAIMS: dict[str, tuple[Record | None, Record]] = {
    "a new Lease": (None, Record(OWN, 45, STAMP, STAMP, 0)),
    "another's Lease: a transition": (Record(OTHER, 15, LONG_AGO, LONG_AGO, 3), Record(OWN, 45, STAMP, STAMP, 4)),
    "a renewal: the time of acquisition stays": (
        Record(OWN, 45, LONG_AGO, LONG_AGO, 3),
        Record(OWN, 45, LONG_AGO, STAMP, 3),
    ),
    "a renewal while the wall clock stands still: it differs all the same": (
        Record(OWN, 45, LONG_AGO, STAMP, 3),
        Record(OWN, 45, LONG_AGO, "2026-11-25T12:30:15.000001Z", 3),
    ),
}


@pytest.mark.parametrize(("before", "after"), CLAIMS.values(), ids=CLAIMS)
def test_a_claim(before: Record | None, after: Record) -> None:
    assert claim(before, own=OWN, duration=45.0, now=NOW) == after


def test_a_released_lease_has_no_holder() -> None:
    assert released(Record(OWN, 45, "then", "later", 4), now=NOW) == Record("", 1, STAMP, STAMP, 4)


TERMS = Terms(45.0)

STEP = Harness.step
"""Seconds: how exactly it is known when something happened."""

FINELY = 0.02
"""A shorter one, where what is measured is short."""


@pytest.fixture
def harness() -> Iterator[Harness]:
    harness = Harness(TERMS)
    yield harness
    harness.close()


@pytest.fixture
def pair(harness: Harness) -> Harness:
    """One replica that leads, ``a``, and one that stands by, ``b``."""
    harness.host("a")
    harness.run_for(1)
    harness.host("b")
    harness.run_for(20)
    assert harness.leaders() == ["a"]
    return harness


def never_both(harness: Harness) -> None:
    assert len(harness.leaders()) <= 1


class TestTakingTurns:
    def test_a_single_replica_leads_at_once(self, harness: Harness) -> None:
        harness.step = FINELY
        host = harness.host("a")
        harness.run_until(lambda: harness.leaders() == ["a"], within=0.2)
        assert host.elector.elected.is_set()
        assert host.elector.decided.is_set()

    def test_a_standby_leads_within_a_second_of_a_release(self, pair: Harness) -> None:
        pair.step = FINELY
        pair.hosts["a"].stop()
        assert pair.leaders() == []
        pair.run_until(lambda: pair.leaders() == ["b"], within=0.5)

    def test_a_killed_leader_is_replaced_within_lease_and_retry_and_no_sooner_than_its_deadline(
        self, pair: Harness
    ) -> None:
        pair.hosts["a"].crash()
        took = pair.run_until(lambda: pair.leaders() == ["b"], within=60)
        assert TERMS.deadline < took <= TERMS.lease + TERMS.retry

    def test_a_restarted_container_waits_for_its_own_earlier_lease(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = harness.host("a")
        harness.run_for(20)
        host.crash()
        host.start()
        with caplog.at_level(logging.INFO):
            took = harness.run_until(lambda: harness.leaders() == ["a"], within=60)
        assert took > TERMS.deadline
        assert (
            "Standing by: a_1 leads. This replica takes over when the Lease is released, or not renewed for 45 s"
            in caplog.text
        )


class TestFreezing:
    @pytest.mark.parametrize("asleep", [True, False], ids=["the host sleeps", "the process is stopped"])
    def test_a_leader_that_was_frozen_too_long_ends_at_once(self, pair: Harness, *, asleep: bool) -> None:
        leader = pair.hosts["a"]
        leader.freeze()
        pair.run_for(50, watch=lambda: never_both(pair))
        leader.resume(asleep=asleep)
        assert not leader.leads()
        pair.run_for(TERMS.retry * 1.2)
        assert leader.losses == [f"This replica does not lead any more: Lease ours/atlas-endpoints {NOT_RENEWED}"]
        pair.run_for(60, watch=lambda: never_both(pair))
        assert len(pair.leaders()) == 1

    def test_a_leader_that_was_frozen_shortly_goes_on(self, pair: Harness) -> None:
        pair.hosts["a"].freeze()
        pair.run_for(15)
        pair.hosts["a"].resume(asleep=False)
        pair.run_for(100)
        assert (pair.leaders(), pair.hosts["a"].losses) == (["a"], [])


class TestTrouble:
    def test_a_leader_that_is_cut_off_stops_before_the_standby_leads(self, pair: Harness) -> None:
        cut = pair.time
        with pair.hosts["a"].unplugged():
            pair.run_until(lambda: not pair.hosts["a"].leads(), within=30)
            stopped = pair.time - cut
            took = stopped + pair.run_until(lambda: pair.leaders() == ["b"], within=60)
        assert stopped <= TERMS.deadline + STEP
        assert stopped + TERMS.write < took <= TERMS.lease + TERMS.retry
        (loss,) = pair.hosts["a"].losses
        assert "The API server did not answer in time" in loss

    @pytest.mark.parametrize("loss", ["request", "answer", "connection", "connection after"])
    def test_an_outage_that_is_over_before_the_deadline_costs_nothing(self, pair: Harness, loss: Loss) -> None:
        for host in pair.hosts.values():
            host.passage = lambda: Passage(loss=loss)
        pair.run_for(TERMS.deadline - 2 * TERMS.retry)
        for host in pair.hosts.values():
            host.passage = Passage
        pair.run_for(120)
        assert (pair.leaders(), pair.server.holders) == (["a"], ["a_1"])

    def test_an_unanswered_claim_is_found_by_the_next_read(self, harness: Harness) -> None:
        fates = [Passage(), Passage(loss="answer")]
        harness.host("a", passage=lambda: fates.pop(0) if fates else Passage())
        assert harness.run_until(lambda: harness.leaders() == ["a"], within=30) <= 2 * TERMS.retry * 1.1
        assert harness.server.holders == ["a_1"]

    def test_however_slow_the_answers_are_the_deadline_counts_from_before_the_claim(self, harness: Harness) -> None:
        host = harness.host("a", passage=lambda: Passage(back=4.0))
        harness.run_for(60)
        before = harness.server.lease
        harness.run_until(lambda: harness.server.lease != before, within=10)
        renewed = harness.time
        harness.run_for(4.5)  # the answer has come
        with host.unplugged():
            harness.run_until(lambda: not host.leads(), within=30)
        assert harness.time <= renewed + TERMS.deadline + STEP

    def test_a_changed_label_changes_no_leader(self, pair: Harness) -> None:
        for _ in range(20):
            pair.server.touch()
            pair.run_for(1.7)
        assert (pair.leaders(), pair.hosts["a"].losses) == (["a"], [])

    def test_a_lease_that_is_deleted_stays_with_its_holder(self, pair: Harness) -> None:
        pair.server.delete()
        pair.run_for(60, watch=lambda: pytest.fail("another leads") if pair.leaders() != ["a"] else None)
        assert pair.server.lease is not None
        assert pair.server.lease.record.holder == "a_1"

    def test_a_leader_whose_lease_somebody_takes_ends(self, pair: Harness) -> None:
        pair.hosts["b"].crash()
        held_by(pair, "somebody")
        pair.run_for(TERMS.retry * 1.2)
        why = "is held by somebody"
        assert pair.hosts["a"].losses == [f"This replica does not lead any more: Lease ours/atlas-endpoints {why}"]
        pair.run_until(lambda: pair.leaders() == ["a"], within=60)

    def test_a_refusal_is_shown_until_it_is_over(self, harness: Harness) -> None:
        harness.server.refusal = LeaseRefusedError("Give it the verb get.")
        host = harness.host("a")
        harness.run_for(60)
        assert host.elector.decided.is_set()
        assert (harness.leaders(), host.elector.refusal) == ([], "Give it the verb get.")
        harness.server.refusal = None
        harness.run_until(lambda: harness.leaders() == ["a"], within=TERMS.retry * 1.2)
        assert host.elector.refusal is None

    def test_a_refused_leader_ends_at_its_deadline_with_the_reason(self, pair: Harness) -> None:
        pair.server.refusal = LeaseRefusedError("Give it the verb update.")
        pair.run_for(TERMS.deadline + TERMS.retry)
        (loss,) = pair.hosts["a"].losses
        assert loss.endswith(f"{NOT_RENEWED} (Give it the verb update.)")

    def test_an_outage_is_one_line_in_the_log_and_its_end_another(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        losses: Iterator[Loss] = itertools.cycle(("connection", "request"))
        host = harness.host("a", passage=lambda: Passage(loss=next(losses)))
        with caplog.at_level(logging.INFO):
            harness.run_for(600)
            host.passage = Passage
            harness.run_for(20)
        assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
            ("WARNING", "Lease ours/atlas-endpoints is not available; trying again"),
            ("INFO", "This replica leads"),
            ("INFO", "Lease ours/atlas-endpoints is available again"),
        ]

    def test_each_refusal_is_logged_with_its_remedy(self, harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
        harness.host("a")
        with caplog.at_level(logging.WARNING):
            for text in ("Give it the verb get.", "Give it the verb create.", "Give it the verb get."):
                harness.server.refusal = LeaseRefusedError(text)
                harness.run_for(60)
        assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
            "Give it the verb get.",
            "Give it the verb create.",
        ]


def holder_of(harness: Harness) -> str:
    assert harness.server.lease is not None
    return harness.server.lease.record.holder


class TestRelease:
    def test_an_unanswered_first_claim_is_released(self, harness: Harness) -> None:
        """As when a process is asked to end while it takes the Lease for the first time."""
        passages = itertools.chain([Passage()], [Passage(there=0.0, back=30)], itertools.repeat(Passage()))
        host = harness.host("a", passage=lambda: next(passages))
        harness.run_for(4 * STEP)
        assert not host.elector.elected.is_set()
        host.stop()
        harness.run_for(3)
        assert holder_of(harness) == ""

    def test_a_standby_releases_nothing(self, pair: Harness) -> None:
        pair.hosts["b"].stop()
        pair.run_for(60)
        assert pair.leaders() == ["a"]

    def test_the_lease_of_another_holder_is_not_released(self, pair: Harness) -> None:
        held_by(pair, "somebody")
        pair.hosts["a"].stop()
        pair.run_for(3)
        assert holder_of(pair) == "somebody"

    def test_a_concurrent_change_is_read_again(self, pair: Harness) -> None:
        pair.step = FINELY
        pair.server.touch()
        pair.hosts["a"].stop()
        pair.run_until(lambda: pair.leaders() == ["b"], within=1)

    def test_a_failed_release_is_logged_and_the_standby_waits(
        self, pair: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pair.hosts["a"].unplugged():
            pair.hosts["a"].stop()
            took = pair.run_until(lambda: pair.leaders() == ["b"], within=60)
        assert took > TERMS.deadline
        assert "could not be released; another replica leads in 45 s: TimeoutError" in caplog.text
