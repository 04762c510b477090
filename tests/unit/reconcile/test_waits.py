"""How long to wait, counted from one time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.reconcile.attempt import as_long_again, pace, spaced

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(("lasted", "soon", "again"), [(0, 5, 5), (19, 5, 19), (40, 10, 40), (4000, 150, 600)])
def test_the_longer_it_has_lasted_the_longer_is_the_wait(lasted: int, soon: int, again: int) -> None:
    elapsed = timedelta(seconds=lasted)
    assert (pace(elapsed), as_long_again(elapsed, timedelta(minutes=10))) == (soon, again)


@pytest.mark.parametrize(
    ("lasted", "interval", "wait"), [(0, 5, 90), (0, 600, 90), (90, 600, 270), (4000, 600, 1200), (4000, 5, 90)]
)
def test_what_costs_two_writes_is_repeated_after_a_minute_and_a_half_at_least(
    lasted: int, interval: int, wait: int
) -> None:
    assert spaced(NOW - timedelta(seconds=lasted), NOW, timedelta(seconds=interval)) == wait
