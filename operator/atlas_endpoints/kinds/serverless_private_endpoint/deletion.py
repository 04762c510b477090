"""The end of a resource that takes its endpoint with it: DELETE, wait until Atlas has none any more, let the resource go.

A resource is never stuck without a reason that says how to get out, and its endpoint is never left behind in silence.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, EndpointStatus
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.engine.controller import MetadataChange, finalizers_of
from atlas_endpoints.engine.outcome import Again, Rest, Retry, at_latest
from atlas_endpoints.engine.store import Key, key_of
from atlas_endpoints.kinds.access import Access
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.ports import NamespaceReader
from atlas_endpoints.kinds.serverless_private_endpoint import deletion_outcomes, failures
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement, EventReason, tell
from atlas_endpoints.kinds.serverless_private_endpoint.claims import Owner, is_held, needed_by
from atlas_endpoints.kinds.serverless_private_endpoint.context import Defaults, forced
from atlas_endpoints.kinds.serverless_private_endpoint.farewell import (
    Delete,
    Keep,
    Release,
    becomes,
    bookkeeping,
    fate,
    fate_by_metadata,
)
from atlas_endpoints.kinds.serverless_private_endpoint.force_sync import ForceSync
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    FINALIZER,
    DeletionPolicy,
    InvalidSpecError,
    ObjectMeta,
    ServerlessPrivateEndpoint,
    Status,
    deletion_policy_in,
    endpoint_of,
)
from atlas_endpoints.kinds.serverless_private_endpoint.observation import look
from atlas_endpoints.kinds.serverless_private_endpoint.plan import POLL_FIRST
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AccessPort, AtlasPort, ReferencesPort, ResourcesPort
from atlas_endpoints.kinds.serverless_private_endpoint.projects import NoProjectError
from atlas_endpoints.kinds.serverless_private_endpoint.reservations import may_arrive_for
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome


@dataclass(frozen=True, slots=True)
class _Refused:
    """Credentials with which an endpoint could not be deleted, since when that is known, and until when it is taken for granted."""

    access: Access
    since: datetime
    until: datetime


class Deletion:
    """Ends resources, and sees to it that they do not end before.

    Args:
        access: finds credentials.
        references: finds projects that are referred to.
        namespaces: reads Namespaces, which may have a policy for their resources.
        atlas: reads and deletes endpoints.
        resources: as they are known now.
        read: reads a resource as it is; ``None`` when there is none.
        announce: tells people what becomes of an endpoint.
        writes: whether anything may be written to Atlas.
        defaults: where a resource says nothing.
        force_sync: tells when a person who asks for a fresh attempt gets one.
    """

    def __init__(
        self,
        access: AccessPort,
        references: ReferencesPort,
        namespaces: NamespaceReader,
        atlas: AtlasPort,
        resources: ResourcesPort,
        *,
        read: Callable[[Key], Awaitable[Mapping[str, Any] | None]],
        announce: Callable[[Mapping[str, Any], Announcement], None],
        writes: bool,
        defaults: Defaults,
        force_sync: ForceSync,
    ) -> None:
        self._access = access
        self._references = references
        self._namespaces = namespaces
        self._atlas = atlas
        self._resources = resources
        self._read = read
        self._announce = announce
        self._writes = writes
        self._defaults = defaults
        self._force_sync = force_sync
        self._refused: dict[Key, _Refused] = {}

    async def bookkeeping(self, resource: ServerlessPrivateEndpoint) -> tuple[MetadataChange | None, str]:
        """Give what a resource's metadata lacks while it lives, and what is to be told people about that.

        Raises:
            InvalidSpecError: nobody understands the policy of the Namespace, which the resource needs before it gets an endpoint.
            ClusterUnavailableError: the Namespace could not be read.
        """
        policy: DeletionPolicy | None = None
        doubt = ""
        try:
            policy = await self._policy(resource)
        except UnreadableError:
            pass
        except InvalidSpecError as error:
            if resource.endpoint_id is None:
                raise
            problems = "; ".join(error.problems)
            doubt = f"What becomes of the endpoint when the resource is deleted is not known: {problems}."
        return bookkeeping(resource, policy), doubt

    async def finish(self, body: Mapping[str, Any], now: datetime) -> Outcome:
        """Run one pass over a resource that is being deleted."""
        generation, status = int(body["metadata"].get("generation", 0)), Status.parse(body.get("status"), now=now)
        if FINALIZER not in finalizers_of(body):
            return failures.quiet(generation, Rest())
        try:
            release = fate_by_metadata(ObjectMeta.parse(body), endpoint_of(body), status)
            if release is not None:
                return self._release(body, release.announcement)
            resource = ServerlessPrivateEndpoint.parse(body, now=now)
            wait = self._force_sync.turn_in(resource, status)
            policy = await self._policy(resource)
        except InvalidSpecError as error:
            return deletion_outcomes.not_understood(error, generation, status, now)
        except UnreadableError as error:
            return deletion_outcomes.policy_unknown(error, generation, status, now)
        except ClusterUnavailableError:
            return failures.quiet(generation, Retry())
        match fate(resource, policy, writes=self._writes):
            case Release(announcement):
                return self._release(body, announcement)
            case Keep(message):
                # Of a Namespace's other policy no event tells.
                following = Rest() if _own_policy(resource) is not None else Again(failures.SECRET_LOOK)
                return deletion_outcomes.blocked(
                    generation, status, now, message, operation="delete", following=following
                )
            case Delete():
                return open_still(await self._with_credentials(body, resource, now, wait), wait)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._refused.pop(key, None)

    async def _policy(self, resource: ServerlessPrivateEndpoint) -> DeletionPolicy:
        """Give the policy for an endpoint: of the annotation, of the spec, of the Namespace, or Retain.

        Raises:
            InvalidSpecError: what the Namespace says is nothing that anybody understands.
            UnreadableError: the Namespace may not be read, which alone may say something.
            ClusterUnavailableError: it could not be read.
        """
        policy = _own_policy(resource)
        if policy is not None:
            return policy
        age = self._force_sync.age(resource.key)
        annotations = await self._namespaces.annotations(resource.metadata.namespace, age=age)
        return deletion_policy_in(annotations) or "Retain"

    async def _with_credentials(
        self, body: Mapping[str, Any], resource: ServerlessPrivateEndpoint, now: datetime, wait: float
    ) -> Outcome:
        """Have the endpoint deleted, unless another resource needs it; what is asked waits for its turn for so many seconds."""
        generation, status = resource.metadata.generation, resource.status
        try:
            if resource.endpoint_id is not None:
                found = await self._needed(body, resource, resource.endpoint_id, now)
                if found is not None:
                    return found
            if wait and status.observed_generation == generation:
                return failures.quiet(generation, Again(wait))
            age = self._force_sync.age(resource.key)
            access = await self._access.resolve(resource.metadata.namespace, resource.secret_name, age=age)
            project_id = await self._project(resource)
        except NoProjectError as error:
            return deletion_outcomes.without_project(resource, error, now)
        except NoCredentialsError as error:
            return deletion_outcomes.without_credentials(resource, error, now)
        except ClusterUnavailableError:
            return failures.quiet(generation, Retry())
        self._atlas.use(resource.key, access.fingerprint)
        instance = Instance(access.fingerprint, project_id, resource.spec.instance_name)
        wait = wait or self._force_sync.look_in(resource.key, instance)
        if wait and status.observed_generation == generation:
            return failures.quiet(generation, Again(wait))
        refused = self._refused.get(resource.key)
        is_refused = refused is not None and refused.access == access and refused.since <= now < refused.until
        if is_refused and (wait or not forced(resource, status)):
            return failures.quiet(generation, Again(failures.SECRET_LOOK))  # the same would be refused again
        self.forget(resource.key)
        try:
            if resource.endpoint_id is None:
                outcome = await self._delete_marked(body, resource, instance, now)
            else:
                outcome = await self._delete(body, resource, instance, resource.endpoint_id, now)
        except AtlasError as error:
            outcome = self._failed(body, resource, error, access, now)
        except ClusterUnavailableError:
            return failures.quiet(generation, Retry())
        # A deletion that has just begun waits for no floor; what is asked beside it stays open.
        return open_still(replace(outcome, handled=resource.metadata.reconcile_request), wait)

    async def _project(self, resource: ServerlessPrivateEndpoint) -> str:
        """Give the project that the endpoint is in; else the one that the spec means; else the one that it has meant.

        Raises:
            NoProjectError: nothing tells it.
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

    async def _needed(
        self, body: Mapping[str, Any], resource: ServerlessPrivateEndpoint, endpoint_id: str, now: datetime
    ) -> Outcome | None:
        """Tell what follows from another resource that needs the endpoint, or may; ``None``: nobody does.

        Raises:
            ClusterUnavailableError: whether the other is still there could not be read.
        """
        others = list(self._resources.found_by(endpoint_id))
        claim = needed_by(resource, endpoint_id, others, now)
        while isinstance(claim, Owner) and not await self._is_there(claim.key):
            others = [each for each in others if key_of(each) != claim.key]
            claim = needed_by(resource, endpoint_id, others, now)
        if isinstance(claim, Owner):
            owner = claim.named_for(resource.metadata.namespace)
            note = becomes(endpoint_id, resource.status, f"{owner} stands for it, too")
            return self._release(body, tell(EventReason.ENDPOINT_HANDED_OVER, note, action="Delete"))
        if claim is None:
            return None
        return deletion_outcomes.waiting_for_proof(resource.metadata.generation, Again(POLL_FIRST))

    async def _delete(
        self,
        body: Mapping[str, Any],
        resource: ServerlessPrivateEndpoint,
        instance: Instance,
        endpoint_id: str,
        now: datetime,
    ) -> Outcome:
        """Have one endpoint deleted, or let the resource go if it is gone."""
        try:
            max_age = self._force_sync.max_age(resource.key)
            endpoint = await look(self._atlas, instance, endpoint_id, max_age=max_age)
            if endpoint.status != EndpointStatus.DELETING:
                # While the pass waited, somebody may have changed his mind, or come to need it.
                if not self._resources.is_still(resource.key, resource.metadata.trigger):
                    return failures.quiet(resource.metadata.generation, Again(0.0))
                if (found := await self._needed(body, resource, endpoint_id, now)) is not None:
                    return found
                endpoint = await self._ask_to_delete(instance, endpoint)
        except EndpointAbsentError:
            if (surplus := self._surplus_beside(resource, instance, endpoint_id)) is not None:
                return await self._delete(body, resource, instance, surplus, now)
            note = f"Endpoint {endpoint_id} is gone from Atlas."
            return self._release(body, tell(EventReason.ENDPOINT_DELETED, note, action="Delete"))
        patience = resource.spec.provisioning_timeout or self._defaults.provisioning_timeout
        return deletion_outcomes.waiting(resource, endpoint, now, patience=patience)

    def _surplus_beside(self, resource: ServerlessPrivateEndpoint, instance: Instance, endpoint_id: str) -> str | None:
        """Find one more endpoint that was reserved for a resource, by a call that Atlas took very late, and that nobody uses."""
        marked = (
            each for each in self._atlas.recall_commented(instance, resource.mark) if each.comment == resource.mark
        )
        # One that Atlas is deleting already is waited for as well: the resource goes when there is none any more.
        unused = (each.id for each in marked if each.id != endpoint_id and each.cloud_provider_endpoint_id is None)
        return next((each for each in unused if not self._is_held(resource, each)), None)

    def _is_held(self, resource: ServerlessPrivateEndpoint, endpoint_id: str) -> bool:
        """Tell whether another resource has an endpoint that was reserved for one that goes."""
        return is_held(endpoint_id, self._resources.found_by(endpoint_id), resource.metadata.namespace)

    async def _is_there(self, key: Key) -> bool:
        """Ask the API server for a resource that is to inherit an endpoint: that it went may have come as no event."""
        body = await self._read(key)
        return body is not None and "deletionTimestamp" not in body["metadata"]

    async def _ask_to_delete(self, instance: Instance, endpoint: Endpoint) -> Endpoint:
        """Send a DELETE, and give the endpoint as it is then; that it finds nothing takes the same proof as ever."""
        try:
            await self._atlas.delete(instance, endpoint.id)
        except EndpointAbsentError:
            return await look(self._atlas, instance, endpoint.id, max_age=0.0)
        return endpoint.model_copy(update={"status": "DELETING"})

    async def _delete_marked(
        self, body: Mapping[str, Any], resource: ServerlessPrivateEndpoint, instance: Instance, now: datetime
    ) -> Outcome:
        """Delete what may have been reserved, of which the mark alone tells; what others stand for by now is theirs."""
        mine = await self._marked(resource, instance, max_age=self._force_sync.max_age(resource.key))
        reservation = resource.status.reservation
        left = may_arrive_for(reservation, now) if reservation is not None else 0.0
        if not mine and left <= 0:
            # That there is none is proved by a LIST that begins now: what is known lacks an endpoint that Atlas is deleting.
            mine = await self._marked(resource, instance, max_age=0.0)
        if mine:
            outcome = await self._delete(body, resource, instance, mine[0].id, now)
            if outcome.metadata is None:
                return outcome
            message = (
                "An endpoint that was reserved for this resource is gone; it is looked whether there is another one."
            )
            return deletion_outcomes.deleting(resource.metadata.generation, message, Again(POLL_FIRST))
        if left > 0:
            message = "An endpoint may have been reserved for this resource, and is looked for in Atlas before it goes."
            return deletion_outcomes.deleting(resource.metadata.generation, message, Again(min(left, POLL_FIRST)))
        return self._release(body, None)

    async def _marked(
        self, resource: ServerlessPrivateEndpoint, instance: Instance, *, max_age: float
    ) -> list[Endpoint]:
        """Return the endpoints with the mark of a resource that no other resource has."""
        marked = await self._atlas.marked(instance, resource.mark, max_age=max_age)
        return [each for each in marked if not self._is_held(resource, each.id)]

    def _failed(
        self,
        body: Mapping[str, Any],
        resource: ServerlessPrivateEndpoint,
        error: AtlasError,
        access: Access,
        now: datetime,
    ) -> Outcome:
        """Say what stands in the way, or let the resource go where nobody can delete its endpoint any more."""
        if (announcement := deletion_outcomes.orphaned(resource, error)) is not None:
            return self._release(body, announcement)
        interval = resource.spec.sync_interval or self._defaults.sync_interval
        if deletion_outcomes.is_cured_by_credentials(error):
            self._refused[resource.key] = _Refused(access, now, now + interval)
        return deletion_outcomes.failed(resource, error, access.source, now, interval=interval)

    def _release(self, body: Mapping[str, Any], announcement: Announcement | None) -> Outcome:
        """Let the resource go, and tell what becomes of its endpoint."""
        if announcement is not None:
            self._announce(body, announcement)
        outcome = failures.quiet(int(body["metadata"].get("generation", 0)), Rest())
        return replace(outcome, metadata=MetadataChange({FINALIZER: False}))


def open_still(outcome: Outcome, wait: float) -> Outcome:
    """Return an outcome with which a request stays open that has its turn in so many seconds; 0: it is handled."""
    return replace(outcome, handled=None, next=at_latest(outcome.next, wait)) if wait else outcome


def _own_policy(resource: ServerlessPrivateEndpoint) -> DeletionPolicy | None:
    """Give the policy that a resource has whatever its Namespace says."""
    return resource.metadata.deletion_policy or resource.spec.deletion_policy
