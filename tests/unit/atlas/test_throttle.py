import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import (
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    Explanation,
    InstanceNotFoundError,
    InvalidRequestError,
    IPNotAllowedError,
    MissingRoleError,
    NotLeaderError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.throttle import PENDING, Admitted, Throttle, Wait

FP = "0123456789ab"
PROJECT = "5f7cac1adf5d6c6306f4b283"
PROBE = 600.0


class Harness:
    """A throttle, a clock, and the few moves that the tests make."""

    def __init__(self) -> None:
        self.throttle = Throttle(probe_interval=PROBE, max_in_flight=8)
        self.now = 1000.0

    def admit(self, fingerprint: str = FP, project: str = PROJECT) -> Admitted:
        admitted = self.throttle.admit(fingerprint, project, self.now)
        assert isinstance(admitted, Admitted), admitted
        return admitted

    def held(
        self, fingerprint: str = FP, project: str = PROJECT, *, caller: str | None = None, urgent: bool = False
    ) -> Wait:
        wait = self.throttle.admit(fingerprint, project, self.now, caller=caller, urgent=urgent)
        assert isinstance(wait, Wait), wait
        assert wait.until > self.now
        return wait

    def report(self, admitted: Admitted, error: AtlasError | None = None) -> None:
        self.throttle.report(admitted, error, self.now)

    def call(self, error: AtlasError | None = None, fingerprint: str = FP, project: str = PROJECT) -> None:
        self.report(self.admit(fingerprint, project), error)

    def let_through(self) -> None:
        self.throttle.let_through(FP, PROJECT, self.now)

    def assert_open(self) -> None:
        """Check that more than one call is admitted at a time."""
        self.admit()
        self.admit()

    @property
    def circuits(self) -> dict[tuple[str, str], int]:
        return self.throttle.circuits(self.now)


def working_harness() -> Harness:
    harness = Harness()
    harness.call()
    return harness


WORDS = Explanation("Atlas's words.")


def error(kind: type[AtlasError], retry_after: float | None = None, status: int | None = 400) -> AtlasError:
    return kind(WORDS, operation="op", http_status=status, retry_after=retry_after)


ANSWERED = [
    None,
    MissingRoleError,
    ProjectNotFoundError,
    InstanceNotFoundError,
    EndpointAbsentError,
    UpdateRejectedError,
    IPNotAllowedError,
    APIGoneError,
]


def test_new_credentials_make_one_call_at_a_time_until_one_is_answered() -> None:
    harness = Harness()
    first = harness.admit()
    for passed in (0.0, 0.25, 0.5, 14.0):
        harness.now += passed
        wait = Wait(harness.now + max(0.1, harness.now - 1000.0), PENDING, "Another call tests whether Atlas answers.")
        assert harness.held() == wait
    harness.report(first)
    harness.assert_open()


@pytest.mark.parametrize("new", [Harness, working_harness], ids=["a half open", "an open"])
@pytest.mark.parametrize("kind", ANSWERED)
def test_any_answer_leaves_open(kind: type[AtlasError] | None, new: Callable[[], Harness]) -> None:
    harness = new()
    harness.call(error(kind) if kind else None)
    harness.assert_open()


@pytest.mark.parametrize("kind", [InvalidRequestError, NotLeaderError])
def test_a_call_that_was_not_sent_changes_nothing(kind: type[AtlasError]) -> None:
    harness = Harness()
    harness.call(error(kind, status=None))
    harness.admit()
    harness.held()


def test_an_outage_keeps_new_credentials_half_open_with_growing_waits() -> None:
    harness = Harness()
    waits = []
    for _ in range(10_000):
        admitted = harness.admit()
        waits.append(harness.held().until - harness.now)
        harness.report(admitted, error(AtlasUnavailableError, status=None))
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6] + [30] * 9_991)


def test_an_outage_does_not_slow_credentials_that_have_worked() -> None:
    harness = working_harness()
    for _ in range(5):
        harness.call(error(AtlasUnavailableError, status=503))
    harness.assert_open()


def test_refused_credentials_wait_for_the_probe_with_their_reason() -> None:
    harness = working_harness()
    harness.call(error(CredentialsInvalidError))
    assert harness.held() == Wait(harness.now + PROBE, "CredentialsInvalid", WORDS)
    assert harness.held(project="another project").reason == "CredentialsInvalid"
    harness.call(fingerprint="changed")
    harness.now += PROBE - 1
    harness.held()
    harness.now += 1
    probe = harness.admit()
    assert harness.held().reason == PENDING
    harness.report(probe, error(CredentialsInvalidError))
    assert harness.held().until == harness.now + PROBE
    harness.now += PROBE
    harness.call()
    harness.assert_open()


def test_a_running_call_that_succeeds_ends_the_wait_of_refused_credentials() -> None:
    harness = working_harness()
    slow = harness.admit()
    harness.call(error(CredentialsInvalidError))
    harness.report(slow)
    harness.admit()


def test_a_rate_limit_holds_the_project_only() -> None:
    harness = working_harness()
    harness.call(fingerprint="other credentials", project="other project")
    harness.call(fingerprint="other credentials")
    harness.call(error(RateLimitedError, retry_after=55))
    assert harness.held() == Wait(harness.now + 55, "RateLimited", WORDS)
    assert harness.held(fingerprint="other credentials") == harness.held()
    harness.admit(project="other project")
    harness.now += 54
    harness.held()


def test_after_a_wait_callers_come_back_in_turns() -> None:
    harness = working_harness()
    for first in (0, 2.5):  # those of the first wait keep their turns in the second one
        harness.call(error(RateLimitedError, retry_after=1))
        opens = harness.now + 1
        waits = [harness.held(caller=f"{opens} {number}").until - opens for number in range(100)]
        assert waits == pytest.approx([first + 0.035 * number for number in range(100)])
        harness.now = opens
        harness.assert_open()


def test_no_turn_is_more_than_a_minute_after_the_wait() -> None:
    harness = working_harness()
    harness.call(error(RateLimitedError, retry_after=5))
    turns = [harness.held(caller=str(number), urgent=number < 3000).until - harness.now - 5 for number in range(10_000)]
    assert max(turns) < 60
    assert Counter(int(turn) for turn in turns)[30] in range(150, 201)


def test_a_caller_keeps_its_turn_when_it_asks_again() -> None:
    """As a resource does at each edit."""
    harness = working_harness()
    harness.call(fingerprint="other credentials")
    harness.call(error(RateLimitedError, retry_after=30))
    opens, callers = harness.now + 30, [f"shop/{number}" for number in range(100)]
    turns = {caller: harness.held(caller=caller, urgent=True).until for caller in callers}
    for _ in range(1000):
        harness.now += 0.029
        harness.held(fingerprint="other credentials", caller="noisy/edited", urgent=True)
    assert {caller: harness.held(caller=caller, urgent=True).until for caller in callers} == turns
    assert harness.held(caller="shop/new", urgent=True).until == pytest.approx(opens + 0.035 * 101)


def test_an_edit_comes_back_before_all_that_nobody_waits_for() -> None:
    harness = working_harness()
    harness.call(error(RateLimitedError, retry_after=30))
    opens = harness.now + 30
    for number in range(500):
        harness.held(caller=f"shop/{number}")
    turns = [harness.held(caller=f"shop/{number}", urgent=True).until for number in (499, 7)]
    assert turns == pytest.approx([opens, opens + 0.035])
    assert harness.held(caller="shop/500").until == pytest.approx(opens + 0.035 * 500)


def test_a_caller_keeps_an_urgent_turn_when_nobody_waits_for_it_any_more() -> None:
    """As an edit whose status has told of the rate limit."""
    harness = working_harness()
    harness.call(error(RateLimitedError, retry_after=30))
    for number in range(100):
        harness.held(caller=f"shop/{number}")
    turn = harness.held(caller="shop/edited", urgent=True).until
    assert harness.held(caller="shop/edited").until == turn


def test_what_nobody_waits_for_comes_back_behind_the_edits_so_far() -> None:
    harness = working_harness()
    harness.call(error(RateLimitedError, retry_after=30))
    opens = harness.now + 30
    for number in range(10):
        harness.held(caller=f"shop/{number}", urgent=True)
    turns = [harness.held(caller=f"web/{number}").until for number in range(2)]
    assert turns == pytest.approx([opens + 0.35, opens + 0.385])


def test_a_caller_whose_turn_a_longer_wait_has_overtaken_gets_another_one() -> None:
    harness = working_harness()
    earlier = harness.admit()
    harness.call(error(RateLimitedError, retry_after=30))
    callers = [f"shop/{number}" for number in range(20)]
    for caller in callers:
        harness.held(caller=caller)
    harness.report(earlier, error(RateLimitedError, retry_after=55))
    turns = [harness.held(caller=caller).until for caller in callers]
    assert turns == [harness.held(caller=caller).until for caller in callers]
    assert [turn - harness.now for turn in turns] == pytest.approx([55 + 0.035 * turn for turn in range(20)])


def test_credentials_without_a_success_in_a_project_do_not_slow_down_others() -> None:
    """Whoever names a project in a spec has not shown that it is his."""
    harness = working_harness()
    harness.call(error(ProjectNotFoundError), fingerprint="stranger")
    harness.call(error(RateLimitedError, retry_after=3600), fingerprint="stranger")
    harness.assert_open()
    assert harness.held(fingerprint="stranger").until == harness.now + 3600
    harness.admit(fingerprint="stranger", project="his own project")


class TestOutagesThatNameATime:
    """A 503 with ``Retry-After``."""

    def test_they_hold_the_project_only(self) -> None:
        harness = working_harness()
        harness.call(fingerprint="other credentials")
        harness.call(error(AtlasUnavailableError, retry_after=120, status=503))
        harness.now += 119
        assert harness.held() == Wait(harness.now + 1, "AtlasUnavailable", WORDS)
        harness.admit(project="another")
        harness.held(fingerprint="other credentials")
        harness.admit(fingerprint="a stranger's")
        harness.now += 1
        harness.assert_open()

    def test_those_of_strangers_hold_only_themselves(self) -> None:
        harness = working_harness()
        harness.call(error(ProjectNotFoundError), fingerprint="a stranger's")
        harness.call(error(AtlasUnavailableError, retry_after=120, status=503), fingerprint="a stranger's")
        harness.assert_open()
        assert harness.held(fingerprint="a stranger's").until == harness.now + 120

    def test_one_call_is_let_through_in_each_wait(self) -> None:
        harness = working_harness()
        for _ in range(3):
            harness.call(error(AtlasUnavailableError, retry_after=120, status=503))
            for _ in range(5):
                harness.let_through()
            harness.call(error(AtlasUnavailableError, retry_after=100, status=503))
            harness.let_through()
            assert harness.held().until >= harness.now + 120
            harness.now += 301

    def test_a_success_of_the_call_that_was_let_through_ends_the_wait(self) -> None:
        harness = working_harness()
        slow = harness.admit()
        harness.call(error(AtlasUnavailableError, retry_after=120, status=503))
        harness.let_through()
        excepted = harness.admit()
        harness.held()
        harness.report(slow)
        harness.held()
        harness.report(excepted)
        harness.assert_open()

    def test_no_call_is_let_through_without_a_wait_or_in_a_wait_of_the_project(self) -> None:
        harness = working_harness()
        harness.let_through()
        harness.call(error(RateLimitedError, retry_after=55))
        harness.let_through()
        assert harness.held().until == harness.now + 55

    @pytest.mark.parametrize("limit", [60, 200])
    @pytest.mark.parametrize("is_first", [False, True])
    def test_no_call_is_let_through_before_the_time_of_a_429_beside_it(self, limit: float, *, is_first: bool) -> None:
        harness = working_harness()
        slow = harness.admit()
        errors = error(RateLimitedError, retry_after=limit), error(AtlasUnavailableError, retry_after=120, status=503)
        first, later = errors if is_first else errors[::-1]
        harness.call(first)
        harness.let_through()
        harness.report(slow, later)
        harness.let_through()
        assert harness.held().until == harness.now + max(limit, 120)

    def test_a_limit_of_one_sort_of_calls_holds_no_other(self) -> None:
        harness = working_harness()
        creation = harness.throttle.admit(FP, PROJECT, harness.now, sort="create")
        assert isinstance(creation, Admitted)
        harness.report(creation, error(RateLimitedError, retry_after=60))
        harness.assert_open()
        assert isinstance(harness.throttle.admit(FP, PROJECT, harness.now, sort="create"), Wait)
        assert harness.circuits["project", "open"] == 1

    def test_a_request_after_the_wait_does_not_count_for_the_next_wait(self) -> None:
        harness = working_harness()
        harness.call(error(AtlasUnavailableError, retry_after=5, status=503))
        harness.now += 5
        trial = harness.admit()
        harness.let_through()
        harness.report(trial, error(AtlasUnavailableError, retry_after=120, status=503))
        harness.held()


def test_answers_to_earlier_calls_do_not_shorten_a_wait() -> None:
    harness = working_harness()
    earlier = [harness.admit() for _ in range(3)]
    harness.call(error(RateLimitedError, retry_after=55))
    for admitted, answer, wait in zip(
        earlier,
        (None, error(RateLimitedError, retry_after=5), error(RateLimitedError, retry_after=99)),
        (55, 55, 99),
        strict=True,
    ):
        harness.report(admitted, answer)
        assert harness.held().until == harness.now + wait


@pytest.mark.parametrize("kind", [RateLimitedError, CredentialsRateLimitedError])
def test_a_rate_limit_without_retry_after_backs_off(kind: type[AtlasError]) -> None:
    harness = working_harness()
    waits = []
    for _ in range(10_000):
        harness.call(error(kind))
        waits.append(harness.held().until - harness.now)
        harness.now = harness.held().until
    assert waits == [10, 20, 40, 80, 160] + [300] * 9_995
    harness.call()
    harness.call(error(kind))
    assert harness.held().until - harness.now == 10


def test_concurrent_calls_back_off_once() -> None:
    harness = working_harness()
    for admitted in [harness.admit() for _ in range(8)]:
        harness.report(admitted, error(RateLimitedError))
    assert harness.held().until == harness.now + 10
    harness.now += 10
    harness.call(error(RateLimitedError))
    assert harness.held().until == harness.now + 20


def test_a_limit_of_the_token_endpoint_holds_the_credentials() -> None:
    harness = working_harness()
    harness.call(fingerprint="other credentials")
    harness.call(error(CredentialsRateLimitedError, retry_after=30))
    assert harness.held(project="other project").until == harness.now + 30
    harness.admit(fingerprint="other credentials")


def test_a_released_call_makes_room_for_the_next_one() -> None:
    harness = Harness()
    harness.throttle.release(harness.admit())
    harness.admit()
    harness.held()


def test_what_nobody_has_used_for_an_hour_is_dropped() -> None:
    harness = Harness()
    for number in range(100):
        harness.call(fingerprint=f"old {number}", project=f"old {number}", error=error(RateLimitedError, retry_after=9))
    harness.now += 3610
    harness.call()
    assert harness.circuits == {("credentials", "closed"): 1}


OUTCOMES = st.sampled_from(
    [
        None,
        MissingRoleError,
        RateLimitedError,
        CredentialsRateLimitedError,
        CredentialsInvalidError,
        AtlasUnavailableError,
    ]
)


def answered(kind: type[AtlasError] | None) -> AtlasError | None:
    """Have an outage name a time."""
    return error(kind, retry_after=30 if kind is AtlasUnavailableError else None) if kind else None


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), OUTCOMES, st.integers(0, 20)), max_size=60),
    st.randoms(),
)
def test_every_caller_is_admitted_in_the_end(
    steps: list[tuple[str, str, type[AtlasError] | None, int]], order: random.Random
) -> None:
    harness = Harness()
    under_way: list[tuple[Admitted, type[AtlasError] | None]] = []
    for fingerprint, project, outcome, pause in steps:
        admission = harness.throttle.admit(fingerprint, project, harness.now)
        if isinstance(admission, Admitted):
            under_way.append((admission, outcome))
        else:
            assert admission.until > harness.now
            assert admission.until - harness.now <= PROBE
        if under_way and order.random() < 0.5:
            admitted, kind = under_way.pop(order.randrange(len(under_way)))
            harness.throttle.report(admitted, answered(kind), harness.now)
        harness.now += pause
    for admitted, kind in under_way:
        harness.throttle.report(admitted, answered(kind), harness.now)
    for fingerprint in "ab":
        for project in "xy":
            admission = harness.throttle.admit(fingerprint, project, harness.now)
            for _ in range(2):  # at most a wait for the credentials and one for the project
                if isinstance(admission, Wait):
                    harness.now = admission.until
                    admission = harness.throttle.admit(fingerprint, project, harness.now)
            assert isinstance(admission, Admitted)
            harness.report(admission)


def test_circuits_are_counted_by_state() -> None:
    harness = Harness()
    assert harness.circuits == {}
    first = harness.admit()
    assert harness.circuits == {("credentials", "half_open"): 1}
    harness.report(first)
    assert harness.circuits == {("credentials", "closed"): 1}
    harness.call(error(RateLimitedError, retry_after=30.0))
    assert harness.circuits == {("credentials", "closed"): 1, ("project", "open"): 1}
    harness.now += 30
    assert harness.circuits == {("credentials", "closed"): 1}
    harness.call(error(CredentialsInvalidError))
    assert harness.circuits == {("credentials", "open"): 1}


def test_the_longest_wait_counts_only_rate_limits() -> None:
    harness = working_harness()
    assert harness.throttle.longest_wait(harness.now) == 0
    harness.call(error(RateLimitedError, retry_after=30.0))
    harness.call(error(RateLimitedError, retry_after=50.0), project="another")
    harness.call(
        error(CredentialsInvalidError), fingerprint="another", project="a third"
    )  # nobody has asked for this one
    harness.now += 10
    assert harness.throttle.longest_wait(harness.now) == 40
    harness.now += 60
    assert harness.throttle.longest_wait(harness.now) == 0


def test_one_pair_of_credentials_has_a_limit_of_concurrent_calls() -> None:
    harness = working_harness()
    under_way = [harness.admit() for _ in range(8)]
    assert harness.held() == Wait(
        harness.now + 1, PENDING, "The limit of concurrent calls with these credentials is reached."
    )
    harness.call(fingerprint="other credentials")
    harness.report(under_way.pop())
    harness.admit()


def test_the_first_success_in_a_project_does_not_lift_the_wait_that_another_first_call_was_told() -> None:
    harness = working_harness()
    limited, fine = harness.admit(project="new"), harness.admit(project="new")
    harness.report(limited, error(RateLimitedError, retry_after=60))
    harness.report(fine)
    assert harness.held(project="new").until >= harness.now + 60
