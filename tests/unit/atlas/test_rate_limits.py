"""The remaining calls in the rate limits of Atlas."""

from __future__ import annotations

import pytest

from atlas_endpoints.atlas.rate_limits import RECENT, RateLimits


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def limits(now: list[float]) -> RateLimits:
    return RateLimits(lambda: now[0])


def headers(left: str) -> dict[str, str]:
    return {"ratelimit-remaining": left}


def test_the_smallest_number_of_all_projects_counts(limits: RateLimits) -> None:
    limits.take("a", headers("12"))
    limits.take("b", headers("3"))
    assert limits.remaining() == 3


def test_the_last_answer_of_a_project_counts(limits: RateLimits) -> None:
    limits.take("a", headers("3"))
    limits.take("a", headers("12"))
    assert limits.remaining() == 12


def test_an_old_answer_does_not_count(limits: RateLimits, now: list[float]) -> None:
    limits.take("a", headers("3"))
    now[0] += RECENT - 1
    limits.take("b", headers("12"))
    now[0] += 1
    assert limits.remaining() == 12


@pytest.mark.parametrize("left", ["", "-1", "many", "1.5"])
def test_a_malformed_number_is_ignored(limits: RateLimits, left: str) -> None:
    limits.take("a", headers(left))
    assert limits.remaining() is None
