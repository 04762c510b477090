import random

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
    InstanceNotFoundError,
    InvalidSpecError,
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


class World:
    """A throttle, a clock, and the few moves that the tests make."""

    def __init__(self) -> None:
        self.throttle = Throttle(probe_interval=PROBE, max_in_flight=8)
        self.now = 1000.0

    def admit(self, fingerprint: str = FP, project: str = PROJECT) -> Admitted:
        admitted = self.throttle.admit(fingerprint, project, self.now)
        assert isinstance(admitted, Admitted), admitted
        return admitted

    def held(self, fingerprint: str = FP, project: str = PROJECT) -> Wait:
        wait = self.throttle.admit(fingerprint, project, self.now)
        assert isinstance(wait, Wait), wait
        assert wait.until > self.now
        return wait

    def call(self, error: AtlasError | None = None, fingerprint: str = FP, project: str = PROJECT) -> None:
        self.throttle.report(self.admit(fingerprint, project), error, self.now)


def world_that_works() -> World:
    world = World()
    world.call()
    return world


def error(kind: type[AtlasError], retry_after: float | None = None, status: int | None = 400) -> AtlasError:
    return kind("Atlas's words.", operation="op", http_status=status, retry_after=retry_after)


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
    world = World()
    first = world.admit()
    assert world.held() == Wait(world.now + 1, PENDING, "Another call finds out whether Atlas answers.")
    world.throttle.report(first, None, world.now)
    world.admit()
    world.admit()


@pytest.mark.parametrize("kind", ANSWERED)
def test_any_answer_to_the_call_itself_opens_the_gate(kind: type[AtlasError] | None) -> None:
    world = World()
    world.call(error(kind) if kind else None)
    world.admit()
    world.admit()


@pytest.mark.parametrize("kind", ANSWERED)
def test_no_answer_to_the_call_itself_closes_the_gate(kind: type[AtlasError] | None) -> None:
    world = world_that_works()
    world.call(error(kind) if kind else None)
    world.admit()
    world.admit()


@pytest.mark.parametrize("kind", [InvalidSpecError, NotLeaderError])
def test_what_was_never_sent_teaches_nothing(kind: type[AtlasError]) -> None:
    world = World()
    world.call(error(kind, status=None))
    world.admit()
    world.held()


def test_an_outage_keeps_new_credentials_at_one_call_at_a_time_with_growing_patience() -> None:
    world = World()
    waits = []
    for _ in range(8):
        admitted = world.admit()
        waits.append(world.held().until - world.now)
        world.throttle.report(admitted, error(AtlasUnavailableError, status=None), world.now)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_an_outage_does_not_slow_credentials_that_were_seen_to_work() -> None:
    world = world_that_works()
    for _ in range(5):
        world.call(error(AtlasUnavailableError, status=503))
    world.admit()
    world.admit()


def test_refused_credentials_wait_for_the_probe_and_say_why() -> None:
    world = world_that_works()
    world.call(error(CredentialsInvalidError))
    assert world.held() == Wait(world.now + PROBE, "CredentialsInvalid", "Atlas's words.")
    assert world.held(project="another project") == world.held()
    world.now += PROBE - 1
    world.held()
    world.now += 1
    probe = world.admit()
    assert world.held().reason == PENDING
    world.throttle.report(probe, error(CredentialsInvalidError), world.now)
    assert world.held().until == world.now + PROBE
    world.now += PROBE
    world.call()
    world.admit()
    world.admit()


def test_changed_credentials_do_not_wait_for_the_old_ones() -> None:
    world = world_that_works()
    world.call(error(CredentialsInvalidError))
    world.call(fingerprint="changed")
    world.held()


def test_a_call_that_was_under_way_and_succeeds_shows_that_the_credentials_work() -> None:
    world = world_that_works()
    slow = world.admit()
    world.call(error(CredentialsInvalidError))
    world.throttle.report(slow, None, world.now)
    world.admit()


def test_a_rate_limit_holds_the_whole_project_and_nothing_else() -> None:
    world = world_that_works()
    world.call(fingerprint="other credentials", project="other project")
    world.call(error(RateLimitedError, retry_after=55))
    assert world.held() == Wait(world.now + 55, "RateLimited", "Atlas's words.")
    assert world.held(fingerprint="other credentials") == world.held()
    world.admit(project="other project")
    world.now += 54
    world.held()


def test_after_a_rate_limit_calls_go_one_at_a_time_until_one_is_answered() -> None:
    world = world_that_works()
    world.call(error(RateLimitedError, retry_after=55))
    world.now += 55
    first = world.admit()
    assert world.held().reason == PENDING
    world.throttle.report(first, error(MissingRoleError), world.now)
    world.admit()
    world.admit()


def test_an_answer_to_a_call_that_was_under_way_does_not_end_a_wait() -> None:
    world = world_that_works()
    slow = world.admit()
    world.call(error(RateLimitedError, retry_after=55))
    world.throttle.report(slow, None, world.now)
    assert world.held().until == world.now + 55


def test_the_longest_wait_counts() -> None:
    world = world_that_works()
    slow, slower = world.admit(), world.admit()
    world.call(error(RateLimitedError, retry_after=55))
    world.throttle.report(slow, error(RateLimitedError, retry_after=5), world.now)
    assert world.held().until == world.now + 55
    world.throttle.report(slower, error(RateLimitedError, retry_after=99), world.now)
    assert world.held().until == world.now + 99


def test_calls_that_were_limited_together_count_as_one_failure() -> None:
    world = world_that_works()
    for admitted in [world.admit() for _ in range(8)]:
        world.throttle.report(admitted, error(RateLimitedError, retry_after=5), world.now)
    world.now += 5
    world.admit()
    assert world.held().until == world.now + 2


def test_an_outage_after_a_rate_limit_makes_the_project_more_patient() -> None:
    world = world_that_works()
    world.call(fingerprint="other credentials", project="other project")
    world.call(error(RateLimitedError, retry_after=5))
    world.now += 5
    world.call(error(AtlasUnavailableError, status=None))
    world.admit()
    assert world.held(fingerprint="other credentials").until == world.now + 4


@pytest.mark.parametrize("kind", [RateLimitedError, CredentialsRateLimitedError])
def test_a_rate_limit_without_a_figure_backs_off(kind: type[AtlasError]) -> None:
    world = world_that_works()
    waits = []
    for _ in range(7):
        world.call(error(kind))
        waits.append(world.held().until - world.now)
        world.now = world.held().until
    assert waits == [10, 20, 40, 80, 160, 300, 300]
    world.call()
    world.call(error(kind))
    assert world.held().until - world.now == 10


def test_an_outage_of_days_leaves_the_patience_at_its_longest() -> None:
    world = World()
    for _ in range(10_000):
        world.call(error(AtlasUnavailableError, status=None))
    world.admit()
    assert world.held().until - world.now == 30


@pytest.mark.parametrize("kind", [RateLimitedError, CredentialsRateLimitedError])
def test_rate_limits_for_days_leave_the_backoff_at_its_longest(kind: type[AtlasError]) -> None:
    world = world_that_works()
    for _ in range(10_000):
        world.call(error(kind))
        world.now = world.held().until
    world.call(error(kind))
    assert world.held().until - world.now == 300


def test_calls_that_were_under_way_together_back_off_once() -> None:
    world = world_that_works()
    for admitted in [world.admit() for _ in range(8)]:
        world.throttle.report(admitted, error(RateLimitedError), world.now)
    assert world.held().until == world.now + 10
    world.now += 10
    world.call(error(RateLimitedError))
    assert world.held().until == world.now + 20


def test_the_token_endpoints_limit_holds_the_credentials_in_all_projects() -> None:
    world = world_that_works()
    world.call(fingerprint="other credentials")
    world.call(error(CredentialsRateLimitedError, retry_after=30))
    assert world.held(project="other project").until == world.now + 30
    world.admit(fingerprint="other credentials")


def test_one_pair_of_credentials_has_only_so_many_calls_under_way() -> None:
    world = world_that_works()
    under_way = [world.admit() for _ in range(8)]
    assert world.held() == Wait(world.now + 1, PENDING, "Enough calls with these credentials are under way.")
    world.call(fingerprint="other credentials")
    world.throttle.report(under_way.pop(), None, world.now)
    world.admit()


def test_a_call_that_is_given_up_makes_room_for_the_next_one() -> None:
    world = World()
    world.throttle.release(world.admit())
    world.admit()
    world.held()


def test_a_call_that_is_never_reported_does_not_block_for_ever() -> None:
    world = World()
    lost = world.admit()
    world.now += 61
    found = world.admit()
    world.throttle.release(lost)
    world.held()
    world.throttle.report(found, None, world.now)
    world.admit()


def test_what_was_not_used_for_a_day_is_forgotten() -> None:
    world = World()
    for number in range(100):
        world.call(fingerprint=f"old {number}", project=f"old {number}", error=error(RateLimitedError, retry_after=9))
    world.now += 86410
    world.call()
    assert world.throttle.circuits(world.now) == {("credentials", "closed"): 1}


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


@settings(deadline=None)  # a loaded machine is no failure
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), OUTCOMES, st.integers(0, 20)), max_size=60),
    st.randoms(),
)
def test_whatever_happens_everybody_gets_a_turn_in_the_end(
    steps: list[tuple[str, str, type[AtlasError] | None, int]], order: random.Random
) -> None:
    world = World()
    under_way: list[tuple[Admitted, type[AtlasError] | None]] = []
    for fingerprint, project, outcome, pause in steps:
        admission = world.throttle.admit(fingerprint, project, world.now)
        if isinstance(admission, Admitted):
            under_way.append((admission, outcome))
        else:
            assert admission.until > world.now
            assert admission.until - world.now <= PROBE
        if under_way and order.random() < 0.5:
            admitted, kind = under_way.pop(order.randrange(len(under_way)))
            world.throttle.report(admitted, error(kind) if kind else None, world.now)
        world.now += pause
    for admitted, kind in under_way:
        world.throttle.report(admitted, error(kind) if kind else None, world.now)
    for fingerprint in "ab":
        for project in "xy":
            admission = world.throttle.admit(fingerprint, project, world.now)
            for _ in range(2):  # at most a wait for the credentials and one for the project
                if isinstance(admission, Wait):
                    world.now = admission.until
                    admission = world.throttle.admit(fingerprint, project, world.now)
            assert isinstance(admission, Admitted)
            world.throttle.report(admission, None, world.now)


def test_circuits_tell_whether_calls_go_through() -> None:
    world = World()
    assert world.throttle.circuits(world.now) == {}
    first = world.admit()
    assert world.throttle.circuits(world.now) == {("credentials", "half_open"): 1}
    world.throttle.report(first, None, world.now)
    assert world.throttle.circuits(world.now) == {("credentials", "closed"): 1}
    world.call(error(RateLimitedError, retry_after=30.0))
    assert world.throttle.circuits(world.now) == {("credentials", "closed"): 1, ("project", "open"): 1}
    world.now += 30
    assert world.throttle.circuits(world.now) == {("credentials", "closed"): 1, ("project", "half_open"): 1}
    world.call()
    assert world.throttle.circuits(world.now) == {("credentials", "closed"): 1}
    world.call(error(CredentialsInvalidError))
    assert world.throttle.circuits(world.now) == {("credentials", "open"): 1}


def test_the_longest_wait_is_one_that_atlas_has_asked_for() -> None:
    world = world_that_works()
    assert world.throttle.longest_wait(world.now) == 0
    world.call(error(RateLimitedError, retry_after=30.0))
    world.call(error(RateLimitedError, retry_after=50.0), project="another")
    world.call(
        error(CredentialsInvalidError), fingerprint="another", project="a third"
    )  # nobody has asked for this one
    world.now += 10
    assert world.throttle.longest_wait(world.now) == 40
    world.now += 60
    assert world.throttle.longest_wait(world.now) == 0
