"""Everything that a decision about a resource depends on, as immutable values. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, Self, TypeVar

from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.decision import Done, Fields, WriteResult
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.references import Problem
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.spec import ManagementPolicy
from atlas_endpoints.reconcile.status import Applied, Cause, Finding, Resolved, Status, find, has_reason

R = TypeVar("R", bound=Resource)

APPLIED = "Applied"
"""The result of a confirmed write in ``status.history``."""

PROVISIONING_TIMEOUT = timedelta(hours=2)
"""The default of ``spec.provisioningTimeout``."""


@dataclass(frozen=True, slots=True)
class Correction:
    """An earlier correction of drift."""

    time: datetime
    fields: frozenset[str]


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
        corrections: the oldest first.
    """

    confirmed: Fields | None = None
    confirmed_generation: int = Status.NEVER_OBSERVED
    confirmed_at: datetime | None = None
    patched: Mapping[str, datetime] = field(default_factory=dict)
    nothing_missed: bool = False
    refusal: Refusal | None = None
    contacted: bool = False
    corrections: Sequence[Correction] = ()

    @classmethod
    def of(cls, resource: Resource) -> Self:
        """Read it from the status of a resource that has its references replaced by their values."""
        previous, applied = resource.status, confirmed_before(resource)
        is_rejected = has_reason(previous, reason=Reason.UPDATE_REJECTED, generation=resource.generation)
        return cls(
            confirmed=applied.values if applied else None,
            confirmed_generation=applied.generation if applied else Status.NEVER_OBSERVED,
            confirmed_at=None if is_rejected else previous.last_applied_time,
            patched={
                name: entry.time
                for entry in reversed(previous.history)
                if entry.result == APPLIED
                for name in entry.fields
            },
            nothing_missed=previous.covers_all_before(resource.generation),
            refusal=_refusal(previous),
            contacted=applied is not None or any(entry.result == APPLIED for entry in previous.history),
            corrections=[
                Correction(entry.time, frozenset(entry.fields))
                for entry in reversed(previous.history)
                if entry.cause is Cause.DRIFT and entry.result == APPLIED
            ],
        )


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
        """The status before the reconcile."""
        return self.resource.status

    @property
    def generation(self) -> int:
        """The generation of the spec."""
        return self.resource.metadata.generation

    @property
    def attempt(self) -> Attempt:
        """The reconcile, as outcomes and statuses depend on it."""
        return Attempt(self.generation, self.previous, self.now, self.grace)

    @property
    def desired(self) -> Fields:
        """The managed fields of the spec."""
        return self.resource.spec.desired

    def after(self, done: Done, *, entry: str | None = None) -> Self:
        """Return the facts after a write; ``entry`` is the id in its answer, or the one that was deleted."""
        if done.outcome is not WriteResult.CONFIRMED:
            return replace(self, done=done)
        view = self.view
        if entry is not None:
            seen = None if done.answer is None else Seen(done.answer, view.began)
            view = view.showing(entry, seen)
        if not done.write.fields:
            return replace(self, done=done, view=view, forced=False)
        confirmed = confirmed_by(done, self)
        baseline = replace(
            self.baseline,
            confirmed=confirmed,
            confirmed_generation=self.generation,
            confirmed_at=None if _contradicts(confirmed, done, self) else self.now,
            nothing_missed=True,
        )
        return replace(self, done=done, view=view, baseline=baseline, uncertain=False, forced=False)


def is_forced(resource: Resource) -> bool:
    """Return whether a force-sync request is open."""
    request = resource.metadata.reconcile_request
    return request is not None and request != resource.status.last_handled_reconcile_at


def resolved_with(status: Status, source: str | None) -> Resolved:
    """Return what was resolved before, with a new source of credentials."""
    known = status.resolved or Resolved()
    return Resolved.of(known.project_id, source, known.values)


def confirmed_by(done: Done, facts: Facts[Any]) -> Fields:
    """Return what counts as confirmed after a write; Atlas may have stored other values than were sent."""
    kept = {name: value for name, value in (facts.baseline.confirmed or {}).items() if name in facts.desired}
    shown = facts.resource.shown(done.answer)
    return {**kept, **{name: shown.get(name) or "" for name in done.write.fields}}


def confirmed_so_far(resource: Resource) -> Applied | None:
    """Return what counts as confirmed if nothing new was confirmed.

    A confirmed value that the spec no longer wants is void: a process that ended before it wrote the status may have sent the
    new one. If the spec returns to the old value, that must count as an edit, not as drift.
    """
    generation, previous, kept = resource.generation, resource.status, confirmed_before(resource)
    if kept is None or kept == previous.applied:
        return previous.applied
    return Applied.of(generation, kept.values) if previous.covers_all_before(generation) else None


def confirmed_before(resource: Resource) -> Applied | None:
    """Return the confirmed values of its status that still count for what the spec wants now.

    A value that comes from another object may change while the generation stays. The new value is then an edit;
    ``Status.resolved`` shows which value was wanted before. (If the same value was wanted before, Atlas has stored another one.)
    """
    applied, resolved = resource.status.applied, resource.status.resolved
    desired, same = resource.spec.desired, resource.same
    if applied is not None and applied.values.keys() - set(resource.fields):
        # Fields that only a newer version of the operator knows do not count.
        known = {name: value for name, value in applied.values.items() if name in resource.fields}
        applied = Applied.of(applied.generation, known)
    if applied is not None and resolved is not None:
        replaced = {
            name
            for name in resource.connection
            if name in desired
            and not same(name, applied.values.get(name), desired[name])
            and not same(name, resolved.values.get(name), desired[name])
        }
        if replaced & applied.values.keys():
            kept = {name: value for name, value in applied.values.items() if name not in replaced}
            applied = Applied.of(applied.generation, kept)
    if applied is None or applied.generation == resource.metadata.generation:
        return applied
    # A newer spec with another value may have been sent without a status, if the operator was stopped. So the older
    # confirmation is void, even if the spec returns to the older value.
    kept = {name: value for name, value in applied.values.items() if same(name, value, desired.get(name, value))}
    return Applied.of(applied.generation, kept)


def _contradicts(confirmed: Fields, done: Done, facts: Facts[Any]) -> bool:
    """Return whether an answer has a value that is neither the old nor the new one; a slow Atlas does not explain that."""
    same, desired = facts.resource.same, facts.desired
    return any(
        value and not same(name, value, desired[name]) and not same(name, value, done.before.get(name))
        for name, value in confirmed.items()
    )


def _refusal(previous: Status) -> Refusal | None:
    """Return what Atlas refused: the fields of the last error, with the values of the drift."""
    ready = find(previous, "Ready")
    if previous.last_error is None or ready is None or ready.reason != Reason.UPDATE_REJECTED:
        return None
    fields = {
        each.field: each.desired
        for each in previous.drift
        if each.field in previous.last_error.fields and each.desired is not None
    }
    return Refusal(fields, ready.message) if fields else None
