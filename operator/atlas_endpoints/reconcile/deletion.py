"""The deletion of a resource: whether its entry is deleted or retained, and the messages. Pure.

Every message says how to remove the resource, and no entry is left behind without an Event.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from atlas_endpoints.atlas.errors import MAKE_ANEW, AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.cluster.errors import UnreadableError
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import Requeue, RequeueAfter
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.decision import State
from atlas_endpoints.reconcile.events import Event, EventReason, tell
from atlas_endpoints.reconcile.facts import Failure
from atlas_endpoints.reconcile.failures import (
    CURED_BY_CREDENTIALS,
    SECRET_REQUEUE,
    FailedState,
    failing_since,
    may_pass,
    of_atlas,
)
from atlas_endpoints.reconcile.metadata import FINALIZER, ObjectMeta
from atlas_endpoints.reconcile.ownership import PROOF_WAIT
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.references import NoProjectError
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.spec import DeletionPolicy, InvalidSpecError
from atlas_endpoints.reconcile.status import Status
from atlas_endpoints.reconcile.waiting import POLL_FIRST

_BY_ANNOTATION = (
    'set the annotation atlas-endpoints.dev/deletion-policy to Retain, or atlas-endpoints.dev/force-finalize to "true".'
)

REMEDIES = f"To let the resource go and leave the endpoint in Atlas as it is, {_BY_ANNOTATION}"

REMEDY_WHILE_DELETING = f"To let the resource go without waiting for that, {_BY_ANNOTATION}"

PARENT_GONE = frozenset({Reason.API_GONE, Reason.NOT_SERVERLESS, Reason.INSTANCE_NOT_FOUND, Reason.PROJECT_NOT_FOUND})
"""Reasons for which nobody can delete the entry any more, because its parent is gone."""

DELETE_IN_ATLAS = "delete the endpoint in Atlas, where it is"
"""Replaces ``MAKE_ANEW`` for a resource that is being deleted."""

UNAUTHORIZED = frozenset({401, 403})
"""HTTP statuses that do not show whether something exists."""


@dataclass(frozen=True, slots=True)
class Release:
    """Remove the finalizer; nothing (more) is sent to Atlas. Without an entry, there is no Event."""

    event: Event | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the resource until somebody acts; the message says why, and what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the entry, unless another resource needs it; then release the resource."""


Action: TypeAlias = Release | Keep | Delete

Obstacle: TypeAlias = InvalidSpecError | UnreadableError | NoProjectError | NoCredentialsError
"""What prevents a deletion before Atlas is asked."""


def decide_by_metadata(metadata: ObjectMeta, entry: str | None, *, deleting: bool) -> Release | None:
    """Return the decision of the annotations, even if the spec is invalid; None: they do not decide.

    Args:
        deleting: whether Atlas is already deleting the entry.

    Raises:
        InvalidSpecError: an annotation is invalid.
    """
    if metadata.is_force_finalized:
        why = "the annotation atlas-endpoints.dev/force-finalize has let the resource go"
        return Release(tell(EventReason.FORCE_FINALIZED, _describe(entry, why, deleting=deleting), action="Delete"))
    if metadata.skips:
        return _retained(entry, f"the annotation {metadata.skips[0]} says skip", deleting=deleting)
    if metadata.deletion_policy == "Retain":
        return _retained(entry, "an annotation has set its deletion policy to Retain", deleting=deleting)
    return None


def decide(resource: Resource, policy: DeletionPolicy, *, writes: bool) -> Action:
    """Return the decision for a resource whose annotations do not decide alone.

    Args:
        policy: of the annotation, the spec or the Namespace.
        writes: whether the operator may write to Atlas.
    """
    entry, spec, deleting = resource.entry, resource.spec, resource.status.is_being_deleted
    if entry is None and resource.status.creation is None:
        return Release(None)
    if policy == "Retain":
        return _retained(entry, "its deletion policy is Retain", deleting=deleting)
    if spec.management_policy != "Manage":
        return _retained(entry, f"spec.managementPolicy is {spec.management_policy}", deleting=deleting)
    if not resource.is_owner:
        why = "it was taken over from an earlier resource, and spec.endpointId does not name it"
        return _retained(entry, why, deleting=deleting)
    if spec.suspend:
        return Keep(_kept("The resource is suspended", "Set spec.suspend to false.", deleting=deleting))
    if not writes:
        remedy = "That takes whoever runs the operator to set ATLAS_ENDPOINTS_WRITES=on."
        return Keep(_kept("WRITES is off", remedy, deleting=deleting))
    return Delete()


def bookkeeping(resource: Resource, policy: DeletionPolicy | None) -> MetadataChange | None:
    """Return the metadata that a resource lacks: the finalizer, or its removal, and the record of what was created.

    Args:
        policy: None: not known; the finalizer stays as it is.
    """
    has = FINALIZER in resource.metadata.finalizers
    wants = has
    if policy is not None:
        wants = policy == "Delete" and resource.spec.management_policy == "Manage" and resource.is_owner
    if has is wants and is_recorded(resource):
        return None
    return MetadataChange({FINALIZER: wants}, resource.record)


def is_recorded(resource: Resource) -> bool:
    """Return whether the annotations record what was created; a backup keeps them, but maybe not the status."""
    annotations = resource.metadata.annotations
    return all(annotations.get(name) == value for name, value in resource.record.items())


def created_too_late(entry: str) -> Event:
    """Return the Event of an entry that was created while its resource was deleted."""
    why = "it was reserved in the very moment in which its resource was deleted"
    return tell(EventReason.ENDPOINT_RETAINED, _describe(entry, why), action="Create")


def gone(entry: str) -> Event:
    """Return the Event of an entry that was deleted."""
    return tell(EventReason.ENDPOINT_DELETED, f"Endpoint {entry} is gone from Atlas.", action="Delete")


def handed_over(resource: Resource, entry: str, owner: str) -> Event:
    """Return the Event of an entry that stays because another resource owns it."""
    note = _describe(entry, f"{owner} stands for it, too", deleting=resource.status.is_being_deleted)
    return tell(EventReason.ENDPOINT_HANDED_OVER, note, action="Delete")


def _describe(entry: str | None, why: str, *, deleting: bool = False) -> str:
    """Return a text about an entry for which nothing (more) is sent."""
    what = f"Endpoint {entry}" if entry else "An endpoint that may have been reserved"
    stays = "is being deleted by Atlas, which nobody can stop" if deleting else "stays in Atlas as it is"
    return f"{what} {stays}: {why}."


def orphaned(resource: Resource, error: AtlasError) -> Event | None:
    """Return the Event of an entry that nobody can delete any more; None: somebody can.

    An answer to these credentials alone (401, 403) is no proof.
    """
    is_told_to_all = error.http_status is not None and error.http_status not in UNAUTHORIZED
    if error.reason not in PARENT_GONE or not is_told_to_all:
        return None
    what = f"Endpoint {resource.entry}" if resource.entry else "Its endpoint, if there was one,"
    note = f"{what} cannot be deleted any more, and was not: {error.message.replace(MAKE_ANEW, DELETE_IN_ATLAS)}"
    return tell(EventReason.ENDPOINT_ORPHANED, note, action="Delete")


def waiting_for_proof() -> State:
    """Return the state while a resource of another namespace may still prove that its credentials reach the entry."""
    minutes = int(PROOF_WAIT.total_seconds() // 60)
    message = (
        f"Atlas is not asked to delete the endpoint until {minutes} minutes after this resource was deleted: a resource of another"
        " namespace names the same endpoint, and its credentials have not been seen to reach it yet. If they reach it by then, the"
        " endpoint stays in Atlas and this resource is removed."
    )
    return State(Reason.DELETING, with_remedies(message), RequeueAfter(POLL_FIRST))


def blocked(
    generation: int,
    previous: Status,
    now: datetime,
    message: str,
    *,
    operation: str,
    requeue: Requeue,
    code: str | None = None,
    http_status: int | None = None,
) -> FailedState:
    """Return the trouble of a deletion that is blocked, with the ways out."""
    message = with_remedies(message)
    last = previous.last_error
    is_same = last is not None and (last.operation, last.error_code) == (operation, code)
    since = failing_since(previous, reason=Reason.DELETION_BLOCKED, generation=generation, now=now) if is_same else now
    failure = Failure(
        since=since, operation=operation, retryable=False, http_status=http_status, error_code=code, detail=message
    )
    return FailedState(State(Reason.DELETION_BLOCKED, message, requeue), failure)


def blocked_by(error: Obstacle, generation: int, previous: Status, now: datetime) -> FailedState:
    """Return the trouble of a resource for which Atlas cannot be asked to delete anything."""
    code: str | None = None
    match error:
        case InvalidSpecError():
            message = f"It does not fit this version of the operator, so the endpoint is not deleted: {'; '.join(error.problems)}."
            # The Namespace may be invalid instead, of which no event arrives.
            operation, retry_in = "validate", SECRET_REQUEUE
        case UnreadableError():
            message = f"Whether the endpoint is to be deleted is not known. {error.message}"
            operation, retry_in = "readNamespace", error.retry_in
        case NoProjectError():
            message = f"The endpoint cannot be deleted, since its project is not known. {error.problem.message}"
            operation, retry_in, code = "readReference", error.problem.pace, error.problem.reason
        case _:  # NoCredentialsError
            message = f"The endpoint cannot be deleted. {error.message}"
            operation, retry_in, code = error.operation, error.retry_in, error.reason
    return blocked(generation, previous, now, message, operation=operation, requeue=RequeueAfter(retry_in), code=code)


def failed(resource: Resource, error: AtlasError, source: str, now: datetime, *, interval: timedelta) -> FailedState:
    """Return the trouble of a failed call: one that may pass keeps its reason; any other blocks the deletion."""
    generation, status = resource.generation, resource.status
    trouble = of_atlas(error, generation, status, now=now, grace=timedelta(0), source=source)
    words = trouble.state.message
    message = f"The endpoint cannot be deleted. {words.replace(MAKE_ANEW, DELETE_IN_ATLAS)}"
    if may_pass(error):
        told = words if has_remedies(words) else with_remedies(message)
        return replace(trouble, state=replace(trouble.state, message=told))
    seconds = interval.total_seconds()
    requeue = RequeueAfter(min(SECRET_REQUEUE, seconds) if is_cured_by_credentials(error) else seconds)
    blocking = blocked(
        generation,
        status,
        now,
        message,
        operation=error.operation,
        requeue=requeue,
        code=error.error_code,
        http_status=error.http_status,
    )
    return replace(blocking, credentials=trouble.credentials)


def is_cured_by_credentials(error: AtlasError) -> bool:
    """Return whether only other credentials can fix an error."""
    return error.reason in CURED_BY_CREDENTIALS and error.retry is not AtlasRetry.BACKOFF


def has_remedies(message: str) -> bool:
    """Return whether a message has the ways out."""
    return _BY_ANNOTATION in message


def with_remedies(message: str) -> str:
    """Add the ways out, unless the message has them."""
    return message if has_remedies(message) else f"{message} {REMEDIES}"


def _retained(entry: str | None, why: str, *, deleting: bool) -> Release:
    return Release(tell(EventReason.ENDPOINT_RETAINED, _describe(entry, why, deleting=deleting), action="Delete"))


def _kept(why: str, remedy: str, *, deleting: bool) -> str:
    """Return why a resource is kept, the remedy, and the ways out."""
    if deleting:
        message = (
            f"Atlas is deleting the endpoint, which nobody can stop. {why}, so it is not looked whether that is done."
        )
        return f"{message} {remedy} {REMEDY_WHILE_DELETING}"
    return f"{why}, so its endpoint is not deleted. {remedy} {REMEDIES}"
