"""When to reconcile a key again.

Full jitter spreads retries over the whole interval; see "Exponential Backoff And Jitter" (AWS Architecture Blog).
"""

import sys
from dataclasses import dataclass, replace
from typing import TypeAlias

from atlas_endpoints.tunings import BACKOFF_FIRST, BACKOFF_LAST

_MOST_DOUBLINGS = sys.float_info.max_exp - 1
"""The largest power of two of a float; one more raises ``OverflowError``."""


@dataclass(frozen=True, slots=True)
class NoRequeue:
    """Only an event or a resync requeues the key."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Requeue after ``delay`` seconds from the end of the reconcile; this is progress, not failure.

    One that was ``held`` has not tried anything: its earlier failures still count.
    """

    delay: float
    held: bool = False


@dataclass(frozen=True, slots=True)
class Backoff:
    """The reconcile failed in a way that may heal by itself: requeue with exponential backoff.

    It waits no less than ``at_least``, the seconds that the other side asks to wait (``Retry-After``), and otherwise no
    longer than ``at_most``.
    """

    at_least: float = 0.0
    at_most: float = BACKOFF_LAST


Requeue: TypeAlias = NoRequeue | RequeueAfter | Backoff


def at_latest(requeue: Requeue, delay: float) -> Requeue:
    """Requeue after ``delay`` seconds at the latest; a backoff stays as it is."""
    match requeue:
        case NoRequeue():
            return RequeueAfter(delay)
        case RequeueAfter(other):
            return replace(requeue, delay=min(delay, other))
        case Backoff():
            return requeue


def doubled(first: float, times: int, cap: float) -> float:
    """Return ``first`` doubled ``times`` times, ``cap`` at most; ``times`` may have any size, such as a count of months."""
    return min(cap, first * 2.0 ** min(times, _MOST_DOUBLINGS))


def backoff_delay(failures: int, *, random: float, at_least: float = 0.0, at_most: float = BACKOFF_LAST) -> float:
    """Return the seconds until the next try, at most the larger of ``at_most`` and 1.1 times ``at_least``.

    ``failures`` in a row are 1 or more, and ``random`` is in [0, 1). Jitter is added to ``at_least``, the seconds that the other side
    asks to wait, so that callers do not return together.
    """
    jittered = doubled(BACKOFF_FIRST, failures - 1, at_most) * random
    return max(jittered, at_least * (1 + random / 10))


class TemporaryError(Exception):
    """A reconcile failed for a reason that is expected to pass, such as an unreachable API server.

    It is retried like any other error, after ``retry_within`` seconds at most, and logged without traceback, once for each cause.
    """

    retry_within: float = BACKOFF_LAST
