"""What a reconcile of one key asks of the loop: when to look again."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class NoRequeue:
    """Nothing to do by itself: an event or somebody else's round brings the key back."""


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look again after a known time; this is progress, not failure.

    Attributes:
        delay: seconds from the end of the reconcile.
    """

    delay: float


@dataclass(frozen=True, slots=True)
class Backoff:
    """The reconcile failed in a way that may heal by itself: look again with exponential backoff.

    Attributes:
        at_least: seconds that the other side asked to wait (``Backoff-After``); the backoff may wait longer, never less.
    """

    at_least: float = 0.0


Requeue: TypeAlias = NoRequeue | RequeueAfter | Backoff


def at_latest(following: Requeue, delay: float) -> Requeue:
    """Look again after ``delay`` seconds at the latest; a backoff goes on as it is."""
    match following:
        case NoRequeue():
            return RequeueAfter(delay)
        case RequeueAfter(other):
            return RequeueAfter(min(delay, other))
        case Backoff():
            return following


class TemporaryError(Exception):
    """A reconcile could not be finished for a reason that is expected to pass, such as an API server that is away.

    It is retried like any other error, and logged in one line, since a traceback would tell nothing: once for each cause, and
    not at each try.

    Attributes:
        told_elsewhere: whether people hear of it already, so that a line for each key would only be noise.
    """

    told_elsewhere: bool = False
