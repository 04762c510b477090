"""Never two at once: replicas on hosts that sleep, stop, crash and run unevenly, on a network that does what it likes."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.cluster.election import Terms
from unit.cluster.replicas import NOON, Harness, Loss, Passage

TERMS = Terms(45.0)
NAMES = ("a", "b", "c")
LOSSES: tuple[Loss, ...] = ("request", "answer", "connection", "connection after")

DRIFT = 0.03
"""How much of a second a host's clock may be wrong in each. A thirtieth is far more than any host that runs."""

Happening = Literal[
    "network is bad",
    "network is well",
    "freeze",
    "wake",
    "go on",
    "crash",
    "stop",
    "start",
    "touch",
    "delete",
]


@dataclass
class History:
    """What happens to whom, and whether two ever lead at once.

    Attributes:
        harness: where.
        random: decides how each call fares.
        last_led: when each replica would have let a write pass for the last time.
        problems: what must not have happened.
    """

    harness: Harness
    random: Random
    last_led: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def bad_network(self) -> Passage:
        """Anything at all, latencies among it that outlast every patience."""
        loss: Loss = self.random.choice(LOSSES) if self.random.random() < 0.4 else ""
        return Passage(self._latency(), self._latency(), loss)

    def _latency(self) -> float:
        return self.random.choice((0.01, 0.5, 3.0, self.random.uniform(0, 60)))

    def happen(self, what: Happening, name: str) -> None:
        """Have something happen to a host; nothing where it makes no sense."""
        harness, host = self.harness, self.harness.hosts[name]
        match what:
            case "network is bad":
                host.passage = self.bad_network
            case "network is well":
                host.passage = Passage
            case "freeze":
                host.freeze()
            case "wake" | "go on" if not host.runs:
                host.resume(asleep=what == "wake")
            case "crash" if host.alive and host.runs:
                host.crash()
                self.last_led.pop(name, None)  # what a dead process has sent is beside the point here
            case "stop" if host.alive and host.runs:
                host.stop()
                self.last_led.pop(name, None)  # nothing was under way any more
            case "start" if not host.alive and host.runs and harness.time >= harness.starts_from:
                host.start()
            case "touch":
                harness.server.touch()
            case "delete" if all(each.network.shows_a_lease for each in harness.hosts.values()):
                # To who has never seen the Lease, its absence is a permission: nobody can tell that it was there. So, as
                # the documents say, no replica may start when it was deleted before its holder has written it anew; nor may
                # it be deleted again before all have seen the new one.
                harness.server.delete()
                harness.starts_from = harness.time + 2 * TERMS.lease
            case _:
                pass

    def check(self) -> None:
        """See who leads, and whether what an earlier leader may have sent has had its time to arrive."""
        leaders = self.harness.leaders()
        for name in leaders:
            for other, last in self.last_led.items():
                if other != name and self.harness.time < last + TERMS.write * (1 - DRIFT) - self.harness.step:
                    self.problems.append(f"at {self.harness.time} {name} leads, and {other} did at {last}")
            self.last_led[name] = self.harness.time


HAPPENINGS = st.tuples(
    st.sampled_from(Happening.__args__),  # type: ignore[attr-defined]  # a Literal has them
    st.sampled_from(NAMES),
    st.sampled_from((0.25, 1.0, 5.0, 15.0, 30.0, 50.0)),
)


def begun(harness: Harness, random: Random) -> History:
    """Begin a history: three hosts whose clocks agree in nothing."""
    for number, name in enumerate(NAMES):
        rate = random.uniform(1 - DRIFT, 1 + DRIFT)
        harness.host(name, rate=rate, wall=NOON + timedelta(days=number * random.randint(-300, 300)))
        harness.run_for(random.choice((0.0, 0.25, 7.0)))
    return History(harness, random)


@settings(max_examples=100, deadline=None)
@given(st.lists(HAPPENINGS, max_size=25), st.integers(0, 2**32))
def test_at_most_one_leads_and_after_all_faults_exactly_one(
    happenings: list[tuple[Happening, str, float]], seed: int
) -> None:
    harness = Harness(TERMS)
    try:
        history = begun(harness, Random(seed))  # noqa: S311  # a history that can be repeated
        for what, name, seconds in happenings:
            history.happen(what, name)
            harness.run_for(seconds, watch=history.check)
        assert not history.problems, history.problems[0]

        heal(history)
        harness.run_for(2 * TERMS.lease, watch=history.check)
        assert not history.problems, history.problems[0]
        assert len(harness.leaders()) == 1
        (leader,) = harness.leaders()
        harness.run_for(
            60, watch=lambda: history.problems.append("it changes hands") if harness.leaders() != [leader] else None
        )
        assert not history.problems, history.problems[0]
    finally:
        harness.close()


def heal(history: History) -> None:
    """Have all be well, and every replica run."""
    for host in history.harness.hosts.values():
        if not host.runs:
            host.resume(asleep=False)
        host.passage = Passage
    history.harness.run_for(2.5 * TERMS.lease, watch=history.check)
    for host in history.harness.hosts.values():
        if not host.alive:
            host.start()
