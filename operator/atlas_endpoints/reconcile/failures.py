"""From an error to what the status shows of it. Pure.

``atlas.answers`` maps Atlas's answers to errors, and has their messages.
"""

from dataclasses import replace
from datetime import datetime

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    EndpointAbsentError,
    Wording,
)
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.credentials import NoCredentialsError, remedy_for_refused
from atlas_endpoints.reconcile.decision import Difference, State
from atlas_endpoints.reconcile.outcome import Outcome, held_up
from atlas_endpoints.reconcile.reasons import CredentialsReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.references import OtherProjectError, Problem
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Finding, LastError, find
from atlas_endpoints.tunings import HELD_AGAIN, REFERENCE_AGAIN, SECRET_REQUEUE

CURED_BY_CREDENTIALS = frozenset(
    {Reason.CREDENTIALS_INVALID, Reason.MISSING_ROLE, Reason.IP_NOT_ALLOWED, Reason.PROJECT_NOT_FOUND}
)
"""Reasons that other credentials may fix at once."""

IN_STATUS = Wording(
    then="The operator checks again within the sync interval, or at once when you set the annotation"
    " atlas-endpoints.dev/force-sync to a new value."
)
"""No event arrives of a remedy in Atlas."""

VERIFIED = Finding("True", CredentialsReason.VERIFIED, "Atlas accepts the credentials.")


def of_invalid_spec(error: InvalidSpecError, attempt: Attempt) -> Outcome:
    """Return what an invalid spec means that the API server admitted: its CRD has another version."""
    problems = "; ".join(error.problems)
    message = (
        "The spec is invalid for this version of the operator, so the operator neither reads nor changes Atlas. Correct the"
        f" spec, or install the CRD and the operator in the same version: {problems}"
    )
    return _of_invalid(message, problems, attempt, NoRequeue())


def of_no_credentials(error: NoCredentialsError, attempt: Attempt) -> Outcome:
    """Return what it means that a resource has no usable credentials; Atlas was not asked."""
    found = Finding("False", error.reason, error.message)
    reason = Reason.CREDENTIALS_INVALID
    since = attempt.failing_since(reason, found=found)
    failure = LastError(
        since=since, operation=error.operation, retryable=False, error_code=error.reason, detail=error.message
    )
    requeue = attempt.within_grace(RequeueAfter(error.retry_in), since)
    return held_up(State(reason, error.message, requeue), failure, attempt, {"CredentialsValid": found})


def of_no_project(problem: Problem, attempt: Attempt) -> Outcome:
    """Return what it means that the project of a resource is unknown."""
    since = attempt.failing_since(Reason.REFERENCE_NOT_READY)
    requeue = attempt.within_grace(RequeueAfter(problem.pace), since)
    message = f"{problem.message} Until the project is known, the operator neither reads nor changes Atlas."
    state = State(Reason.REFERENCE_NOT_READY, message, requeue)
    return held_up(state, of_problem(problem, since), attempt, {"ReferencesResolved": problem.finding})


def of_problem(problem: Problem, since: datetime) -> LastError:
    """Return the failure of an unresolved reference."""
    return LastError(
        since=since, operation="readReference", retryable=True, error_code=problem.reason, detail=problem.message
    )


def of_other_project(error: OtherProjectError, resource: Resource, attempt: Attempt) -> Outcome:
    """Return what it means that the project of a resource changed: neither project is touched until a person decides."""
    requeue: Requeue = NoRequeue() if resource.spec.project_ref is None else RequeueAfter(REFERENCE_AGAIN)
    return _of_invalid(str(error), str(error), attempt, requeue)


def _of_invalid(message: str, detail: str, attempt: Attempt, requeue: Requeue) -> Outcome:
    since = attempt.failing_since(Reason.INVALID_SPEC)
    failure = LastError(since=since, operation="validate", retryable=False, detail=detail)
    return held_up(State(Reason.INVALID_SPEC, message, requeue), failure, attempt)


def of_refused_metadata(why: str, plural: str, attempt: Attempt) -> Outcome:
    """Return what it means that the API server refuses the finalizer and annotations of a resource.

    Args:
        why: the API server's message.
        plural: the name of the kind in rights.
    """
    reason = Reason.METADATA_REFUSED
    message = (
        f"The operator cannot write the finalizer and annotations of the resource, so it sends nothing to Atlas, and tries again: {why}."
        f" Allow the operator to patch {plural}: install the ClusterRole of its version, and check admission policies and webhooks."
    )
    failure = LastError(since=attempt.failing_since(reason), operation="patch", retryable=False, detail=why)
    message, failure = _keep_message(reason, message, failure, attempt)
    return held_up(State(reason, message, Backoff()), failure, attempt)


def of_bug(error: Exception, attempt: Attempt) -> Outcome:
    """Return what an unexpected error means."""
    name, reason = type(error).__name__, Reason.INTERNAL_ERROR
    message = f"The operator has a bug ({name}), and tries again. Report the traceback in the operator's log."
    failure = LastError(since=attempt.now, operation="reconcile", retryable=True, detail=name)
    message, failure = _keep_message(reason, message, failure, attempt)
    return held_up(State(reason, message, Backoff()), failure, attempt)


def of_atlas(
    error: AtlasError,
    attempt: Attempt,
    *,
    source: str | None,
    refused: tuple[str, ...] = (),
    differences: tuple[Difference, ...] | None = None,
    shown_as: ReadyReason | None = None,
    wording: Wording = IN_STATUS,
) -> Outcome:
    """Return what a failed or held back call to Atlas means.

    Args:
        shown_as: the reason of ``Ready`` while the failure goes on, if it is not that of the error.
    """
    reason, deferred = Reason(error.reason), error.retry is AtlasRetry.WHEN_DUE
    credentials = _credentials(error, reason, error.message)
    since = attempt.failing_since(reason, found=credentials)
    is_retried = error.retry is AtlasRetry.BACKOFF or (deferred and reason not in CURED_BY_CREDENTIALS)
    failure = _of_call(error, since, is_retried=is_retried, refused=refused)
    if source is not None:
        wording = replace(wording, credentials=remedy_for_refused(source))
    message = error.explanation.worded(wording)
    resolved = attempt.previous.resolved
    same_source = resolved is None or resolved.credentials_source == source
    if (failure.retryable or deferred) and same_source and not attempt.is_another_cause(credentials):
        message, failure = _keep_message(shown_as or reason, message, failure, attempt)
    requeue = _requeue(error, reason)
    if reason.progress is Progress.GRACE:
        requeue = attempt.within_grace(requeue, since)
    found = _credentials(error, reason, message)
    findings = {} if found is None else {"CredentialsValid": found}
    outcome = held_up(State(reason, message, requeue, differences), failure, attempt, findings)
    return replace(outcome, explanation=error.explanation, deferred=deferred)


def of_contradiction(error: AtlasError, attempt: Attempt, wait: RequeueAfter) -> Outcome:
    """Return what a refusal means that contradicts what Atlas shows: wait for a while, then it needs a person."""
    last = attempt.shown_failure(error.operation)
    since = last.since if last is not None and last.error_code == error.error_code else attempt.now
    failure = _of_call(error, since)
    reason = Reason.UPDATE_REJECTED if attempt.now - since >= attempt.grace else Reason.PENDING
    message = (
        "Atlas refuses the change, and what it shows does not explain that. The operator tries again."
        f" {error.explanation.worded(replace(IN_STATUS, refused=''))}"
    )
    return held_up(State(reason, message, wait), failure, attempt)


def contradicting(error: EndpointAbsentError) -> AtlasUnavailableError:
    """Return a retryable error: Atlas shows an entry, but does not find it when it is to change."""
    return error.refuted(
        "Atlas shows the endpoint, but answers a change that the endpoint does not exist. The operator tries the change again."
    )


def may_pass(error: AtlasError) -> bool:
    """Return whether a failure may pass soon without an action."""
    if error.retry is AtlasRetry.WHEN_DUE:  # nothing was sent: the answer that began the wait decides
        return error.reason not in CURED_BY_CREDENTIALS
    return error.retry is AtlasRetry.BACKOFF


def _of_call(
    error: AtlasError, since: datetime, *, is_retried: bool = False, refused: tuple[str, ...] = ()
) -> LastError:
    return LastError(
        since=since,
        operation=error.operation,
        retryable=is_retried,
        http_status=error.http_status,
        error_code=error.error_code,
        detail=error.detail,
        fields=refused,
    )


def _keep_message(reason: ReadyReason, message: str, failure: LastError, attempt: Attempt) -> tuple[str, LastError]:
    """Keep the first message while a failure goes on: retries do not change the status."""
    ready, last = find(attempt.previous, "Ready"), attempt.previous.last_error
    if ready is None or last is None or not attempt.is_reported(reason):
        return message, failure
    return ready.message, last.model_copy(update={"retryable": failure.retryable})


def _requeue(error: AtlasError, reason: Reason) -> Requeue:
    match error.retry:
        case AtlasRetry.BACKOFF:
            return Backoff(at_least=error.retry_after or error.at_least)
        case AtlasRetry.WHEN_DUE if reason not in CURED_BY_CREDENTIALS:
            return RequeueAfter(error.retry_after or HELD_AGAIN, held=True)
        case _:
            # The resync of the scope tries again; only the Secret is read more often.
            return RequeueAfter(SECRET_REQUEUE) if reason in CURED_BY_CREDENTIALS else NoRequeue()


def _credentials(error: AtlasError, reason: Reason, message: str) -> Finding | None:
    """Return what an error means for the credentials; None: nothing."""
    match reason:
        case Reason.CREDENTIALS_INVALID:
            return Finding("False", CredentialsReason.UNAUTHORIZED, message)
        case Reason.MISSING_ROLE | Reason.IP_NOT_ALLOWED:
            return Finding("False", CredentialsReason.NOT_ALLOWED, message)
        case Reason.ATLAS_UNAVAILABLE | Reason.RATE_LIMITED | Reason.API_GONE:
            return None
        case _:
            return VERIFIED if error.http_status is not None else None
