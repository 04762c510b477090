"""From the outcome of a reconcile to the status: conditions, reasons and history are set only here. Pure.

Conditions follow the Kubernetes API conventions, kstatus and Flux: ``Ready`` is the summary; ``Reconciling`` and ``Stalled``
are present only while they are true, and never both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError, NotLeaderError
from atlas_endpoints.controller.conditions import Condition, condition, merge
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import Backoff, Requeue, RequeueAfter, at_latest
from atlas_endpoints.reconcile import policy
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Decision, Done, State, Write, WriteOutcome
from atlas_endpoints.reconcile.facts import APPLIED, Facts, Failure, Finding, confirmed_so_far
from atlas_endpoints.reconcile.failures import (
    HELD_REQUEUE,
    VERIFIED,
    FailedState,
    failing_since,
    of_problem,
    still_refused,
    within_grace,
)
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outputs import Published
from atlas_endpoints.reconcile.ownership import Owner, Undecided
from atlas_endpoints.reconcile.reasons import (
    CLUSTER_UNAVAILABLE,
    HELD_UP,
    ContendedReason,
    DeprecatedReason,
    Progress,
    ReadyReason,
    Reason,
    SyncedReason,
)
from atlas_endpoints.reconcile.references import RESOLVED
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import (
    CONTENDED,
    HISTORY_LIMIT,
    Applied,
    Cause,
    DriftItem,
    HistoryEntry,
    LastError,
    Plan,
    Resolved,
    Status,
    find,
    has_reason,
)
from atlas_endpoints.reconcile.waiting import POLL_FIRST

CONTENDED_REQUEUE = 15.0
"""Seconds until a resource checks again whether another one owns its entry; no call to Atlas."""


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
        seen: the entry as observed; None keeps what the status shows.
        own: changed fields of the kind's own status.
        creates: whether a creation follows, which the status must record first.
        applied: what Atlas has confirmed so far.
        resolved, credentials: None keeps what the status shows.
        contended: set if another resource owns the entry, or may own it.
        references, outputs: None keeps what the status shows of this generation.
        unconnected: whether the connection was not compared, since a reference is not ready.
        sent: the write that was made.
        plan: the write that would have been made.
        handled: the force-sync request that was handled.
        unreported: the reason of a failure that the status does not show (yet).
    """

    requeue: Requeue
    generation: int
    state: State | None = None
    failure: Failure | None = None
    seen: Any | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    creates: bool = False
    applied: Applied | None = None
    resolved: Resolved | None = None
    credentials: Finding | None = None
    contended: Finding | None = None
    references: Finding | None = None
    unconnected: bool = False
    outputs: Finding | None = None
    sent: Sent | None = None
    plan: Plan | None = None
    handled: str | None = None
    deprecation: Deprecation | None = None
    observing: bool = False
    metadata: MetadataChange | None = None
    unreported: str | None = None

    @property
    def failure_reason(self) -> str | None:
        """The reason for which the reconcile did not reach its goal, or None; for metrics."""
        if self.state is None:
            return self.unreported or (CLUSTER_UNAVAILABLE if isinstance(self.requeue, Backoff) else None)
        reason = self.state.reason
        return reason if reason in HELD_UP else None


def quiet(generation: int, requeue: Requeue, *, unreported: str | None = None) -> Outcome:
    """Return an outcome that keeps the status; ``unreported`` is the reason of a failure that it hides."""
    return Outcome(requeue=requeue, generation=generation, unreported=unreported)


def unrelated(error: AtlasError, generation: int) -> Outcome | None:
    """Return a quiet outcome if another replica leads, or another call probes Atlas; else None."""
    if isinstance(error, NotLeaderError):
        return quiet(generation, Backoff())
    if error.reason == Reason.PENDING:
        return quiet(generation, RequeueAfter(error.retry_after or HELD_REQUEUE))
    return None


def of_failed_state(trouble: FailedState, generation: int, previous: Status, *, handled: str | None = None) -> Outcome:
    """Return the outcome if Atlas was not asked."""
    return Outcome(
        requeue=trouble.state.requeue,
        generation=generation,
        state=trouble.state,
        failure=trouble.failure,
        credentials=trouble.credentials,
        applied=previous.applied,
        handled=handled,
    )


def of_suspension(resource: Resource, previous: Status) -> Outcome:
    """Return the outcome if the resource is suspended."""
    by = " and ".join(resource.suspended_by)
    state = State(Reason.SUSPENDED, f"Suspended by {by}: Atlas is neither read nor changed until that is taken back.")
    return Outcome(
        requeue=state.requeue,
        generation=resource.generation,
        state=state,
        applied=confirmed_so_far(resource, previous),
        handled=resource.metadata.reconcile_request,
    )


def of_decision(kind: Kind[Any], facts: Facts[Any], decision: Decision) -> Outcome:
    """Return the outcome if Atlas was observed and no (further) write follows."""
    state = decision.state
    outcome = Outcome(
        requeue=state.requeue,
        generation=facts.generation,
        state=state,
        failure=_failure(facts, state),
        seen=decision.seen,
        own=_own(kind, facts, decision.seen, decision.own),
        applied=_applied_after(facts, decision),
        resolved=facts.resolved,
        credentials=VERIFIED,
        sent=_sent(facts.done),
        handled=None if decision.leaves_open else facts.resource.metadata.reconcile_request,
        deprecation=facts.view.deprecation,
        observing=facts.policy == "Observe",
    )
    return _with_references(facts, outcome)


def of_plan(kind: Kind[Any], facts: Facts[Any], decision: Decision, write: Write) -> Outcome:
    """Return the outcome if the write of a decision is shown and not made; a force-sync request stays open."""
    outcome = of_decision(kind, facts, replace(decision, state=policy.planned(facts, decision, write)))
    plan = None
    if write.cause is not None:
        body = {name: str(value) for name, value in (write.request.body or {}).items()}
        plan = Plan(method=write.request.method, body=body, reason=write.cause)
    return replace(outcome, plan=plan, handled=None)


def of_contention(kind: Kind[Any], facts: Facts[Any], seen: object, claim: Owner | Undecided) -> Outcome:
    """Return the outcome if another resource owns the entry, or may own it; the observation confirms nothing for this one."""
    resource, previous, differences = facts.resource, facts.previous, compare(facts.resource, facts.desired, seen)
    if isinstance(claim, Owner):
        message = (
            f"The endpoint belongs to {claim.named_for(resource.metadata.namespace)}, so nothing is sent for this one. Remove all but"
            " one, or name another endpoint here; when the owner goes, does not manage the endpoint any more, or lastingly"
            " cannot, one of those that wait takes over by itself."
        )
        state = State(Reason.CONFLICT, message, RequeueAfter(CONTENDED_REQUEUE), differences)
        finding = Finding("True", ContendedReason.CONFLICT, message)
        since = failing_since(previous, reason=Reason.CONFLICT, generation=facts.generation, now=facts.now)
        failure = Failure(since=since, operation="claim", retryable=False, detail=message)
    else:
        message = (
            "Another resource names the same endpoint, and it is not known yet which of them owns it, so nothing is sent for"
            " this one meanwhile."
        )
        state, failure = State(Reason.PENDING, message, RequeueAfter(POLL_FIRST), differences), None
        finding = Finding("True", ContendedReason.PENDING, message)
    outcome = of_decision(kind, facts, Decision(state, seen=seen))
    return replace(
        outcome, failure=failure, contended=finding, applied=confirmed_so_far(resource, previous), observing=False
    )


def of_error(
    kind: Kind[Any],
    facts: Facts[Any],
    trouble: FailedState,
    *,
    seen: object | None = None,
    own: Mapping[str, Any] | None = None,
) -> Outcome:
    """Return the outcome of a failed call to Atlas.

    Args:
        seen: the entry, if it was observed and cannot have changed since.
        own: changed fields of the kind's own status.
    """
    failure, resource = trouble.failure, facts.resource
    is_unknown = facts.done is not None and facts.done.outcome is WriteOutcome.UNKNOWN
    outcome = Outcome(
        requeue=trouble.state.requeue,
        generation=facts.generation,
        state=trouble.state,
        failure=failure,
        seen=seen,
        own=_own(kind, facts, seen, own or {}),
        applied=None if is_unknown else confirmed_so_far(resource, facts.previous),
        resolved=facts.resolved,
        credentials=trouble.credentials,
        sent=_sent(facts.done),
        # A retryable failure leaves the request open; after any other, a new request is needed.
        handled=None if failure.retryable else resource.metadata.reconcile_request,
        deprecation=facts.view.deprecation,
    )
    return _with_references(facts, outcome)


def with_outputs(outcome: Outcome, published: Published) -> Outcome:
    """Add what was published."""
    state, finding = outcome.state, published.finding
    requeue = outcome.requeue if published.requeue_in is None else at_latest(outcome.requeue, published.requeue_in)
    if finding is None or state is None:
        return replace(outcome, requeue=requeue)
    if finding.status == "False" and state.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT:
        state = replace(state, message=f"{state.message} {finding.message}")
    return replace(outcome, state=state, outputs=finding, requeue=requeue)


def with_warning(outcome: Outcome, doubt: str) -> Outcome:
    """Add a warning to the message, unless the outcome has no message or is a failure."""
    if not doubt or outcome.state is None or outcome.failure is not None:
        return outcome
    return replace(outcome, state=replace(outcome.state, message=f"{outcome.state.message} {doubt}"))


def render(previous: Status, outcome: Outcome, *, now: datetime, grace: timedelta) -> Status:
    """Return the status after an outcome; it equals ``previous`` if nothing but the time has changed."""
    state = outcome.state
    if state is None:
        return previous
    history = _history(previous, outcome, now)
    conditions = _conditions(previous, outcome, state, history, now=now, grace=grace)
    common = {
        "observed_generation": outcome.generation,
        "conditions": merge(previous.conditions, tuple(conditions)),
        "applied": _applied(previous, outcome),
        "resolved": outcome.resolved or previous.resolved,
        "drift": _drift(previous, outcome, state),
        "plan": outcome.plan,
        "last_error": _last_error(outcome.failure),
        "last_applied_time": now
        if outcome.sent is not None and outcome.sent.result == APPLIED
        else previous.last_applied_time,
        "last_handled_reconcile_at": outcome.handled or previous.last_handled_reconcile_at,
        "history": history,
    }
    return type(previous).model_validate({**dict(previous), **common, **outcome.own})


def _own(kind: Kind[Any], facts: Facts[Any], seen: object | None, own: Mapping[str, Any]) -> Mapping[str, Any]:
    return own if seen is None else {**kind.render(facts, seen), **own}


def _applied_after(facts: Facts[Any], decision: Decision) -> Applied | None:
    resource, previous, done = facts.resource, facts.previous, facts.done
    if decision.seen is None:
        return None
    if not compare(resource, facts.desired, decision.seen):
        return Applied.of(facts.generation, facts.desired)
    if done is not None and done.outcome is WriteOutcome.CONFIRMED and done.write.fields:
        return Applied.of(facts.generation, facts.baseline.confirmed or {})
    if resource.entry is None:
        return None
    return confirmed_so_far(resource, previous)


def _sent(done: Done | None) -> Sent | None:
    """Return what the history shows of a write; None: it was certainly not applied."""
    if done is None or done.write.cause is None:
        return None
    error, names = done.error, tuple(done.write.fields)
    match done.outcome:
        case WriteOutcome.CONFIRMED:
            return Sent(names, done.write.cause, APPLIED)
        case WriteOutcome.REFUSED if error is not None and done.write.fields:
            return Sent(names, done.write.cause, f"Rejected: {error.error_code or error.http_status}")
        case WriteOutcome.UNKNOWN if error is not None:
            return Sent(names, done.write.cause, f"Unknown: {error.reason}")
        case _:
            return None


def _failure(facts: Facts[Any], state: State) -> Failure | None:
    """Return what holds up a resource that was observed, or None."""
    match state.reason:
        case Reason.UPDATE_REJECTED:
            # Keep Atlas's message about fields that it refused before and has not accepted since.
            taken = facts.done.write.fields if facts.done is not None else {}
            remaining = {each.field for each in state.differences or () if each.field not in taken}
            return still_refused(facts.previous, remaining)
        case Reason.REFERENCE_NOT_READY if facts.problem is not None:
            since = failing_since(
                facts.previous,
                reason=Reason.REFERENCE_NOT_READY,
                generation=facts.generation,
                now=facts.now,
                found=facts.problem.finding,
                type_="ReferencesResolved",
            )
            return of_problem(facts.problem, since)
        case _:
            return None


def _with_references(facts: Facts[Any], outcome: Outcome) -> Outcome:
    """Add whether the references are resolved."""
    if not facts.resource.refers:
        return outcome
    if facts.problem is None:
        return replace(outcome, references=facts.project_doubt or RESOLVED)
    requeue = outcome.requeue
    if outcome.state is not None and outcome.state.reason is Reason.REFERENCE_NOT_READY and outcome.failure is not None:
        requeue = within_grace(requeue, outcome.failure.since, now=facts.now, grace=facts.grace)
    applied = _with_connection(facts, outcome.applied)
    return replace(outcome, references=facts.problem.finding, unconnected=True, applied=applied, requeue=requeue)


def _with_connection(facts: Facts[Any], applied: Applied | None) -> Applied | None:
    """Keep the confirmed values of a connection that is not managed while a reference is not ready.

    If the reference resolves to the same value later, a change that somebody made in Atlas meanwhile is drift, and no edit.
    """
    previous = facts.previous
    nothing_missed = facts.generation <= previous.observed_generation + 1
    if applied is None or previous.applied is None or not nothing_missed:
        return applied
    known = {name: value for name, value in previous.applied.values.items() if name in facts.resource.connection}
    return Applied.of(applied.generation, {**known, **applied.values})


def _history(previous: Status, outcome: Outcome, now: datetime) -> tuple[HistoryEntry, ...]:
    """Add the write, unless it failed exactly like the one before: retries add nothing."""
    if outcome.sent is None:
        return previous.history
    sent = outcome.sent
    newest = HistoryEntry(
        time=now, generation=outcome.generation, cause=sent.cause, fields=sent.fields, result=sent.result
    )
    before = previous.history[0].model_copy(update={"time": now}) if previous.history else None
    if newest == before and sent.result != APPLIED:
        return previous.history
    return (newest, *previous.history)[:HISTORY_LIMIT]


def _applied(previous: Status, outcome: Outcome) -> Applied | None:
    """Return what Atlas has confirmed, as far as that is known.

    If the operator was stopped, it may have sent generations for which no status was written. An older confirmation is void
    then: with it, an edit would count as drift.
    """
    applied = outcome.applied
    if applied is None or applied.generation == outcome.generation:
        return applied
    nothing_missed = outcome.generation <= previous.observed_generation + 1
    return applied if nothing_missed and applied == previous.applied else None


def _drift(previous: Status, outcome: Outcome, state: State) -> tuple[DriftItem, ...]:
    """Return the differences; without a new observation, those of the same generation stay."""
    if outcome.seen is None and not state.differences and previous.observed_generation == outcome.generation:
        return previous.drift
    return tuple(
        DriftItem(field=each.field, desired=each.desired, actual=each.actual) for each in state.differences or ()
    )


def _last_error(failure: Failure | None) -> LastError | None:
    if failure is None:
        return None
    return LastError(**{name: getattr(failure, name) for name in LastError.model_fields})


def _conditions(
    previous: Status,
    outcome: Outcome,
    state: State,
    history: Sequence[HistoryEntry],
    *,
    now: datetime,
    grace: timedelta,
) -> Iterator[Condition]:
    """Yield the conditions in the order in which people read them.

    A condition that was not evaluated stays, with its observed generation.
    """

    def make(type_: str, finding: Finding) -> Condition:
        return condition(
            type_,
            status=finding.status,
            reason=finding.reason,
            message=finding.message,
            generation=outcome.generation,
            now=now,
        )

    yield make("Ready", Finding(state.reason.ready, state.reason, state.message))
    pair = _pair(previous, outcome, state.reason, now=now, grace=grace)
    if pair is not None:
        yield make(pair, Finding("True", state.reason, state.message))
    decided = outcome.seen is not None or outcome.sent is not None
    if outcome.contended is not None:
        yield make(CONTENDED, outcome.contended)
    elif not decided and (known := find(previous, CONTENDED)):
        yield known
    synced = None if state.reason is Reason.SUSPENDED else make("Synced", _synced(outcome, state, history))
    credentials = None if outcome.credentials is None else make("CredentialsValid", outcome.credentials)
    for type_, found in (("Synced", synced), ("CredentialsValid", credentials)):
        known = found or find(previous, type_)
        if known is not None:
            yield known
    for type_, told in (("ReferencesResolved", outcome.references), ("OutputsWritten", outcome.outputs)):
        if told is not None:
            yield make(type_, told)
        elif (known := find(previous, type_)) and known.observed_generation == outcome.generation:
            yield known
    deprecated = _deprecated(previous, outcome, state, now)
    if deprecated is not None:
        yield make("Deprecated", deprecated)


def _pair(previous: Status, outcome: Outcome, reason: ReadyReason, *, now: datetime, grace: timedelta) -> str | None:
    match reason.progress:
        case Progress.NONE:
            return None
        case Progress.RECONCILING:
            return "Reconciling"
        case Progress.STALLED:
            return "Stalled"
        case Progress.GRACE:
            since = outcome.failure.since if outcome.failure else now
            # Another cause of the same failure does not start a second grace.
            stays = find(previous, "Stalled") is not None and has_reason(
                previous, reason=reason, generation=outcome.generation
            )
            return "Stalled" if stays or now - since >= grace else "Reconciling"


def _synced(outcome: Outcome, state: State, history: Sequence[HistoryEntry]) -> Finding:
    """Return whether Atlas has what the resource wants, whatever the state of the entry."""
    match state.reason:
        case Reason.UPDATE_REJECTED:
            return Finding("False", SyncedReason.UPDATE_REJECTED, state.message)
        case Reason.DRIFTED | Reason.CORRECTION_HELD:
            return Finding("False", SyncedReason.DRIFT_DETECTED, state.message)
        case Reason.PLANNED:
            return Finding("False", SyncedReason.PLANNED, state.message)
        case _:
            pass
    if outcome.seen is None:
        return Finding("Unknown", state.reason, "The endpoint could not be compared with the spec; see Ready.")
    if state.reason is Reason.INVALID_SPEC:
        return Finding("False", state.reason, state.message)
    if state.differences:
        names = ", ".join(each.field for each in state.differences)
        return Finding("False", state.reason, f"Not yet as specified: {names}.")
    if outcome.unconnected:
        return Finding("Unknown", SyncedReason.REFERENCE_NOT_READY, "Not all that the spec refers to is there.")
    if outcome.observing:
        return Finding(
            "True", SyncedReason.OBSERVING, "Atlas shows what the spec says. Nothing is ever sent to make it so."
        )
    if history and history[0].generation == outcome.generation and history[0].result == APPLIED:
        return Finding("True", SyncedReason.UPDATED, "Atlas has confirmed what was sent.")
    return Finding("True", SyncedReason.IN_SYNC, "Atlas shows what the spec says.")


_DEPRECATED = {str(each): each for each in DeprecatedReason}


def _deprecated(previous: Status, outcome: Outcome, state: State, now: datetime) -> Finding | None:
    """Return what Atlas has announced about the end of its API."""
    if state.reason is Reason.API_GONE:
        return Finding("True", DeprecatedReason.GONE, "Atlas no longer serves this API; see the migration guide.")
    if outcome.deprecation is None:
        known = find(previous, "Deprecated")
        reason = None if known is None else _DEPRECATED.get(known.reason)
        refuted = reason is DeprecatedReason.GONE and outcome.seen is not None
        return None if known is None or reason is None or refuted else Finding(known.status, reason, known.message)
    sunset = outcome.deprecation.sunset
    if sunset is None:
        return Finding("True", DeprecatedReason.DEPRECATED, "Atlas has announced that this API is deprecated.")
    if sunset <= now:
        return Finding(
            "True",
            DeprecatedReason.SUNSET,
            f"Atlas has announced the end of this API for {sunset:%Y-%m-%d}, which is past: it may end at any time. Move to a"
            " dedicated cluster and its private endpoints.",
        )
    return Finding(
        "True", DeprecatedReason.DEPRECATED, f"Atlas has announced the end of this API for {sunset:%Y-%m-%d}."
    )
