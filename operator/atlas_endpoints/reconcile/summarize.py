"""From the outcome of a reconcile to the status: conditions and history are set only here. Pure.

Conditions follow the Kubernetes API conventions, kstatus and Flux: ``Ready`` is the summary; ``Reconciling`` and ``Stalled``
are present only while they are true, and never both.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, UpdateRejectedError
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter, at_latest
from atlas_endpoints.controller.texts import printable
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.compare import compare, described
from atlas_endpoints.reconcile.confirmed import applied_after, applied_in, confirmed_so_far, with_connection
from atlas_endpoints.reconcile.decision import Decision, Done, State, WriteResult
from atlas_endpoints.reconcile.facts import APPLIED, Facts
from atlas_endpoints.reconcile.failures import IN_STATUS, VERIFIED, of_atlas, of_problem
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outcome import Outcome, Sent, unrelated
from atlas_endpoints.reconcile.outputs import Published
from atlas_endpoints.reconcile.ownership import Owner, Unlisted
from atlas_endpoints.reconcile.reasons import (
    DeprecatedReason,
    Progress,
    ReadyReason,
    Reason,
    SyncedReason,
)
from atlas_endpoints.reconcile.references import RESOLVED
from atlas_endpoints.reconcile.resource import FORCE, Resource
from atlas_endpoints.reconcile.status import (
    CONTENDED,
    HISTORY_LIMIT,
    Applied,
    Condition,
    DriftItem,
    Finding,
    HistoryEntry,
    LastError,
    Plan,
    Status,
    find,
    merge,
)

COMMON_TYPES = frozenset(
    {
        "Ready",
        "Reconciling",
        "Stalled",
        CONTENDED,
        "Synced",
        "CredentialsValid",
        "ReferencesResolved",
        "OutputsWritten",
        "Deprecated",
    }
)
"""The types of conditions that all kinds have."""


def of_suspension(resource: Resource) -> Outcome:
    """Return the outcome if the resource is suspended."""
    by = " and ".join(resource.suspended_by)
    message = f"The resource is suspended by {by}. The operator neither reads nor changes Atlas until you remove that."
    state = State(Reason.SUSPENDED, message)
    handled = resource.metadata.reconcile_request
    return Outcome(requeue=state.requeue, state=state, applied=confirmed_so_far(resource), handled=handled)


def of_decision(kind: Kind[Any], facts: Facts[Any], decision: Decision) -> Outcome:
    """Return the outcome if Atlas was observed and no (further) write follows, since there is none or it may not be made."""
    state = _observing(facts, decision) if facts.policy == "Observe" else decision.state
    failure = _failure(kind, facts, decision, state)
    applied = with_connection(facts, applied_after(kind, facts, decision))
    return _of_observation(kind, facts, decision, state=state, failure=failure, applied=applied)


def _of_observation(
    kind: Kind[Any],
    facts: Facts[Any],
    decision: Decision,
    *,
    state: State,
    failure: LastError | None,
    applied: Applied | None,
    contended: Mapping[str, Finding] | None = None,
) -> Outcome:
    requeue = state.requeue
    if failure is not None and state.reason.progress is Progress.GRACE:
        requeue = facts.attempt.within_grace(requeue, failure.since)
    return Outcome(
        requeue=requeue,
        state=state,
        failure=failure,
        seen=decision.seen,
        own=_own(kind, facts, decision.seen, decision.own),
        applied=applied,
        resolved=facts.resolved,
        findings={"CredentialsValid": VERIFIED, **_references(facts), **(contended or {})},
        unconnected=facts.problem is not None,
        sent=_sent(facts.done),
        handled=None if decision.leaves_open else facts.resource.metadata.reconcile_request,
        deprecation=facts.view.deprecation,
        planned=decision if facts.policy == "Observe" else None,
    )


def _observing(facts: Facts[Any], decision: Decision) -> State:
    """Return the state of a resource for which nothing may be written."""
    state, write, policy = decision.state, decision.write, facts.resource.spec.management_policy
    why, until = f"spec.managementPolicy is {policy}, so the operator sends nothing", "you set it to Manage"
    if policy == "Manage":
        why, until = "WRITES is off, so the operator sends nothing", "its administrator sets ATLAS_ENDPOINTS_WRITES=on"
    if write is not None and write.planned:
        message = f"Atlas does not have what the spec describes. {why} until {until}. Then it {write.planned}.{write.doubt} See status.plan."
        requeue = RequeueAfter(facts.interval.total_seconds())
        return replace(state, reason=Reason.ENDPOINT_NOT_FOUND, message=message, requeue=requeue)
    is_unsent, is_planned = state.reason in {Reason.DRIFTED, Reason.UPDATE_REJECTED}, write is not None and write.cause
    if state.reason.dead or (not is_planned and (state.observed or not (is_unsent and state.differences))):
        message = state.observed or state.message
        reason = Reason.DRIFTED if is_unsent and state.differences else state.reason
        return replace(state, reason=reason, message=f"{why}. {message}" if is_unsent or state.reason.dead else message)
    what = f": {described(state.differences)}" if state.differences else ""
    if not what and write is not None and write.names:
        what = f" in {', '.join(write.names)}"
    follows = ". Correct the spec."
    if is_planned:
        follows = f" until {until}; status.plan shows what follows then. Or correct the spec."
    message = f"The {facts.resource.noun} differs from the spec{what}. {why}{follows}"
    return replace(state, reason=Reason.DRIFTED, message=message)


def correction_delayed(facts: Facts[Any], decision: Decision, wait: float) -> State:
    """Return the state of a resource whose correction of drift the limiter delays.

    Args:
        wait: seconds until its turn; infinite if drift is never corrected.
    """
    state, noun = decision.state, facts.resource.noun
    drift = f"Drift: {described(state.differences)}." if state.differences else state.message
    if math.isinf(wait):
        return replace(
            state,
            reason=Reason.DRIFTED,
            message=f"The {noun} was changed in Atlas, and the operator corrects no drift (MAX_CORRECTIONS=0). Ask its"
            f" administrator to raise MAX_CORRECTIONS, or {FORCE} to correct this {noun} now. {drift}",
        )
    return replace(
        state,
        reason=Reason.CORRECTION_HELD,
        message=f"The {noun} was changed in Atlas. The drift limiter delays the correction, because more resources have drifted than"
        " MAX_CORRECTIONS allows. Find out who makes these changes. To stop all corrections, set ATLAS_ENDPOINTS_WRITES=off; to"
        f" correct this {noun} now, {FORCE}. {drift}",
        requeue=at_latest(state.requeue, wait),
    )


def of_contention(kind: Kind[Any], facts: Facts[Any], decision: Decision, claim: Owner | Unlisted) -> Outcome:
    """Return the outcome if another resource owns the entry, or may own it; the observation confirms nothing for this one."""
    resource, seen = facts.resource, decision.seen
    differences = None if seen is None else compare(resource, facts.desired, seen)
    if isinstance(claim, Owner):
        message = (
            f"The {resource.noun} belongs to {claim.named_for(resource.metadata.namespace)}, so the operator sends nothing for this one."
            f" Delete all but one of the resources; for another {resource.noun}, create another resource. When the owner is deleted, suspended"
            " or only observes, the oldest of the waiting resources takes over."
        )
    else:
        message = (
            f"The {resource.noun} may belong to a resource of a namespace that the operator should serve and may not list, or cannot list now."
            " It sends nothing for this one until it can. Ask its administrator, who finds the namespace in its log and in /readyz."
        )
    # A change of the others wakes it.
    state = State(Reason.CONFLICT, message, NoRequeue(), differences, decision.state.conditions)
    since = facts.attempt.failing_since(Reason.CONFLICT)
    return _of_observation(
        kind,
        facts,
        Decision(state, seen=seen, own=decision.own),
        state=state,
        failure=LastError(since=since, operation="claim", retryable=False, detail=message),
        applied=confirmed_so_far(resource),
        contended={CONTENDED: Finding("True", Reason.CONFLICT, message)},
    )


def of_step(kind: Kind[Any], facts: Facts[Any], operation: str, decision: Decision) -> Outcome:
    """Return the outcome of a step towards a write, which keeps a force-sync request open.

    Args:
        operation: the status keeps showing that this call has failed before.
    """
    outcome = of_decision(kind, facts, replace(decision, leaves_open=True))
    last, ready = facts.attempt.shown_failure(operation), find(facts.previous, "Ready")
    # Another version of the operator may have written a reason that this one does not know.
    reason = None if ready is None else next((each for each in kind.reasons if each == ready.reason), None)
    if last is None or ready is None or reason is None:
        return outcome
    state = State(reason, ready.message, decision.state.requeue)
    findings = {type_: each for type_, each in outcome.findings.items() if type_ != "CredentialsValid"}
    return replace(outcome, state=state, findings=findings, failure=last)


def of_failed_call(
    kind: Kind[Any],
    facts: Facts[Any],
    error: AtlasError,
    *,
    seen: object | None = None,
    own: Mapping[str, Any] | None = None,
) -> Outcome:
    """Return the outcome of a failed call to Atlas; ``seen`` and ``own`` as in :func:`of_error`."""
    if (outcome := unrelated(error, held_for=facts.held_for)) is not None:
        return outcome
    write = facts.done.write if facts.done is not None and isinstance(error, UpdateRejectedError) else None
    failed = of_atlas(
        error,
        facts.attempt,
        source=facts.resolved.credentials_source,
        refused=() if write is None else tuple(write.fields),
        differences=None if seen is None else compare(facts.resource, facts.desired, seen),
        # Atlas's words go before a remedy that fits only some refusals.
        wording=replace(IN_STATUS, refused="") if write is not None and write.remedy else IN_STATUS,
    )
    outcome = of_error(kind, facts, failed, seen=seen, own=own)
    if write is None:
        return outcome
    planned = f"The refused call {write.planned}.{write.doubt}" if write.planned else ""
    return outcome.saying(write.remedy).saying(planned)


def of_error(
    kind: Kind[Any],
    facts: Facts[Any],
    failed: Outcome,
    *,
    seen: object | None = None,
    own: Mapping[str, Any] | None = None,
) -> Outcome:
    """Return the outcome of a failed call to Atlas.

    Args:
        seen: the entry, if it was observed and cannot have changed since.
    """
    done = facts.done
    is_unknown = done is not None and done.result is WriteResult.UNKNOWN and not done.write.is_beside
    # A retryable failure leaves the request open; after any other, a new request is needed.
    applied = None if is_unknown else with_connection(facts, confirmed_so_far(facts.resource))
    return replace(
        failed,
        applied=applied,
        resolved=facts.resolved,
        seen=seen,
        own=_own(kind, facts, seen, own or {}),
        findings={**failed.findings, **_references(facts)},
        unconnected=facts.problem is not None,
        sent=_sent(facts.done),
        handled=None
        if failed.failure is None or failed.failure.retryable
        else facts.resource.metadata.reconcile_request,
        deprecation=facts.view.deprecation,
    )


def with_outputs(outcome: Outcome, published: Published) -> Outcome:
    """Add what was published."""
    if (finding := published.finding) is not None:
        outcome = replace(outcome, findings={**outcome.findings, "OutputsWritten": finding})
        if outcome.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT and finding.status == "False":
            outcome = outcome.saying(finding.message)
    # What has failed sets its own pace.
    return outcome if published.requeue_in is None or outcome.failure is not None else outcome.by(published.requeue_in)


def render(attempt: Attempt, outcome: Outcome) -> Status:
    """Return the status after an outcome; it equals the one before if nothing but the time has changed."""
    previous, now, state = attempt.previous, attempt.now, outcome.state
    if state is None:
        return previous
    history = _history(attempt, outcome)
    conditions = _conditions(attempt, outcome, state, history)
    common = {
        "observed_generation": attempt.generation,
        "conditions": merge(previous.conditions, tuple(conditions)),
        "applied": applied_in(attempt, outcome.applied),
        "resolved": outcome.resolved or previous.resolved,
        "drift": _drift(attempt, outcome, state),
        "plan": _plan(outcome),
        "last_error": outcome.failure,
        "last_applied_time": now
        if outcome.sent is not None and outcome.sent.result == APPLIED
        else previous.last_applied_time,
        "not_ready_since": _not_ready_since(attempt, outcome, state),
        "last_handled_reconcile_at": outcome.handled or previous.last_handled_reconcile_at,
        "history": history,
    }
    return type(previous).model_validate({**dict(previous), **common, **outcome.own})


def _not_ready_since(attempt: Attempt, outcome: Outcome, state: State) -> datetime | None:
    if state.reason.progress is Progress.NONE:
        return None
    is_changed = outcome.sent is not None and outcome.sent.result == APPLIED
    return attempt.now if is_changed else attempt.now - attempt.not_ready_for(outcome.resolved)


def _own(kind: Kind[Any], facts: Facts[Any], seen: object | None, own: Mapping[str, Any]) -> Mapping[str, Any]:
    return own if seen is None else {**kind.render(facts, seen), **own}


def _sent(done: Done | None) -> Sent | None:
    """Return what the history shows of a write; None: it was certainly not applied."""
    if done is None or done.write.cause is None:
        return None
    error, names = done.error, tuple(done.write.fields) or done.write.names
    match done.result:
        case WriteResult.CONFIRMED:
            return Sent(names, done.write.cause, APPLIED)
        case WriteResult.REFUSED if error is not None and names:
            return Sent(names, done.write.cause, f"Rejected: {error.error_code or error.http_status}")
        case WriteResult.UNKNOWN if error is not None:
            return Sent(names, done.write.cause, f"Unknown: {error.reason}")
        case _:
            return None


def _failure(kind: Kind[Any], facts: Facts[Any], decision: Decision, state: State) -> LastError | None:
    """Return what holds up a resource that was observed, or None."""
    match state.reason:
        case Reason.UPDATE_REJECTED:
            # Keep Atlas's message about fields that it refused before and has not accepted since.
            taken = facts.done.write.fields if facts.done is not None else {}
            remaining = {each.field for each in state.differences or () if each.field not in taken}
            last = facts.previous.last_error
            fields = () if last is None else tuple(name for name in last.fields if name in remaining)
            return last.model_copy(update={"fields": fields}) if last is not None and fields else None
        case Reason.REFERENCE_NOT_READY if facts.problem is not None:
            since = facts.attempt.failing_since(
                Reason.REFERENCE_NOT_READY, found=facts.problem.finding, type_="ReferencesResolved"
            )
            return of_problem(facts.problem, since)
        case reason if reason.progress is Progress.GRACE and reason is not Reason.REFERENCE_NOT_READY:
            # What was read shows it, without an error of Atlas; the grace ends all the same.
            since = facts.attempt.failing_since(reason)
            reads = (kind.get_request(facts.scope, each.entry) for each in decision.gets if each.beside)
            operation = next(reads, kind.list_request(facts.scope)).operation
            return LastError(since=since, operation=operation, retryable=False, detail=state.message)
        case _:
            return None


def _plan(outcome: Outcome) -> Plan | None:
    """Return what would be sent if writes were permitted."""
    write = outcome.plan
    if write is None or write.cause is None:
        return None
    sent = write.request.body or {}
    body = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sent.items()}
    return Plan(method=write.request.method, body=body, reason=write.cause)


def _references(facts: Facts[Any]) -> Mapping[str, Finding]:
    """Return whether the references are resolved."""
    if not facts.resource.refers:
        return {}
    resolved = facts.project_finding or RESOLVED
    return {"ReferencesResolved": resolved if facts.problem is None else facts.problem.finding}


def _history(attempt: Attempt, outcome: Outcome) -> tuple[HistoryEntry, ...]:
    """Add the write, unless it failed exactly like the one before: retries add nothing."""
    previous, sent = attempt.previous, outcome.sent
    if sent is None:
        return previous.history
    newest = HistoryEntry(
        time=attempt.now, generation=attempt.generation, cause=sent.cause, fields=sent.fields, result=sent.result
    )
    before = previous.history[0].model_copy(update={"time": newest.time}) if previous.history else None
    if newest == before and sent.result != APPLIED:
        return previous.history
    return (newest, *previous.history)[:HISTORY_LIMIT]


def _drift(attempt: Attempt, outcome: Outcome, state: State) -> tuple[DriftItem, ...]:
    """Return the differences; without a new observation, those of the same generation stay."""
    if outcome.seen is None and not state.differences and attempt.is_of_this_generation:
        return attempt.previous.drift
    return tuple(
        DriftItem(field=each.field, desired=each.desired, actual=each.actual) for each in state.differences or ()
    )


def _conditions(
    attempt: Attempt, outcome: Outcome, state: State, history: Sequence[HistoryEntry]
) -> Iterator[Condition]:
    """Yield the conditions in the order in which people read them.

    A condition that was not evaluated stays, with its observed generation.
    """
    previous, now = attempt.previous, attempt.now

    def told(type_: str, finding: Finding | None, *, stays: bool = True) -> Iterator[Condition]:
        if finding is not None:
            yield Condition(
                type=type_,
                status=finding.status,
                reason=finding.reason,
                message=printable(finding.message),
                observed_generation=attempt.generation,
                last_transition_time=now,
            )
        elif stays and (known := find(previous, type_)) is not None:
            yield known

    yield from told("Ready", Finding(state.reason.ready, state.reason, state.message))
    pair = _pair(attempt, outcome, state.reason)
    if pair is not None:
        yield from told(pair, Finding("True", state.reason, state.message))
    findings = outcome.findings
    yield from told(CONTENDED, findings.get(CONTENDED), stays=outcome.seen is None and outcome.sent is None)
    yield from told("Synced", None if state.reason is Reason.SUSPENDED else _synced(attempt, outcome, state, history))
    yield from told("CredentialsValid", findings.get("CredentialsValid"))
    of_kind = {each.type: None for each in previous.conditions if each.type not in COMMON_TYPES}
    shared = {type_: findings.get(type_) for type_ in ("ReferencesResolved", "OutputsWritten")}
    current = {each.type for each in previous.conditions if each.observed_generation == attempt.generation}
    for type_, finding in {**shared, **of_kind, **state.conditions}.items():
        yield from told(type_, finding, stays=type_ in current)
    if "Deprecated" not in state.conditions:
        # If Atlas has answered, and announces nothing, the announcement is taken back.
        yield from told(
            "Deprecated", _deprecated(outcome, state, now), stays=findings.get("CredentialsValid") != VERIFIED
        )


def _pair(attempt: Attempt, outcome: Outcome, reason: ReadyReason) -> str | None:
    match reason.progress:
        case Progress.NONE:
            return None
        case Progress.RECONCILING:
            return "Reconciling"
        case Progress.STALLED:
            return "Stalled"
        case Progress.GRACE:
            since = outcome.failure.since if outcome.failure else attempt.now
            # Another cause of the same failure does not start a second grace.
            stays = find(attempt.previous, "Stalled") is not None and attempt.is_reported(reason)
            return "Stalled" if stays or attempt.now - since >= attempt.grace else "Reconciling"


def _synced(attempt: Attempt, outcome: Outcome, state: State, history: Sequence[HistoryEntry]) -> Finding:
    """Return whether Atlas has what the resource wants, whatever the state of the entry."""
    match state.reason:
        case Reason.UPDATE_REJECTED:
            return Finding("False", SyncedReason.UPDATE_REJECTED, state.message)
        case Reason.DRIFTED | Reason.CORRECTION_HELD:
            return Finding("False", SyncedReason.DRIFT_DETECTED, state.message)
        case _:
            pass
    if outcome.seen is None:
        message = "The operator could not compare Atlas with the spec. See Ready."
        if state.reason.progress is Progress.RECONCILING and not state.reason.retried:
            message = f"There is nothing to compare now. {state.message}"
        return Finding("Unknown", state.reason, message)
    if state.reason is Reason.INVALID_SPEC:
        return Finding("False", state.reason, state.message)
    if state.differences:
        names = ", ".join(each.field for each in state.differences)
        return Finding("False", state.reason, f"These fields differ from the spec: {names}.")
    if outcome.unconnected:
        return Finding("Unknown", SyncedReason.REFERENCE_NOT_READY, "Not all references are resolved.")
    if outcome.planned is not None and CONTENDED not in outcome.findings:
        return Finding("True", SyncedReason.OBSERVING, "Atlas matches the spec. The operator only observes it.")
    if history and history[0].generation == attempt.generation and history[0].result == APPLIED:
        return Finding("True", SyncedReason.UPDATED, "Atlas confirmed the last change.")
    return Finding("True", SyncedReason.IN_SYNC, "Atlas matches the spec.")


def _deprecated(outcome: Outcome, state: State, now: datetime) -> Finding | None:
    """Return what Atlas announces about the end of its API."""
    if state.reason is Reason.API_GONE:
        return Finding(
            "True",
            DeprecatedReason.GONE,
            "Atlas no longer serves this API. Upgrade the operator, or see the migration guide.",
        )
    if outcome.deprecation is None:
        return None
    sunset = outcome.deprecation.sunset
    if sunset is None:
        return Finding("True", DeprecatedReason.DEPRECATED, "Atlas announced that this API is deprecated.")
    if sunset <= now:
        return Finding(
            "True",
            DeprecatedReason.SUNSET,
            f"Atlas announced the end of this API for {sunset:%Y-%m-%d}. That date is past, so the API may end at any time. See"
            " the migration guide.",
        )
    return Finding("True", DeprecatedReason.DEPRECATED, f"Atlas announced the end of this API for {sunset:%Y-%m-%d}.")
