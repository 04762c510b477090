"""What a pass came to, said in the resource's status; pure.

Conditions follow the Kubernetes API conventions, kstatus and Flux: ``Ready`` sums up, ``Reconciling`` and ``Stalled`` are
present only while they are true, and never both.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from atlas_endpoints.engine.conditions import Condition, condition, merge
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    DriftItem,
    EndpointStatus,
    HistoryEntry,
    LastError,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, Progress, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Failure, Finding, Outcome, Verdict


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
    last_error = _last_error(previous, outcome)
    history = previous.history
    if outcome.sent is not None:
        entry = HistoryEntry(
            time=now,
            generation=outcome.generation,
            cause=outcome.sent.cause,
            fields=tuple(outcome.sent.fields),
            result=outcome.sent.result,
        )
        history = (entry, *history)
    return Status(
        observed_generation=outcome.generation,
        conditions=merge(previous.conditions, tuple(_conditions(previous, outcome, verdict, now=now, grace=grace))),
        applied=outcome.applied,
        endpoint=_endpoint(previous, outcome),
        resolved=outcome.resolved or previous.resolved,
        drift=tuple(
            DriftItem(field=each.field, desired=each.desired, actual=each.actual) for each in verdict.differences
        ),
        last_error=last_error,
        last_applied_time=now if outcome.sent is not None and outcome.sent.confirmed else previous.last_applied_time,
        last_handled_reconcile_at=outcome.handled or previous.last_handled_reconcile_at,
        history=history,
    )


def failing_since(previous: Status, *, reason: Reason, generation: int, now: datetime) -> datetime:
    """Tell since when a generation of a resource has been held up for one reason."""
    if (
        previous.last_error is not None
        and previous.observed_generation == generation
        and _ready_reason(previous) == reason
    ):
        return previous.last_error.since
    return now


def find(status: Status, type_: str) -> Condition | None:
    """Give a condition of a status by its type."""
    return next((each for each in status.conditions if each.type == type_), None)


def _ready_reason(status: Status) -> str | None:
    ready = find(status, "Ready")
    return ready.reason if ready else None


def _goes_on(previous: Status, outcome: Outcome) -> bool:
    """Tell whether a failure that may heal by itself was there before: its first words stand, so that nothing is written."""
    return (
        outcome.failure is not None
        and outcome.failure.retryable
        and previous.last_error is not None
        and previous.last_error.since == outcome.failure.since.replace(microsecond=0)
        and outcome.verdict is not None
        and _ready_reason(previous) == outcome.verdict.reason
        and previous.observed_generation == outcome.generation
    )


def _last_error(previous: Status, outcome: Outcome) -> LastError | None:
    failure: Failure | None = outcome.failure
    if failure is None:
        return None
    if _goes_on(previous, outcome):
        return previous.last_error
    return LastError(
        since=failure.since,
        operation=failure.operation,
        http_status=failure.http_status,
        error_code=failure.error_code,
        detail=failure.detail,
        retryable=failure.retryable,
        fields=tuple(failure.fields),
    )


def _endpoint(previous: Status, outcome: Outcome) -> EndpointStatus | None:
    seen = outcome.endpoint
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
    previous: Status, outcome: Outcome, verdict: Verdict, *, now: datetime, grace: timedelta
) -> Iterator[Condition]:
    """Give the conditions in the order in which people shall read them."""

    def make(type_: str, finding: Finding) -> Condition:
        return condition(
            type_,
            status=finding.status,
            reason=finding.reason,
            message=finding.message,
            generation=outcome.generation,
            now=now,
        )

    def keep(type_: str) -> Iterator[Condition]:
        before = find(previous, type_)
        if before is not None:
            yield make(type_, Finding(before.status, before.reason, before.message))

    before = find(previous, "Ready")
    message = before.message if before is not None and _goes_on(previous, outcome) else verdict.message
    yield make("Ready", Finding(MEANING[verdict.reason].ready, verdict.reason, message))
    pair = _pair(outcome, verdict.reason, now=now, grace=grace)
    if pair is not None:
        yield make(pair, Finding("True", verdict.reason, message))
    if verdict.reason is Reason.SUSPENDED:
        yield from keep("Synced")
    else:
        yield make("Synced", _synced(previous, outcome, verdict, message))
    if outcome.credentials is not None:
        yield make("CredentialsValid", outcome.credentials)
    else:
        yield from keep("CredentialsValid")
    deprecated = _deprecated(outcome, verdict, now)
    if deprecated is not None:
        yield make("Deprecated", deprecated)
    else:
        yield from keep("Deprecated")


def _pair(outcome: Outcome, reason: Reason, *, now: datetime, grace: timedelta) -> str | None:
    match MEANING[reason].progress:
        case Progress.NONE:
            return None
        case Progress.RECONCILING:
            return "Reconciling"
        case Progress.STALLED:
            return "Stalled"
        case Progress.GRACE:
            since = outcome.failure.since if outcome.failure else now
            return "Stalled" if now - since >= grace else "Reconciling"


def _synced(previous: Status, outcome: Outcome, verdict: Verdict, message: str) -> Finding:
    """Tell whether Atlas holds what the resource wants, whatever state the endpoint is in."""
    if verdict.reason is Reason.UPDATE_REJECTED:
        return Finding("False", "UpdateRejected", message)
    if verdict.reason is Reason.DRIFTED:
        return Finding("False", "DriftDetected", message)
    if outcome.failure is not None:
        return Finding("Unknown", verdict.reason, "The endpoint could not be compared with the spec; see Ready.")
    if verdict.differences:
        names = ", ".join(each.field for each in verdict.differences)
        return Finding("False", verdict.reason, f"Not yet as specified: {names}.")
    newest = outcome.sent or next(iter(previous.history), None)
    generation = outcome.generation if outcome.sent else (previous.history[0].generation if previous.history else None)
    if newest is not None and newest.result == "Applied" and generation == outcome.generation:
        return Finding("True", "Updated", "Atlas has confirmed what was sent.")
    return Finding("True", "InSync", "Atlas shows what the spec says.")


def _deprecated(outcome: Outcome, verdict: Verdict, now: datetime) -> Finding | None:
    """Tell what Atlas has announced about the end of this API."""
    if verdict.reason is Reason.API_GONE:
        return Finding("True", "APIGone", "Atlas no longer serves this API; see the migration guide.")
    if outcome.deprecation is None:
        return None
    sunset = outcome.deprecation.sunset
    if sunset is None:
        return Finding("True", "APIDeprecated", "Atlas has announced that this API is deprecated.")
    if sunset <= now:
        return Finding(
            "True", "APISunset", f"Atlas has announced the end of this API for {sunset:%Y-%m-%d}, which is past."
        )
    return Finding("True", "APIDeprecated", f"Atlas has announced the end of this API for {sunset:%Y-%m-%d}.")
