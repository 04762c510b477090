"""Who leads when: replicas on hosts of their own, with one Lease, on virtual time."""

import itertools
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from atlas_endpoints.cluster.election import Record, Terms
from atlas_endpoints.cluster.errors import LeaseRefusedError
from atlas_endpoints.cluster.lease import new_identity
from unit.cluster.replicas import NOON, Harness, Loss, Passage, held_by

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

    def test_of_two_that_start_together_one_leads(self, harness: Harness) -> None:
        harness.host("a")
        harness.host("b")
        harness.run_for(600, watch=lambda: never_both(harness))
        assert len(harness.leaders()) == 1
        assert all(host.elector.decided.is_set() for host in harness.hosts.values())
        assert not any(host.losses for host in harness.hosts.values())

    def test_a_leader_keeps_leading(self, pair: Harness) -> None:
        pair.run_for(3600, watch=lambda: pytest.fail("nobody leads") if pair.leaders() != ["a"] else None)
        assert pair.server.holders == ["a_1"]

    def test_a_standby_leads_within_a_second_of_a_release(self, pair: Harness) -> None:
        pair.step = FINELY
        pair.hosts["a"].stop()
        assert pair.leaders() == []
        pair.run_until(lambda: pair.leaders() == ["b"], within=0.5)

    def test_without_a_watch_it_takes_until_the_next_read(self, pair: Harness) -> None:
        pair.hosts["b"].watches = False
        pair.run_for(20)
        pair.hosts["a"].stop()
        assert pair.run_until(lambda: pair.leaders() == ["b"], within=60) <= TERMS.retry * 1.1 + 2 * STEP

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
        assert "on this very host; if that was an earlier life of this container" in caplog.text

    def test_an_identity_is_never_used_twice(self) -> None:
        assert new_identity() != new_identity()


class TestClocks:
    @pytest.mark.parametrize(
        "skew", [timedelta(days=-400), timedelta(hours=-1), timedelta(hours=1), timedelta(days=400)]
    )
    def test_wall_clocks_that_differ_do_not_matter(self, harness: Harness, skew: timedelta) -> None:
        harness.host("a")
        harness.run_for(20)
        harness.host("b", wall=NOON + skew)
        harness.run_for(600, watch=lambda: never_both(harness))
        assert harness.leaders() == ["a"]
        harness.hosts["a"].crash()
        assert TERMS.deadline < harness.run_until(lambda: harness.leaders() == ["b"], within=60)

    def test_a_wall_clock_that_stands_still_hides_no_renewal(self, pair: Harness) -> None:
        pair.hosts["a"].wall_stands = True
        pair.run_for(300)
        assert pair.leaders() == ["a"]

    def test_a_wall_clock_that_jumps_does_not_end_a_leadership(self, pair: Harness) -> None:
        for jump in (timedelta(days=3), timedelta(days=-9)):
            pair.hosts["a"].wall += jump
            pair.run_for(60)
        assert pair.leaders() == ["a"]

    @pytest.mark.parametrize("asleep", [True, False], ids=["the host sleeps", "the process is stopped"])
    @pytest.mark.parametrize("seconds", [30, 50, 600])
    def test_a_leader_that_was_frozen_too_long_ends_at_once(self, pair: Harness, seconds: float, asleep: bool) -> None:
        leader = pair.hosts["a"]
        leader.freeze()
        pair.run_for(seconds, watch=lambda: never_both(pair))
        leader.resume(asleep=asleep)
        assert not leader.leads()
        pair.run_for(TERMS.retry * 1.2)
        assert leader.losses == ["This replica leads no more: Lease ours/atlas-endpoints could not be renewed in time"]
        pair.run_for(60, watch=lambda: never_both(pair))
        assert len(pair.leaders()) == 1

    def test_a_leader_that_was_frozen_for_a_moment_keeps_leading(self, pair: Harness) -> None:
        pair.hosts["a"].freeze()
        pair.run_for(15)
        pair.hosts["a"].resume(asleep=False)
        pair.run_for(60)
        assert (pair.leaders(), pair.hosts["a"].losses) == (["a"], [])

    def test_a_standby_that_slept_does_not_take_what_was_renewed_meanwhile(self, pair: Harness) -> None:
        pair.hosts["b"].freeze()
        pair.run_for(300)
        pair.hosts["b"].resume(asleep=True)
        pair.run_for(100)
        assert pair.leaders() == ["a"]


class TestTrouble:
    def test_a_leader_that_is_cut_off_stops_before_the_standby_leads(self, pair: Harness) -> None:
        cut = pair.time
        with pair.hosts["a"].unplugged():
            pair.run_until(lambda: not pair.hosts["a"].leads(), within=30)
            stopped = pair.time - cut
            took = stopped + pair.run_until(lambda: pair.leaders() == ["b"], within=60)
        assert stopped <= TERMS.deadline + STEP
        assert stopped + TERMS.write < took <= TERMS.lease + TERMS.retry
        assert len(pair.hosts["a"].losses) == 1
        assert "The API server did not answer in time" in pair.hosts["a"].losses[0]

    @pytest.mark.parametrize("loss", ["request", "answer", "connection", "connection after"])
    def test_an_outage_that_is_over_before_the_deadline_costs_nothing(self, pair: Harness, loss: str) -> None:
        for host in pair.hosts.values():
            host.passage = lambda: Passage(loss=loss)  # type: ignore[arg-type]  # its values are parameters
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

    def test_a_lease_that_is_deleted_after_its_holder_died_is_taken_no_sooner_than_without(self, pair: Harness) -> None:
        pair.hosts["a"].crash()
        pair.run_for(5)
        pair.server.delete()
        assert TERMS.deadline < 5 + pair.run_until(lambda: pair.leaders() == ["b"], within=60)

    def test_a_lease_that_is_deleted_during_an_outage_of_a_standby_is_not_taken(self, pair: Harness) -> None:
        """What it saw last is old, and the leader has renewed since."""
        with pair.hosts["b"].unplugged():
            pair.run_for(100)
            pair.server.delete()
        pair.hosts["a"].freeze()  # a leader who does not notice at once
        pair.run_for(20, watch=lambda: never_both(pair))
        pair.hosts["a"].resume(asleep=False)
        pair.run_for(60)
        assert pair.leaders() == ["a"]

    def test_a_leader_whose_lease_somebody_takes_ends(self, pair: Harness) -> None:
        held_by(pair, "somebody")
        pair.run_for(TERMS.retry * 1.2)
        assert pair.leaders() == []
        assert pair.hosts["a"].losses == ["This replica leads no more: Lease ours/atlas-endpoints is held by somebody"]
        pair.run_until(lambda: len(pair.leaders()) == 1, within=60)

    def test_a_leader_whose_lease_somebody_empties_ends(self, pair: Harness) -> None:
        pair.hosts["b"].crash()
        pair.server.put(Record())
        pair.run_for(TERMS.retry * 1.2)
        assert pair.hosts["a"].losses == [
            "This replica leads no more: Lease ours/atlas-endpoints was emptied by somebody"
        ]
        pair.run_until(lambda: pair.leaders() == ["a"], within=10)

    def test_an_empty_lease_is_free(self, harness: Harness) -> None:
        harness.step = FINELY
        harness.server.put(Record())
        harness.host("a")
        harness.run_until(lambda: harness.leaders() == ["a"], within=1)

    def test_a_longer_duration_of_the_holder_is_respected(self, harness: Harness) -> None:
        held_by(harness, "somebody", duration=120)
        harness.host("a")
        assert harness.run_until(lambda: harness.leaders() == ["a"], within=130) >= 120

    @pytest.mark.parametrize("duration", [0, -5, 1])
    def test_an_invalid_duration_of_the_holder_is_ignored(self, harness: Harness, duration: int) -> None:
        held_by(harness, "somebody", duration=duration)
        harness.host("a")
        assert TERMS.lease <= harness.run_until(lambda: harness.leaders() == ["a"], within=60)

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
        assert loss.endswith("could not be renewed in time (Give it the verb update.)")

    def test_an_outage_is_one_line_in_the_log_and_its_end_another(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        host = harness.host("a", passage=lambda: Passage(loss="connection"))
        with caplog.at_level(logging.INFO):
            harness.run_for(600)
            host.passage = Passage
            harness.run_for(20)
        assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
            ("WARNING", "Lease ours/atlas-endpoints cannot be had; trying again"),
            ("INFO", "This replica leads"),
            ("INFO", "Lease ours/atlas-endpoints can be had again"),
        ]

    def test_an_outage_that_fails_in_many_ways_is_one_line_all_the_same(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        losses: Iterator[Loss] = itertools.cycle(("connection", "request"))
        harness.host("a", passage=lambda: Passage(loss=next(losses)))
        with caplog.at_level(logging.WARNING):
            harness.run_for(600)
        assert len(caplog.records) == 1

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


class TestLettingGo:
    def test_the_released_record_is_that_of_client_go(self, pair: Harness) -> None:
        pair.hosts["b"].crash()
        pair.hosts["a"].stop()
        pair.run_for(1)
        assert pair.server.lease is not None
        record = pair.server.lease.record
        assert (record.holder, record.duration, record.transitions) == ("", 1, 0)

    @pytest.mark.parametrize("there", [0.0, 0.6], ids=["and has arrived", "and arrives a moment later"])
    def test_an_unanswered_first_claim_is_released(self, harness: Harness, there: float) -> None:
        """As when a process is asked to end while it takes the Lease for the first time."""
        passages = itertools.chain([Passage()], [Passage(there=there, back=30)], itertools.repeat(Passage()))
        host = harness.host("a", passage=lambda: next(passages))
        harness.run_for(4 * STEP)
        assert not host.elector.elected.is_set()
        host.stop()
        harness.run_for(3)
        assert harness.server.lease is not None
        assert harness.server.lease.record.holder == ""

    def test_a_standby_releases_nothing(self, pair: Harness) -> None:
        pair.hosts["b"].stop()
        pair.run_for(60)
        assert pair.leaders() == ["a"]

    def test_the_lease_of_another_holder_is_not_released(self, pair: Harness) -> None:
        held_by(pair, "somebody")
        pair.hosts["a"].stop()
        pair.run_for(3)
        assert pair.server.lease is not None
        assert pair.server.lease.record.holder == "somebody"

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
