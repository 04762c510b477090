"""When to reconcile a key again."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class NoRequeue:
    """Only an event or a resync requeues the key."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Requeue after ``delay`` seconds from the end of the reconcile; this is progress, not failure."""

    delay: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """The reconcile failed in a way that may heal by itself: requeue with exponential backoff.

    It waits no less than ``at_least``, the seconds that the other side asks to wait (``Retry-After``).
    """

    at_least: float = 0.0


Requeue: TypeAlias = NoRequeue | RequeueAfter | Backoff


def at_latest(requeue: Requeue, delay: float) -> Requeue:
    """Requeue after ``delay`` seconds at the latest; a backoff stays as it is."""
    match requeue:
        case NoRequeue():
            return RequeueAfter(delay)
        case RequeueAfter(other):
            return RequeueAfter(min(delay, other))
        case Backoff():
            return requeue


class TemporaryError(Exception):
    """A reconcile failed for a reason that is expected to pass, such as an unreachable API server.

    It is retried like any other error, and logged without traceback, once for each cause: not at all if it is ``logged_elsewhere``.
    """

    logged_elsewhere: bool = False
