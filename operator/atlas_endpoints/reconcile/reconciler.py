"""One reconcile, for every kind: gather facts, observe, decide, write, summarize."""

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.observations import View, is_part
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, generation_of, is_deleting, key_of, status_of, uid_of
from atlas_endpoints.controller.controller import RefusedError, Store
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter, at_latest
from atlas_endpoints.reconcile import failures, summarize
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.converge import Converger
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.deletion import needed_metadata
from atlas_endpoints.reconcile.facts import Facts, confirmed_so_far, resolved_with
from atlas_endpoints.reconcile.finisher import Finisher
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.pacing import ForceSync, failure_of, keep_open, replayed
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.protection import Protection
from atlas_endpoints.reconcile.reasons import CLUSTER_UNAVAILABLE, Reason
from atlas_endpoints.reconcile.references import NoProjectError, OtherProjectError, Resolution
from atlas_endpoints.reconcile.resource import ObjectMeta, Resource
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Resolved

logger = logging.getLogger(__name__)

RECENT_OUTPUTS = 30.0
"""Seconds for which a ConfigMap that the operator has written is not read again, at most."""

MIN_READY = timedelta(minutes=30)
"""A settled resource stays Ready for at least this long while observing it fails."""

LAST_REQUEUE = 1.0
"""Minimum seconds until the observation that follows a write of unknown outcome."""


class Reconciler:
    """Reconcile resources of one kind, and decide which of them a resync enqueues."""

    def __init__(self, kind: Kind[Any], ports: Ports) -> None:
        self._kind = kind
        self._ports = ports
        self._gatherer = Gatherer(kind, ports)
        self._memories = memories = self._gatherer.memories
        self._force_sync = ForceSync(ports.clock.monotonic, memories, let_through=ports.atlas.let_through)
        self._protection = Protection(self._gatherer)
        self._creations = Creations(ports.clock.monotonic, ports.clock.now, memories)
        self._converger = Converger(self._gatherer, self._protection, self._creations)
        self._finisher = Finisher(self._gatherer, self._protection, self._creations, self._force_sync)

    async def reconcile(self, body: Body, store: Store) -> Outcome:
        """Reconcile a resource."""
        try:
            outcome = await (self._finish(body, store) if is_deleting(body) else self._live(body, store))
        except ClusterUnavailableError as error:
            outcome = _unreachable(error, key_of(body), generation_of(body))
        return self._completed(store.body, outcome)

    def failed(self, body: Body, error: Exception) -> Outcome:
        """Return the outcome of an unexpected error."""
        attempt = self._attempt(body, self._ports.clock.now())
        outcome = failures.of_bug(error, attempt)
        # The error may have come after a write, so what the spec no longer wants is not confirmed.
        with suppress(Exception):  # an invalid spec, or the defect itself
            outcome = replace(outcome, applied=confirmed_so_far(self._kind.resource.parse(body, now=attempt.now)))
        return self._completed(body, outcome)

    def _completed(self, body: Body, outcome: Outcome) -> Outcome:
        """Return the outcome with the status that follows for an object; one without a state keeps the status."""
        status = status_of(body)
        if outcome.state is not None:
            # Times in the status are those at the end of the reconcile.
            status = summarize.render(self._attempt(body, self._ports.clock.now()), outcome).to_json()
        self._protection.reconciled(body, outcome, status)
        return replace(outcome, status=status)

    async def _finish(self, body: Body, store: Store) -> Outcome:
        """Reconcile a resource that is being deleted."""
        attempt = self._attempt(body, self._ports.clock.now())
        self._drop(key_of(body))
        return await self._finisher.finish(body, attempt, store)

    async def _live(self, body: Body, store: Store) -> Outcome:
        """Reconcile a live resource; the finalizer and the annotations that a backup needs come before anything else."""
        now, key, generation = self._ports.clock.now(), key_of(body), generation_of(body)
        try:
            resource = self._kind.resource.parse(body, now=now)
            wait = self._force_sync.turn_in(resource)
            refusal = ""
            if (change := needed_metadata(resource)) is not None:
                try:
                    if not await store.change(change):
                        return status_unchanged(generation, RequeueAfter(0.0))
                except RefusedError as error:
                    if resource.entry is None:  # nothing is created for it
                        attempt = self._attempt(body, now)
                        return failures.of_refused_metadata(str(error), self._kind.names.plural, attempt)
                    refusal = failures.refused_metadata(str(error), self._kind.names.plural)
                resource = self._kind.resource.parse(store.body, now=now)
        except InvalidSpecError as error:
            self._drop(key)
            outcome = failures.of_invalid_spec(error, self._attempt(body, now))
            return replace(outcome, handled=_request(body))
        attempt = Attempt(generation, resource.status, now, self._ports.grace)
        outcome = await self._reconcile_live(resource, attempt, wait, store)
        # A refusal may last, so the resource is still reconciled, without a finalizer.
        return replace(outcome.saying(refusal), requeue=Backoff()) if refusal else outcome

    def forget(self, key: Key) -> None:
        """Drop what is cached about a resource that is gone."""
        self._drop(key)
        self._creations.forget(key)
        self._memories.pop(key, None)

    def release(self, key: Key) -> None:
        """Let the next reconcile of a resource ask Atlas again."""
        self._memories[key].failure = None

    def needs_work(self, body: Body, scope: Scope, failure: AtlasError | None) -> bool:
        """Return whether the resync of a scope found work, or a new status, for a resource."""
        memory, now, view = self._memories[key_of(body)], self._ports.clock.now(), self._ports.atlas.view(scope)
        entry = self._kind.entry_of(body)
        seen = None if failure is not None or entry is None else view.value(entry)
        created = view.labelled.get(self._kind.resource.created_as_of(uid_of(body)), ())
        compared = (seen, created, *_announced(view, now))
        if seen is not None:
            if not is_part(entry or ""):  # a LIST shows nothing of a part
                memory.failing_since = None
            known, before = memory.in_sync or (None, ())
            if known is body and before == compared:
                # Keep the newest equal value, which the observation cache shares, so that the older one is freed.
                memory.in_sync = body, compared
                return False
        try:
            # Times in the future stay as they are: only a reconcile can correct them.
            resource = self._kind.resource.parse(body)
        except InvalidSpecError:
            # Its own reconcile has reported that, unless the watch missed the event.
            return not self._attempt(body, now).is_reported(Reason.INVALID_SPEC)
        if (resource.refers or resource.has_outputs) and seen is not None:
            return True  # only a reconcile reads references and outputs
        status = resource.status
        facts = self._gatherer.facts(resource, now, scope, status.resolved or Resolved())
        outcome = self._from_cache(facts, failure)
        if outcome is None or summarize.render(facts.attempt, outcome) != status:
            return True
        # Without differences, and Available, the decision does not depend on the time; that about a part depends on its parent.
        if (
            seen is not None
            and outcome.reason is Reason.AVAILABLE
            and not is_part(resource.entry or "")
            and not compare(resource, resource.spec.desired, seen)
        ):
            memory.in_sync = body, compared
        return False

    def _from_cache(self, facts: Facts[Any], failure: AtlasError | None) -> Outcome | None:
        """Return the outcome that a reconcile would have without a call to Atlas; None: it would act."""
        if failure is not None:
            return self._observation_failed(facts, failure)
        decision = self._gatherer.decide(facts)
        writes = decision.write is not None and facts.policy == "Manage"
        if decision.absent is not None:
            is_reported = facts.attempt.is_reported(Reason.ENDPOINT_NOT_FOUND)
            return status_unchanged(facts.generation, Backoff()) if is_reported and not writes else None
        if any(look.entry not in facts.view.entries for look in decision.looks):
            return None
        if decision.seen is not None and (claim := self._gatherer.claim(facts)) is not None:
            return summarize.of_contention(self._kind, facts, decision, claim)
        return None if writes else summarize.of_decision(self._kind, facts, decision)

    async def _reconcile_live(self, resource: Resource, attempt: Attempt, wait: float, store: Store) -> Outcome:
        """Reconcile a valid live resource, whose force-sync request still waits ``wait`` seconds."""
        key, began = resource.key, self._ports.clock.monotonic()
        if resource.suspended_by:
            self._drop(key)
            return summarize.of_suspension(resource)
        if wait and attempt.is_observed:
            return status_unchanged(attempt.generation, RequeueAfter(wait))
        try:
            resolution = await self._ports.references.resolve(resource, age=self._force_sync.age(key))
            outcome = await self._with_credentials(resolution, attempt, wait, store)
            outcome = replace(outcome, requeue=resolution.paced(outcome.requeue))
            outputs = self._ports.outputs
            if outcome.state is None or outputs is None or not resource.has_outputs:
                return outcome
            published = await outputs.publish(
                resource,
                self._kind.outputs(resource, outcome.own),
                scope=self._ports.resync.scope_of(key),
                max_age=self._outputs_max_age(resource),
                now=attempt.now,
                began=began,
            )
            return summarize.with_outputs(outcome, published)
        except (NoCredentialsError, NoProjectError, OtherProjectError) as error:
            self._drop(key)
            return keep_open(self._missing(error, resource, attempt), wait)

    def _missing(
        self, error: NoCredentialsError | NoProjectError | OtherProjectError, resource: Resource, attempt: Attempt
    ) -> Outcome:
        """Return what is missing before Atlas can be asked."""
        match error:
            case NoCredentialsError():
                resolved = resolved_with(resource.status, error.source)
                outcome = replace(failures.of_no_credentials(error, attempt), resolved=resolved)
            case NoProjectError():
                outcome = failures.of_no_project(error.problem, attempt)
            case _:  # OtherProjectError
                outcome = failures.of_other_project(error, resource, attempt)
        return replace(outcome, applied=confirmed_so_far(resource), handled=resource.metadata.reconcile_request)

    async def _with_credentials(
        self, resolution: Resolution[Any], attempt: Attempt, wait: float, store: Store
    ) -> Outcome:
        """Converge with the credentials of a resource; once more, in another reconcile, if they are refused and newer ones are found."""
        resource = resolution.resource
        key, metadata, status, secret_name = resource.key, resource.metadata, resource.status, resource.secret_name
        # A reading from just before the Secret changed would delay the recovery until the next requeue.
        memory = self._memories[key]
        awaits = memory.failure is not None and memory.failure.awaits_credentials
        age = Age.FRESH if awaits else self._force_sync.age(key)
        access = await self._ports.credentials.resolve(metadata.namespace, secret_name, age=age)
        wait = wait or self._force_sync.requeue_in(
            key, self._gatherer.scope(resource, resolution.project.id, access.fingerprint)
        )
        if wait and attempt.is_observed:
            return status_unchanged(attempt.generation, RequeueAfter(wait))
        if wait:  # an edit does not wait, and is reconciled as if there were no request
            status = status.model_copy(update={"last_handled_reconcile_at": metadata.reconcile_request})
            resolution = replace(resolution, resource=resource.model_copy(update={"status": status}))
        if (outcome := replayed(memory.failure, resolution, access, attempt)) is not None:
            return outcome
        outcome = await self._converge(resolution, attempt.now, access, store)
        if outcome.reason is Reason.CREDENTIALS_INVALID:
            # The Secret may have been rotated after it was read. If the call was held back, the resource whose call was
            # refused has read the Secret since.
            was_refused = outcome.failure is not None and not outcome.deferred
            age = Age.ANEW if was_refused else Age.FRESH
            newest = await self._ports.credentials.resolve(metadata.namespace, secret_name, age=age)
            if newest.fingerprint != access.fingerprint:
                return status_unchanged(attempt.generation, Backoff())
        if outcome.credentials is not None:
            accepted = outcome.reason is not Reason.CREDENTIALS_INVALID
            self._ports.credentials.record_acceptance(access, accepted=accepted)
        if wait:  # the request stays open, with its observation
            memory.failure = None
            return keep_open(outcome, wait)
        memory.failure = failure_of(resolution, access, outcome)
        return outcome

    async def _converge(self, resolution: Resolution[Any], now: datetime, access: Access, store: Store) -> Outcome:
        """Converge, and turn every Atlas error into an outcome."""
        resource = resolution.resource
        key, written_as = resource.key, resource.written_as
        scope = self._gatherer.scope(resource, resolution.project.id, access.fingerprint)
        resolved = Resolved.of(resolution.project.id, access.source, resource.connection)
        self._ports.atlas.use(key, scope.credentials)
        self._ports.resync.join(key, scope, self._gatherer.interval(resource))
        facts = replace(
            self._gatherer.facts(resource, now, scope, resolved),
            problem=resolution.problem,
            project_finding=resolution.project.finding,
            held_for=self._held_for(key),
        )
        at_first = self._ports.atlas.unknown_for(scope, written_as)
        try:
            outcome = await self._converger.converge(facts, store, max_age=self._force_sync.max_age(key))
        except AtlasError as error:
            outcome = self._observation_failed(facts, error)
            if not failures.may_pass(error):
                self._ports.limiter.release(key)
        else:
            if outcome.unreported is None:
                self._memories[key].failing_since = None
            else:
                self._fails(key)
        unknown_for = self._ports.atlas.unknown_for(scope, written_as)
        if unknown_for is not None and not (unknown_for == 0 and at_first == 0):
            # Observe once more when a write of unknown outcome cannot be applied any more.
            outcome = replace(outcome, requeue=at_latest(outcome.requeue, max(unknown_for, LAST_REQUEUE)))
        return replace(outcome, deprecation=self._ports.atlas.view(scope).deprecation)

    def _observation_failed(self, facts: Facts[Any], error: AtlasError) -> Outcome:
        """Return that observing the entry failed; nothing, if the resource is settled and the failure may pass soon."""
        key, is_settled = facts.resource.key, facts.attempt.is_settled
        held_for = self._held_for(key)
        outcome = self._converger.failed(replace(facts, held_for=held_for), error)
        if outcome.unreported is None and not (failures.may_pass(error) and is_settled):
            return outcome
        self._fails(key)
        if not is_settled or held_for >= max(3 * facts.interval, MIN_READY).total_seconds():
            return outcome
        return status_unchanged(facts.generation, outcome.requeue, unreported=error.reason)

    def _held_for(self, key: Key) -> float:
        """Return for how many seconds calls for a resource have failed or been held, while its status does not show it."""
        since = self._memories[key].failing_since
        return 0.0 if since is None else self._ports.clock.monotonic() - since

    def _fails(self, key: Key) -> None:
        """Remember that calls for a resource fail or are held, while its status does not show it."""
        memory = self._memories[key]
        memory.failing_since = self._ports.clock.monotonic() if memory.failing_since is None else memory.failing_since

    def _outputs_max_age(self, resource: Resource) -> float:
        """Return for how many seconds a ConfigMap is not read again, so that each resync reads it once."""
        if self._force_sync.age(resource.key) is Age.FRESH:
            return 0.0
        return min(RECENT_OUTPUTS, self._gatherer.interval(resource).total_seconds() / 2)

    def _attempt(self, body: Body, now: datetime) -> Attempt:
        """Return the reconcile of an object, whether or not its spec is valid."""
        return Attempt(generation_of(body), self._kind.resource.status_in(body, now=now), now, self._ports.grace)

    def _drop(self, key: Key) -> None:
        """Drop what is cached about a resource that is suspended, invalid or deleted."""
        self._ports.resync.leave(key)
        self._ports.atlas.release(key)
        self._ports.limiter.release(key)
        self._memories[key].settle()
        if self._ports.outputs is not None:
            self._ports.outputs.forget(key)


def _unreachable(error: ClusterUnavailableError, key: Key, generation: int) -> Outcome:
    """Log that an object could not be read, and return that the reconcile is tried again."""
    logger.warning(
        "An object that the resource depends on could not be read; the operator tries again: %s",
        error,
        extra=LogFields(key=str(key)),
    )
    return status_unchanged(generation, Backoff(), unreported=CLUSTER_UNAVAILABLE)


def _announced(view: View[Any], now: datetime) -> tuple[object, bool]:
    """Return the announced end of the Atlas API, and whether it is past."""
    sunset = view.deprecation.sunset if view.deprecation is not None else None
    return view.deprecation, sunset is not None and sunset <= now


def _request(body: Body) -> str | None:
    """Return the force-sync request, as far as the metadata is readable."""
    try:
        return ObjectMeta.parse(body).reconcile_request
    except InvalidSpecError:
        return None
