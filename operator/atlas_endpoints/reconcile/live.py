"""The course of a live resource: protect it, resolve what it refers to, converge with its credentials, publish."""

from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, generation_of, key_of
from atlas_endpoints.controller.controller import Store
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile import failures, summarize
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.converge import Converger
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.deletion import wanted_metadata
from atlas_endpoints.reconcile.facts import confirmed_so_far, resolved_with
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.outcome import Outcome, of_trouble, status_unchanged
from atlas_endpoints.reconcile.pacing import ForceSync, failure_of, replayed
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.references import NoProjectError, OtherProjectError, Resolution
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Resolved

RECENT_OUTPUTS = 30.0
"""Seconds for which a ConfigMap that the operator has written is not read again, at most."""

LAST_REQUEUE = 1.0
"""Minimum seconds until the observation that follows a write of unknown outcome."""


class LiveCourse:
    """One reconcile of a live resource with a valid spec."""

    def __init__(
        self, gatherer: Gatherer, converger: Converger, force_sync: ForceSync, body: Body, store: Store
    ) -> None:
        self._gatherer = gatherer
        self._kind = gatherer.kind
        self._ports = gatherer.ports
        self._converger = converger
        self._force_sync = force_sync
        self._store = store
        self._generation, self._key = generation_of(body), key_of(body)
        self._memory = gatherer.memories[self._key]
        self._now, self._began = self._ports.clock.now(), self._ports.clock.monotonic()
        self._wait = 0.0
        """Seconds for which an open force-sync request still waits."""

    async def run(self) -> Outcome:
        """Reconcile; the finalizer and the annotations that a backup needs come before anything else.

        Raises:
            InvalidSpecError: the spec, or an annotation.
            ClusterUnavailableError: an object that the resource depends on could not be read, or the resource not be written.
        """
        resource = self._parsed()
        self._wait = self._force_sync.turn_in(resource)
        if (change := wanted_metadata(resource)).needed_by(self._store.body):
            hindered = await self._gatherer.changed(self._store, change, self._attempt(resource))
            if hindered is not None:
                return hindered
            resource = self._parsed()
        else:
            self._memory.unchanged_since = None
        return await self._resolved(resource, self._attempt(resource))

    async def _resolved(self, resource: Resource, attempt: Attempt) -> Outcome:
        """Reconcile with what the resource refers to, and publish its outputs."""
        if resource.suspended_by:
            self._gatherer.leave(self._key)
            return summarize.of_suspension(resource)
        if self._wait and attempt.is_observed:
            return status_unchanged(RequeueAfter(self._wait))
        try:
            resolution = await self._ports.references.resolve(resource, age=self._force_sync.age(self._key))
            outcome = await self._with_credentials(resolution, attempt)
            if resolution.problem is not None:
                outcome = outcome.by(resolution.problem.pace)
            return await self._published(resource, outcome)
        except (NoCredentialsError, NoProjectError, OtherProjectError) as error:
            self._gatherer.leave(self._key)
            return self._missing(error, resource, attempt).kept_open(self._wait)

    async def _published(self, resource: Resource, outcome: Outcome) -> Outcome:
        """Publish the outputs; each resync reads a ConfigMap once."""
        outputs, interval = self._ports.outputs, self._gatherer.interval(resource).total_seconds()
        if outcome.state is None or outputs is None or not resource.has_outputs:
            return outcome
        is_asked = self._force_sync.age(self._key) is Age.FRESH
        published = await outputs.publish(
            resource,
            self._kind.outputs(resource, outcome.own),
            scope=self._ports.resync.scope_of(self._key),
            max_age=0.0 if is_asked else min(RECENT_OUTPUTS, interval / 2),
            now=self._now,
            began=self._began,
        )
        return summarize.with_outputs(outcome, published)

    def _missing(
        self, error: NoCredentialsError | NoProjectError | OtherProjectError, resource: Resource, attempt: Attempt
    ) -> Outcome:
        """Return what is missing before Atlas can be asked."""
        resolved = None
        match error:
            case NoCredentialsError():
                resolved = resolved_with(resource.status, error.source)
                trouble = failures.of_no_credentials(error, attempt)
            case NoProjectError():
                trouble = failures.of_no_project(error.problem, attempt)
            case _:  # OtherProjectError
                trouble = failures.of_other_project(error, resource, attempt)
        request = resource.metadata.reconcile_request
        return of_trouble(trouble, applied=confirmed_so_far(resource), handled=request, resolved=resolved)

    async def _with_credentials(self, resolution: Resolution[Any], attempt: Attempt) -> Outcome:
        """Converge with the credentials of a resource; once more, in another reconcile, if they are refused and newer ones are found."""
        resource, memory = resolution.resource, self._memory
        # A reading from just before the Secret changed would delay the recovery until the next requeue.
        awaits = memory.failure is not None and memory.failure.awaits_credentials
        access = await self._access(resource, Age.FRESH if awaits else self._force_sync.age(self._key))
        scope = self._gatherer.scope(resource, resolution.project.id, access.fingerprint)
        wait = self._wait = self._wait or self._force_sync.requeue_in(self._key, scope)
        if wait and attempt.is_observed:
            return status_unchanged(RequeueAfter(wait))
        if wait:  # an edit does not wait, and is reconciled as if there were no request
            handled = {"last_handled_reconcile_at": resource.metadata.reconcile_request}
            resource = resource.model_copy(update={"status": resource.status.model_copy(update=handled)})
            resolution = replace(resolution, resource=resource)
        if (outcome := replayed(memory.failure, resolution, access, attempt)) is not None:
            return outcome
        outcome = await self._converged(resolution, scope, access)
        if outcome.reason is Reason.CREDENTIALS_INVALID:
            # The Secret may have been rotated after it was read. If the call was held back, the resource whose call was
            # refused has read the Secret since.
            was_refused = outcome.failure is not None and not outcome.deferred
            newest = await self._access(resource, Age.ANEW if was_refused else Age.FRESH)
            if newest.fingerprint != access.fingerprint:
                return status_unchanged(Backoff())
        if "CredentialsValid" in outcome.findings:
            accepted = outcome.reason is not Reason.CREDENTIALS_INVALID
            self._ports.credentials.record_acceptance(access, accepted=accepted)
        memory.failure = None if wait else failure_of(resolution, access, outcome)
        return outcome.kept_open(wait)  # with its observation

    async def _access(self, resource: Resource, age: Age) -> Access:
        return await self._ports.credentials.resolve(resource.metadata.namespace, resource.secret_name, age=age)

    async def _converged(self, resolution: Resolution[Any], scope: Scope, access: Access) -> Outcome:
        """Converge, and turn every Atlas error into an outcome."""
        resource, atlas, converger = resolution.resource, self._ports.atlas, self._converger
        self._ports.resync.join(self._key, scope, self._gatherer.interval(resource))
        resolved = Resolved.of(resolution.project.id, access.source, resource.connection)
        facts = replace(
            self._gatherer.facts(resource, self._now, scope, resolved),
            problem=resolution.problem,
            project_finding=resolution.project.finding,
        )
        at_first = atlas.unknown_for(scope, resource.written_as)
        try:
            outcome = await converger.converge(facts, self._store, max_age=self._force_sync.max_age(self._key))
        except AtlasError as error:
            outcome = converger.observation_failed(facts, error)
            if not failures.may_pass(error):
                self._ports.limiter.release(self._key)
        else:
            known = self._ports.clock.monotonic() if self._memory.failing_since is None else self._memory.failing_since
            self._memory.failing_since = None if outcome.unreported is None else known
        unknown_for = atlas.unknown_for(scope, resource.written_as)
        if unknown_for is not None and not (unknown_for == 0 and at_first == 0):
            # Observe once more when a write of unknown outcome cannot be applied any more.
            outcome = outcome.by(max(unknown_for, LAST_REQUEUE))
        return replace(outcome, deprecation=atlas.view(scope).deprecation)

    def _parsed(self) -> Resource:
        """Return the resource as it is now."""
        resource: Resource = self._kind.resource.parse(self._store.body, now=self._now)
        return resource

    def _attempt(self, resource: Resource) -> Attempt:
        return Attempt(self._generation, resource.status, self._now, self._ports.grace)
