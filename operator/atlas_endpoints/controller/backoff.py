"""Exponential backoff, with full jitter or without, as pure functions.

Full jitter spreads retries of many keys evenly over the interval; see "Exponential Backoff And Jitter" (AWS Architecture Blog).
"""

import sys

FIRST = 1.0
"""Seconds: the longest wait before the first retry."""

CAP = 300.0
"""Seconds: the longest wait before any retry."""

_MOST_DOUBLINGS = sys.float_info.max_exp - 1
"""The largest power of two that a float can hold; one more raises ``OverflowError``."""


def doubled(first: float, times: int, cap: float) -> float:
    """Double a figure a number of times, up to a cap.

    Args:
        first: the figure, above 0.
        times: how often it is doubled, 0 or more; however large, as what counts failures may count for months.
        cap: the largest result, in the unit of ``first``.
    """
    return min(cap, first * 2.0 ** min(times, _MOST_DOUBLINGS))


def delay(failures: int, *, random: float, at_least: float = 0.0) -> float:
    """Tell how long to wait before the next try.

    Args:
        failures: how many tries in a row have failed, 1 or more.
        random: a number in [0, 1), drawn by the caller.
        at_least: seconds that the other side asked to wait; jitter is added on top, so that waiters do not return together.

    Returns:
        Seconds, at most the larger of ``CAP`` and 1.1 times ``at_least``.
    """
    jittered = doubled(FIRST, failures - 1, CAP) * random
    return max(jittered, at_least * (1 + random / 10))
