"""Exponential backoff, with and without full jitter.

Full jitter spreads retries over the whole interval; see "Exponential Backoff And Jitter" (AWS Architecture Blog).
"""

import sys

FIRST = 1.0
"""Seconds: the longest wait before the first retry."""

CAP = 300.0
"""Seconds: the longest wait before any retry."""

_MOST_DOUBLINGS = sys.float_info.max_exp - 1
"""The largest power of two of a float; one more raises ``OverflowError``."""


def doubled(first: float, times: int, cap: float) -> float:
    """Return ``first`` doubled ``times`` times, ``cap`` at most; ``times`` may have any size, such as a count of months."""
    return min(cap, first * 2.0 ** min(times, _MOST_DOUBLINGS))


def delay(failures: int, *, random: float, at_least: float = 0.0) -> float:
    """Return the seconds until the next try, at most the larger of ``CAP`` and 1.1 times ``at_least``.

    ``failures`` in a row are 1 or more, and ``random`` is in [0, 1). Jitter is added to ``at_least``, the seconds that the other side
    asks to wait, so that callers do not return together.
    """
    jittered = doubled(FIRST, failures - 1, CAP) * random
    return max(jittered, at_least * (1 + random / 10))
