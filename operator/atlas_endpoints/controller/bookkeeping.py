"""Attributes on which no decision about a single object depends: their mark, and when to drop old entries."""

import math
from typing import Annotated, TypeAlias, TypeVar

T = TypeVar("T")

BOOKKEEPING = "bookkeeping"

Bookkeeping: TypeAlias = Annotated[T, BOOKKEEPING]
"""An index, a counter for fairness, or a time of last use, which follows from other state or changes only the order.

The explorer of tests/model ignores such attributes when it compares two states.
"""

SWEEP = 60.0
"""Seconds."""


class Sweep:
    """Limits how often a collection is searched for old entries.

    A search at each call is work that grows with the square of the number of tenants.
    """

    _due: Bookkeeping[float]

    def __init__(self) -> None:
        self._due = -math.inf

    def is_due(self, now: float) -> bool:
        """Return whether to search now (in monotonic seconds); the search then counts as done."""
        if now < self._due:
            return False
        self._due = now + SWEEP
        return True
