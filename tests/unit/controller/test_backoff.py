"""How long to wait before the next try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.controller.requeue import CAP, backoff_delay, doubled

LAST = 1 - 2**-53
"""The largest number that a draw can give."""

CEILINGS = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 6: 32, 7: 64, 8: 128, 9: 256, 10: 300, 11: 300, 1000: 300, 10**9: 300}


@pytest.mark.parametrize(("failures", "ceiling"), CEILINGS.items())
def test_the_longest_wait_doubles_from_one_second_to_five_minutes(failures: int, ceiling: float) -> None:
    assert backoff_delay(failures, random=LAST) == pytest.approx(ceiling)
    assert backoff_delay(failures, random=0.5) == ceiling / 2
    assert backoff_delay(failures, random=0.0) == 0


DOUBLINGS = {0: 5, 1: 10, 2: 20, 3: 40, 4: 60, 1023: 60, 1024: 60, 10_000: 60, 10**400: 60}


@pytest.mark.parametrize(("times", "figure"), DOUBLINGS.items())
def test_a_number_doubles_up_to_its_cap(times: int, figure: float) -> None:
    assert doubled(5.0, times, 60.0) == figure


def test_a_number_above_its_cap_is_the_cap() -> None:
    assert doubled(90.0, 0, 60.0) == 60


@given(
    failures=st.integers(min_value=1),
    random=st.floats(min_value=0, max_value=LAST),
    at_least=st.floats(min_value=0, max_value=1e6),
)
def test_a_delay_is_between_at_least_and_its_upper_bound(failures: int, random: float, at_least: float) -> None:
    assert at_least <= backoff_delay(failures, random=random, at_least=at_least) <= max(CAP, 1.1 * at_least)


def test_equal_requested_waits_get_different_delays() -> None:
    assert len({backoff_delay(1, random=draw / 10, at_least=60) for draw in range(10)}) == 10


def test_a_backoff_longer_than_at_least_is_kept() -> None:
    assert backoff_delay(10, random=0.9, at_least=5) == pytest.approx(270)
