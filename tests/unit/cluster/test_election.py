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
    StandBy,
    Terms,
    claim,
    new_identity,
    next_step,
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

DECISIONS: dict[str, tuple[Lease | None, Observation | None, float | None, Claim | StandBy | Lost]] = {
    "no Lease, and none was ever seen: create it": (None, None, None, Claim()),
    "no Lease any more, and its holder may still count on it: wait": (None, FRESH, None, StandBy(135.0)),
    "no Lease any more, for as long as it would have lasted: create it": (None, STALE, None, Claim()),
    "nobody holds it: take it, however new that is": (NOBODYS, FRESH, None, Claim()),
    "we hold it and did not know: renew it, and lead": (OURS, FRESH, None, Claim()),
    "another holds it: wait": (THEIRS, FRESH, None, StandBy(135.0)),
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
    assert next_step(lease, observation, own=OWN, valid_until=valid_until, now=100.0) == decision


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


def test_an_identity_is_never_used_twice() -> None:
    assert new_identity() != new_identity()


def test_a_released_lease_has_no_holder() -> None:
    assert released(Record(OWN, 45, "then", "later", 4), now=NOW) == Record("", 1, STAMP, STAMP, 4)


class Scenario:
    """Replicas ``a`` and ``b``, and the steps of a script; never do two lead at once."""

    def __init__(self) -> None:
        self.harness = Harness(Terms(45.0))

    def host(self, name: str, answers: str = "0.01", *losses: str) -> None:
        """Start a replica; answers take so long, and the first calls have these losses (``-``: none)."""
        fates = [Passage(loss="" if loss == "-" else loss) for loss in losses]  # type: ignore[arg-type]  # one of them
        self.harness.host(name, passage=lambda: fates.pop(0) if fates else Passage(back=float(answers)))

    def pair(self) -> None:
        """Start one replica that leads, ``a``, and one that stands by, ``b``."""
        for name, seconds in (("a", "1"), ("b", "20")):
            self.host(name)
            self.run(seconds)
        self.leads("a")

    def finely(self) -> None:
        """Know more exactly when something happens."""
        self.harness.step = 0.02

    def run(self, seconds: str) -> None:
        self.harness.run_for(float(seconds), watch=lambda: self.leads(*self.harness.leaders()))

    def stop(self, name: str) -> None:
        self.harness.hosts[name].stop()

    def crash(self, name: str) -> None:
        self.harness.hosts[name].crash()

    def freeze(self, name: str) -> None:
        self.harness.hosts[name].freeze()

    def resume(self, name: str, how: str) -> None:
        """Let a host go on that was ``stopped``, or ``asleep``."""
        self.harness.hosts[name].resume(asleep=how == "asleep")

    def lose(self, name: str, *loss: str) -> None:
        """Have all calls of a host, or of ``both``, be lost."""
        for host in self.harness.hosts.values() if name == "both" else [self.harness.hosts[name]]:
            host.passage = lambda: Passage(loss=" ".join(loss))  # type: ignore[arg-type]  # one of them

    def heal(self) -> None:
        for host in self.harness.hosts.values():
            host.passage = Passage

    def touch(self) -> None:
        self.harness.server.touch()

    def delete(self) -> None:
        self.harness.server.delete()

    def hold(self, holder: str) -> None:
        """Have somebody hold the Lease who is none of the hosts."""
        held_by(self.harness, holder)

    def refuse(self, *words: str) -> None:
        """Refuse all calls about the Lease, if there are words for it."""
        self.harness.server.refusal = LeaseRefusedError(" ".join(words)) if words else None

    def renewal(self) -> None:
        """Let time pass until the Lease is written."""
        before = self.harness.server.lease
        self.harness.run_until(lambda: self.harness.server.lease != before, within=10)

    def leads(self, *names: str) -> None:
        assert self.harness.leaders() == [*names]
        assert len(names) <= 1

    def until(self, leader: str, least: str, most: str) -> None:
        """Let time pass until one leads, or ``nobody``: more than so many seconds, and no more than so many."""
        wanted = [] if leader == "nobody" else [leader]
        took = self.harness.run_until(lambda: self.harness.leaders() == wanted, within=60)
        assert float(least) < took <= float(most) + STEP

    def lost(self, name: str, *words: str) -> None:
        """Replicas of a host have ended so often, and the last one said this."""
        losses = self.harness.hosts[name].losses
        assert len(losses) == bool(words)
        assert " ".join(words) in "".join(losses)

    def holders(self, *names: str) -> None:
        """Who has held the Lease so far."""
        assert self.harness.server.holders == [*names]

    def holder(self, name: str = "") -> None:
        assert self.harness.server.lease is not None
        assert self.harness.server.lease.record.holder == name

    def elector(self, name: str, *, elected: bool, decided: bool = True, refusal: str | None = None) -> None:
        elector = self.harness.hosts[name].elector
        assert (elector.elected.is_set(), elector.decided.is_set()) == (elected, decided)
        assert elector.refusal == refusal


STEP = Harness.step
"""Seconds: how exactly it is known when something happened."""

DEADLINE, LEASE, RETRY, WRITE = 25, 45, 5, 15
FROZEN = f"lost a does not lead any more: Lease ours/atlas-endpoints {NOT_RENEWED}"
SCENARIOS: dict[str, str] = {
    "a single replica leads at once": "finely; host a; until a -1 0.2",
    "a standby leads soon after a release": f"pair; stop a; leads; until b 0 {RETRY + 1}",
    "a killed leader is replaced within Lease and retry and no sooner than its deadline": (
        f"pair; crash a; until b {DEADLINE} {LEASE + RETRY}"
    ),
    "a leader that was stopped too long ends at once": f"pair; freeze a; run 50; resume a stopped; leads b; run 6; {FROZEN}; run 60",
    "a leader that has slept too long ends at once": f"pair; freeze a; run 50; resume a asleep; run 6; {FROZEN}; run 60",
    "a leader that was frozen shortly goes on": "pair; freeze a; run 15; resume a stopped; run 100; leads a; lost a",
    "a leader that is cut off stops before the standby leads": (
        f"pair; lose a request; until nobody 0 {DEADLINE}; until b {WRITE} {LEASE + RETRY - DEADLINE + RETRY};"
        " lost a The API server did not answer in time"
    ),
    **{
        f"an outage that is over before the deadline costs nothing: {loss}": (
            f"pair; lose both {loss}; run {DEADLINE - 2 * RETRY}; heal; run 120; leads a; holders a_1"
        )
        for loss in ("request", "answer", "connection", "connection after")
    },
    "an unanswered claim is found by the next read": "host a 0.01 - answer; until a 0 11; holders a_1",
    "however slow the answers are the deadline counts from before the claim": (
        f"host a 2; run 60; leads a; renewal; run 2.5; lose a request; until nobody 0 {DEADLINE - 2.5}"
    ),
    "a changed label changes no leader": f"pair; {'touch; run 1.7; ' * 20}leads a; lost a",
    "a Lease that is deleted stays with its holder": "pair; delete; run 60; leads a; lost a; holder a_1",
    "a leader whose Lease somebody takes ends": (
        "pair; crash b; hold somebody; run 6; lost a does not lead any more: Lease ours/atlas-endpoints is held by somebody;"
        " until a 0 60"
    ),
    "a refused leader ends at its deadline with the reason": (
        f"pair; refuse Give it the verb update.; run {DEADLINE + RETRY}; lost a {NOT_RENEWED} (Give it the verb update.)"
    ),
    "a standby releases nothing": "pair; stop b; run 60; leads a",
    "the Lease of another holder is not released": "pair; hold somebody; stop a; run 3; holder somebody",
    "before a release a concurrent change is read": f"pair; touch; stop a; until b 0 {RETRY + 1}",
}  # fmt: skip


@pytest.fixture
def scenario() -> Iterator[Scenario]:
    scenario = Scenario()
    yield scenario
    scenario.harness.close()


@pytest.mark.parametrize("script", SCENARIOS.values(), ids=SCENARIOS)
def test_who_leads(scenario: Scenario, script: str) -> None:
    for step in script.split("; "):
        verb, *words = step.split()
        getattr(scenario, verb)(*words)


def test_an_unanswered_first_claim_is_released(scenario: Scenario) -> None:
    """As when a process is asked to end while it takes the Lease for the first time."""
    passages = itertools.chain([Passage()], [Passage(there=0.0, back=30)], itertools.repeat(Passage()))
    scenario.harness.host("a", passage=lambda: next(passages))
    scenario.run("1")
    scenario.elector("a", elected=False, decided=False)
    scenario.stop("a")
    scenario.run("3")
    scenario.holder("")


def test_a_refusal_is_shown_until_it_is_over(scenario: Scenario) -> None:
    scenario.refuse("Give it the verb get.")
    scenario.host("a")
    scenario.run("60")
    scenario.elector("a", elected=False, refusal="Give it the verb get.")
    scenario.refuse()
    scenario.until("a", "0", "6")
    scenario.elector("a", elected=True)


class TestWhatTheLogSays:
    @pytest.fixture(autouse=True)
    def info(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)

    def test_a_restarted_container_waits_for_its_own_earlier_lease(
        self, scenario: Scenario, caplog: pytest.LogCaptureFixture
    ) -> None:
        scenario.host("a")
        scenario.run("20")
        scenario.crash("a")
        scenario.harness.hosts["a"].start()
        scenario.until("a", str(DEADLINE), "60")
        words = "Standing by: a_1 leads. This replica takes over when the Lease is released, or not renewed for 45 s"
        assert words in caplog.text

    def test_a_failed_release_is_logged_and_the_standby_waits(
        self, scenario: Scenario, caplog: pytest.LogCaptureFixture
    ) -> None:
        scenario.pair()
        scenario.lose("a", "request")
        scenario.stop("a")
        scenario.until("b", str(DEADLINE), "60")
        assert "could not be released; another replica leads in 45 s: TimeoutError" in caplog.text

    def test_an_outage_is_one_line_and_its_end_another(
        self, scenario: Scenario, caplog: pytest.LogCaptureFixture
    ) -> None:
        losses: Iterator[Loss] = itertools.cycle(("connection", "request"))
        scenario.harness.host("a", passage=lambda: Passage(loss=next(losses)))
        scenario.run("600")
        scenario.heal()
        scenario.run("20")
        assert [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records] == [
            ("WARNING", "Lease ours/atlas-endpoints is not available; trying again"),
            ("INFO", "This replica leads"),
            ("INFO", "Lease ours/atlas-endpoints is available again"),
        ]

    def test_each_refusal_is_logged_with_its_remedy(self, scenario: Scenario, caplog: pytest.LogCaptureFixture) -> None:
        scenario.host("a")
        for verb in ("get", "create", "get"):
            scenario.refuse(f"Give it the verb {verb}.")
            scenario.run("60")
        lines = [record.getMessage().rpartition(": ")[2] for record in caplog.records]
        assert lines == ["Give it the verb get.", "Give it the verb create.", "Give it the verb get."]
