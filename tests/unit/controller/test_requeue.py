"""The delay until the next try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.controller.requeue import CAP, backoff_delay, doubled

LAST = 1 - 2**-53
"""The largest number that a draw can give."""


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1000, 300), (10**9, 300)]
)
def test_the_longest_delay_doubles_from_one_second_to_five_minutes(failures: int, longest: float) -> None:
    assert backoff_delay(failures, random=LAST, at_least=0.5) == pytest.approx(longest)
    assert backoff_delay(failures, random=0.5) == longest / 2
    assert backoff_delay(failures, random=0.0) == 0


@pytest.mark.parametrize(
    ("first", "times", "value"), [(5, 0, 5), (5, 3, 40), (5, 4, 60), (5, 1024, 60), (5, 10**400, 60), (90, 0, 60)]
)
def test_a_number_doubles_up_to_its_cap(first: float, times: int, value: float) -> None:
    assert doubled(first, times, 60.0) == value


@given(
    failures=st.integers(min_value=1),
    random=st.floats(min_value=0, max_value=LAST),
    at_least=st.floats(min_value=0, max_value=1e6),
)
def test_a_delay_is_between_at_least_and_its_upper_bound(failures: int, random: float, at_least: float) -> None:
    assert at_least <= backoff_delay(failures, random=random, at_least=at_least) <= max(CAP, 1.1 * at_least)
