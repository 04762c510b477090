"""How long to wait: for the next observation of a change, or the next try of what has failed. Pure."""

from datetime import datetime, timedelta

from atlas_endpoints.reconcile.decision import POLL_FIRST, POLL_LAST

SPACED = 90.0
"""Seconds for which an accepted creation whose answer was lost may still become visible, and a little more."""


def slowly(lasted: timedelta) -> float:
    """Return a quarter of a time in seconds, so that looks become ever rarer."""
    return min(lasted.total_seconds() / 4, POLL_LAST)


def pace(elapsed: timedelta) -> float:
    """Return the seconds until the next observation of a change that began ``elapsed`` ago."""
    return max(slowly(elapsed), POLL_FIRST)


def as_long_again(lasted: timedelta, interval: timedelta) -> float:
    """Return the seconds until the next try of what has failed, or is wrong, for some time: as long again, at most the interval.

    Tries follow 5, 10, 20, 40 seconds after the first one, and so on. So no count is kept, and a restart changes nothing.
    """
    return min(max(lasted.total_seconds(), POLL_FIRST), interval.total_seconds())


def spaced(since: datetime, now: datetime, interval: timedelta) -> float:
    """Return the seconds until a call is repeated that costs two writes of the status: at least `SPACED`, then three times as long.

    ``since``: when it was made first. At an interval of ten minutes, five such calls are made in the first hour, then three in each.
    """
    return max(SPACED, min(3 * (now - since).total_seconds(), 2 * interval.total_seconds()))
