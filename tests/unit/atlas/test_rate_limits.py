"""What is remembered of what Atlas tells of its rate limits."""

from __future__ import annotations

import pytest

from atlas_endpoints.atlas.rate_limits import RECENT, RateLimits


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def limits(now: list[float]) -> RateLimits:
    return RateLimits(lambda: now[0])


def told(left: str) -> dict[str, str]:
    return {"ratelimit-remaining": left}


def test_the_place_with_the_least_left_is_the_one_that_counts(limits: RateLimits) -> None:
    limits.take("a", told("12"))
    limits.take("b", told("3"))
    assert limits.remaining() == 3


def test_the_last_word_about_a_place_stands(limits: RateLimits) -> None:
    limits.take("a", told("3"))
    limits.take("a", told("12"))
    assert limits.remaining() == 12


def test_a_word_that_is_old_says_nothing_and_the_others_stand(limits: RateLimits, now: list[float]) -> None:
    limits.take("a", told("3"))
    now[0] += RECENT - 1
    limits.take("b", told("12"))
    now[0] += 1
    assert limits.remaining() == 12


@pytest.mark.parametrize("left", ["", "-1", "many", "1.5"])
def test_what_is_no_number_is_passed_over(limits: RateLimits, left: str) -> None:
    limits.take("a", told(left))
    assert limits.remaining() is None
