"""The outcome of a reconcile, from which ``summarize`` makes the status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, Explanation, NotLeaderError
from atlas_endpoints.controller.requeue import Backoff, Requeue, RequeueAfter
from atlas_endpoints.reconcile.decision import Decision, State
from atlas_endpoints.reconcile.reasons import BLOCKING, EventReason, Reason
from atlas_endpoints.reconcile.status import Applied, Cause, Finding, LastError, Plan, Resolved

HELD_REQUEUE = 1.0
"""Seconds after which a call that was held back without a time is tried again."""

BRIEF = 10.0
"""Seconds: a wait for the rate limit that is shorter as a whole is not worth two status writes and an Event."""


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
        state: None: the status stays as it is.
        explanation: of the failed call to Atlas, for readers of another text than the status.
        deferred: whether it failed without a call, because an earlier answer forbids calls for now.
        seen: the entry as observed; None keeps what the status shows.
        own: changed fields of the kind's own status.
        applied: what Atlas has confirmed so far.
        resolved, credentials: None keeps what the status shows.
        contended: set if another resource owns the entry, or may own it.
        references, outputs: None keeps what the status shows of this generation.
        unconnected: whether the connection was not compared, since a reference is not ready.
        planned: the decision, if nothing may be written.
        unreported: the reason of a failure that the status does not show (yet).
        ending: None: a deletion goes on, or there is none.
        status: what follows for the status, when the reconcile has ended.
        may_wait: whether it need not be written yet.
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
    credentials: Finding | None = None
    contended: Finding | None = None
    references: Finding | None = None
    unconnected: bool = False
    outputs: Finding | None = None
    sent: Sent | None = None
    plan: Plan | None = None
    planned: Decision | None = None
    handled: str | None = None
    deprecation: Deprecation | None = None
    unreported: str | None = None
    ending: Ending | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    may_wait: bool = False

    @property
    def reason(self) -> Reason | None:
        """The reason of ``Ready``; None: the status stays as it is."""
        return None if self.state is None else self.state.reason

    def saying(self, more: str) -> Self:
        """Return the outcome with more text at the end of its message, if it has one."""
        if self.state is None or not more:
            return self
        return replace(self, state=replace(self.state, message=f"{self.state.message} {more}"))

    @property
    def failure_reason(self) -> str | None:
        """The reason for which the reconcile did not reach its goal, or None; for metrics."""
        if self.reason is None:
            return self.unreported
        return self.reason if self.reason in BLOCKING else None


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
        return status_unchanged(RequeueAfter(error.retry_after or HELD_REQUEUE))
    wait = error.retry_after if isinstance(error, AtlasHeldError) else None
    if wait and held_for + wait < BRIEF and error.reason == Reason.RATE_LIMITED:
        return status_unchanged(RequeueAfter(wait), unreported=error.reason)
    return None
