"""How often old entries are looked for. Pure."""

import math

from atlas_endpoints.controller.bookkeeping import Bookkeeping

SWEEP = 60.0
"""Seconds between two sweeps at least."""


class Sweep:
    """Limits how often one goes over all that is remembered, to drop what is too old.

    To do so at each call or write is work that grows with the square of the number of tenants.
    """

    _due: Bookkeeping[float]

    def __init__(self) -> None:
        self._due = -math.inf

    def is_due(self, now: float) -> bool:
        """Tell whether to sweep now, which then counts as done.

        Args:
            now: monotonic seconds.
        """
        if now < self._due:
            return False
        self._due = now + SWEEP
        return True
