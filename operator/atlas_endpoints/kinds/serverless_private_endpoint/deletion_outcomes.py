"""What a pass came to over a resource that is being deleted and does not go yet; pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from atlas_endpoints.atlas.errors import MAKE_ANEW, AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.cluster.errors import UnreadableError
from atlas_endpoints.engine.outcome import Again, Next
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement, EventReason, tell
from atlas_endpoints.kinds.serverless_private_endpoint.claims import PROOF_WAIT
from atlas_endpoints.kinds.serverless_private_endpoint.context import status_since
from atlas_endpoints.kinds.serverless_private_endpoint.farewell import WITHOUT_WAITING, names_ways_out, with_ways_out
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    InvalidSpecError,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.plan import pace
from atlas_endpoints.kinds.serverless_private_endpoint.projects import NoProjectError
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import failing_since
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Failure, Outcome, Verdict

GONE_WITH_ITS_PLACE = frozenset(
    {Reason.API_GONE, Reason.NOT_SERVERLESS, Reason.INSTANCE_NOT_FOUND, Reason.PROJECT_NOT_FOUND}
)
"""Reasons for which nobody can delete the endpoint any more, since what it was a part of is gone."""

DELETE_IN_ATLAS = "delete the endpoint in Atlas, where it is"
"""What takes the place of ``MAKE_ANEW`` for a resource that is being deleted."""

UNAUTHORIZED = frozenset({401, 403})
"""HTTP statuses by which Atlas says nothing about what there is."""


def deleting(generation: int, message: str, following: Next) -> Outcome:
    """It is on its way."""
    return Outcome(next=following, generation=generation, verdict=Verdict(Reason.DELETING, message, following))


def waiting_for_proof(generation: int, following: Next) -> Outcome:
    """One of another namespace names the endpoint, and may just be about to show that its credentials reach it."""
    minutes = int(PROOF_WAIT.total_seconds() // 60)
    message = (
        f"Atlas is not asked to delete the endpoint until {minutes} minutes after this resource was deleted: a resource of another"
        " namespace names the same endpoint, and its credentials have not been seen to reach it yet. If they reach it by then, the"
        " endpoint stays in Atlas and this resource is removed."
    )
    return deleting(generation, with_ways_out(message), following)


def blocked(
    generation: int,
    previous: Status,
    now: datetime,
    message: str,
    *,
    operation: str,
    following: Next,
    code: str | None = None,
    http_status: int | None = None,
) -> Outcome:
    """Say why a resource does not go, and how it does all the same."""
    told = with_ways_out(message)
    last = previous.last_error
    is_same = last is not None and (last.operation, last.error_code) == (operation, code)
    since = failing_since(previous, reason=Reason.DELETION_BLOCKED, generation=generation, now=now) if is_same else now
    return Outcome(
        next=following,
        generation=generation,
        verdict=Verdict(Reason.DELETION_BLOCKED, told, following),
        applied=previous.applied,
        failure=Failure(
            since=since,
            operation=operation,
            retryable=False,
            http_status=http_status,
            error_code=code,
            detail=told,
        ),
    )


def not_understood(error: InvalidSpecError, generation: int, previous: Status, now: datetime) -> Outcome:
    """The resource, or the policy of its Namespace, says what nobody understands."""
    problems = "; ".join(error.problems)
    message = f"It does not fit this version of the operator, so the endpoint is not deleted: {problems}."
    # The Namespace may be what is to be corrected, and no event tells of that.
    following = Again(failures.SECRET_LOOK)
    return blocked(generation, previous, now, message, operation="validate", following=following)


def policy_unknown(error: UnreadableError, generation: int, previous: Status, now: datetime) -> Outcome:
    """The Namespace may not be read, which alone may say what becomes of the endpoint."""
    message = f"Whether the endpoint is to be deleted is not known. {error.message}"
    return blocked(generation, previous, now, message, operation="readNamespace", following=Again(error.retry_in))


def without_project(resource: ServerlessPrivateEndpoint, error: NoProjectError, now: datetime) -> Outcome:
    """Nothing tells in which project the endpoint is."""
    problem = error.problem
    message = f"The endpoint cannot be deleted, since its project is not known. {problem.message}"
    return blocked(
        resource.metadata.generation,
        resource.status,
        now,
        message,
        operation="readReference",
        following=Again(problem.pace),
        code=problem.reason,
    )


def without_credentials(resource: ServerlessPrivateEndpoint, error: NoCredentialsError, now: datetime) -> Outcome:
    """There are no usable credentials; Atlas was not asked."""
    outcome = blocked(
        resource.metadata.generation,
        resource.status,
        now,
        f"The endpoint cannot be deleted. {error.message}",
        operation=error.operation,
        following=Again(error.retry_in),
        code=error.reason,
    )
    return replace(outcome, handled=resource.metadata.reconcile_request)


def waiting(resource: ServerlessPrivateEndpoint, endpoint: Endpoint, now: datetime, *, patience: timedelta) -> Outcome:
    """Atlas is deleting the endpoint, which takes it a while.

    Args:
        resource: that goes afterwards.
        endpoint: as Atlas shows it.
        now: wall-clock time, UTC.
        patience: after which it takes too long.
    """
    since = status_since(resource.status, endpoint, now)
    elapsed = now - since
    generation, following = resource.metadata.generation, Again(pace(elapsed))
    if elapsed >= patience:
        message = (
            "Atlas has taken longer to delete the endpoint than spec.provisioningTimeout; it is still looked at. Ask MongoDB's"
            f" support. {WITHOUT_WAITING}"
        )
        outcome = blocked(generation, resource.status, now, message, operation="delete", following=following)
    else:
        message = "Atlas is deleting the endpoint; the resource goes when Atlas has none any more."
        outcome = deleting(generation, message, following)
    return replace(
        outcome,
        endpoint=endpoint,
        status_since=since,
        credentials=failures.VERIFIED,
        applied=resource.status.applied,
    )


def orphaned(resource: ServerlessPrivateEndpoint, error: AtlasError) -> Announcement | None:
    """Tell of an endpoint that nobody can delete any more; ``None``: it can still be.

    Atlas has to say, and not only to these credentials, that what the endpoint was a part of is gone.
    """
    is_told_to_all = error.http_status is not None and error.http_status not in UNAUTHORIZED
    if error.reason not in GONE_WITH_ITS_PLACE or not is_told_to_all:
        return None
    what = f"Endpoint {resource.endpoint_id}" if resource.endpoint_id else "Its endpoint, if there was one,"
    note = f"{what} cannot be deleted any more, and was not: {error.message.replace(MAKE_ANEW, DELETE_IN_ATLAS)}"
    return tell(EventReason.ENDPOINT_ORPHANED, note, action="Delete")


def failed(
    resource: ServerlessPrivateEndpoint, error: AtlasError, source: str, now: datetime, *, interval: timedelta
) -> Outcome:
    """A call to Atlas has failed: what passes by itself is told as ever, what else stands in the way blocks the deletion.

    Args:
        resource: that is to go.
        error: what the call failed with.
        source: where the credentials came from.
        now: wall-clock time, UTC.
        interval: after which it is tried again at the latest.
    """
    generation, status = resource.metadata.generation, resource.status
    resolved = Resolved.model_validate({**dict(status.resolved or Resolved()), "credentials_source": source})
    outcome = failures.of_atlas(
        error, generation, status, now=now, grace=timedelta(0), resolved=resolved, applied=status.applied
    )
    verdict = outcome.verdict
    if verdict is None:
        return outcome
    message = f"The endpoint cannot be deleted. {verdict.message.replace(MAKE_ANEW, DELETE_IN_ATLAS)}"
    if error.retry is AtlasRetry.BACKOFF or _is_held(error):
        told = verdict.message if names_ways_out(verdict.message) else with_ways_out(message)
        return replace(outcome, verdict=replace(verdict, message=told))
    seconds = interval.total_seconds()
    following = Again(min(failures.SECRET_LOOK, seconds) if is_cured_by_credentials(error) else seconds)
    return replace(
        blocked(
            generation,
            status,
            now,
            message,
            operation=error.operation,
            following=following,
            code=error.error_code,
            http_status=error.http_status,
        ),
        resolved=resolved,
        credentials=outcome.credentials,
        handled=resource.metadata.reconcile_request,
    )


def is_cured_by_credentials(error: AtlasError) -> bool:
    """Tell whether other credentials may heal it at once, and the same would be refused again."""
    return error.reason in failures.CURED_BY_CREDENTIALS and error.retry is not AtlasRetry.BACKOFF


def _is_held(error: AtlasError) -> bool:
    """Tell whether nothing was sent for a reason that passes by itself."""
    return error.retry is AtlasRetry.WHEN_DUE and error.reason not in failures.CURED_BY_CREDENTIALS
