"""Everything that a decision about a resource depends on, as immutable values. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from atlas_endpoints.atlas.observations import View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.reconcile.attempt import Attempt, as_long_again, pace, slowly
from atlas_endpoints.reconcile.decision import Done, Fields, WriteResult
from atlas_endpoints.reconcile.references import Problem
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.spec import ManagementPolicy
from atlas_endpoints.reconcile.status import Finding, Resolved, Status

R = TypeVar("R", bound=Resource)

SAME, BRIEFLY = timedelta(seconds=5), 45.0
"""For so long a failure may be the very same one, which resources share; seconds until a read that has failed once is repeated."""

APPLIED = "Applied"
"""The result of a confirmed write in ``status.history``."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The values that Atlas refused, by field, and its message."""

    fields: Fields
    message: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """What earlier reconciles had confirmed, refused and corrected, according to the status.

    Attributes:
        confirmed: what Atlas has confirmed, by field; None: nothing that still counts.
        confirmed_generation: the generation of these fields.
        confirmed_at: the last confirmed write; None also if its answer shows that Atlas stored another value.
        patched: by field, the last confirmed write with it.
        nothing_missed: see ``Status.covers_all_before``.
        contacted: whether any write was ever confirmed.
    """

    confirmed: Fields | None = None
    confirmed_generation: int = Status.NEVER_OBSERVED
    confirmed_at: datetime | None = None
    patched: Mapping[str, datetime] = field(default_factory=dict)
    nothing_missed: bool = False
    refusal: Refusal | None = None
    contacted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(Generic[R]):
    """Everything that a decision depends on.

    Attributes:
        resource: with references replaced by their values, and the status before the reconcile.
        policy: ``Observe`` also if the operator may not write.
        is_claimed_by_other: returns whether another resource names an endpoint; valid only during the decision.
        is_protected: returns whether others protect a thing, as far as they are known; valid only during the decision.
        sharers: see ``ownership``; valid only during the decision.
        problem: with a reference of the connection, which is then not managed.
        project_finding: on a reference to the project that is not resolved, if the entry's project is known all the same.
        uncertain: whether a write of unknown outcome may still be applied.
        unknown_for: for how many more seconds it may.
        forced: whether a force-sync request is open.
        arrives_for: seconds for which a call of an earlier process may still arrive at Atlas.
        held_for: seconds for which calls have failed or been held, while the status has not shown it.
        unsent: whether this process has recorded the creation in the status, and has not sent its call yet.
    """

    resource: R
    now: datetime
    policy: ManagementPolicy
    interval: timedelta
    provisioning_timeout: timedelta
    grace: timedelta
    scope: Scope
    view: View[Any]
    is_claimed_by_other: Callable[[str], bool]
    is_protected: Callable[[Thing], bool]
    sharers: Callable[[Thing], Sequence[Body]]
    resolved: Resolved
    problem: Problem | None = None
    project_finding: Finding | None = None
    uncertain: bool
    unknown_for: float = 0.0
    forced: bool
    arrives_for: float = 0.0
    held_for: float = 0.0
    unsent: bool = False
    baseline: Baseline
    done: Done | None = None

    @property
    def previous(self) -> Status:
        return self.resource.status

    @property
    def generation(self) -> int:
        return self.resource.metadata.generation

    @property
    def attempt(self) -> Attempt:
        return Attempt(self.generation, self.previous, self.now, self.grace)

    @property
    def not_ready_for(self) -> timedelta:
        """As in ``Attempt``; what was just changed has begun now."""
        is_changed = self.done is not None and self.done.result is WriteResult.CONFIRMED
        return timedelta(0) if is_changed else self.attempt.not_ready_for(self.resolved)

    @property
    def failing_for(self) -> timedelta:
        """For how long to count a failed write: not at all, unless the status shows a failure already."""
        return timedelta(0) if self.previous.last_error is None else min(self.not_ready_for, self.interval)

    @property
    def reads_again_in(self) -> float:
        """The seconds until a failed read is repeated, at least: few, unless the status has shown a failure for some time."""
        last, wait = self.previous.last_error, slowly(self.not_ready_for)
        lasts = last is not None and self.now - last.since > SAME
        return wait if lasts else min(wait, BRIEFLY)

    @property
    def polls(self) -> RequeueAfter:
        """The requeue while Atlas works on a change."""
        return RequeueAfter(pace(self.not_ready_for))

    @property
    def as_long_again(self) -> RequeueAfter:
        """The requeue while something is wrong that may pass."""
        return RequeueAfter(as_long_again(self.not_ready_for, self.interval))

    @property
    def desired(self) -> Fields:
        return self.resource.spec.desired


def is_forced(resource: Resource) -> bool:
    """Return whether a force-sync request is open."""
    request = resource.metadata.reconcile_request
    return request is not None and request != resource.status.last_handled_reconcile_at


def resolved_with(status: Status, source: str | None) -> Resolved:
    """Return what was resolved before, with a new source of credentials."""
    known = status.resolved or Resolved()
    return Resolved.of(known.project_id, source, known.values)
