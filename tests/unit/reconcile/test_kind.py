"""How long a kind, and what all kinds share, waits for Atlas."""

from datetime import UTC, datetime, timedelta

import pytest

from atlas_endpoints.reconcile.waits import as_long_again

SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)
INTERVAL, MINUTE = timedelta(minutes=10), timedelta(minutes=1)

WAITS = {
    "a failure that has just begun is looked at soon": (0, INTERVAL, 5),
    "a part of a second later it is no later": (0.7, INTERVAL, 5),
    "after the first look the wait is as long as the failure has lasted": (5, INTERVAL, 5),
    "then it doubles": (10, INTERVAL, 10),
    "and doubles again": (160, INTERVAL, 160),
    "it is at most the interval": (640, INTERVAL, 600),
    "also after years": (10**9, INTERVAL, 600),
    "and the interval of this resource": (640, MINUTE, 60),
    "a failure of the near future counts as now": (-1, INTERVAL, 5),
    "a failure of the far future counts as now": (-(10**9), INTERVAL, 5),
}


@pytest.mark.parametrize(("elapsed", "interval", "wait"), WAITS.values(), ids=WAITS)
def test_wait_of_a_write_that_failed(elapsed: float, interval: timedelta, wait: float) -> None:
    assert as_long_again(SINCE, SINCE + timedelta(seconds=elapsed), interval) == wait


@pytest.mark.parametrize(("begin", "end", "most"), [(0, 3600, 13), (3600, 7200, 6)])
def test_a_failure_without_end_is_tried_seldom(begin: int, end: int, most: int) -> None:
    tries, now = [SINCE], SINCE
    while now < SINCE + timedelta(seconds=end):
        now += timedelta(seconds=as_long_again(SINCE, now, INTERVAL))
        tries.append(now)
    assert len([each for each in tries if begin <= (each - SINCE).total_seconds() < end]) == most
