"""Finalize deleted resources: delete or retain the entry, wait until Atlas has removed it, then remove the finalizer."""

from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, finalizers_of, key_of
from atlas_endpoints.controller.controller import MetadataChange, Store
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import deletion, failures, ownership
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.events import new_event, retained
from atlas_endpoints.reconcile.facts import Facts, is_forced, resolved_with
from atlas_endpoints.reconcile.failures import SECRET_REQUEUE, VERIFIED
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.kind import POLL_FIRST, SOON, Decision, Done, State, WriteOutcome
from atlas_endpoints.reconcile.outcome import Ending, Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.pacing import ForceSync, keep_open
from atlas_endpoints.reconcile.protection import UNLISTED, Later, Protection
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.references import NoProjectError
from atlas_endpoints.reconcile.resource import FINALIZER, ObjectMeta, Resource
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.waiting import deleted_at


class Finisher:
    """Finalize deleted resources, and protect live ones with a finalizer."""

    def __init__(self, gatherer: Gatherer, protection: Protection, creations: Creations, force_sync: ForceSync) -> None:
        self._gatherer = gatherer
        self._protection = protection
        self._creations = creations
        self._kind = gatherer.kind
        self._ports = gatherer.ports
        self._force_sync = force_sync
        self._memories = gatherer.memories

    async def finish(self, body: Body, attempt: Attempt, store: Store) -> Outcome:
        """Reconcile a resource that is being deleted.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read, or the resource not be written.
        """
        memory, trigger = self._memories[key_of(body)], self._ports.resources.trigger(body)
        if memory.ending is None or memory.ending[0] != trigger:
            outcome = await self._step_of(body, attempt)
            if outcome.ending is None:
                return outcome
            memory.ending = trigger, outcome.ending
            for reason, message in outcome.ending.items():
                self._ports.record(body, new_event(reason, message, action="Delete"))
        # What was told stays true, so only this write is repeated, if it fails.
        hindered = await self._gatherer.changed(store, MetadataChange({FINALIZER: False}), attempt)
        return _released(attempt.generation, memory.ending[1]) if hindered is None else hindered

    async def _step_of(self, body: Body, attempt: Attempt) -> Outcome:
        """Decide about a resource that is being deleted, and take one step."""
        kind, generation, deleting = self._kind, attempt.generation, attempt.previous.is_being_deleted
        if FINALIZER not in finalizers_of(body):
            return status_unchanged(generation, NoRequeue())
        try:
            things = deletion.things(kind, body)
            ending = deletion.decide_by_metadata(ObjectMeta.parse(body), things, deleting=deleting)
            if ending is not None:
                return self._leave(body, generation, ending)
            resource = kind.resource.parse(body, now=attempt.now)
            wait = self._force_sync.turn_in(resource)
        except InvalidSpecError as error:
            return deletion.blocked_by(error, attempt)
        is_unbound = kind.named_by(body).is_unbound
        match deletion.decide(resource, things, is_unbound=is_unbound, writes=self._ports.writes):
            case str(message):
                return deletion.blocked(message, attempt, operation="delete", requeue=NoRequeue())
            case None:
                return keep_open(await self._delete(resource, attempt, wait), wait)
            case ending:
                return self._leave(body, generation, ending)

    async def _delete(self, resource: Resource, attempt: Attempt, wait: float) -> Outcome:
        """Delete the entry, unless another resource needs it; a force-sync request still waits ``wait`` seconds.

        Raises:
            ClusterUnavailableError: an object that it depends on could not be read.
        """
        key, generation, now = resource.key, attempt.generation, attempt.now
        request = resource.metadata.reconcile_request
        try:
            if resource.thing is not None:
                try:
                    owner = await self._protection.protector(resource, resource.thing, resource.known_project_id)
                except ClusterUnavailableError:
                    later = self._protection.later(resource, UNLISTED)
                    return _deleting(later.message, later.requeue, generation)
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
            return replace(deletion.blocked_by(error, attempt), handled=handled)
        scope = self._gatherer.scope(resource, project_id, access.fingerprint)
        wait = wait or self._force_sync.requeue_in(key, scope)
        if wait and attempt.is_observed:
            return status_unchanged(generation, RequeueAfter(wait))
        memory = self._memories[key]
        refused, until = memory.refused or (None, 0.0)
        if refused == access and self._ports.clock.monotonic() < until and (wait or not is_forced(resource)):
            return status_unchanged(generation, RequeueAfter(SECRET_REQUEUE))  # the same would be refused again
        memory.refused = None
        facts = self._gatherer.facts(resource, now, scope, resolved_with(resource.status, access.source))
        unsent = self._creations.withdraw(key, attempt.previous.creation)
        if unsent is not None:  # what appears under this name is somebody else's
            own = self._kind.not_created(facts, unsent)
            outcome = _deleting("The operator creates nothing more for this resource.", SOON, generation)
            return replace(outcome, own=own)
        return keep_open(await self._proceed(facts, access), wait)  # a deletion that has just begun does not wait

    async def _proceed(self, facts: Facts[Any], access: Access) -> Outcome:
        """Take one step of the deletion of an entry, and turn every Atlas error into an outcome; a failure leaves a request open."""
        try:
            outcome = await self._step(facts)
        except AtlasError as error:
            outcome = self._failed(facts, error, access)
        is_retried = outcome.failure is not None and outcome.failure.retryable
        return replace(outcome, handled=None if is_retried else facts.resource.metadata.reconcile_request)

    async def _step(self, facts: Facts[Any]) -> Outcome:
        """Take one step of the deletion of an entry.

        Raises:
            AtlasError: the observation or the deletion failed.
        """
        resource, kind = facts.resource, self._kind
        max_age = self._force_sync.max_age(resource.key)
        facts, decision = await self._gatherer.observe(facts, kind.decide_deletion, max_age=max_age)
        if (write := decision.write) is None:
            return self._waiting(facts, decision)
        match await self._protection.permit(resource, write, facts.scope.project_id):
            case None:
                pass
            case Later(requeue, ""):
                return status_unchanged(facts.generation, requeue)
            case Later(requeue, message):
                return _deleting(message, requeue, facts.generation)
            case owner if write.deletes in {None, resource.thing}:
                return self._kept_for(owner, resource)
            case _:
                return status_unchanged(facts.generation, RequeueAfter(0.0))
        try:
            await self._gatherer.write(facts, write)
            self._memories[resource.key].refusals = None
        except EndpointAbsentError as error:
            # The answer alone does not prove that the entry is absent.
            facts, decision = await self._gatherer.observe_anew(facts, kind.decide_deletion)
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
            told = {EventReason.ENDPOINT_RETAINED: decision.stays, EventReason.ENDPOINT_DELETED: decision.gone}
            return _released(generation, {reason: text for reason, text in told.items() if text})
        outcome = Outcome(requeue=state.requeue, generation=generation, state=state, own=decision.own)
        if state.reason is Reason.DELETION_BLOCKED:
            outcome = deletion.blocked(state.message, facts.attempt, operation="delete", requeue=state.requeue)
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
        why = f"{owner.named_for(resource.metadata.namespace)} also uses it"
        note = retained((called,), why, deleting=resource.status.is_being_deleted)
        return _released(resource.generation, {EventReason.ENDPOINT_HANDED_OVER: note})

    def _not_taken_over(self, resource: Resource) -> Outcome | None:
        """Return that a resource waits until those who share something with it record what its status knows of it; else None."""
        thing = resource.shares
        if thing is None:
            return None
        others = self._gatherer.naming(resource, thing.key, resource.known_project_id)
        users = ownership.protectors(self._kind, resource, thing, others)
        if all(self._kind.took_over(resource.status, body) for body in users):
            return None
        if (left := self._protection.patience(resource.key)) <= 0:
            return None
        message = (
            f"{thing.called} is shared. The operator waits until the statuses of the others record who created it."
        )
        return _deleting(message, RequeueAfter(min(left, POLL_FIRST)), resource.generation)

    def _failed(self, facts: Facts[Any], error: AtlasError, access: Access) -> Outcome:
        """Return why the deletion failed, or release the resource if its entry can no longer be deleted."""
        resource, generation = facts.resource, facts.generation
        entries = self._kind.in_atlas(resource.status, resource.entry)
        if (ending := deletion.orphaned([self._kind.called(each) for each in entries], error)) is not None:
            return _released(generation, ending)
        if (
            outcome := unrelated(error, generation, held_for=(facts.now - deleted_at(facts)).total_seconds())
        ) is not None:
            return outcome
        outcome = deletion.failed(error, facts.attempt, access.source, interval=facts.interval)
        if deletion.is_cured_by_credentials(error):
            is_blocked = outcome.reason is Reason.DELETION_BLOCKED
            wait = facts.interval if is_blocked else min(facts.interval, facts.attempt.grace)
            self._memories[resource.key].refused = access, self._ports.clock.monotonic() + wait.total_seconds()
        if error.operation not in {self._kind.list_request(facts.scope).operation, "getToken"}:
            outcome = failures.paced(outcome, self._gatherer.refused_since(facts), facts.now, facts.interval)
        return replace(outcome, resolved=facts.resolved)

    def _leave(self, body: Body, generation: int, ending: Ending) -> Outcome:
        """Release a resource whose endpoint stays in Atlas, and tell how people delete it there."""
        how = deletion.removal(self._kind, body)
        return _released(generation, {reason: message + how for reason, message in ending.items()})


def _released(generation: int, ending: Ending) -> Outcome:
    """Return that the deletion is over."""
    return replace(status_unchanged(generation, NoRequeue()), ending=ending)


def _deleting(message: str, requeue: Requeue, generation: int) -> Outcome:
    """Return that the deletion goes on."""
    return Outcome(requeue=requeue, generation=generation, state=State(Reason.DELETING, message, requeue))
