"""Whether the entry of a deleted resource is deleted or retained, and what its status says meanwhile. Pure.

If something hinders a deletion, the status says what, and how to go on. An Event reports each entry that stays in Atlas.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, Wording
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body, finalizers_of, is_deleting, spec_of, status_of
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.decision import State
from atlas_endpoints.reconcile.events import listed, retained
from atlas_endpoints.reconcile.failures import CURED_BY_CREDENTIALS, may_pass
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outcome import Ending, Outcome, held_up
from atlas_endpoints.reconcile.ownership import Owner, has_seen
from atlas_endpoints.reconcile.reasons import EventReason, Progress, Reason
from atlas_endpoints.reconcile.references import NoProjectError
from atlas_endpoints.reconcile.resource import FINALIZER, FORCE_DELETE, ObjectMeta, Resource, project_id_in
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import LastError
from atlas_endpoints.tunings import SECRET_REQUEUE

_BY_ANNOTATION = (
    'set the annotation atlas-endpoints.dev/deletion-policy to Retain, or atlas-endpoints.dev/force-finalize to "true".'
)

REMEDIES = f"To remove the resource and leave Atlas as it is, {_BY_ANNOTATION}"

REMEDY_WHILE_WAITING = f"To remove the resource without waiting, {_BY_ANNOTATION}"

UNASKED = f'Or set the annotation {FORCE_DELETE} to "true": then the operator does not ask who needs the endpoint.'
"""The remedy if a deletion waits because the operator cannot read who needs the endpoint."""

PARENT_GONE = frozenset({Reason.API_GONE, Reason.NOT_SERVERLESS, Reason.INSTANCE_NOT_FOUND, Reason.PROJECT_NOT_FOUND})
"""Reasons for which the entry can no longer be deleted, because its parent is gone."""

ORPHANED = Wording(wrong_field="delete the endpoint in Atlas")
"""For a resource that is gone: the endpoint may be where it was meant to be."""

IN_DELETION = replace(
    failures.IN_STATUS,
    wrong_field="remove the resource and leave Atlas as it is",
    refused="Remove the obstacle that it names.",
)
"""For a resource that is being deleted, whose messages say how to remove it and keep the endpoint."""


def wanted_metadata(resource: Resource) -> MetadataChange:
    """Return the metadata of a live resource; a backup keeps its annotations, but maybe not the status."""
    manages = resource.spec.management_policy == "Manage"
    wants = manages and resource.deletion_policy == "Delete" and resource.is_owner
    return MetadataChange({FINALIZER: wants}, resource.record)


def ending_by_metadata(metadata: ObjectMeta, things: Sequence[str], *, deleting: bool) -> Ending | None:
    """Return the decision of the annotations, even if the spec is invalid; None: they do not decide.

    Args:
        things: what Atlas has for the resource, as people call it.

    Raises:
        InvalidSpecError: an annotation is invalid.
    """
    if metadata.is_force_finalized:
        note = retained(things, "the annotation atlas-endpoints.dev/force-finalize is true", deleting=deleting)
        return {EventReason.FORCE_FINALIZED: note}
    if metadata.skips:
        return _retained(things, f"the annotation {metadata.skips[0]} is skip", deleting=deleting)
    if metadata.deletion_policy == "Retain":
        return _retained(things, "an annotation sets the deletion policy to Retain", deleting=deleting)
    return None


def ending_of(resource: Resource, things: Sequence[str], *, is_unbound: bool, writes: bool) -> Ending | str | None:
    """Return the decision for a resource whose annotations do not decide alone.

    Args:
        is_unbound: see ``kind.Named``.

    Returns:
        The ending, without an entry an empty one; or the message why the resource is kept until somebody acts; or None: delete the entry, unless
            another resource needs it.
    """
    spec, deleting = resource.spec, resource.status.is_being_deleted
    if not resource.may_be_in_atlas:
        if things:
            return _retained(things, "the status of the resource was lost", deleting=False)
        if is_unbound and resource.deletion_policy == "Delete":
            message = "What the spec names by a reference stays, if Atlas has it: the status of the resource does not show it, or was lost."
            return {EventReason.ENDPOINT_RETAINED: message}
        return {}
    if resource.deletion_policy == "Retain":
        return _retained(things, "its deletion policy is Retain", deleting=deleting)
    if spec.management_policy != "Manage":
        return _retained(things, f"spec.managementPolicy is {spec.management_policy}", deleting=deleting)
    if not resource.is_owner:
        why = "the resource took it over from an earlier resource, and spec.endpointId does not name it"
        return _retained(things, why, deleting=deleting)
    if spec.suspend:
        return _kept("The resource is suspended", "Set spec.suspend to false.", deleting=deleting)
    if not writes:
        remedy = "Ask the administrator of the operator to set ATLAS_ENDPOINTS_WRITES=on."
        return _kept("WRITES is off", remedy, deleting=deleting)
    return None


def left_behind(kind: Kind[Any], body: Body) -> str:
    """Return what stays in Atlas when a resource is gone without a reconcile of its deletion; "": nothing."""
    status = status_of(body)
    keeps_finalizer = FINALIZER in finalizers_of(body) and not is_deleting(body)
    if keeps_finalizer or not (kind.shown_in(status) or kind.resource.status_in(body).creation):
        return ""
    why = "the resource was deleted without the operator's finalizer, as with the deletion policy Retain, or lost the labels in LABEL_SELECTOR"
    return retained(things(kind, body), why) + removal(kind, body)


def handed_over(kind: Kind[Any], owner: Owner, resource: Resource) -> Ending:
    """Return the ending for an endpoint that is left to another resource."""
    thing, status = resource.thing, resource.status.to_json()
    called = "" if thing is None else thing.called
    other = owner.named_for(resource.metadata.namespace)
    may = f"{other} may name it, too, as long as the project of that one is not known"
    if thing is not None and not has_seen(kind, status, thing.id):
        note = f"{called}, if Atlas has it, is left alone: {f'{other} also names it' if owner.is_certain else may}."
        return {EventReason.ENDPOINT_HANDED_OVER: note}
    why = f"{other} also uses it" if owner.is_certain else may
    return {EventReason.ENDPOINT_HANDED_OVER: retained((called,), why, deleting=resource.status.is_being_deleted)}


def things(kind: Kind[Any], body: Body) -> Sequence[str]:
    """Return what Atlas has for an object, as people call it, and the endpoint that it names, unless that is known to be gone."""
    status, names = kind.resource.status_in(body), kind.named_by(body)
    named = names.endpoint if names.recorded is None else None
    things = [kind.called(each) for each in kind.in_atlas(status, kind.entry_of(body))]
    if status.creation is not None:
        things.append("What Atlas may be creating for it")
    if named is None or status.applied is not None or any(named.casefold() in each.casefold() for each in things):
        return things
    return [f"Endpoint {named}, if Atlas has it,", *things]


def removal(kind: Kind[Any], body: Body, *, deleting: bool = False) -> str:
    """Return a sentence, after a blank, that says how people delete in Atlas what an object leaves there; "": nothing is known.

    ``deleting``: Atlas deletes the first entry already.
    """
    entries = kind.in_atlas(kind.resource.status_in(body), kind.entry_of(body))[1 if deleting else 0 :]
    project, scope = project_id_in(body), kind.scope_name_in(spec_of(body))
    if not entries or project is None or scope is None:
        return ""
    place = Scope("", project, kind.names.kind, scope)
    try:
        # What comes last, others may share.
        calls = ", then, if no other resource or endpoint uses that, ".join(
            kind.removal_of(place, each) for each in entries
        )
    except AtlasError:  # an ID that is part of no path
        return ""
    return f" To delete it there, if nothing uses it: {calls}."


def orphaned(things: Sequence[str], error: AtlasError) -> Ending | None:
    """Return the ending for an entry that can no longer be deleted; None: it can.

    An answer to these credentials alone (401, 403) is no proof.
    """
    if error.reason not in PARENT_GONE or error.http_status in {None, 401, 403}:
        return None
    what = listed(things) or "The endpoint, if there was one,"
    were = "were" if len(things) > 1 else "was"
    note = f"{what} {were} not deleted and cannot be deleted: {error.explanation.worded(ORPHANED)}"
    return {EventReason.ENDPOINT_ORPHANED: note}


def blocked(
    message: str,
    attempt: Attempt,
    *,
    operation: str,
    requeue: Requeue,
    code: str | None = None,
    http_status: int | None = None,
) -> Outcome:
    """Return why a deletion is blocked, with the ways out."""
    message = with_remedies(message)
    last, reason, since = attempt.previous.last_error, Reason.DELETION_BLOCKED, attempt.now
    if last is not None and attempt.is_of_this_generation and (last.operation, last.error_code) == (operation, code):
        since = last.since
    failure = LastError(
        since=since, operation=operation, retryable=False, http_status=http_status, error_code=code, detail=message
    )
    return held_up(State(reason, message, requeue), failure, attempt)


def blocked_by(error: InvalidSpecError | NoProjectError | NoCredentialsError, attempt: Attempt) -> Outcome:
    """Return why Atlas cannot be asked to delete anything for a resource."""
    code: str | None = None
    match error:
        case InvalidSpecError():
            problems = "; ".join(error.problems)
            message = f"The operator deletes nothing in Atlas, because the resource is invalid for this version of the operator: {problems}."
            return blocked(message, attempt, operation="validate", requeue=NoRequeue())
        case NoProjectError():
            message = (
                f"The operator cannot delete anything in Atlas, because its project is unknown. {error.problem.message}"
            )
            operation, retry_in, code = "readReference", error.problem.pace, error.problem.reason
        case _:  # NoCredentialsError
            message = f"The operator cannot delete anything in Atlas. {error.message}"
            operation, retry_in, code = error.operation, error.retry_in, error.reason
    return blocked(message, attempt, operation=operation, requeue=RequeueAfter(retry_in), code=code)


def of_failed_call(error: AtlasError, attempt: Attempt, source: str, *, interval: timedelta) -> Outcome:
    """Return what a failed call means: one that may pass, or has its grace, keeps its reason; any other blocks the deletion."""
    last, was_blocked = attempt.previous.last_error, attempt.is_reported(Reason.DELETION_BLOCKED)
    is_answered = last is not None and last.http_status is not None
    shown_as = Reason.DELETION_BLOCKED if is_answered and was_blocked and not may_pass(error) else None
    outcome = failures.of_atlas(error, attempt, source=source, shown_as=shown_as, wording=IN_DELETION)
    words = "" if outcome.state is None else outcome.state.message
    since = outcome.failure.since if outcome.failure else attempt.now
    message = words if has_remedies(words) else with_remedies(f"The operator cannot delete anything in Atlas. {words}")
    has_grace = Reason(error.reason).progress is Progress.GRACE and attempt.now < since + attempt.grace
    if may_pass(error) or (has_grace and not was_blocked):
        return outcome.worded(message)
    seconds = interval.total_seconds()
    requeue = RequeueAfter(min(SECRET_REQUEUE, seconds) if is_cured_by_credentials(error) else seconds)
    if has_remedies(words):  # nothing was sent, and the answer that began the wait is shown
        state = State(Reason.DELETION_BLOCKED, words, requeue)
        return replace(outcome, requeue=requeue, state=state, findings={})
    blocking = blocked(
        message,
        attempt,
        operation=error.operation,
        requeue=requeue,
        code=error.error_code,
        http_status=error.http_status,
    )
    return replace(blocking, findings=outcome.findings)


def is_cured_by_credentials(error: AtlasError) -> bool:
    """Return whether only other credentials can fix an error."""
    return error.reason in CURED_BY_CREDENTIALS and error.retry is not AtlasRetry.BACKOFF


def has_remedies(message: str) -> bool:
    """Return whether a message has the ways out."""
    return _BY_ANNOTATION in message


def with_remedies(message: str) -> str:
    """Add the ways out, unless the message has them."""
    return message if has_remedies(message) else f"{message} {REMEDIES}"


def _retained(things: Sequence[str], why: str, *, deleting: bool) -> Ending:
    return {EventReason.ENDPOINT_RETAINED: retained(things, why, deleting=deleting)}


def _kept(why: str, remedy: str, *, deleting: bool) -> str:
    """Return why a resource is kept, the remedy, and the ways out."""
    if deleting:
        message = f"Atlas is deleting the endpoint, which cannot be stopped. {why}, so the operator does not check whether the deletion is complete."
        return f"{message} {remedy} {REMEDY_WHILE_WAITING}"
    return f"{why}, so the operator deletes nothing in Atlas. {remedy} {REMEDIES}"
