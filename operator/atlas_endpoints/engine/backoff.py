"""Exponential backoff with full jitter, as a pure function.

Full jitter spreads retries of many keys evenly over the interval; see "Exponential Backoff And Jitter" (AWS Architecture Blog).
"""

FIRST = 1.0
"""Seconds: the longest wait before the first retry."""

CAP = 300.0
"""Seconds: the longest wait before any retry."""


def delay(failures: int, *, random: float, at_least: float = 0.0) -> float:
    """Tell how long to wait before the next try.

    Args:
        failures: how many tries in a row have failed, 1 or more.
        random: a number in [0, 1), drawn by the caller.
        at_least: seconds that the other side asked to wait; jitter is added on top, so that waiters do not return together.

    Returns:
        Seconds, at most the larger of ``CAP`` and 1.1 times ``at_least``.
    """
    ceiling = min(CAP, FIRST * 2.0 ** min(failures - 1, 32))
    jittered = ceiling * random
    return max(jittered, at_least * (1 + random / 10))
