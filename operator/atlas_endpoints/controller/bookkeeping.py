"""When to drop old entries of what grows with the tenants."""

import math

SWEEP = 60.0
"""Seconds."""


class Sweep:
    """Limits how often a collection is searched for old entries.

    A search at each call is work that grows with the square of the number of tenants.
    """

    def __init__(self) -> None:
        self._due = -math.inf

    def is_due(self, now: float) -> bool:
        """Return whether to search now (in monotonic seconds); the search then counts as done."""
        if now < self._due:
            return False
        self._due = now + SWEEP
        return True
