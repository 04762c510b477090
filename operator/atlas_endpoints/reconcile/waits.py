"""How long to wait: for the next observation of a change, the next try of what has failed, the next status. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from atlas_endpoints.reconcile.kind import POLL_FIRST, POLL_LAST

STATUS_WRITES, AT_ONCE = 12, 8
"""Writes of one status in an hour, or in six intervals if these are shorter; so many of them follow each other at once."""


def until_next_status(written: Sequence[float], now: float, interval: timedelta) -> float:
    """Return the seconds until a status may be written again; the last writes of an hour are spread over the rest of it.

    So an answer of Atlas that changes each time costs little, and a status is hardly older than an interval.

    Args:
        written: when it was written, in seconds, in order.
    """
    hour = min(6 * interval.total_seconds(), 3600.0)
    recent = [at for at in written if at > now - hour]
    if len(recent) < AT_ONCE:
        return 0.0
    rest = recent[0] + hour - recent[-1]
    return max(0.0, recent[-1] + rest / max(1, STATUS_WRITES - len(recent)) - now)


def pace(elapsed: timedelta) -> float:
    """Return the seconds until the next observation of a change that began ``elapsed`` ago."""
    return min(max(elapsed.total_seconds() / 4, POLL_FIRST), POLL_LAST)


def backoff(since: datetime, now: datetime, interval: timedelta) -> float:
    """Return the seconds until the next try of a write that has failed ``since`` then: refused, or of unknown outcome.

    Tries follow 5, 10, 20, 40 seconds after the first one, and so on: each wait is as long as the failure has lasted, at most the
    interval. So no count is kept, and a restart changes nothing. A time in the future counts as now.
    """
    return min(max((now - since).total_seconds(), POLL_FIRST), interval.total_seconds())


def spaced(since: datetime, now: datetime, interval: timedelta) -> float:
    """Return the seconds until a call is repeated that costs writes of the status, too: at least a minute, then three times as long.

    ``since``: when it was made first. Eight such calls are made in the first hour of an interval of ten minutes, and six in a later one.
    """
    return min(max(3 * (now - since).total_seconds(), 60.0), interval.total_seconds())
