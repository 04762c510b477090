"""Which calls to Atlas are admitted, and when those that are not come back."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas import errors
from atlas_endpoints.atlas.errors import AtlasError, Explanation
from atlas_endpoints.atlas.throttle import PENDING, Admitted, Throttle, Wait

PROBE = 600.0
WORDS = Explanation("Atlas's words.")


def error(name: str, retry_after: float | None = None) -> AtlasError | None:
    """Return the error of a name, such as ``AtlasUnavailable/unanswered`` if there was no answer; ``ok``: none."""
    if name == "ok":
        return None
    kind, _, lack = name.partition("/")
    status = None if lack else 400
    found: AtlasError = getattr(errors, f"{kind}Error")(
        WORDS, operation="op", http_status=status, retry_after=retry_after
    )
    return found


class Harness:
    """A throttle, a clock, and the steps of scripts; ``a/p`` stands for credentials and a project, and is whose calls all are."""

    def __init__(self) -> None:
        self.throttle = Throttle(probe_interval=PROBE, max_in_flight=8)
        self.now = 1000.0
        self.under_way: dict[str, Admitted] = {}

    # What happens.

    def begin(self, name: str = "", whose: str = "a/p", sort: str = "") -> Admitted:
        """Begin a call, which is admitted."""
        admitted = self._admit(whose, sort)
        assert isinstance(admitted, Admitted), admitted
        self.under_way[name] = admitted
        return admitted

    def end(self, name: str, how: str, seconds: str = "0") -> None:
        self.throttle.report(self.under_way.pop(name), error(how, float(seconds) or None), self.now)

    def call(self, how: str, seconds: str = "0", whose: str = "a/p") -> None:
        self.begin("", whose)
        self.end("", how, seconds)

    def release(self, name: str) -> None:
        self.throttle.leave(self.under_way.pop(name))

    def wait(self, seconds: str) -> None:
        self.now += float(seconds)

    # What is true.

    def held(self, seconds: str, reason: str = "", whose: str = "a/p", sort: str = "") -> None:
        """A call is held for so long, for a reason; ``-``: whatever they are."""
        wait = self._admit(whose, sort)
        assert isinstance(wait, Wait), wait
        assert wait.until > self.now
        assert seconds == "-" or wait.until - self.now == pytest.approx(float(seconds))
        assert reason in {"", "-", wait.reason}
        assert (wait.reason == PENDING) is (wait.explanation is not WORDS)

    def open(self, whose: str = "a/p") -> None:
        """More than one call is admitted at a time."""
        for number in range(2):
            self.begin(f"open {number}", whose)

    def circuits(self, *expected: str) -> None:
        found = {f"{scope}/{state}": number for (scope, state), number in self.throttle.circuits(self.now).items()}
        assert found == dict.fromkeys(expected, 1)

    def longest(self, seconds: str) -> None:
        assert self.throttle.longest_wait(self.now) == float(seconds)

    def _admit(self, whose: str, sort: str) -> Admitted | Wait:
        credentials, project = whose.split("/")
        return self.throttle.admit(credentials, project, self.now, sort=sort)

    def turn(self, caller: str, *, urgent: bool = False) -> float:
        """Return when a caller comes back that is held."""
        wait = self.throttle.admit("a", "p", self.now, caller=caller, urgent=urgent)
        assert isinstance(wait, Wait), wait
        return wait.until


ANSWERS = ["ok", "MissingRole", "ProjectNotFound", "InstanceNotFound", "EndpointAbsent", "UpdateRejected"]
BEGIN_8 = "; ".join(f"begin {number}" for number in range(8))
SCRIPTS = {
    "new credentials make one call at a time until one is answered": (
        "begin x; held 0.1 Pending; wait 0.25; held 0.25; wait 0.5; held 0.75; wait 14; held 14.75; end x ok; open"
    ),
    **{
        f"{how} leaves {state}": f"{before}call {how}; open"
        for how in (*ANSWERS, "IPNotAllowed", "APIGone")
        for state, before in (("an open circuit open", "call ok; "), ("a half open one open", ""))
    },
    **{
        f"{how} of a call that was not sent changes nothing": f"call {how}/unsent; begin x; held -"
        for how in ("InvalidRequest", "NotLeader")
    },
    "an outage does not slow credentials that have worked": (
        "call ok; call AtlasUnavailable; call AtlasUnavailable; call AtlasUnavailable; open"
    ),
    "refused credentials wait for the probe with their reason": (
        "call ok; call CredentialsInvalid; held 600 CredentialsInvalid; held 600 CredentialsInvalid a/q; call ok 0 changed/p;"
        " wait 599; held 1; wait 1; begin probe; held - Pending; end probe CredentialsInvalid; held 600; wait 600; call ok; open"
    ),
    "a running call that succeeds ends the wait of refused credentials": (
        "call ok; begin slow; call CredentialsInvalid; end slow ok; begin x"
    ),
    "a rate limit holds the project only": (
        "call ok; call ok 0 b/q; call ok 0 b/p; call RateLimited 55; held 55 RateLimited; held 55 - b/p; begin x a/q;"
        " wait 54; held 1"
    ),
    "a limit of one sort of calls holds no other": (
        "call ok; begin x a/p create; end x RateLimited 60; open; held 60 - a/p create; circuits credentials/closed project/open"
    ),
    "credentials without a success in a project do not slow down others": (
        "call ok; call ProjectNotFound 0 stranger/p; call RateLimited 3600 stranger/p; open; held 3600 - stranger/p;"
        " begin x stranger/own"
    ),
    "an outage that names a time holds no other call": (
        "call ok; call AtlasUnavailable 120; open; circuits credentials/closed"
    ),
    "answers to earlier calls do not shorten a wait": (
        "call ok; begin x; begin y; begin z; call RateLimited 55; end x ok; held 55; end y RateLimited 5; held 55;"
        " end z RateLimited 99; held 99"
    ),
    "concurrent calls back off once": (
        f"call ok; {BEGIN_8}; {BEGIN_8.replace('begin', 'end').replace(';', ' RateLimited;')} RateLimited; held 10; wait 10;"
        " call RateLimited; held 20"
    ),
    "a limit of the token endpoint holds the credentials": (
        "call ok; call ok 0 b/p; call CredentialsRateLimited 30; held 30 - a/q; begin x b/p"
    ),
    "a call that is released makes room for the next one": "begin x; release x; begin y; held -",
    "one pair of credentials has a limit of concurrent calls": (
        f"call ok; {BEGIN_8}; held 1 Pending; call ok 0 b/p; end 1 ok; begin x"
    ),
    "the first success in a project does not lift the wait that another first call was told": (
        "call ok; begin limited a/new; begin fine a/new; end limited RateLimited 60; end fine ok; held 60 - a/new"
    ),
    "circuits are counted by state": (
        "circuits; begin x; circuits credentials/half_open; end x ok; circuits credentials/closed; call RateLimited 30;"
        " circuits credentials/closed project/open; wait 30; circuits credentials/closed; call CredentialsInvalid;"
        " circuits credentials/open"
    ),
    "the longest wait counts only rate limits": (
        "call ok; longest 0; call RateLimited 30; call RateLimited 50 a/q; call CredentialsInvalid 0 b/r; wait 10; longest 40;"
        " wait 60; longest 0"
    ),
}  # fmt: skip
"""Steps are methods of the harness; with ``whose``, a time or a reason stands before it."""


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_admission(script: str) -> None:
    harness = Harness()
    for step in script.split("; "):
        verb, *words = step.split()
        getattr(harness, verb)(*words)


@pytest.fixture
def limited() -> Harness:
    """One whose project is held for 30 seconds."""
    harness = Harness()
    harness.call("ok")
    harness.call("RateLimited", "30")
    return harness


OPENS = 1030.0


class TestTurns:
    """After a wait callers come back one by one."""

    def test_those_of_the_first_wait_keep_their_turns_in_the_second_one(self, limited: Harness) -> None:
        for first in (0, 2.5):
            opens = limited.now + 30 if first == 0 else limited.now + 1
            turns = [limited.turn(f"{opens} {number}") - opens for number in range(100)]
            assert turns == pytest.approx([first + 0.035 * number for number in range(100)])
            limited.now = opens
            limited.open()
            limited.call("RateLimited", "1")

    def test_none_is_more_than_a_minute_after_the_wait(self, limited: Harness) -> None:
        turns = [limited.turn(str(number), urgent=number < 3000) - OPENS for number in range(10_000)]
        assert max(turns) < 60
        assert Counter(int(turn) for turn in turns)[30] in range(150, 201)

    def test_a_caller_keeps_its_turn_when_it_asks_again(self, limited: Harness) -> None:
        """As a resource does at each edit."""
        callers = [f"shop/{number}" for number in range(100)]
        turns = {caller: limited.turn(caller, urgent=True) for caller in callers}
        for _ in range(1000):
            limited.now += 0.029
            limited.turn("noisy/edited", urgent=True)
        assert {caller: limited.turn(caller, urgent=True) for caller in callers} == turns
        assert limited.turn("shop/new", urgent=True) == pytest.approx(OPENS + 0.035 * 101)

    def test_edits_come_back_before_all_that_nobody_waits_for(self, limited: Harness) -> None:
        for number in range(500):
            limited.turn(f"shop/{number}")
        turns = [limited.turn(f"shop/{number}", urgent=True) for number in (499, 7)]
        assert turns == pytest.approx([OPENS, OPENS + 0.035])
        assert limited.turn("shop/500") == pytest.approx(OPENS + 0.035 * 500)
        assert limited.turn("shop/499") == turns[0], "also when its status has told of the rate limit"

    def test_what_nobody_waits_for_comes_back_behind_the_edits_so_far(self, limited: Harness) -> None:
        for number in range(10):
            limited.turn(f"shop/{number}", urgent=True)
        turns = [limited.turn(f"web/{number}") for number in range(2)]
        assert turns == pytest.approx([OPENS + 0.35, OPENS + 0.385])

    def test_a_caller_whose_turn_a_longer_wait_has_overtaken_gets_another_one(self) -> None:
        harness = Harness()
        harness.call("ok")
        harness.begin("earlier")
        harness.call("RateLimited", "30")
        callers = [f"shop/{number}" for number in range(20)]
        for caller in callers:
            harness.turn(caller)
        harness.end("earlier", "RateLimited", "55")
        turns = [harness.turn(caller) for caller in callers]
        assert turns == [harness.turn(caller) for caller in callers]
        assert turns == pytest.approx([harness.now + 55 + 0.035 * turn for turn in range(20)])


def test_an_outage_keeps_new_credentials_half_open_with_growing_waits() -> None:
    harness, waits = Harness(), []
    for _ in range(10_000):
        harness.begin("trial")
        waits.append(harness.turn("") - harness.now)
        harness.end("trial", "AtlasUnavailable/unanswered")
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6] + [30] * 9_991)


@pytest.mark.parametrize("how", ["RateLimited", "CredentialsRateLimited"])
def test_a_rate_limit_without_retry_after_backs_off(how: str) -> None:
    harness, waits = Harness(), []
    harness.call("ok")
    for _ in range(10_000):
        harness.call(how)
        waits.append(harness.turn("") - harness.now)
        harness.now = harness.turn("")
    assert waits == [10, 20, 40, 80, 160] + [300] * 9_995
    harness.call("ok")
    harness.call(how)
    harness.held("10")


def test_what_nobody_has_used_for_an_hour_is_dropped() -> None:
    harness = Harness()
    for number in range(100):
        harness.call("RateLimited", "9", f"old {number}/old {number}")
    harness.now += 3610
    harness.call("ok")
    harness.circuits("credentials/closed")


OUTCOMES = st.sampled_from(
    ["ok", "MissingRole", "RateLimited", "CredentialsRateLimited", "CredentialsInvalid", "AtlasUnavailable"]
)


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), OUTCOMES, st.integers(0, 20)), max_size=60),
    st.randoms(),
)
def test_every_caller_is_admitted_in_the_end(steps: list[tuple[str, str, str, int]], order: random.Random) -> None:
    throttle, now = Throttle(probe_interval=PROBE, max_in_flight=8), 1000.0
    under_way: list[tuple[Admitted, str]] = []
    for fingerprint, project, outcome, pause in steps:
        admission = throttle.admit(fingerprint, project, now)
        if isinstance(admission, Admitted):
            under_way.append((admission, outcome))
        else:
            assert now < admission.until <= now + PROBE
        if under_way and order.random() < 0.5:
            admitted, how = under_way.pop(order.randrange(len(under_way)))
            throttle.report(admitted, error(how), now)
        now += pause
    for admitted, how in under_way:
        throttle.report(admitted, error(how), now)
    for fingerprint in "ab":
        for project in "xy":
            admission = throttle.admit(fingerprint, project, now)
            for _ in range(2):  # at most a wait for the credentials and one for the project
                if isinstance(admission, Wait):
                    now = admission.until
                    admission = throttle.admit(fingerprint, project, now)
            assert isinstance(admission, Admitted)
            throttle.report(admission, None, now)
