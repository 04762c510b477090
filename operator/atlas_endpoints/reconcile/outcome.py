"""The outcome of a reconcile, from which ``summarize`` makes the status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self, TypeAlias

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, Explanation, NotLeaderError
from atlas_endpoints.controller.controller import Result
from atlas_endpoints.controller.requeue import Backoff, Requeue, RequeueAfter, at_latest
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.decision import Decision, State, Write
from atlas_endpoints.reconcile.reasons import EventReason, ReadyReason, Reason, blocks
from atlas_endpoints.reconcile.status import Applied, Cause, Finding, LastError, Resolved
from atlas_endpoints.tunings import BRIEF, BURST, HELD_AGAIN, POLL_FIRST

Ending: TypeAlias = Mapping[EventReason, str]
"""The Events with which a deletion ends, when the finalizer goes: their reasons and messages."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A write that was made: the names of its fields, its cause and its result (``APPLIED``, or how it failed)."""

    fields: tuple[str, ...]
    cause: Cause
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a reconcile.

    Attributes:
        state: None: the status stays as it is, and only ``requeue``, ``unreported`` and ``ending`` count.
        explanation: of a failed call to Atlas, for readers of another text than the status.
        deferred: whether it failed without a call, because an earlier answer forbids calls for now.
        seen: the entry as observed; None keeps what the status shows.
        own: changed fields of the kind's own status.
        applied: what Atlas has confirmed so far.
        resolved: None keeps what the status shows.
        findings: what the conditions show that all kinds have, by type; those that were not evaluated stay.
        unconnected: whether the connection was not compared, since a reference is not ready.
        planned: the decision, if nothing may be written.
        unreported: the reason of a failure that the status does not show (yet).
        ending: None: a deletion goes on, or there is none.
    """

    requeue: Requeue
    state: State | None = None
    failure: LastError | None = None
    explanation: Explanation | None = None
    deferred: bool = False
    seen: Any | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    applied: Applied | None = None
    resolved: Resolved | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)
    unconnected: bool = False
    sent: Sent | None = None
    planned: Decision | None = None
    handled: str | None = None
    deprecation: Deprecation | None = None
    unreported: str | None = None
    ending: Ending | None = None

    @property
    def reason(self) -> ReadyReason | None:
        """The reason of ``Ready``; None: the status stays as it is."""
        return None if self.state is None else self.state.reason

    @property
    def plan(self) -> Write | None:
        """The write that would be made to bring about what the spec wants, if nothing may be written."""
        write = None if self.planned is None else self.planned.write
        return None if write is None or write.cause is None else write

    @property
    def failure_reason(self) -> str | None:
        """The reason for which the reconcile did not reach its goal, or None; for metrics."""
        if self.reason is None:
            return self.unreported
        return self.reason if blocks(self.reason) else None

    @property
    def is_complete(self) -> bool:
        """Whether the reconcile has come to an end, so that its status shows what the resource names."""
        if self.state is None or self.ending is not None or self.reason is Reason.INVALID_SPEC:
            return False
        match self.requeue:
            case Backoff() | RequeueAfter(held=True):
                return False
            case RequeueAfter(delay):
                return delay >= POLL_FIRST
            case _:
                return True

    def by(self, seconds: float) -> Self:
        """Return the outcome with a requeue no later than that; a backoff stays."""
        return replace(self, requeue=at_latest(self.requeue, seconds))

    def saying(self, more: str) -> Self:
        """Return the outcome with more text at the end of its message, if it has one."""
        return self if self.state is None or not more else self.worded(f"{self.state.message} {more}")

    def worded(self, message: str) -> Self:
        """Return the outcome with another message, if it has one."""
        return self if self.state is None else replace(self, state=replace(self.state, message=message))

    def paced(self, lasted: timedelta, at_least: float) -> Self:
        """Return the outcome with at least this backoff, in seconds, if it is that of a failed call.

        A rate limit is at first one of all calls, whose turns are enough; ``lasted``: for how long calls have failed.
        """
        is_of_all = self.reason is Reason.RATE_LIMITED and lasted.total_seconds() < BURST
        if not isinstance(self.requeue, Backoff) or self.failure is None or is_of_all:
            return self
        return replace(self, requeue=Backoff(at_least=max(self.requeue.at_least, at_least)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded(Result):
    """The result of a reconcile, with the outcome that it follows from."""

    outcome: Outcome


def held_up(
    state: State, failure: LastError, attempt: Attempt, findings: Mapping[str, Finding] | None = None
) -> Outcome:
    """Return that something holds a resource up, of which nothing new was observed."""
    return Outcome(
        requeue=state.requeue, state=state, failure=failure, findings=findings or {}, applied=attempt.previous.applied
    )


def status_unchanged(requeue: Requeue, *, unreported: str | None = None) -> Outcome:
    """Return an outcome that keeps the status; ``unreported`` is the reason of a failure that it hides."""
    return Outcome(requeue=requeue, unreported=unreported)


def unrelated(error: AtlasError, *, held_for: float) -> Outcome | None:
    """Return an outcome that keeps the status if another replica leads, another call probes Atlas, or the turn is near; else None.

    Args:
        held_for: seconds for which calls have been held, which the status does not show.
    """
    if isinstance(error, NotLeaderError):
        return status_unchanged(Backoff())
    if error.reason == Reason.PENDING:
        return status_unchanged(RequeueAfter(error.retry_after or HELD_AGAIN, held=True))
    wait = error.retry_after if isinstance(error, AtlasHeldError) else None
    if wait and held_for + wait < BRIEF and error.reason == Reason.RATE_LIMITED:
        return status_unchanged(RequeueAfter(wait, held=True), unreported=error.reason)
    return None
