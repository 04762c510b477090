"""What a pass came to, said in the resource's status; pure.

Conditions follow the Kubernetes API conventions, kstatus and Flux: ``Ready`` sums up, ``Reconciling`` and ``Stalled`` are
present only while they are true, and never both.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from atlas_endpoints.engine.conditions import Condition, condition, merge
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    HISTORY_LIMIT,
    Applied,
    DriftItem,
    EndpointStatus,
    HistoryEntry,
    LastError,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import (
    MEANING,
    DeprecatedReason,
    Progress,
    Reason,
    SyncedReason,
)
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import APPLIED, Finding, Outcome, Verdict

CONTENDED = "Contended"
"""The condition of a resource whose endpoint is another one's, or may turn out to be; only there while that is so."""


def render(previous: Status, outcome: Outcome, *, now: datetime, grace: timedelta) -> Status:
    """Write down an outcome.

    Args:
        previous: the status as it was.
        outcome: of the pass.
        now: wall-clock time, UTC.
        grace: for how long something that another object may heal counts as progress.

    Returns:
        The new status; equal to ``previous`` when there is nothing new to say, whatever the time.
    """
    verdict = outcome.verdict
    if verdict is None:
        return previous
    history = _history(previous, outcome, now)
    return Status(
        observed_generation=outcome.generation,
        conditions=merge(
            previous.conditions, tuple(_conditions(previous, outcome, verdict, history, now=now, grace=grace))
        ),
        applied=_applied(previous, outcome),
        endpoint=endpoint_after(previous, outcome),
        resolved=outcome.resolved or previous.resolved,
        reservation=None if outcome.forgets_reservation else outcome.reservation or previous.reservation,
        drift=_drift(previous, outcome, verdict),
        plan=outcome.plan,
        last_error=_last_error(outcome),
        last_applied_time=now if outcome.sent is not None and outcome.sent.confirmed else previous.last_applied_time,
        last_handled_reconcile_at=outcome.handled or previous.last_handled_reconcile_at,
        history=history,
    )


def failing_since(
    previous: Status,
    *,
    reason: Reason,
    generation: int,
    now: datetime,
    found: Finding | None = None,
    type_: str = "CredentialsValid",
) -> datetime:
    """Tell since when a generation of a resource has been held up for one reason, and one cause of it.

    Args:
        previous: the status before the pass.
        reason: of ``Ready``.
        generation: of the spec.
        now: wall-clock time, UTC.
        found: what another condition says about the cause, where one reason of ``Ready`` stands for several.
        type_: of that condition.
    """
    goes_on = says(previous, reason=reason, generation=generation) and not is_another_cause(previous, type_, found)
    return previous.last_error.since if previous.last_error is not None and goes_on else now


def is_another_cause(previous: Status, type_: str, found: Finding | None) -> bool:
    """Tell whether something is found to be wrong in another way than before, which one reason of ``Ready`` stands for."""
    known = find(previous, type_)
    return found is not None and known is not None and known.reason != found.reason


def find(status: Status, type_: str) -> Condition | None:
    """Give a condition of a status by its type."""
    return next((each for each in status.conditions if each.type == type_), None)


def says(status: Status, *, reason: Reason, generation: int) -> bool:
    """Tell whether a status gives this reason for this generation."""
    ready = find(status, "Ready")
    return status.observed_generation == generation and ready is not None and ready.reason == reason


def _history(previous: Status, outcome: Outcome, now: datetime) -> tuple[HistoryEntry, ...]:
    """Add what was sent, unless it failed just as the attempt before: retries write nothing, and push nothing out."""
    if outcome.sent is None:
        return previous.history
    newest = HistoryEntry(
        time=now,
        generation=outcome.generation,
        cause=outcome.sent.cause,
        fields=tuple(outcome.sent.fields),
        result=outcome.sent.result,
    )
    before = previous.history[0].model_copy(update={"time": newest.time}) if previous.history else None
    if newest == before and not outcome.sent.confirmed:
        return previous.history
    return (newest, *previous.history)[:HISTORY_LIMIT]


def _applied(previous: Status, outcome: Outcome) -> Applied | None:
    """Give what Atlas has confirmed, as far as that is known.

    Generations that no status was written for may have been sent before the operator was stopped: then an older confirmation
    says nothing any more, and to keep it would make drift of what is really an edit.
    """
    applied = outcome.applied
    if applied is None or applied.generation == outcome.generation:
        return applied
    nothing_missed = outcome.generation <= previous.observed_generation + 1
    return applied if nothing_missed and applied == previous.applied else None


def _drift(previous: Status, outcome: Outcome, verdict: Verdict) -> tuple[DriftItem, ...]:
    """Give what differs; what was known of the same generation stays while nothing newer was seen."""
    if outcome.endpoint is None and not verdict.differences and previous.observed_generation == outcome.generation:
        return previous.drift
    return tuple(DriftItem(field=each.field, desired=each.desired, actual=each.actual) for each in verdict.differences)


def _last_error(outcome: Outcome) -> LastError | None:
    failure = outcome.failure
    if failure is None:
        return None
    return LastError(
        since=failure.since,
        operation=failure.operation,
        http_status=failure.http_status,
        error_code=failure.error_code,
        detail=failure.detail,
        retryable=failure.retryable,
        fields=tuple(failure.fields),
    )


def endpoint_after(previous: Status, outcome: Outcome) -> EndpointStatus | None:
    """Give what a status tells of the endpoint after a pass."""
    seen = outcome.endpoint
    if outcome.reservation is not None and seen is None:
        return None  # of an endpoint that is gone, or was another one
    if seen is None:
        return previous.endpoint
    return EndpointStatus(
        id=seen.id,
        status=seen.status,
        status_since=outcome.status_since,
        error_message=seen.error_message,
        provider_name=seen.provider_name,
        cloud_provider_endpoint_id=seen.cloud_provider_endpoint_id,
        private_endpoint_ip_address=seen.private_endpoint_ip_address,
        endpoint_service_name=seen.endpoint_service_name,
        private_link_service_resource_id=seen.private_link_service_resource_id,
        comment=seen.comment,
    )


def _conditions(
    previous: Status,
    outcome: Outcome,
    verdict: Verdict,
    history: Sequence[HistoryEntry],
    *,
    now: datetime,
    grace: timedelta,
) -> Iterator[Condition]:
    """Give the conditions in the order in which people shall read them.

    What this pass found nothing out about stays as it was, with the generation that it spoke about.
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

    yield make("Ready", Finding(MEANING[verdict.reason].ready, verdict.reason, verdict.message))
    pair = _pair(previous, outcome, verdict.reason, now=now, grace=grace)
    if pair is not None:
        yield make(pair, Finding("True", verdict.reason, verdict.message))
    decided = outcome.endpoint is not None or outcome.sent is not None
    if outcome.contended is not None:
        yield make(CONTENDED, outcome.contended)
    elif not decided and (known := find(previous, CONTENDED)):
        yield known
    synced = None if verdict.reason is Reason.SUSPENDED else make("Synced", _synced(outcome, verdict, history))
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
    deprecated = _deprecated(previous, outcome, verdict, now)
    if deprecated is not None:
        yield make("Deprecated", deprecated)


def _pair(previous: Status, outcome: Outcome, reason: Reason, *, now: datetime, grace: timedelta) -> str | None:
    match MEANING[reason].progress:
        case Progress.NONE:
            return None
        case Progress.RECONCILING:
            return "Reconciling"
        case Progress.STALLED:
            return "Stalled"
        case Progress.GRACE:
            since = outcome.failure.since if outcome.failure else now
            # Another cause of the same failure begins anew, and is no reason to wait once more.
            stays = find(previous, "Stalled") is not None and says(
                previous, reason=reason, generation=outcome.generation
            )
            return "Stalled" if stays or now - since >= grace else "Reconciling"


def _synced(outcome: Outcome, verdict: Verdict, history: Sequence[HistoryEntry]) -> Finding:
    """Tell whether Atlas holds what the resource wants, whatever state the endpoint is in."""
    if verdict.reason is Reason.UPDATE_REJECTED:
        return Finding("False", SyncedReason.UPDATE_REJECTED, verdict.message)
    if verdict.reason in {Reason.DRIFTED, Reason.CORRECTION_HELD}:
        return Finding("False", SyncedReason.DRIFT_DETECTED, verdict.message)
    if verdict.reason is Reason.PLANNED:
        return Finding("False", SyncedReason.PLANNED, verdict.message)
    if outcome.endpoint is None:
        return Finding("Unknown", verdict.reason, "The endpoint could not be compared with the spec; see Ready.")
    if verdict.reason is Reason.INVALID_SPEC:
        return Finding("False", verdict.reason, verdict.message)
    if verdict.differences:
        names = ", ".join(each.field for each in verdict.differences)
        return Finding("False", verdict.reason, f"Not yet as specified: {names}.")
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


def _deprecated(previous: Status, outcome: Outcome, verdict: Verdict, now: datetime) -> Finding | None:
    """Tell what Atlas has announced about the end of this API."""
    if verdict.reason is Reason.API_GONE:
        return Finding("True", DeprecatedReason.GONE, "Atlas no longer serves this API; see the migration guide.")
    if outcome.deprecation is None:
        known = find(previous, "Deprecated")
        reason = None if known is None else _DEPRECATED.get(known.reason)
        refuted = reason is DeprecatedReason.GONE and outcome.endpoint is not None
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
