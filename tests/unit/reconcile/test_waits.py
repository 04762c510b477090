"""How often a status may be written, whatever causes the writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.reconcile.waits import STATUS_WRITES, spaced, until_next_report

INTERVAL, HOUR = timedelta(minutes=10), 3600.0
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)

reconciles = st.lists(st.tuples(st.sampled_from((0.0, 1.0, 60.0, 600.0, 3500.0)), st.sampled_from((1, 2))), max_size=60)
"""The seconds before each reconcile, and the status writes in it."""


@given(reconciles)
def test_whoever_waits_writes_twelve_times_an_hour_and_waits_half_an_hour_at_most(
    steps: list[tuple[float, int]],
) -> None:
    now, written = 0.0, list[float]()
    for pause, writes in steps:
        now += pause
        wait = until_next_report(written, now, INTERVAL)
        assert wait <= (HOUR / 4 if len(set(written)) == len(written) else HOUR / 2)
        now += wait
        written += [now] * writes
        assert sum(at > now - HOUR for at in written) <= STATUS_WRITES


@pytest.mark.parametrize(
    ("minutes", "wait"),
    [
        pytest.param([], 0, id="nothing was written"),
        pytest.param([0] * 7, 0, id="seven at once"),
        pytest.param([0] * 8, 15, id="eight at once"),
        pytest.param([-60] * 8, 0, id="eight at once an hour ago"),
        pytest.param([-30, -20, -10, 0], 0, id="one in an interval"),
    ],
)
def test_the_first_writes_do_not_wait(minutes: list[int], wait: int) -> None:
    assert until_next_report([60.0 * each for each in minutes], 0.0, INTERVAL) == 60 * wait


def test_a_shorter_interval_has_shorter_waits() -> None:
    assert until_next_report([0.0] * 8, 0.0, timedelta(seconds=10)) == 15
    assert until_next_report([0.0] * 8, 0.0, timedelta(days=1)) == HOUR / 4


@pytest.mark.parametrize(
    ("lasted", "interval", "wait"), [(0, 5, 90), (0, 600, 90), (90, 600, 270), (4000, 600, 1200), (4000, 5, 90)]
)
def test_what_costs_two_writes_is_repeated_after_a_minute_and_a_half_at_least(
    lasted: int, interval: int, wait: int
) -> None:
    assert spaced(NOW - timedelta(seconds=lasted), NOW, timedelta(seconds=interval)) == wait
