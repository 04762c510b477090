"""Deletion of resources: delete or retain the entry, wait until Atlas has removed it, then remove the finalizer.

Every message says how to remove the resource, and no entry is left behind without an Event.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError, Wording
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Key, finalizers_of, is_deleting, spec_of, status_of
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import failures, ownership
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.events import Event, listed, new_event, retained
from atlas_endpoints.reconcile.facts import Facts, Gatherer, is_forced, resolved_with
from atlas_endpoints.reconcile.failures import CURED_BY_CREDENTIALS, SECRET_REQUEUE, VERIFIED, may_pass
from atlas_endpoints.reconcile.kind import POLL_FIRST, SOON, Decision, Done, Kind, State, WriteOutcome
from atlas_endpoints.reconcile.observe import observe
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.pacing import ForceSync, keep_open
from atlas_endpoints.reconcile.protection import Later, Protection
from atlas_endpoints.reconcile.reasons import EventReason, Progress, Reason
from atlas_endpoints.reconcile.references import NoProjectError
from atlas_endpoints.reconcile.resource import FINALIZER, ObjectMeta, Resource, project_id_in
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import LastError

_BY_ANNOTATION = (
    'set the annotation atlas-endpoints.dev/deletion-policy to Retain, or atlas-endpoints.dev/force-finalize to "true".'
)

REMEDIES = f"To remove the resource and keep the endpoint in Atlas, {_BY_ANNOTATION}"

REMEDY_WHILE_DELETING = f"To remove the resource without waiting for Atlas, {_BY_ANNOTATION}"

PARENT_GONE = frozenset({Reason.API_GONE, Reason.NOT_SERVERLESS, Reason.INSTANCE_NOT_FOUND, Reason.PROJECT_NOT_FOUND})
"""Reasons for which the entry can no longer be deleted, because its parent is gone."""

ORPHANED = Wording(wrong_field="delete the endpoint in Atlas")
"""For a resource that is being deleted, which needs no other one in its place."""

UNAUTHORIZED = frozenset({401, 403})
"""HTTP statuses that do not show whether something exists."""

Obstacle: TypeAlias = InvalidSpecError | NoProjectError | NoCredentialsError
"""What prevents a deletion before Atlas is asked."""


@dataclass(frozen=True, slots=True)
class Release:
    """Remove the finalizer; nothing (more) is sent to Atlas. Without an entry, there is no Event."""

    event: Event | None


@dataclass(frozen=True, slots=True)
class _Refused:
    """Credentials that may not delete an entry; until ``until`` the operator does not try them again."""

    access: Access
    since: datetime
    until: datetime


class Finisher:
    """Finalize deleted resources, and protect live ones with a finalizer."""

    def __init__(self, gatherer: Gatherer, protection: Protection, force_sync: ForceSync) -> None:
        self._gatherer = gatherer
        self._protection = protection
        self._kind = gatherer.kind
        self._ports = gatherer.ports
        self._force_sync = force_sync
        self._refused: dict[Key, _Refused] = {}

    async def finish(self, body: Body, attempt: Attempt, withdraw: Callable[[], str | None]) -> Outcome:
        """Reconcile a resource that is being deleted.

        Args:
            withdraw: returns the name of what this process has announced in the status, and not created; it never will.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read.
        """
        kind, generation, deleting = self._kind, attempt.generation, attempt.previous.is_being_deleted
        if FINALIZER not in finalizers_of(body):
            return status_unchanged(generation, NoRequeue())
        try:
            things = _things(kind, body)
            release = decide_by_metadata(ObjectMeta.parse(body), things, deleting=deleting)
            if release is not None:
                return self._leave(body, generation, release)
            resource = kind.resource.parse(body, now=attempt.now)
            wait = self._force_sync.turn_in(resource)
        except InvalidSpecError as error:
            return blocked_by(error, attempt)
        match decide(resource, things, writes=self._ports.writes):
            case Release() as release:
                return self._leave(body, generation, release)
            case str(message):
                return blocked(message, attempt, operation="delete", requeue=NoRequeue())
            case None:
                return keep_open(await self._delete(resource, attempt, wait, withdraw), wait)

    def forget(self, key: Key) -> None:
        """Drop what is cached about a resource that is gone."""
        self._refused.pop(key, None)

    async def _delete(
        self, resource: Resource, attempt: Attempt, wait: float, withdraw: Callable[[], str | None]
    ) -> Outcome:
        """Delete the entry, unless another resource needs it; a force-sync request still waits ``wait`` seconds.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read.
        """
        key, generation, now = resource.key, attempt.generation, attempt.now
        request = resource.metadata.reconcile_request
        try:
            if resource.thing is not None:
                owner = await self._protection.protector(resource, resource.thing, resource.known_project_id)
                if owner is not None:
                    return self._kept_for(owner, resource)
            if wait and attempt.is_observed:
                return status_unchanged(generation, RequeueAfter(wait))
            access = await self._ports.credentials.resolve(
                resource.metadata.namespace, resource.secret_name, age=self._force_sync.age(key)
            )
            project_id = await self._project(resource)
        except (NoProjectError, NoCredentialsError) as error:
            handled = request if isinstance(error, NoCredentialsError) else None
            return replace(blocked_by(error, attempt), handled=handled)
        self._ports.atlas.use(key, access.fingerprint)
        scope = self._gatherer.scope(resource, project_id, access.fingerprint)
        wait = wait or self._force_sync.requeue_in(key, scope)
        if wait and attempt.is_observed:
            return status_unchanged(generation, RequeueAfter(wait))
        refused = self._refused.get(key)
        is_refused = refused is not None and refused.access == access and refused.since <= now < refused.until
        if is_refused and (wait or not is_forced(resource)):
            return status_unchanged(generation, RequeueAfter(SECRET_REQUEUE))  # the same would be refused again
        self.forget(key)
        facts = self._gatherer.facts(resource, now, scope, resolved_with(resource.status, access.source))
        if (unsent := withdraw()) is not None:  # what appears under this name is somebody else's
            state = State(Reason.DELETING, "The operator creates nothing more for this resource.", SOON)
            own = self._kind.not_created(facts, unsent)
            return Outcome(requeue=state.requeue, generation=generation, state=state, own=own)
        try:
            outcome = await self._step(facts)
        except AtlasError as error:
            outcome = self._failed(facts, error, access)
        is_retried = outcome.failure is not None and outcome.failure.retryable
        # A deletion that has just begun does not wait; its force-sync request stays open.
        return keep_open(replace(outcome, handled=None if is_retried else request), wait)

    async def _step(self, facts: Facts[Any]) -> Outcome:
        """Take one step of the deletion of an entry.

        Raises:
            AtlasError: the observation or the deletion failed.
            ClusterUnavailableError: another resource that needs the entry could not be read.
        """
        resource, kind = facts.resource, self._kind
        max_age = self._force_sync.max_age(resource.key)
        facts, decision = await observe(self._ports.atlas, facts, kind.decide_deletion, max_age=max_age)
        if (write := decision.write) is None:
            return self._waiting(facts, decision)
        match await self._protection.permit(resource, write, facts.scope.project_id):
            case None:
                pass
            case Later(seconds, ""):
                return status_unchanged(facts.generation, RequeueAfter(seconds))
            case Later(seconds, message):
                state = State(Reason.DELETING, message, RequeueAfter(seconds))
                return Outcome(requeue=state.requeue, generation=facts.generation, state=state)
            case owner if write.deletes in {None, resource.thing}:
                return self._kept_for(owner, resource)
            case _:
                return status_unchanged(facts.generation, RequeueAfter(0.0))
        try:
            await self._ports.atlas.write(
                facts.scope, write.request, parse=lambda answer: kind.written(write, answer), touches=write.touches
            )
        except EndpointAbsentError as error:
            # The answer alone does not prove that the entry is absent.
            facts = replace(facts, view=self._ports.atlas.view(facts.scope))
            facts, decision = await observe(self._ports.atlas, facts, kind.decide_deletion, max_age=0.0)
            if decision.write is not None:
                raise failures.contradicting(error) from error
        except UpdateRejectedError as error:
            if not kind.is_outdated(error):
                raise
            self._ports.atlas.outcome_unknown(facts.scope, resource.written_as)
            decision = kind.decide_deletion(replace(facts, done=Done(write, WriteOutcome.REFUSED, error=error)))
        return self._waiting(facts, decision)

    def _waiting(self, facts: Facts[Any], decision: Decision) -> Outcome:
        """Return that Atlas is still deleting, or has taken too long; release the resource if nothing is left."""
        resource, state, generation, status = facts.resource, decision.state, facts.generation, facts.previous
        if decision.nothing_left:
            if (waiting := self._not_taken_over(resource)) is not None:
                return waiting
            if decision.stays is not None:
                stays = new_event(EventReason.ENDPOINT_RETAINED, decision.stays, action="Delete")
                self._ports.record(resource.named, stays)
            event = None if decision.gone is None else deleted(decision.gone)
            return self._release(resource.named, generation, event)
        outcome = Outcome(requeue=state.requeue, generation=generation, state=state, own=decision.own)
        if state.reason is Reason.DELETION_BLOCKED:
            outcome = blocked(state.message, facts.attempt, operation="delete", requeue=state.requeue)
            outcome = replace(outcome, own=decision.own)
        if (seen := decision.seen) is None:
            return outcome
        own = {**self._kind.render(facts, seen), **decision.own}
        return replace(outcome, seen=seen, own=own, credentials=VERIFIED, applied=status.applied)

    async def _project(self, resource: Resource) -> str:
        """Return the project that the entry is in, else the one that the spec refers to, else the last known one.

        Raises:
            NoProjectError: no project is known.
            ClusterUnavailableError: the API server could not be reached.
        """
        if resource.bound_project_id is not None:
            return resource.bound_project_id
        try:
            return (await self._ports.references.project(resource, age=Age.RECENT)).id
        except NoProjectError:
            if resource.known_project_id is None:
                raise
            return resource.known_project_id

    def _kept_for(self, owner: Owner, resource: Resource) -> Outcome:
        """Release a resource whose endpoint stays for another one, when that one knows what they share."""
        if (waiting := self._not_taken_over(resource)) is not None:
            return waiting
        called = "" if resource.thing is None else resource.thing.called
        event = handed_over(resource, called, owner.named_for(resource.metadata.namespace))
        return self._release(resource.named, resource.generation, event)

    def _not_taken_over(self, resource: Resource) -> Outcome | None:
        """Return that a resource waits until those who share something with it record what its status knows of it; else None."""
        thing, now = resource.shares, self._ports.clock.now()
        if thing is None:
            return None
        others = self._gatherer.naming(resource, thing.key, resource.known_project_id)
        users = ownership.protectors(self._kind, resource, thing, others)
        deleted_at = min(resource.metadata.deletion_timestamp or now, now)
        # While no operator ran, nobody could record anything.
        running_for = self._ports.clock.monotonic() - self._ports.started()
        left = self._ports.grace.total_seconds() - min((now - deleted_at).total_seconds(), running_for)
        if left <= 0 or all(self._kind.took_over(resource.status, body) for body in users):
            return None
        message = (
            f"{thing.called} is shared. The operator waits until the statuses of the others record who created it."
        )
        state = State(Reason.DELETING, message, RequeueAfter(min(left, POLL_FIRST)))
        return Outcome(requeue=state.requeue, generation=resource.generation, state=state)

    def _failed(self, facts: Facts[Any], error: AtlasError, access: Access) -> Outcome:
        """Return why the deletion failed, or release the resource if its entry can no longer be deleted."""
        resource, generation = facts.resource, facts.generation
        entries = self._kind.in_atlas(resource.status, resource.entry)
        if (event := orphaned([self._kind.called(each) for each in entries], error)) is not None:
            return self._release(resource.named, generation, event)
        deleted_at = min(resource.metadata.deletion_timestamp or facts.now, facts.now)
        if (outcome := unrelated(error, generation, held_for=(facts.now - deleted_at).total_seconds())) is not None:
            return outcome
        outcome = failed(error, facts.attempt, access.source, interval=facts.interval)
        if is_cured_by_credentials(error):
            is_blocked = outcome.state is not None and outcome.state.reason is Reason.DELETION_BLOCKED
            wait = facts.interval if is_blocked else min(facts.interval, facts.attempt.grace)
            self._refused[resource.key] = _Refused(access, facts.now, facts.now + wait)
        is_read = error.operation in {self._kind.list_request(facts.scope).operation, "getToken"}
        outcome = outcome if is_read else failures.paced(outcome, facts.now, facts.interval)
        return replace(outcome, resolved=facts.resolved)

    def _leave(self, body: Body, generation: int, release: Release) -> Outcome:
        """Release a resource whose endpoint stays in Atlas, and record how people delete it there."""
        event = release.event
        if event is not None:
            event = new_event(
                EventReason(event.reason), event.message + _removal(self._kind, body), action=event.action
            )
        return self._release(body, generation, event)

    def _release(self, named: Body, generation: int, event: Event | None) -> Outcome:
        """Remove the finalizer, and record what happens to the entry."""
        if event is not None:
            self._ports.record(named, event)
        return replace(status_unchanged(generation, NoRequeue()), metadata=MetadataChange({FINALIZER: False}))


def needed_metadata(resource: Resource) -> MetadataChange | None:
    """Return the metadata that a live resource lacks, or None."""
    manages = resource.spec.management_policy == "Manage"
    wants = manages and resource.deletion_policy == "Delete" and resource.is_owner
    if (FINALIZER in resource.metadata.finalizers) is wants and is_recorded(resource):
        return None
    return MetadataChange({FINALIZER: wants}, resource.record)


def decide_by_metadata(metadata: ObjectMeta, things: Sequence[str], *, deleting: bool) -> Release | None:
    """Return the decision of the annotations, even if the spec is invalid; None: they do not decide.

    Args:
        things: what Atlas has for the resource, as people call it.

    Raises:
        InvalidSpecError: an annotation is invalid.
    """
    if metadata.is_force_finalized:
        note = retained(things, "the annotation atlas-endpoints.dev/force-finalize is true", deleting=deleting)
        return Release(new_event(EventReason.FORCE_FINALIZED, note, action="Delete"))
    if metadata.skips:
        return _retained(things, f"the annotation {metadata.skips[0]} is skip", deleting=deleting)
    if metadata.deletion_policy == "Retain":
        return _retained(things, "an annotation sets the deletion policy to Retain", deleting=deleting)
    return None


def decide(resource: Resource, things: Sequence[str], *, writes: bool) -> Release | str | None:
    """Return the decision for a resource whose annotations do not decide alone.

    Returns:
        A release; or the message why the resource is kept until somebody acts; or None: delete the entry, unless
            another resource needs it.
    """
    spec, deleting = resource.spec, resource.status.is_being_deleted
    if not resource.may_be_in_atlas:
        if things:
            return _retained(things, "the status of the resource was lost", deleting=False)
        if resource.references and resource.status.resolved is None and resource.deletion_policy == "Delete":
            why = "the status of the resource, which shows what its references give, is empty or was lost"
            message = f"What the spec names by a reference stays, if Atlas has it: {why}."
            return Release(new_event(EventReason.ENDPOINT_RETAINED, message, action="Delete"))
        return Release(None)
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


def is_protected(resource: Resource) -> bool:
    """Return whether a resource has its finalizer, or certainly needs none."""
    return FINALIZER in resource.metadata.finalizers or resource.deletion_policy == "Retain"


def is_recorded(resource: Resource) -> bool:
    """Return whether the annotations record what was created; a backup keeps them, but maybe not the status."""
    annotations = resource.metadata.annotations
    return all(annotations.get(name) == value for name, value in resource.record.items())


def left_behind(kind: Kind[Any], body: Body) -> str:
    """Return what stays in Atlas when a resource is gone that had no finalizer, for the log; "": nothing."""
    if FINALIZER in finalizers_of(body) or not kind.shown_in(status_of(body)):
        return ""
    with suppress(InvalidSpecError):
        # With the policy Delete, an Event has said it; a deletion in the foreground also ends with a deletionTimestamp.
        if is_deleting(body) and kind.resource.parse(body).deletion_policy == "Delete":
            return ""
    why = "the resource, which had no finalizer, was deleted, or lost the labels in LABEL_SELECTOR"
    return retained(_things(kind, body), why) + _removal(kind, body)


def _things(kind: Kind[Any], body: Body) -> Sequence[str]:
    """Return what Atlas has for an object, as people call it, and the endpoint that it names, unless that is known to be gone."""
    status, named = kind.resource.status_in(body), kind.named_by(body).endpoint
    things = [kind.called(each) for each in kind.in_atlas(status, kind.entry_of(body))]
    if named is None or status.applied is not None or any(named.casefold() in each.casefold() for each in things):
        return things
    return [f"Endpoint {named}, if Atlas has it,", *things]


def _removal(kind: Kind[Any], body: Body) -> str:
    """Return a sentence, after a blank, that says how people delete in Atlas what an object leaves there; "": nothing is known."""
    entries = kind.in_atlas(kind.resource.status_in(body), kind.entry_of(body))
    project, scope = project_id_in(body), kind.scope_name_in(spec_of(body))
    if not entries or project is None or scope is None:
        return ""
    place = Scope("", project, kind.names.kind, scope)
    try:
        calls = ", then ".join(f"DELETE {kind.get_request(place, each).path}" for each in entries)
    except AtlasError:  # an ID that is part of no path
        return ""
    return f" To delete it there, if nothing uses it: {calls}."


def deleted(message: str) -> Event:
    """Return the Event at the end of a deletion."""
    return new_event(EventReason.ENDPOINT_DELETED, message, action="Delete")


def handed_over(resource: Resource, called: str, owner: str) -> Event:
    """Return the Event of an entry that stays because another resource owns it."""
    note = retained((called,), f"{owner} also uses it", deleting=resource.status.is_being_deleted)
    return new_event(EventReason.ENDPOINT_HANDED_OVER, note, action="Delete")


def orphaned(things: Sequence[str], error: AtlasError) -> Event | None:
    """Return the Event of an entry that can no longer be deleted; None: it can.

    An answer to these credentials alone (401, 403) is no proof.
    """
    applies_to_all = error.http_status is not None and error.http_status not in UNAUTHORIZED
    if error.reason not in PARENT_GONE or not applies_to_all:
        return None
    what = listed(things) or "The endpoint, if there was one,"
    were = "were" if len(things) > 1 else "was"
    note = f"{what} {were} not deleted and cannot be deleted: {error.explanation.worded(ORPHANED)}"
    return new_event(EventReason.ENDPOINT_ORPHANED, note, action="Delete")


def blocked(
    message: str,
    attempt: Attempt,
    *,
    operation: str,
    requeue: Requeue,
    code: str | None = None,
    http_status: int | None = None,
) -> Outcome:
    """Return the outcome of a deletion that is blocked, with the ways out."""
    message = with_remedies(message)
    last, reason, since = attempt.previous.last_error, Reason.DELETION_BLOCKED, attempt.now
    if last is not None and attempt.is_observed and (last.operation, last.error_code) == (operation, code):
        since = last.since
    failure = LastError(
        since=since, operation=operation, retryable=False, http_status=http_status, error_code=code, detail=message
    )
    return failures.of(State(reason, message, requeue), failure, attempt)


def blocked_by(error: Obstacle, attempt: Attempt) -> Outcome:
    """Return the outcome for a resource for which Atlas cannot be asked to delete anything."""
    code: str | None = None
    match error:
        case InvalidSpecError():
            problems = "; ".join(error.problems)
            message = f"The operator does not delete the endpoint, because the resource is invalid for this version of the operator: {problems}."
            return blocked(message, attempt, operation="validate", requeue=NoRequeue())
        case NoProjectError():
            message = (
                f"The operator cannot delete the endpoint, because its project is unknown. {error.problem.message}"
            )
            operation, retry_in, code = "readReference", error.problem.pace, error.problem.reason
        case _:  # NoCredentialsError
            message = f"The operator cannot delete the endpoint. {error.message}"
            operation, retry_in, code = error.operation, error.retry_in, error.reason
    return blocked(message, attempt, operation=operation, requeue=RequeueAfter(retry_in), code=code)


def failed(error: AtlasError, attempt: Attempt, source: str, *, interval: timedelta) -> Outcome:
    """Return the outcome of a failed call: one that may pass, or has its grace, keeps its reason; any other blocks the deletion."""
    last, was_blocked = attempt.previous.last_error, attempt.is_reported(Reason.DELETION_BLOCKED)
    is_answered = last is not None and last.http_status is not None
    shown_as = Reason.DELETION_BLOCKED if is_answered and was_blocked and not may_pass(error) else None
    outcome = failures.of_atlas(
        error,
        attempt,
        source=source,
        shown_as=shown_as,
        wording=replace(
            failures.IN_STATUS, wrong_field=ORPHANED.wrong_field, refused="Remove the obstacle that it names."
        ),
    )
    state = outcome.state
    words = state.message if state is not None else ""
    message = f"The operator cannot delete the endpoint. {words}"
    if state is not None and (may_pass(error) or (_has_grace(outcome, attempt) and not was_blocked)):
        kept = words if has_remedies(words) else with_remedies(message)
        return replace(outcome, state=replace(state, message=kept))
    seconds = interval.total_seconds()
    requeue = RequeueAfter(min(SECRET_REQUEUE, seconds) if is_cured_by_credentials(error) else seconds)
    if has_remedies(words):  # nothing was sent, and the answer that began the wait is shown
        state = State(Reason.DELETION_BLOCKED, words, requeue)
        return replace(outcome, requeue=requeue, state=state, credentials=None)
    blocking = blocked(
        message,
        attempt,
        operation=error.operation,
        requeue=requeue,
        code=error.error_code,
        http_status=error.http_status,
    )
    return replace(blocking, credentials=outcome.credentials)


def _has_grace(outcome: Outcome, attempt: Attempt) -> bool:
    state, failure = outcome.state, outcome.failure
    if state is None or failure is None or state.reason.progress is not Progress.GRACE:
        return False
    return attempt.now < failure.since + attempt.grace


def is_cured_by_credentials(error: AtlasError) -> bool:
    """Return whether only other credentials can fix an error."""
    return error.reason in CURED_BY_CREDENTIALS and error.retry is not AtlasRetry.BACKOFF


def has_remedies(message: str) -> bool:
    """Return whether a message has the ways out."""
    return _BY_ANNOTATION in message


def with_remedies(message: str) -> str:
    """Add the ways out, unless the message has them."""
    return message if has_remedies(message) else f"{message} {REMEDIES}"


def _retained(things: Sequence[str], why: str, *, deleting: bool) -> Release:
    return Release(new_event(EventReason.ENDPOINT_RETAINED, retained(things, why, deleting=deleting), action="Delete"))


def _kept(why: str, remedy: str, *, deleting: bool) -> str:
    """Return why a resource is kept, the remedy, and the ways out."""
    if deleting:
        message = f"Atlas is deleting the endpoint, which cannot be stopped. {why}, so the operator does not check whether the deletion is complete."
        return f"{message} {remedy} {REMEDY_WHILE_DELETING}"
    return f"{why}, so the operator does not delete the endpoint. {remedy} {REMEDIES}"
