"""What an error means for a resource: the one place where errors become outcomes; pure.

Which answer of Atlas is which error, and the words for people, stand in ``atlas.classification``.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from atlas_endpoints.atlas.errors import PUT_VALID_ONES, THEN_AGAIN, AtlasError, NotLeaderError, UpdateRejectedError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.kinds.access import remedy_for_refused
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import CONNECTION, Difference
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    InvalidSpecError,
    ManagedField,
    Resolved,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, CredentialsReason, Progress, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import failing_since, find, is_another_cause, says
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Failure, Finding, Outcome, Sent, Verdict

SECRET_LOOK = 30.0
"""Seconds after which a resource that waits for better credentials reads its Secret afresh; no call to Atlas."""

CURED_BY_CREDENTIALS = frozenset(
    {Reason.CREDENTIALS_INVALID, Reason.MISSING_ROLE, Reason.IP_NOT_ALLOWED, Reason.PROJECT_NOT_FOUND}
)
"""Reasons that other credentials may heal at once."""

NOTICED = "That is noticed within the sync interval, and at once with a new value of the annotation atlas-endpoints.dev/force-sync."
"""What is said to users of a remedy in Atlas, of which no event tells."""

HELD_LOOK = 1.0
"""Seconds after which a call is tried again that was held back without being told for how long."""

VERIFIED = Finding("True", CredentialsReason.VERIFIED, "Atlas accepts the credentials.")


def quiet(generation: int, following: Next, *, unsaid: str | None = None) -> Outcome:
    """Say nothing: the status stays as it is.

    Args:
        generation: the spec that was acted on.
        following: when to look again.
        unsaid: the reason of the failure that is kept quiet, if it is one.
    """
    return Outcome(next=following, generation=generation, unsaid=unsaid)


def is_settled(previous: Status, generation: int) -> bool:
    """Tell whether this very generation was seen to be applied and available."""
    ready = find(previous, "Ready")
    return previous.observed_generation == generation and ready is not None and ready.status == "True"


def of_invalid_spec(
    error: InvalidSpecError, generation: int, previous: Status, now: datetime, *, following: Next | None = None
) -> Outcome:
    """A spec that breaks the rules, though the API server let it pass: its CRD is not ours.

    Args:
        error: says which.
        generation: of the spec.
        previous: the status before this pass.
        now: wall-clock time, UTC.
        following: when to look again, where no event tells of the remedy; ``None``: an event does.
    """
    following = following or Rest()
    problems = "; ".join(error.problems)
    return Outcome(
        next=following,
        generation=generation,
        verdict=Verdict(
            Reason.INVALID_SPEC,
            "The spec does not fit this version of the operator, so Atlas is neither read nor changed. Correct it, or install"
            f" CRD and operator of the same version: {problems}",
            following,
        ),
        applied=previous.applied,
        failure=Failure(
            since=failing_since(previous, reason=Reason.INVALID_SPEC, generation=generation, now=now),
            operation="validate",
            retryable=False,
            detail=problems,
        ),
    )


def of_no_credentials(
    error: NoCredentialsError, generation: int, previous: Status, *, now: datetime, grace: timedelta
) -> Outcome:
    """There are no usable credentials; Atlas was not asked."""
    found = Finding("False", error.reason, error.message)
    since = failing_since(previous, reason=Reason.CREDENTIALS_INVALID, generation=generation, now=now, found=found)
    following = _within_grace(Again(error.retry_in), Reason.CREDENTIALS_INVALID, since, now=now, grace=grace)
    return Outcome(
        next=following,
        generation=generation,
        verdict=Verdict(Reason.CREDENTIALS_INVALID, error.message, following),
        applied=previous.applied,
        credentials=found,
        resolved=Resolved.model_validate({**dict(previous.resolved or Resolved()), "credentials_source": error.source}),
        failure=Failure(
            since=since, operation=error.operation, retryable=False, error_code=error.reason, detail=error.message
        ),
    )


def of_refused_metadata(outcome: Outcome, why: str, previous: Status, now: datetime) -> Outcome:
    """The API server does not let the metadata be written, without which nothing is reserved, and nothing deleted goes.

    Args:
        outcome: of the pass; what it says stands.
        why: in the API server's words.
        previous: the status before.
        now: wall-clock time, UTC.
    """
    told = (
        f"The finalizer and annotations of the resource cannot be written, which is tried again: {why}. Let the operator patch"
        " serverlessprivateendpoints: by the ClusterRole of its own version, and by whatever else admits changes."
    )
    if outcome.verdict is not None:
        message = f"{outcome.verdict.message} {told}"
        return replace(outcome, verdict=replace(outcome.verdict, message=message))
    reason, generation = Reason.METADATA_REFUSED, outcome.generation
    failure = Failure(
        since=failing_since(previous, reason=reason, generation=generation, now=now),
        operation="patch",
        retryable=False,
        detail=why,
    )
    return replace(outcome, verdict=Verdict(reason, told, Retry()), applied=previous.applied, failure=failure)


def of_bug(error: Exception, generation: int, previous: Status, now: datetime) -> Outcome:
    """An error that no table knows: a defect of the operator, whose log has the whole story."""
    message = (
        f"The operator met a defect of its own ({type(error).__name__}); it tries again. Its log has the details: please"
        " report them."
    )
    failure = Failure(since=now, operation="reconcile", retryable=True, detail=type(error).__name__)
    message, failure = _first_words(Reason.INTERNAL_ERROR, message, failure, generation, previous)
    return Outcome(
        next=Retry(),
        generation=generation,
        verdict=Verdict(Reason.INTERNAL_ERROR, message, Retry()),
        applied=previous.applied,
        failure=failure,
    )


def of_atlas(
    error: AtlasError,
    generation: int,
    previous: Status,
    *,
    now: datetime,
    grace: timedelta,
    resolved: Resolved,
    sent: Sent | None = None,
    refused: tuple[ManagedField, ...] = (),
    differences: tuple[Difference, ...] = (),
    applied: Applied | None = None,
) -> Outcome:
    """A call to Atlas failed, or was held back.

    Args:
        error: what it failed with.
        generation: the spec that was acted on.
        previous: the status before this pass.
        now: wall-clock time, UTC.
        grace: for how long something that another object may heal counts as progress.
        resolved: what the pass used.
        sent: the write that failed, if it was one.
        refused: the fields that Atlas refused, if it did.
        differences: that are known to remain.
        applied: what Atlas has confirmed, as of now.
    """
    if isinstance(error, NotLeaderError):
        return quiet(generation, Retry())
    if error.reason == Reason.PENDING:
        return quiet(generation, Again(error.retry_after or HELD_LOOK))
    reason, held = Reason(error.reason), error.retry is AtlasRetry.WHEN_DUE
    credentials = _credentials(error, reason, error.message)
    since = failing_since(previous, reason=reason, generation=generation, now=now, found=credentials)
    failure = Failure(
        since=since,
        operation=error.operation,
        retryable=error.retry is AtlasRetry.BACKOFF or (held and reason not in CURED_BY_CREDENTIALS),
        http_status=error.http_status,
        error_code=error.error_code,
        detail=error.detail,
        fields=refused,
        held=held,
    )
    message = error.message
    source = resolved.credentials_source
    if source is not None:
        message = message.replace(PUT_VALID_ONES, remedy_for_refused(source), 1)
    message = message.replace(THEN_AGAIN, NOTICED, 1)
    another_cause = is_another_cause(previous, "CredentialsValid", credentials)
    same_source = previous.resolved is None or previous.resolved.credentials_source == source
    if (failure.retryable or held) and same_source and not another_cause:
        message, failure = _first_words(reason, message, failure, generation, previous)
    following = _within_grace(_next(error, reason), reason, since, now=now, grace=grace)
    return Outcome(
        next=following,
        generation=generation,
        verdict=Verdict(reason, message, following, differences),
        applied=applied,
        resolved=resolved,
        credentials=_credentials(error, reason, message),
        sent=sent,
        failure=failure,
    )


def refused_fields(error: UpdateRejectedError, sent: tuple[ManagedField, ...]) -> tuple[ManagedField, ...]:
    """Tell which of the fields that were sent Atlas objects to.

    It names them in the error's text or does not; then the connection is blamed, since Atlas restricts when it may change and
    takes any comment that the resource can hold. The two fields of a connection stand and fall together, as they are sent.
    """
    words = f"{error.message} {error.detail or ''}"
    named = {field for field in sent if field.value in words}
    if not named or named & CONNECTION:
        named |= CONNECTION
    return tuple(field for field in sent if field in named) or sent


def still_refused(previous: Status, verdict: Verdict) -> Failure | None:
    """Keep Atlas's words about fields that it had refused before and that were not sent this time."""
    last = previous.last_error
    remaining = {each.field for each in verdict.differences}
    if last is None or not remaining & set(last.fields):
        return None
    failure = Failure.of(last)
    return replace(failure, fields=tuple(field for field in failure.fields if field in remaining))


def _first_words(
    reason: Reason, message: str, failure: Failure, generation: int, previous: Status
) -> tuple[str, Failure]:
    """Let what was said first stand while a failure goes on, however its words vary: retries write nothing.

    The words of a call that was held back are second-hand anyway.
    """
    ready, last = find(previous, "Ready"), previous.last_error
    if ready is None or last is None or not says(previous, reason=reason, generation=generation):
        return message, failure
    return ready.message, replace(Failure.of(last), retryable=failure.retryable, held=failure.held)


def _next(error: AtlasError, reason: Reason) -> Next:
    match error.retry:
        case AtlasRetry.BACKOFF:
            return Retry(at_least=error.retry_after or 0.0)
        case AtlasRetry.WHEN_DUE if reason not in CURED_BY_CREDENTIALS:
            return Again(error.retry_after or HELD_LOOK)
        case _:
            # The round of the instance looks again; only better credentials are worth looking for more often.
            return Again(SECRET_LOOK) if reason in CURED_BY_CREDENTIALS else Rest()


def _within_grace(following: Next, reason: Reason, since: datetime, *, now: datetime, grace: timedelta) -> Next:
    """Come back no later than when the grace ends, since the status has to say so then."""
    remaining = (since + grace - now).total_seconds()
    if MEANING[reason].progress is not Progress.GRACE or remaining <= 0:
        return following
    match following:
        case Rest():
            return Again(remaining)
        case Again(delay):
            return Again(min(delay, remaining))
        case Retry():
            return following


def _credentials(error: AtlasError, reason: Reason, message: str) -> Finding | None:
    """Tell what an error says about the credentials; ``None``: nothing."""
    match reason:
        case Reason.CREDENTIALS_INVALID:
            return Finding("False", CredentialsReason.UNAUTHORIZED, message)
        case Reason.MISSING_ROLE | Reason.IP_NOT_ALLOWED:
            return Finding("False", CredentialsReason.NOT_ALLOWED, message)
        case Reason.ATLAS_UNAVAILABLE | Reason.RATE_LIMITED | Reason.API_GONE:
            return None
        case _:
            return VERIFIED if error.http_status is not None else None
