"""How often to look at something that Atlas is at. Pure."""

from datetime import timedelta

POLL_FIRST = 5.0
"""Seconds between looks at what has just begun to change."""

POLL_LAST = 60.0
"""Seconds between looks at what takes long."""


def pace(elapsed: timedelta) -> float:
    """Return in how many seconds to look again at something that began to change some time ago."""
    return min(max(elapsed.total_seconds() / 4, POLL_FIRST), POLL_LAST)
