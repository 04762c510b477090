"""One reconcile of a generation: how it relates to the status before it and to the time, and how long to wait. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas_endpoints.controller.requeue import Requeue, at_latest
from atlas_endpoints.reconcile.reasons import ReadyReason
from atlas_endpoints.reconcile.status import Finding, LastError, Resolved, Status, find, has_reason
from atlas_endpoints.tunings import POLL_FIRST, POLL_LAST, SPACED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reconcile of a generation.

    Attributes:
        previous: the status before it.
        grace: how long a failure that only a change can fix is not Stalled.
    """

    generation: int
    previous: Status
    now: datetime
    grace: timedelta

    @property
    def is_of_this_generation(self) -> bool:
        return self.previous.observed_generation == self.generation

    def not_ready_for(self, resolved: Resolved | None) -> timedelta:
        """Return for how long this generation has not been Ready; another value of a reference (``resolved``) begins anew."""
        known, ready = self.previous.resolved, find(self.previous, "Ready")
        since = self.previous.not_ready_since
        if since is None and ready is not None and ready.status != "True":  # an older CRD drops the field
            since = ready.last_transition_time
        is_new = resolved is not None and known is not None and resolved.values != known.values
        return timedelta(0) if since is None or is_new or not self.is_of_this_generation else self.now - since

    @property
    def is_settled(self) -> bool:
        """Whether this generation was already applied and available."""
        ready = find(self.previous, "Ready")
        return self.is_of_this_generation and ready is not None and ready.status == "True"

    def is_reported(self, reason: ReadyReason) -> bool:
        return has_reason(self.previous, reason=reason, generation=self.generation)

    def shown_failure(self, operation: str) -> LastError | None:
        """Return the failure of a call that the status shows for this generation, or None."""
        last = self.previous.last_error
        return last if last is not None and last.operation == operation and self.is_of_this_generation else None

    def is_another_cause(self, found: Finding | None, *, type_: str = "CredentialsValid") -> bool:
        """Return whether a condition has another reason than before, while the reason of ``Ready`` is the same."""
        known = find(self.previous, type_)
        return found is not None and known is not None and known.reason != found.reason

    def failing_since(
        self, reason: ReadyReason, *, found: Finding | None = None, type_: str = "CredentialsValid"
    ) -> datetime:
        """Return when this generation began to fail for this reason and cause.

        Args:
            found: the content of the condition that shows the cause.
        """
        last = self.previous.last_error
        if last is None or not self.is_reported(reason) or self.is_another_cause(found, type_=type_):
            return self.now
        return last.since

    def within_grace(self, requeue: Requeue, since: datetime) -> Requeue:
        """Requeue no later than the end of the grace, because the status changes then."""
        left = (since + self.grace - self.now).total_seconds()
        return at_latest(requeue, left) if left > 0 else requeue


def slowly(lasted: timedelta) -> float:
    """Return a quarter of a time in seconds, so that looks become ever rarer."""
    return min(lasted.total_seconds() / 4, POLL_LAST)


def pace(elapsed: timedelta) -> float:
    """Return the seconds until the next observation of a change that began ``elapsed`` ago."""
    return max(slowly(elapsed), POLL_FIRST)


def as_long_again(lasted: timedelta, interval: timedelta) -> float:
    """Return the seconds until the next try of what has failed, or is wrong, for some time: as long again, at most the interval.

    Tries follow 5, 10, 20, 40 seconds after the first one, and so on. So no count is kept, and a restart changes nothing.
    """
    return min(max(lasted.total_seconds(), POLL_FIRST), interval.total_seconds())


def spaced(since: datetime, now: datetime, interval: timedelta) -> float:
    """Return the seconds until a call is repeated that costs two writes of the status: at least `SPACED`, then three times as long.

    ``since``: when it was made first. At an interval of ten minutes, five such calls are made in the first hour, then three in each.
    """
    return max(SPACED, min(3 * (now - since).total_seconds(), 2 * interval.total_seconds()))
