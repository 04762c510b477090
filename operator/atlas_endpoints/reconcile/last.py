"""The course of a deleted resource: delete or retain the entry, wait until Atlas has removed it, then remove the finalizer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, finalizers_of, key_of
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import deletion, failures, ownership
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.decision import SOON, Decision, Done, State, Write, WriteResult
from atlas_endpoints.reconcile.events import new_event
from atlas_endpoints.reconcile.facts import Facts, is_forced, resolved_with
from atlas_endpoints.reconcile.failures import VERIFIED
from atlas_endpoints.reconcile.one_pass import Pass
from atlas_endpoints.reconcile.outcome import Ending, Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.protection import Later
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.references import NoProjectError
from atlas_endpoints.reconcile.resource import FINALIZER, ObjectMeta, Resource
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.waiting import deleted_at
from atlas_endpoints.tunings import POLL_FIRST, SECRET_REQUEUE

_MAY_COME = (
    "Atlas may still carry out a call that asked for what this resource names. The operator looks again until then."
)


class LastCourse:
    """One reconcile of a resource that is being deleted."""

    def __init__(self, one: Pass) -> None:
        self._pass = one
        self._kind, self._ports, self._gatherer = one.kind, one.ports, one.gatherer
        self._protection = one.shared.protection
        self._memory = one.memory
        self._attempt = one.attempt()
        self._was_sent = False

    async def run(self) -> Outcome:
        """Reconcile; remove the finalizer when nothing is left to do.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read, or the resource not be written.
        """
        body, memory = self._pass.store.body, self._memory
        self._gatherer.leave(self._pass.key)
        trigger = self._ports.resources.trigger(body)
        if memory.ending is None or memory.ending[0] != trigger:
            outcome = await self._decided(body)
            if outcome.ending is None:
                return outcome
            memory.ending = trigger, outcome.ending
            for reason, message in outcome.ending.items():
                self._ports.emit(body, new_event(reason, message, action="Delete"))
        # What was told stays true, so only this write is repeated, if it fails.
        hindered = await self._pass.change(MetadataChange({FINALIZER: False}), self._attempt)
        return _released(memory.ending[1]) if hindered is None else hindered

    async def _decided(self, body: Body) -> Outcome:
        kind, attempt = self._kind, self._attempt
        deleting = attempt.previous.is_being_deleted
        if FINALIZER not in finalizers_of(body):
            return status_unchanged(NoRequeue())
        try:
            things = deletion.things(kind, body)
            ending = deletion.ending_by_metadata(ObjectMeta.parse(body), things, deleting=deleting)
            if ending is not None:
                return self._leave(body, ending)
            resource: Resource = kind.resource.parse(body, now=self._pass.now)
        except InvalidSpecError as error:
            return deletion.blocked_by(error, attempt)
        is_unbound = kind.named_by(body).is_unbound
        match deletion.ending_of(resource, things, is_unbound=is_unbound, writes=self._ports.writes):
            case str(message):
                return deletion.blocked(message, attempt, operation="delete", requeue=NoRequeue())
            case None:
                return await self._delete(resource)
            case ending:
                return self._leave(body, ending)

    async def _delete(self, resource: Resource) -> Outcome:
        """Delete the entry, unless another resource needs it.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read.
        """
        attempt, age = self._attempt, Age.ANEW if is_forced(resource) else Age.RECENT
        if resource.thing is not None:
            try:
                owner = await self._protection.protector(resource, resource.thing, resource.known_project_id)
            except ClusterUnavailableError as error:
                return _later(self._protection.unlisted(resource, error))
            if owner is not None:
                return self._kept_for(owner, resource)
        try:
            namespace = resource.metadata.namespace
            access = await self._ports.credentials.resolve(namespace, resource.secret_name, age=age)
            project_id = await self._project(resource)
        except (NoProjectError, NoCredentialsError) as error:
            handled = resource.metadata.reconcile_request if isinstance(error, NoCredentialsError) else None
            return replace(deletion.blocked_by(error, attempt), handled=handled)
        return await self._with_access(resource, access, project_id)

    async def _with_access(self, resource: Resource, access: Access, project_id: str) -> Outcome:
        """Take one step of a deletion in Atlas, unless these credentials were refused a moment ago; a failure leaves a request open."""
        key, memory = self._pass.key, self._memory
        scope = self._gatherer.scope(resource, project_id, access.fingerprint)
        refused, until = memory.refused_credentials or (None, 0.0)
        if refused == access and self._ports.clock.monotonic() < until and not is_forced(resource):
            return status_unchanged(RequeueAfter(SECRET_REQUEUE))  # the same would be refused again
        memory.refused_credentials = None
        resolved = resolved_with(resource.status, access.source)
        facts = self._gatherer.facts(resource, self._pass.now, scope, resolved)
        unsent = self._pass.shared.creations.withdraw(key, self._attempt.previous.creation)
        if unsent is not None:  # what appears under this name is somebody else's
            own = self._kind.not_created(facts, unsent)
            return _deleting("The operator creates nothing more for this resource.", SOON, own=own)
        try:
            outcome = await self._step(facts)
        except AtlasError as error:
            outcome = self._failed(facts, error, access)
        is_retried = outcome.failure is not None and outcome.failure.retryable
        return replace(outcome, handled=None if is_retried else resource.metadata.reconcile_request)

    async def _step(self, facts: Facts[Any]) -> Outcome:
        """Take one step of the deletion of an entry.

        Raises:
            AtlasError: the observation or the deletion failed.
        """
        resource, kind = facts.resource, self._kind
        facts, decision = await self._gatherer.observe(facts, kind.decide_deletion)
        if (write := decision.write) is None:
            return self._waiting(facts, decision)
        match await self._protection.permit(resource, write, facts.scope.project_id):
            case None:
                pass
            case Later(requeue, ""):
                return status_unchanged(requeue)
            case Later() as later:
                return _later(later)
            case owner if write.deletes in {None, resource.thing}:
                return self._kept_for(owner, resource)
            case _:
                return status_unchanged(RequeueAfter(0.0))
        self._was_sent = True
        try:
            await self._gatherer.write(facts, write)
            self._pass.shared.creations.deleted(facts.scope, resource.created_as)
            self._tell_others(facts, write)
        except EndpointAbsentError as error:
            # The answer alone does not prove that the entry is absent.
            facts, decision = await self._gatherer.observe_anew(facts, kind.decide_deletion)
            if decision.write is not None:
                raise failures.contradicting(error) from error
        except UpdateRejectedError as error:
            is_outdated = kind.is_outdated(error)
            if is_outdated:
                facts, decision = await self._gatherer.observe_anew(facts, kind.decide_deletion)
            elif not kind.is_early(error):
                raise
            if not is_outdated or decision.write is not None:
                decision = kind.decide_deletion(replace(facts, done=Done(write, WriteResult.REFUSED, error=error)))
        return self._waiting(facts, decision)

    def _tell_others(self, facts: Facts[Any], write: Write) -> None:
        """Wake the other resources that name what Atlas is deleting, since they may have read its state before the call."""
        if write.deletes is not None:
            for body in self._gatherer.naming(facts.resource, write.deletes.key, facts.scope.project_id):
                if (key := key_of(body)) != self._pass.key:
                    self._ports.wake(key)

    def _waiting(self, facts: Facts[Any], decision: Decision) -> Outcome:
        """Return that Atlas is still deleting, or has taken too long; release the resource if nothing is left."""
        resource, state = facts.resource, decision.state
        if decision.nothing_left:
            # One on request does not wait.
            left = 0.0 if facts.forced else self._pass.shared.creations.may_come(facts.scope, resource.created_as)
            if left > 0:
                return _deleting(deletion.with_remedies(_MAY_COME), RequeueAfter(min(left, POLL_FIRST)))
            told = {EventReason.ENDPOINT_RETAINED: decision.stays, EventReason.ENDPOINT_DELETED: decision.gone}
            return self._not_taken_over(resource) or _released({reason: text for reason, text in told.items() if text})
        failure, seen = None, decision.seen
        if state.reason is Reason.DELETION_BLOCKED:
            blocked = deletion.blocked(state.message, facts.attempt, operation="delete", requeue=state.requeue)
            state, failure = blocked.state or state, blocked.failure
        return Outcome(
            requeue=state.requeue,
            state=state,
            failure=failure,
            seen=seen,
            own=decision.own if seen is None else {**self._kind.render(facts, seen), **decision.own},
            findings={} if seen is None else {"CredentialsValid": VERIFIED},
            applied=None if seen is None and failure is None else facts.previous.applied,
        )

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
        return self._not_taken_over(resource) or _released(deletion.handed_over(self._kind, owner, resource))

    def _not_taken_over(self, resource: Resource) -> Outcome | None:
        """Return that a resource waits until those who share something with it record what its status knows of it; else None."""
        thing = resource.shares
        if thing is None:
            return None
        others = self._gatherer.naming(resource, thing.key, resource.known_project_id)
        users = ownership.protectors(self._kind, resource, thing, others)
        without = next((Owner.of(body) for body in users if not self._kind.took_over(resource.status, body)), None)
        if without is None or (left := self._protection.patience(resource.key)) <= 0:
            return None
        message = (
            f"{thing.called} is shared. The operator waits, for at most {self._ports.grace.total_seconds():.0f} s, until the status of"
            f" {without.named_for(resource.metadata.namespace)} records who created it. {deletion.REMEDY_WHILE_WAITING}"
        )
        return _deleting(message, RequeueAfter(min(left, POLL_FIRST)))

    def _failed(self, facts: Facts[Any], error: AtlasError, access: Access) -> Outcome:
        """Return why the deletion failed, or release the resource if its entry can no longer be deleted."""
        resource = facts.resource
        entries = self._kind.in_atlas(resource.status, resource.entry)
        is_of_entry = error.operation not in self._kind.reads_beside
        if (
            is_of_entry
            and (ending := deletion.orphaned([self._kind.called(each) for each in entries], error)) is not None
        ):
            return _released(ending)
        if (outcome := unrelated(error, held_for=(facts.now - deleted_at(facts)).total_seconds())) is not None:
            return outcome
        failed = deletion.of_failed_call(error, facts.attempt, access.source, interval=facts.interval)
        if deletion.is_cured_by_credentials(error):
            is_blocked = failed.reason is Reason.DELETION_BLOCKED
            wait = facts.interval if is_blocked else min(facts.interval, facts.attempt.grace)
            self._memory.refused_credentials = access, self._ports.clock.monotonic() + wait.total_seconds()
        outcome = replace(failed, resolved=facts.resolved)
        if (
            not is_of_entry and failed.state is not None and deletion.UNASKED not in failed.state.message
        ):  # a message may be that of the try before
            outcome = outcome.saying(deletion.UNASKED)
        at_least = facts.failing_for.total_seconds() if self._was_sent else facts.reads_again_in
        return outcome.paced(facts.not_ready_for, at_least)

    def _leave(self, body: Body, ending: Ending) -> Outcome:
        """Release a resource whose endpoint stays in Atlas, and tell how people delete it there."""
        how = deletion.removal(self._kind, body, deleting=self._attempt.previous.is_being_deleted)
        return _released({reason: message + how for reason, message in ending.items()})


def _released(ending: Ending) -> Outcome:
    """Return that the deletion is over."""
    return Outcome(requeue=NoRequeue(), ending=ending)


def _later(later: Later) -> Outcome:
    """Return that the deletion waits, with the ways out."""
    return _deleting(deletion.with_remedies(later.message), later.requeue)


def _deleting(message: str, requeue: Requeue, own: Mapping[str, Any] | None = None) -> Outcome:
    """Return that the deletion goes on."""
    return Outcome(requeue=requeue, state=State(Reason.DELETING, message, requeue), own=own or {})
