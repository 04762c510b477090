"""What a pass over a resource is framed by: whether it is due at all, its credentials, what failed, and when to look again.

What is done in between stands in ``convergence``.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.log_fields import LogFields
from atlas_endpoints.engine.outcome import Again, Rest, Retry, at_latest
from atlas_endpoints.engine.store import Key, key_of
from atlas_endpoints.kinds.access import Access
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.ports import NamespaceReader
from atlas_endpoints.kinds.serverless_private_endpoint import conclusions, failures
from atlas_endpoints.kinds.serverless_private_endpoint.agreements import Agreements
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement
from atlas_endpoints.kinds.serverless_private_endpoint.context import Defaults
from atlas_endpoints.kinds.serverless_private_endpoint.convergence import Convergence
from atlas_endpoints.kinds.serverless_private_endpoint.deletion import Deletion, open_still
from atlas_endpoints.kinds.serverless_private_endpoint.farewell import is_recorded
from atlas_endpoints.kinds.serverless_private_endpoint.force_sync import ForceSync
from atlas_endpoints.kinds.serverless_private_endpoint.glance import Glance
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    CredentialsPlace,
    InvalidSpecError,
    ObjectMeta,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.passes import Passes, may_pass
from atlas_endpoints.kinds.serverless_private_endpoint.ports import (
    AccessPort,
    AtlasPort,
    BrakesPort,
    OutputsPort,
    ReferencesPort,
    ResourcesPort,
    RoundsPort,
)
from atlas_endpoints.kinds.serverless_private_endpoint.projects import ProjectError
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.references import Resolution
from atlas_endpoints.kinds.serverless_private_endpoint.standstill import Standstill
from atlas_endpoints.kinds.serverless_private_endpoint.status import render
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Verdict

logger = logging.getLogger(__name__)

RECENT_OUTPUTS = 30.0
"""For so many seconds at most nobody looks whether a ConfigMap is as the operator has left it."""


class Reconciler:
    """Keeps endpoints as their resources want them.

    Args:
        access: finds credentials.
        references: finds what resources refer to.
        outputs: writes what resources hand over.
        atlas: reads and changes endpoints.
        rounds: the resync of instances.
        resources: which are still there.
        brakes: may hold corrections of drift back.
        wake: has a resource come back at once.
        writes: whether anything may be written to Atlas; if not, statuses show what would be.
        clock: tells the time.
        defaults: where a resource says nothing.
        grace: for how long something that another object may heal counts as progress.
        namespaces: reads Namespaces, which may have a policy for the endpoints of deleted resources.
        read: reads a resource as it is; ``None`` when there is none.
        announce: tells people what no status tells, or not in time.
    """

    def __init__(
        self,
        access: AccessPort,
        references: ReferencesPort,
        outputs: OutputsPort,
        atlas: AtlasPort,
        rounds: RoundsPort,
        *,
        resources: ResourcesPort,
        brakes: BrakesPort,
        wake: Callable[[Key], None],
        writes: bool,
        clock: Clock,
        defaults: Defaults,
        grace: timedelta,
        namespaces: NamespaceReader,
        read: Callable[[Key], Awaitable[Mapping[str, Any] | None]],
        announce: Callable[[Mapping[str, Any], Announcement], None],
    ) -> None:
        self._access = access
        self._references = references
        self._outputs = outputs
        self._atlas = atlas
        self._rounds = rounds
        self._brakes = brakes
        self._force_sync = ForceSync(clock.monotonic, let_through=atlas.let_through)
        self._convergence = Convergence(atlas, brakes, resources, clock=clock, announce=announce)
        self._deletion = Deletion(
            access,
            references,
            namespaces,
            atlas,
            resources,
            read=read,
            announce=announce,
            writes=writes,
            defaults=defaults,
            force_sync=self._force_sync,
        )
        self._clock = clock
        self._defaults = defaults
        self._grace = grace
        self._standstill = Standstill(grace, wake=wake)
        self._agreements = Agreements()
        self._passes = Passes(atlas, writes=writes, defaults=defaults, grace=grace)
        self._glance = Glance(self._passes, self._agreements, self._convergence.claim, clock=clock, grace=grace)

    async def reconcile(self, body: Mapping[str, Any], previous: Mapping[str, Any]) -> Outcome:
        """Run one pass over a resource."""
        now, key = self._clock.now(), key_of(body)
        generation = _generation(body)
        if "deletionTimestamp" in body["metadata"]:
            self._let_be(key)
            return await self._deletion.finish(body, now)
        try:
            resource = ServerlessPrivateEndpoint.parse(body, now=now)
        except InvalidSpecError as error:
            self._let_be(key)
            outcome = failures.of_invalid_spec(error, generation, Status.parse(previous, now=now), now)
            return replace(outcome, handled=_request(body))
        wait = self._force_sync.turn_in(resource, resource.status)
        # What keeps a resource from going, and a backup from forgetting, is there before an endpoint is reserved or used.
        first = resource.endpoint_id is None or not is_recorded(resource)
        outcome = failures.quiet(generation, Again(0.0)) if first else await self._pass(resource, now, wait)
        try:
            change, doubt = await self._deletion.bookkeeping(resource)
        except InvalidSpecError as error:
            self._let_be(key)
            following = Again(failures.SECRET_LOOK)  # no event tells of the Namespace
            return failures.of_invalid_spec(error, generation, resource.status, now, following=following)
        except ClusterUnavailableError as error:
            logger.warning(
                "A Namespace could not be read; it will be tried again: %s", error, extra=LogFields(key=str(key))
            )
            return (
                failures.quiet(generation, Retry()) if first else replace(outcome, next=at_latest(outcome.next, 30.0))
            )
        if change is None and first:
            outcome = await self._pass(resource, now, wait)
        return replace(_beside(outcome, doubt), metadata=change)

    async def _pass(self, resource: ServerlessPrivateEndpoint, now: datetime, wait: float) -> Outcome:
        """Run a pass over a resource that is valid and lives, and whose request waits for its turn for so many seconds."""
        status = resource.status  # which is the previous one
        key, generation = resource.key, resource.metadata.generation
        if resource.suspended_by:
            self._let_be(key)
            return _suspended(resource, status)
        if wait and status.observed_generation == generation:
            return failures.quiet(generation, Again(wait))
        try:
            resolution = await self._references.resolve(resource, age=self._force_sync.age(key))
            outcome = await self._with_credentials(resolution, status, now, wait)
            outcome = replace(outcome, next=resolution.paced(outcome.next))
            return await self._outputs.publish(
                resource,
                outcome,
                status,
                instance=self._rounds.instance_of(key),
                max_age=self._outputs_last(resource),
            )
        except (NoCredentialsError, ProjectError) as error:
            self._let_be(key)
            if isinstance(error, ProjectError):
                outcome = error.outcome(resource, now=now, grace=self._grace)
            else:
                outcome = failures.of_no_credentials(error, generation, status, now=now, grace=self._grace)
            outcome = replace(
                outcome,
                applied=conclusions.confirmed_so_far(resource, status),
                handled=resource.metadata.reconcile_request,
            )
            return open_still(outcome, wait)
        except ClusterUnavailableError as error:
            logger.warning(
                "What the resource depends on could not be read; it will be tried again: %s",
                error,
                extra=LogFields(key=str(key)),
            )
            return failures.quiet(generation, Retry())

    def _outputs_last(self, resource: ServerlessPrivateEndpoint) -> float:
        """Tell for how many seconds a ConfigMap is taken to be as it was, so that each round looks at it once."""
        interval = resource.spec.sync_interval or self._defaults.sync_interval
        if self._force_sync.age(resource.key) is Age.FRESH:
            return 0.0
        return min(RECENT_OUTPUTS, interval.total_seconds() / 2)

    def failed(self, body: Mapping[str, Any], error: Exception) -> Outcome:
        """Turn an error that no table knows into an outcome."""
        now = self._clock.now()
        return failures.of_bug(error, _generation(body), Status.parse(body.get("status"), now=now), now)

    def refused(self, body: Mapping[str, Any], outcome: Outcome, why: str) -> Outcome:
        """Say that the finalizer or the record of the endpoint may not be written."""
        now = self._clock.now()
        return failures.of_refused_metadata(outcome, why, Status.parse(body.get("status"), now=now), now)

    def render(
        self,
        body: Mapping[str, Any],  # noqa: ARG002  # for kinds whose status depends on more than the one before
        previous: Mapping[str, Any],
        outcome: Outcome,
    ) -> Mapping[str, Any]:
        """Say in a status what a pass came to; without anything to say, what was said before stands."""
        if outcome.verdict is None:
            return previous
        now = self._clock.now()
        return render(Status.parse(previous, now=now), outcome, now=now, grace=self._grace).to_json()

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._let_be(key)
        self._deletion.forget(key)
        self._force_sync.forget(key)
        self._convergence.changes.forget(key)

    def _let_be(self, key: Key) -> None:
        """Drop what is remembered of what a resource's passes have found: it is to be left alone, or cannot be worked on."""
        self._rounds.leave(key)
        self._atlas.release(key)
        self._standstill.release(key)
        self._brakes.release(key)
        self._agreements.end(key)
        self._outputs.forget(key)
        self._convergence.reservations.forget(key)
        self._passes.seen(key)

    def needs_work(self, body: Mapping[str, Any], instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        """Tell whether what a round has seen gives a resource anything to do or to say; see ``glance.Glance``."""
        return self._glance.needs_work(body, instance, seen)

    async def still_uses(self, place: CredentialsPlace, source: str | None, instance: Instance) -> bool:
        """Tell whether the credentials at a place are those of an instance, as its Secret is now, and come from there still.

        Args:
            place: where a resource wants them from.
            source: where they came from, as its status says; ``None`` when it does not.
            instance: with their fingerprint.

        Raises:
            ClusterUnavailableError: the Secret could not be read.
        """
        try:
            access = await self._access.resolve(place.namespace, place.secret_name)
        except NoCredentialsError:
            return False
        return access.fingerprint == instance.credentials and source in {None, access.source}

    def release(self, key: Key) -> None:
        """Let a resource ask Atlas again, since a round has seen that it is worth it."""
        self._standstill.release(key)

    async def _with_credentials(self, resolution: Resolution, status: Status, now: datetime, wait: float) -> Outcome:
        """Run the pass, and once more if credentials were refused and newer ones are there by now."""
        resource = resolution.resource
        key, metadata, secret_name = resource.key, resource.metadata, resource.secret_name
        # A reading of just before the Secret was changed would put the cure off until the next look.
        age = Age.FRESH if self._standstill.awaits_credentials(key) else self._force_sync.age(key)
        access = await self._access.resolve(metadata.namespace, secret_name, age=age)
        wait = wait or self._force_sync.look_in(key, self._instance(resolution, access))
        if wait and status.observed_generation == metadata.generation:
            return failures.quiet(metadata.generation, Again(wait))
        if wait:  # an edit does not wait, and is worked on as if nothing were asked
            status = status.model_copy(update={"last_handled_reconcile_at": metadata.reconcile_request})
        replayed = self._standstill.replay(key, resolution, access, now)
        if replayed is not None:
            return replayed
        outcome = await self._observed(key, resolution, status, now, access)
        if outcome.verdict is not None and outcome.verdict.reason is Reason.CREDENTIALS_INVALID:
            # A reading of before the refusal may be of before a rotation as well. Where the call was held back, whoever was
            # refused has read the Secret since.
            was_refused = outcome.failure is not None and not outcome.failure.held
            age = Age.ANEW if was_refused else Age.FRESH
            newest = await self._access.resolve(metadata.namespace, secret_name, age=age)
            if newest.fingerprint != access.fingerprint:
                access = newest
                outcome = await self._observed(key, resolution, status, now, access)
        if outcome.credentials is not None and outcome.verdict is not None:
            self._access.judged(access, accepted=outcome.verdict.reason is not Reason.CREDENTIALS_INVALID)
        if wait:  # the request stays open, and its look is still to be made
            self._standstill.release(key)
            return open_still(outcome, wait)
        self._standstill.hold(key, resolution, access, outcome)
        return outcome

    def _instance(self, resolution: Resolution, access: Access) -> Instance:
        return Instance(access.fingerprint, resolution.project.id, resolution.resource.spec.instance_name)

    async def _observed(
        self, key: Key, resolution: Resolution, status: Status, now: datetime, access: Access
    ) -> Outcome:
        """Run the pass with credentials, all errors of Atlas turned into outcomes."""
        resource, spec = resolution.resource, resolution.resource.spec
        instance = self._instance(resolution, access)
        resolved = Resolved(
            project_id=resolution.project.id,
            cloud_provider_endpoint_id=spec.cloud_provider_endpoint_id,
            private_endpoint_ip_address=spec.private_endpoint_ip_address,
            credentials_source=access.source,
        )
        max_age = self._force_sync.max_age(key)
        pass_ = self._passes.begin(resource, status, now, instance, resolved, max_age=max_age)
        self._atlas.use(key, instance.credentials)
        self._rounds.join(key, instance, pass_.interval)
        doubted_for = self._atlas.doubted_for(instance, pass_.written_as)
        try:
            outcome = await self._convergence.converge(pass_, instance)
        except AtlasError as error:
            outcome = self._passes.unseen(pass_, error)
            if not may_pass(error):
                self._brakes.release(key)
        else:
            self._passes.seen(key)
        outcome = self._passes.announced(instance, self._passes.looking_again(pass_, instance, outcome, doubted_for))
        return resolution.conclude(outcome, status, now=now, grace=self._grace)


def _beside(outcome: Outcome, doubt: str) -> Outcome:
    """Add words that keep nothing from being done to those of a pass, if it has any; to a failure, its own are enough."""
    if not doubt or outcome.verdict is None or outcome.failure is not None:
        return outcome
    return replace(outcome, verdict=replace(outcome.verdict, message=f"{outcome.verdict.message} {doubt}"))


def _generation(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("generation", 0))


def _request(body: Mapping[str, Any]) -> str | None:
    """Give the request for a pass at once, as far as the metadata can be read."""
    try:
        return ObjectMeta.parse(body).reconcile_request
    except InvalidSpecError:
        return None


def _suspended(resource: ServerlessPrivateEndpoint, previous: Status) -> Outcome:
    return Outcome(
        next=Rest(),
        generation=resource.metadata.generation,
        verdict=Verdict(
            Reason.SUSPENDED,
            f"Suspended by {' and '.join(resource.suspended_by)}: Atlas is neither read nor changed until that is taken back.",
            Rest(),
        ),
        applied=conclusions.confirmed_so_far(resource, previous),
        handled=resource.metadata.reconcile_request,
    )
