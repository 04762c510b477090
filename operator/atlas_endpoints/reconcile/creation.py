"""Creates exactly one entry for a resource, even if calls or statuses are lost.

Atlas's POST has no idempotency key. So the entry has a name by which a LIST finds it, and the status records the intent
before the POST. A process that finds an intent of another process (after a crash, a lost answer or a change of leaders)
searches for the name as long as the POST may still be applied, before it creates an entry.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from atlas_endpoints.atlas.observations import UNKNOWN_FOR
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.status import Creation

CALL = 15.0
"""Seconds that a call to Atlas may take."""

RECENT = timedelta(seconds=10)
"""The maximum age of an intent that is used; another process counts its seconds from when it was written."""

ARRIVES = RECENT.total_seconds() + CALL + UNKNOWN_FOR
"""Seconds after an intent for which its POST may still be applied."""


def may_arrive_for(creation: Creation | None, now: datetime) -> float:
    """Return for how many more seconds an entry may appear that was requested."""
    return 0.0 if creation is None else max(0.0, (creation.requested_at - now).total_seconds() + ARRIVES)


class Intents:
    """The unused intents of this process; ``now`` is wall-clock time, UTC."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._armed: dict[Key, tuple[Creation, str]] = {}

    def arm(self, key: Key, creation: Creation, name: str) -> None:
        """Remember an intent that is about to be written; ``name`` is that of ``Creates``."""
        self._armed[key] = creation, name

    def name(self, key: Key) -> str | None:
        """Return the name of what the armed intent creates, or None."""
        return self._armed[key][1] if key in self._armed else None

    def armed_for(self, key: Key, written: Creation) -> float | None:
        """Return how many seconds ago this process announced the intent that is written; None if it did not, used it, or it is old."""
        mine = self._armed[key][0] if key in self._armed else None
        if mine is None or (mine.requested_at, mine.attempt) != (written.requested_at, written.attempt):
            return None
        age = self._now() - mine.requested_at
        return max(0.0, age.total_seconds()) if age < RECENT else None

    def take(self, key: Key) -> Creation | None:
        """Return an intent, and use it up."""
        return self._armed.pop(key, (None, ""))[0]
