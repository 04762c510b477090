"""Everything that a decision about a resource depends on, gathered once, as immutable values. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar

from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.conditions import ConditionStatus
from atlas_endpoints.reconcile.decision import Done, Fields, WriteOutcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.spec import ManagementPolicy
from atlas_endpoints.reconcile.status import Applied, Cause, HistoryEntry, LastError, Resolved, Status, find

R = TypeVar("R", bound=Resource)

APPLIED = "Applied"
"""The result of a write that Atlas has confirmed, in the history."""

SOON = 1.0
"""Seconds after which a reference is looked at again at the earliest."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The operator's settings, where a resource says nothing.

    Attributes:
        sync_interval: how often an entry is looked at.
        provisioning_timeout: how long Atlas may take for one step.
    """

    sync_interval: timedelta = timedelta(minutes=10)
    provisioning_timeout: timedelta = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one thing, as a condition says it."""

    status: ConditionStatus
    reason: StrEnum
    message: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What holds a resource up.

    Attributes:
        since: when it began to.
        operation: what failed.
        retryable: whether it may heal by itself.
        http_status: of the answer, if there was one.
        error_code: Atlas's own.
        detail: Atlas's own words.
        fields: what Atlas refused, if it refused fields.
        held: whether nothing was sent, since an earlier answer says that it is not the time; no status tells that.
    """

    since: datetime
    operation: str
    retryable: bool
    http_status: int | None = None
    error_code: str | None = None
    detail: str | None = None
    fields: tuple[str, ...] = ()
    held: bool = False

    @classmethod
    def of(cls, last_error: LastError) -> Self:
        """Read back what a status says."""
        return cls(
            since=last_error.since,
            operation=last_error.operation,
            retryable=last_error.retryable,
            http_status=last_error.http_status,
            error_code=last_error.error_code,
            detail=last_error.detail,
            fields=tuple(last_error.fields),
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a reference leads nowhere.

    Attributes:
        reason: of the condition ``ReferencesResolved``.
        message: for people, with the remedy.
        retry_in: seconds after which to look again; it does not make another problem of it.
    """

    reason: StrEnum
    message: str
    retry_in: float = field(compare=False)

    @property
    def pace(self) -> float:
        """Seconds after which the reference is worth reading again."""
        return max(self.retry_in, SOON)

    @property
    def finding(self) -> Finding:
        """What the condition says."""
        return Finding("False", self.reason, self.message)


@dataclass(frozen=True, slots=True)
class Correction:
    """An earlier correction of drift: when, and of which fields."""

    time: datetime
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Atlas has refused: the values by field, and its words."""

    fields: Fields
    message: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """What earlier reconciles have confirmed, been refused and corrected, as the status says.

    Attributes:
        confirmed: what Atlas has confirmed, by field; None: nothing that still counts.
        confirmed_generation: the generation whose fields that were.
        confirmed_at: when a write was confirmed last; None also when its answer left no hope that Atlas is merely slow.
        patched: by field, when a write that carried it was confirmed last.
        seen_generation: of the last spec that a status was written for; -1 for none.
        refusal: what Atlas has refused.
        contacted: whether anything was ever confirmed, as far as is remembered.
        corrections: of drift, earlier ones, the oldest first.
    """

    confirmed: Fields | None = None
    confirmed_generation: int = Status.NEVER_OBSERVED
    confirmed_at: datetime | None = None
    patched: Mapping[str, datetime] = field(default_factory=dict)
    seen_generation: int = Status.NEVER_OBSERVED
    refusal: Refusal | None = None
    contacted: bool = False
    corrections: Sequence[Correction] = ()

    @classmethod
    def of(cls, resource: Resource, previous: Status) -> Self:
        """Read it from a status.

        Args:
            resource: as it is, with plain values in the place of references.
            previous: the status before the reconcile.
        """
        applied = confirmed_before(resource, previous)
        return cls(
            confirmed=applied.values if applied else None,
            confirmed_generation=applied.generation if applied else Status.NEVER_OBSERVED,
            confirmed_at=None if _is_rejected(previous, resource.generation) else previous.last_applied_time,
            patched=_patched(previous.history),
            seen_generation=previous.observed_generation,
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
        resource: with plain values in the place of what it refers to, and the status before the reconcile.
        now: wall-clock time, UTC.
        policy: of management; an operator that may not write shows what it would send.
        writes: whether the operator may write to Atlas at all.
        interval: how often the entry is looked at when all is well.
        provisioning_timeout: how long Atlas may take for one step.
        grace: for how long something that another object may heal counts as progress.
        scope: what its LIST covers.
        view: what is known of the scope.
        is_held: returns whether another resource that counts stands for an entry; only for use while deciding.
        resolved: what is used, for the status.
        problem: with a reference of its connection, which is then not managed.
        project_doubt: with the reference to the project, in which the entry is known to be all the same.
        uncertain: whether a write may still be applied whose answer was lost.
        forced: whether a person asked for a fresh attempt that has not been made yet.
        baseline: what earlier reconciles have come to.
        done: the write of this reconcile.
    """

    resource: R
    now: datetime
    policy: ManagementPolicy
    writes: bool
    interval: timedelta
    provisioning_timeout: timedelta
    grace: timedelta
    scope: Scope
    view: View[Any]
    is_held: Callable[[str], bool]
    resolved: Resolved
    problem: Problem | None = None
    project_doubt: Finding | None = None
    uncertain: bool
    forced: bool
    baseline: Baseline
    done: Done | None = None

    @property
    def previous(self) -> Status:
        """The status before the reconcile."""
        return self.resource.status

    @property
    def generation(self) -> int:
        """The spec that is acted on."""
        return self.resource.metadata.generation

    @property
    def desired(self) -> Fields:
        """The managed fields as they are wanted."""
        return self.resource.spec.desired

    def after(self, done: Done, *, entry: str | None = None) -> Self:
        """Return the facts after a write.

        Args:
            done: the write, and what came of it.
            entry: the id of the entry that it was answered with.
        """
        if done.outcome is not WriteOutcome.CONFIRMED:
            return replace(self, done=done)
        view = self.view if entry is None else self.view.showing(entry, Seen(done.answer, self.view.began))
        if not done.write.fields:
            return replace(self, done=done, view=view, forced=False)
        confirmed = confirmed_by(done, self)
        baseline = replace(
            self.baseline,
            confirmed=confirmed,
            confirmed_generation=self.generation,
            confirmed_at=None if _contradicts(confirmed, done, self) else self.now,
            seen_generation=self.generation,
        )
        return replace(self, done=done, view=view, baseline=baseline, uncertain=False, forced=False)


def is_forced(resource: Resource, previous: Status) -> bool:
    """Return whether a person asked for a fresh attempt that has not been made yet."""
    request = resource.metadata.reconcile_request
    return request is not None and request != previous.last_handled_reconcile_at


def resolved_with(status: Status, source: str | None) -> Resolved:
    """Return what was resolved before, with where credentials come from, or were looked for, now."""
    known = status.resolved or Resolved()
    return Resolved.model_validate({**known.values, "project_id": known.project_id, "credentials_source": source})


def confirmed_by(done: Done, facts: Facts[Any]) -> Fields:
    """Return what counts as confirmed after a write that Atlas has taken; its answer may hold something else than what was sent."""
    kept = {name: value for name, value in (facts.baseline.confirmed or {}).items() if name in facts.desired}
    shown = facts.resource.shown(done.answer)
    return {**kept, **{name: shown.get(name) or "" for name in done.write.fields}}


def confirmed_so_far(resource: Resource, previous: Status) -> Applied | None:
    """Return what counts as confirmed when a status is written and nothing new was confirmed.

    A value that the spec has left is void: the new one may have been sent, by a process that ended before it could tell. If
    the spec returns to the old one later, that has to count as an edit, and not as drift.
    """
    generation = resource.metadata.generation
    kept = confirmed_before(resource, previous)
    if kept is None or kept == previous.applied:
        return previous.applied
    nothing_missed = generation <= previous.observed_generation + 1
    return Applied.of(generation, kept.values) if nothing_missed else None


def confirmed_before(resource: Resource, previous: Status) -> Applied | None:
    """Return what a status tells as confirmed and what still counts as such for what is desired now.

    A value that comes from another object may change while the generation stays. The older one was confirmed and is not what
    is wanted any more, so that the new one is an edit; ``Status.resolved`` tells which one was wanted before. (With a value that
    was wanted before, a confirmation of something else means that Atlas has stored something else.)
    """
    applied, resolved, desired, same = previous.applied, previous.resolved, resource.spec.desired, resource.same
    if applied is not None and applied.values.keys() - set(resource.fields):
        # What only a newer version of the operator knows was not wanted by this one.
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
    # Once a newer spec wants another value, that value may have been sent, even if no status tells of it: the operator may have
    # been stopped in between. So the older confirmation is void, also for a spec that returns to the older value.
    kept = {name: value for name, value in applied.values.items() if same(name, value, desired.get(name, value))}
    return Applied.of(applied.generation, kept)


def _contradicts(confirmed: Fields, done: Done, facts: Facts[Any]) -> bool:
    """Return whether an answer holds a value that is neither the old nor the new one: that is not Atlas being slow."""
    same, desired = facts.resource.same, facts.desired
    return any(
        value and not same(name, value, desired[name]) and not same(name, value, done.before.get(name))
        for name, value in confirmed.items()
    )


def _patched(history: Iterable[HistoryEntry]) -> Mapping[str, datetime]:
    """Return when each field was in a write that Atlas has confirmed."""
    return {name: entry.time for entry in reversed(tuple(history)) if entry.result == APPLIED for name in entry.fields}


def _is_rejected(previous: Status, generation: int) -> bool:
    """Return whether this very generation is already known to be refused or stored otherwise; that is not taken back."""
    ready = find(previous, "Ready")
    return previous.observed_generation == generation and ready is not None and ready.reason == Reason.UPDATE_REJECTED


def _refusal(previous: Status) -> Refusal | None:
    """Read back what Atlas has refused: which fields from the last error, which values from the differences."""
    ready = find(previous, "Ready")
    if previous.last_error is None or ready is None or ready.reason != Reason.UPDATE_REJECTED:
        return None
    fields = {
        each.field: each.desired
        for each in previous.drift
        if each.field in previous.last_error.fields and each.desired is not None
    }
    return Refusal(fields, ready.message) if fields else None
