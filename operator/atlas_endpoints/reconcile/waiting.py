"""How often to observe a change that Atlas is making. Pure."""

from datetime import timedelta

POLL_FIRST = 5.0
"""Seconds between observations of a change that has just begun."""

POLL_LAST = 60.0
"""Seconds between observations of a change that takes long."""


def pace(elapsed: timedelta) -> float:
    """Return the seconds until the next observation of a change that began ``elapsed`` ago."""
    return min(max(elapsed.total_seconds() / 4, POLL_FIRST), POLL_LAST)
