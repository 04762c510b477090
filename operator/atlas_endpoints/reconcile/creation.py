"""What keeps a creation to exactly one entry, even if calls or statuses are lost; ``writes`` makes the call.

Atlas's POST has no idempotency key. So the entry has a name by which a LIST finds it, and the status records the intent
before the POST. A process that finds an intent of another process (after a crash, a lost answer or a change of leaders)
searches for the name as long as the POST may still be applied, before it creates an entry.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.attempt import spaced
from atlas_endpoints.reconcile.memory import CreatedThing, Memories, Pending
from atlas_endpoints.reconcile.status import Creation
from atlas_endpoints.tunings import ARRIVES, CALL, INTENT_FOR, LOOKS, UNKNOWN_FOR

CALLED = INTENT_FOR + timedelta(seconds=CALL)
"""The age of an intent whose call is not made any more."""


def may_arrive_for(creation: Creation | None, now: datetime, arrives_for: float) -> float:
    """Return for how many more seconds an entry may appear that was requested.

    Args:
        arrives_for: ``Facts.arrives_for``, since another process may have dated its intent by a clock behind this one.
    """
    if creation is None:
        return 0.0
    return max(0.0, arrives_for, (creation.requested_at - now).total_seconds() + ARRIVES)


@dataclass(frozen=True, slots=True)
class _Failed:
    """A creation that failed ``since`` then, in wall-clock time; the next one begins at ``until``, in monotonic seconds."""

    since: datetime
    until: float


class Creations:
    """The creations of this process: one at a time for each thing, and the waits after failures.

    All resources that wait for a thing with the same credentials share the wait after a failure.

    Args:
        now: wall-clock time, UTC.
    """

    def __init__(self, monotonic: Callable[[], float], now: Callable[[], datetime], memories: Memories) -> None:
        self._monotonic = monotonic
        self._now = now
        self._memories = memories
        self._made: dict[CreatedThing, float] = {}
        """Until when a call for it may run or be carried out, or a LIST may not show what it created, in monotonic seconds."""
        self._failed: dict[tuple[Scope, str], _Failed] = {}

    def wait(self, scope: Scope, name: str, others: Iterable[Key], *, forced: bool) -> float:
        """Return for how many more seconds a creation may not begin; 0: it may. One on request does not wait after a failure.

        Args:
            others: the other resources that name the same.
        """
        now, thing = self._monotonic(), (scope.place, name)
        until = now + min(self.may_come(scope, name), LOOKS)
        if not forced and (failed := self._failed.get((scope, name))) is not None:
            until = max(until, failed.until)
        found = [self._memories[key].pending for key in others]
        begun = [each.began for each in found if each is not None and each.thing == thing]
        if any(now - each < CALLED.total_seconds() for each in begun):
            until = max(until, now + LOOKS)
        return max(0.0, until - now)

    def may_come(self, scope: Scope, name: str) -> float:
        """Return for how many more seconds what this process asked for may still appear."""
        now = self._monotonic()
        return self._made.get((scope.place, name), now) - now

    def set_pending(self, scope: Scope, name: str, key: Key, creation: Creation) -> None:
        """Remember an intent that is about to be written: others wait meanwhile.

        Args:
            name: that of ``Create``.
        """
        self._memories[key].pending = Pending(creation, (scope.place, name), self._monotonic())

    def pending_name(self, key: Key, written: Creation | None) -> str | None:
        """Return the name of what an intent of this process creates, if Atlas was certainly not called for it, or None."""
        pending = self._memories[key].pending
        if pending is None or written is None:
            return None
        mine, (_, name) = pending.intent, pending.thing
        return name if (mine.requested_at, mine.attempt) == (written.requested_at, written.attempt) else None

    def take_recent(self, key: Key, written: Creation | None) -> Creation | None:
        """Use up the written intent, and return it: its call is made now; None: it is not of this process, used, or too old."""
        memory = self._memories[key]
        if memory.pending is None or written is None or self._now() - written.requested_at >= INTENT_FOR:
            return None
        thing = memory.pending.thing
        if self.withdraw(key, written) is None:
            return None
        self._mark(thing, CALLED.total_seconds())  # the resource may go while the call runs
        return written

    def withdraw(self, key: Key, written: Creation | None) -> str | None:
        """Forget an unused intent; return the name of what it creates, or None without one."""
        if (name := self.pending_name(key, written)) is not None:
            self._memories[key].pending = None
        return name

    def created(self, scope: Scope, name: str, *, shown_in: float) -> None:
        """Record that the thing is there: whoever names it, also anew, waits for a LIST that shows it, for so many seconds."""
        self._mark((scope.place, name), shown_in)
        self._failed.pop((scope, name), None)

    def ended(self, scope: Scope, name: str, *, in_doubt: bool) -> None:
        """Record that a call has failed; in doubt, it may still be carried out, whoever names the thing by then."""
        self._mark((scope.place, name), UNKNOWN_FOR if in_doubt else 0.0)

    def _mark(self, thing: CreatedThing, seconds: float) -> None:
        now = self._monotonic()
        self._made[thing] = now + seconds
        self._made = {each: until for each, until in self._made.items() if until > now}

    def deleted(self, scope: Scope, name: str) -> None:
        """Record that Atlas deletes the thing, so that no LIST has to show it."""
        self._made.pop((scope.place, name), None)

    def failed(self, scope: Scope, name: str, since: datetime, now: datetime, interval: timedelta) -> float:
        """Record that a creation failed, and return the seconds until the next one.

        Args:
            since: when creations began to fail, as far as the caller knows.
            now: wall-clock time, UTC.
        """
        moment = self._monotonic()
        too_old = moment - interval.total_seconds()
        self._failed = {name: each for name, each in self._failed.items() if each.until > too_old}
        known = self._failed.get((scope, name))
        since = since if known is None else min(since, known.since)
        wait = spaced(since, now, interval)
        self._failed[scope, name] = _Failed(since, moment + wait)
        return wait
