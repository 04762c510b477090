"""Deletion of resources: delete the entry, wait until Atlas has removed it, then remove the finalizer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.controller.cache import Body, Key, key_of
from atlas_endpoints.controller.controller import MetadataChange, finalizers_of
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, RequeueAfter, at_latest
from atlas_endpoints.reconcile import deletion, ownership, summarize
from atlas_endpoints.reconcile.credentials import Access, NamespaceReader, NoCredentialsError
from atlas_endpoints.reconcile.decision import Decision
from atlas_endpoints.reconcile.deletion import Delete, Keep, Release
from atlas_endpoints.reconcile.events import Event
from atlas_endpoints.reconcile.facts import Facts, is_forced, resolved_with
from atlas_endpoints.reconcile.failures import SECRET_REQUEUE, VERIFIED
from atlas_endpoints.reconcile.force_sync import ForceSync
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.metadata import FINALIZER, ObjectMeta, deletion_policy_in
from atlas_endpoints.reconcile.observe import observe
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.ports import AtlasPort, ResourcesPort
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.references import NoProjectError, ReferenceResolver
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.spec import DeletionPolicy, InvalidSpecError
from atlas_endpoints.reconcile.summarize import Outcome, of_failed_state, quiet


@dataclass(frozen=True, slots=True)
class _Refused:
    """Credentials that may not delete an entry; until ``until`` the operator does not try them again."""

    access: Access
    since: datetime
    until: datetime


class Finisher:
    """Finalize deleted resources, and protect live ones with a finalizer.

    Args:
        read: reads a resource from the API server; None if there is none.
        record: takes an Event of a resource.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        credentials: Any,
        references: ReferenceResolver,
        namespaces: NamespaceReader,
        atlas: AtlasPort,
        *,
        resources: ResourcesPort,
        read: Callable[[Key], Awaitable[Mapping[str, Any] | None]],
        record: Callable[[Mapping[str, Any], Event], None],
        force_sync: ForceSync,
    ) -> None:
        self._gatherer = gatherer
        self._kind = gatherer.kind
        self._credentials = credentials
        self._references = references
        self._namespaces = namespaces
        self._atlas = atlas
        self._resources = resources
        self._read = read
        self._record = record
        self._force_sync = force_sync
        self._refused: dict[Key, _Refused] = {}

    async def bookkeeping(self, resource: Resource) -> tuple[MetadataChange | None, str]:
        """Return the metadata that a live resource lacks, and a warning for its status (or "").

        Raises:
            InvalidSpecError: the Namespace's policy is invalid, and the resource has no entry yet.
            ClusterUnavailableError: the Namespace could not be read.
        """
        found: DeletionPolicy | None = None
        doubt = ""
        try:
            found = await self._policy(resource)
        except UnreadableError:
            pass
        except InvalidSpecError as error:
            if resource.entry is None:
                raise
            problems = "; ".join(error.problems)
            doubt = f"What becomes of the endpoint when the resource is deleted is not known: {problems}."
        return deletion.bookkeeping(resource, found), doubt

    async def finish(self, body: Body, now: datetime) -> Outcome:
        """Reconcile a resource that is being deleted."""
        kind = self._kind
        generation = int(body["metadata"].get("generation", 0))
        status = kind.resource.status_type.parse(body.get("status"), now=now)
        if FINALIZER not in finalizers_of(body):
            return quiet(generation, NoRequeue())
        try:
            release = deletion.decide_by_metadata(
                ObjectMeta.parse(body), kind.entry_of(body), deleting=status.is_being_deleted
            )
            if release is not None:
                return self._release(body, generation, release.event)
            resource = kind.resource.parse(body, now=now)
            wait = self._force_sync.turn_in(resource, status)
            found = await self._policy(resource)
        except (InvalidSpecError, UnreadableError) as error:
            return of_failed_state(deletion.blocked_by(error, generation, status, now), generation, status)
        except ClusterUnavailableError:
            return quiet(generation, Backoff())
        match deletion.decide(resource, found, writes=self._gatherer.writes):
            case Release(event):
                return self._release(body, generation, event)
            case Keep(message):
                # There are no events of Namespaces.
                requeue = NoRequeue() if _own_policy(resource) is not None else RequeueAfter(SECRET_REQUEUE)
                trouble = deletion.blocked(generation, status, now, message, operation="delete", requeue=requeue)
                return of_failed_state(trouble, generation, status)
            case Delete():
                return keep_open(await self._delete(resource, now, wait), wait)

    def forget(self, key: Key) -> None:
        """Drop what is cached about a resource that is gone."""
        self._refused.pop(key, None)

    async def _policy(self, resource: Resource) -> DeletionPolicy:
        """Return the policy of the annotation, else of the spec, else of the Namespace, else Retain.

        Raises:
            InvalidSpecError: the Namespace's policy is invalid.
            UnreadableError: the Namespace may not be read.
            ClusterUnavailableError: the Namespace could not be read.
        """
        found = _own_policy(resource)
        if found is not None:
            return found
        age = self._force_sync.age(resource.key)
        annotations = await self._namespaces.annotations(resource.metadata.namespace, age=age)
        return deletion_policy_in(annotations) or "Retain"

    async def _delete(self, resource: Resource, now: datetime, wait: float) -> Outcome:
        """Delete the entry, unless another resource needs it; a force-sync request still waits ``wait`` seconds."""
        generation, status = resource.generation, resource.status
        try:
            if resource.entry is not None and (found := await self._needed(resource, resource.entry, now)):
                return found
            if wait and status.observed_generation == generation:
                return quiet(generation, RequeueAfter(wait))
            age = self._force_sync.age(resource.key)
            access = await self._credentials.resolve(resource.metadata.namespace, resource.secret_name, age=age)
            project_id = await self._project(resource)
        except (NoProjectError, NoCredentialsError) as error:
            handled = resource.metadata.reconcile_request if isinstance(error, NoCredentialsError) else None
            trouble = deletion.blocked_by(error, generation, status, now)
            return of_failed_state(trouble, generation, status, handled=handled)
        except ClusterUnavailableError:
            return quiet(generation, Backoff())
        self._atlas.use(resource.key, access.fingerprint)
        scope = self._gatherer.scope(resource, project_id, access.fingerprint)
        wait = wait or self._force_sync.requeue_in(resource.key, scope)
        if wait and status.observed_generation == generation:
            return quiet(generation, RequeueAfter(wait))
        refused = self._refused.get(resource.key)
        is_refused = refused is not None and refused.access == access and refused.since <= now < refused.until
        if is_refused and (wait or not is_forced(resource, status)):
            return quiet(generation, RequeueAfter(SECRET_REQUEUE))  # the same would be refused again
        self.forget(resource.key)
        resolved = resolved_with(status, access.source)
        facts = self._gatherer.facts(resource, status, now, scope, resolved)
        try:
            outcome = await self._step(facts)
        except AtlasError as error:
            outcome = self._failed(facts, error, access)
        except ClusterUnavailableError:
            return quiet(generation, Backoff())
        # A deletion that has just begun does not wait; its force-sync request stays open.
        return keep_open(replace(outcome, handled=resource.metadata.reconcile_request), wait)

    async def _step(self, facts: Facts[Any]) -> Outcome:
        """Take one step of the deletion of an entry.

        Raises:
            AtlasError: the observation or the deletion failed.
            ClusterUnavailableError: another resource that needs the entry could not be read.
        """
        resource = facts.resource
        max_age = self._force_sync.max_age(resource.key)
        facts, decision = await observe(self._atlas, facts, self._kind.decide_deletion, max_age=max_age)
        if (write := decision.write) is None:
            return self._waiting(facts, decision)
        # The resource, or another one that needs the entry, may have changed during the observation.
        if not self._resources.is_unchanged(resource.key, resource.metadata.trigger):
            return quiet(facts.generation, RequeueAfter(0.0))
        entry, kind = write.touches[0], self._kind
        if (found := await self._needed(resource, entry, facts.now)) is not None:
            return found
        try:
            await self._atlas.write(
                facts.scope, write.request, parse=lambda answer: kind.written(write, answer), touches=write.touches
            )
        except EndpointAbsentError:
            # The answer alone does not prove that the entry is absent.
            facts = replace(facts, view=self._atlas.view(facts.scope))
            facts, decision = await observe(self._atlas, facts, kind.decide_deletion, max_age=0.0)
        return self._waiting(facts, decision)

    def _waiting(self, facts: Facts[Any], decision: Decision) -> Outcome:
        """Return that Atlas is still deleting, or has taken too long; release the resource if nothing is left."""
        resource, state, status = facts.resource, decision.state, facts.resource.status
        if decision.nothing_left:
            return self._release(
                resource.named, resource.generation, None if resource.entry is None else deletion.gone(resource.entry)
            )
        if state.reason is Reason.DELETION_BLOCKED:
            trouble = deletion.blocked(
                facts.generation, status, facts.now, state.message, operation="delete", requeue=state.requeue
            )
            outcome = of_failed_state(trouble, facts.generation, status)
        else:
            outcome = Outcome(requeue=state.requeue, generation=facts.generation, state=state)
        if (seen := decision.seen) is None:
            return outcome
        own = self._kind.render(facts, seen)
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
            return (await self._references.project(resource, age=Age.RECENT)).id
        except NoProjectError:
            if resource.known_project_id is None:
                raise
            return resource.known_project_id

    async def _needed(self, resource: Resource, entry: str, now: datetime) -> Outcome | None:
        """Return the outcome if another resource needs the entry, or may need it; else None.

        Raises:
            ClusterUnavailableError: the other resource could not be read.
        """
        others = list(self._resources.found_by(entry))
        claim = ownership.needed_by(self._kind, resource, entry, others, now)
        while isinstance(claim, Owner) and not await self._is_there(claim.key):
            others = [each for each in others if key_of(each) != claim.key]
            claim = ownership.needed_by(self._kind, resource, entry, others, now)
        if isinstance(claim, Owner):
            owner = claim.named_for(resource.metadata.namespace)
            return self._release(resource.named, resource.generation, deletion.handed_over(resource, entry, owner))
        if claim is None:
            return None
        state = deletion.waiting_for_proof()
        return Outcome(requeue=state.requeue, generation=resource.generation, state=state)

    async def _is_there(self, key: Key) -> bool:
        """Return whether a resource that is to inherit an entry still lives; a delete event may have been lost."""
        body = await self._read(key)
        return body is not None and "deletionTimestamp" not in body["metadata"]

    def _failed(self, facts: Facts[Any], error: AtlasError, access: Access) -> Outcome:
        """Return why the deletion failed, or release the resource if nobody can delete its entry."""
        resource, generation = facts.resource, facts.generation
        if (event := deletion.orphaned(resource, error)) is not None:
            return self._release(resource.named, generation, event)
        if (outcome := summarize.unrelated(error, generation)) is not None:
            return outcome
        if deletion.is_cured_by_credentials(error):
            self._refused[resource.key] = _Refused(access, facts.now, facts.now + facts.interval)
        trouble = deletion.failed(resource, error, access.source, facts.now, interval=facts.interval)
        return replace(of_failed_state(trouble, generation, resource.status), resolved=facts.resolved)

    def _release(self, named: Body, generation: int, event: Event | None) -> Outcome:
        """Remove the finalizer, and record what happens to the entry."""
        if event is not None:
            self._record(named, event)
        return replace(quiet(generation, NoRequeue()), metadata=MetadataChange({FINALIZER: False}))


def keep_open(outcome: Outcome, wait: float) -> Outcome:
    """Leave a force-sync request open for ``wait`` more seconds; 0: it is handled."""
    return replace(outcome, handled=None, requeue=at_latest(outcome.requeue, wait)) if wait else outcome


def _own_policy(resource: Resource) -> DeletionPolicy | None:
    """Return the policy that does not depend on the Namespace."""
    return resource.metadata.deletion_policy or resource.spec.deletion_policy
