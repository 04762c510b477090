"""The course of a live resource: protect it, resolve what it refers to, observe, decide, make at most one write, publish."""

import logging
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import failures, summarize
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.confirmed import confirmed_so_far
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.decision import Create, Decision
from atlas_endpoints.reconcile.deletion import wanted_metadata
from atlas_endpoints.reconcile.facts import Facts, is_forced, resolved_with
from atlas_endpoints.reconcile.memory import Failure
from atlas_endpoints.reconcile.observe import absence
from atlas_endpoints.reconcile.one_pass import Pass
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.references import NoProjectError, OtherProjectError, Resolution
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Cause, Resolved
from atlas_endpoints.reconcile.writes import Writes
from atlas_endpoints.tunings import LAST_LOOK, SECRET_REQUEUE

logger = logging.getLogger(__name__)

RECENT_OUTPUTS = 30.0
"""Seconds for which values for ConfigMaps are not read again; they are shared by resources."""


class LiveCourse:
    """One reconcile of a live resource."""

    def __init__(self, one: Pass) -> None:
        self._pass = one
        self._kind, self._ports, self._gatherer = one.kind, one.ports, one.gatherer
        self._key, self._memory = one.key, one.memory
        self._writes = Writes(one)
        self._age = Age.RECENT

    async def run(self) -> Outcome:
        """Reconcile; the finalizer and the annotations that a backup needs come before anything else.

        Raises:
            InvalidSpecError: the spec, or an annotation.
            ClusterUnavailableError: an object that the resource depends on could not be read, or the resource not be written.
        """
        one = self._pass
        resource = one.parse()
        self._age = Age.ANEW if is_forced(resource) else Age.RECENT
        if (change := wanted_metadata(resource)).needed_by(one.store.body):
            hindered = await one.change(change, one.attempt())
            if hindered is not None:
                return hindered
            resource = one.parse()
        else:
            self._memory.unchangeable_since = None
        return await self._resolved(resource, one.attempt())

    async def _resolved(self, resource: Resource, attempt: Attempt) -> Outcome:
        if resource.suspended_by:
            self._gatherer.leave(self._key)
            return summarize.of_suspension(resource)
        try:
            resolution = await self._ports.references.resolve(resource, age=self._age)
            outcome = await self._with_credentials(resolution, attempt)
            if resolution.problem is not None:
                outcome = outcome.by(resolution.problem.pace)
            return await self._published(resource, outcome)
        except (NoCredentialsError, NoProjectError, OtherProjectError) as error:
            self._gatherer.leave(self._key)
            return self._missing(error, resource, attempt)

    async def _with_credentials(self, resolution: Resolution[Any], attempt: Attempt) -> Outcome:
        """Converge with the credentials of a resource; once more, in another reconcile, if they are refused and newer ones are found."""
        resource, memory = resolution.resource, self._memory
        # A reading from just before the Secret changed would delay the recovery until the next requeue.
        awaits = memory.failure is not None and memory.failure.awaits_credentials
        access = await self._access(resource, Age.FRESH if awaits and self._age is Age.RECENT else self._age)
        scope = self._gatherer.scope(resource, resolution.project.id, access.fingerprint)
        if (outcome := _replayed(memory.failure, resolution, access, attempt)) is not None:
            return outcome
        outcome = await self._in_scope(resolution, scope, access)
        if outcome.reason is Reason.CREDENTIALS_INVALID:
            # The Secret may have been rotated after it was read. If the call was held back, the resource whose call was
            # refused has read the Secret since.
            was_refused = outcome.failure is not None and not outcome.deferred
            newest = await self._access(resource, Age.ANEW if was_refused else Age.FRESH)
            if newest.fingerprint != access.fingerprint:
                return status_unchanged(Backoff())
        memory.failure = _failure_of(resolution, access, outcome)
        return outcome

    async def _access(self, resource: Resource, age: Age) -> Access:
        return await self._ports.credentials.resolve(resource.metadata.namespace, resource.secret_name, age=age)

    async def _in_scope(self, resolution: Resolution[Any], scope: Scope, access: Access) -> Outcome:
        """Converge in a scope, which is resynced from now on; a failed observation becomes an outcome."""
        resource, atlas, memory = resolution.resource, self._ports.atlas, self._memory
        self._ports.resync.join(self._key, scope, self._gatherer.interval(resource))
        resolved = Resolved.of(resolution.project.id, access.source, resource.connection)
        facts = replace(
            self._gatherer.facts(resource, self._pass.now, scope, resolved),
            problem=resolution.problem,
            project_finding=resolution.project.finding,
        )
        at_first = atlas.unknown_for(scope, resource.written_as)
        try:
            outcome = await self._converge(facts)
        except AtlasError as error:
            outcome = self._gatherer.observation_failed(facts, error).paced(facts.not_ready_for, facts.reads_again_in)
        else:
            known = self._ports.clock.monotonic() if memory.failing_since is None else memory.failing_since
            memory.failing_since = None if outcome.unreported is None else known
        unknown_for = atlas.unknown_for(scope, resource.written_as)
        if unknown_for is not None and not (unknown_for == 0 and at_first == 0):
            # Observe once more when a write of unknown outcome cannot be applied any more.
            outcome = outcome.by(max(unknown_for, LAST_LOOK))
        return replace(outcome, deprecation=atlas.view(scope).deprecation)

    async def _converge(self, facts: Facts[Any]) -> Outcome:
        """Observe, decide, make at most one write, and return the outcome.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        began = self._ports.atlas.moment()
        facts, decision = await self._observe(facts)
        if decision.status_first:  # nothing is sent before the status names what a deletion has to find
            shown = await self._pass.write_status(facts, summarize.of_decision(self._kind, facts, decision))
            if shown is None:
                return status_unchanged(Backoff())
            facts, decision = await self._observe(shown, began)
        if (outcome := self._hindered(facts, decision)) is not None:
            return outcome
        write = decision.write
        if write is None or facts.policy == "Observe":
            self._writes.resolve_unknown(facts)
            return summarize.of_decision(self._kind, facts, decision)
        if write.cause is Cause.DRIFT and not facts.forced and not facts.unsent:
            wait = self._ports.limiter.take_slot(self._key)
            if wait:
                state = summarize.correction_delayed(facts, decision, wait)
                return summarize.of_decision(self._kind, facts, replace(decision, state=state, write=None))
        if isinstance(write, Create):
            return await self._writes.create(facts, write)
        return await self._writes.send(facts, decision, write)

    async def _observe(self, facts: Facts[Any], began: float | None = None) -> tuple[Facts[Any], Decision]:
        """Observe and decide; an intent that is not needed any more ends."""
        intent, creations = facts.previous.creation, self._pass.shared.creations
        facts, decision = await self._gatherer.observe(
            replace(facts, unsent=creations.pending_name(self._key, intent) is not None),
            self._gatherer.decide,
            began=began,
            is_claimed=lambda known: self._gatherer.claim(known) is not None,
        )
        creates = facts.policy == "Manage" and isinstance(decision.write, Create)
        if not creates and (name := creations.withdraw(self._key, intent)):
            decision = replace(decision, own={**self._kind.not_created(facts, name), **decision.own})
        return facts, decision

    def _hindered(self, facts: Facts[Any], decision: Decision) -> Outcome | None:
        """Return the outcome if the entry is proved absent, or belongs to another resource; else None."""
        if decision.state.reason is Reason.ENDPOINT_NOT_FOUND and (error := absence(facts, decision)) is not None:
            return summarize.of_failed_call(self._kind, facts, error, own=decision.own)
        if decision.seen is None and decision.write is None:
            return None
        if (claim := self._gatherer.claim(facts, decision)) is None:
            return None
        return summarize.of_contention(self._kind, facts, decision, claim)

    async def _published(self, resource: Resource, outcome: Outcome) -> Outcome:
        outputs = self._ports.outputs
        wanted = self._kind.outputs(resource, outcome.own)
        if outcome.state is None or outputs is None or not wanted:
            return outcome
        published = await outputs.publish(
            resource,
            wanted,
            scope=self._ports.resync.scope_of(self._key),
            max_age=0.0 if self._age is Age.ANEW else RECENT_OUTPUTS,
            now=self._pass.now,
            interval=self._gatherer.interval(resource),
        )
        return summarize.with_outputs(outcome, published)

    def _missing(
        self, error: NoCredentialsError | NoProjectError | OtherProjectError, resource: Resource, attempt: Attempt
    ) -> Outcome:
        resolved = None
        match error:
            case NoCredentialsError():
                resolved = resolved_with(resource.status, error.source)
                outcome = failures.of_no_credentials(error, attempt)
            case NoProjectError():
                outcome = failures.of_no_project(error.problem, attempt)
            case _:  # OtherProjectError
                outcome = failures.of_other_project(error, resource, attempt)
        request = resource.metadata.reconcile_request
        return replace(outcome, applied=confirmed_so_far(resource), handled=request, resolved=resolved)


def _failure_of(resolution: Resolution[Any], access: Access, outcome: Outcome) -> Failure | None:
    """Return a failure that only another input, or what a resync finds, can fix: until then, Atlas is not called again; else None."""
    if outcome.reason is None or outcome.reason is Reason.CONFLICT:
        return None
    waits = resolution.problem is not None and isinstance(outcome.requeue, NoRequeue)
    fixed = waits or outcome.reason.progress is Progress.GRACE
    awaits = outcome.reason in failures.CURED_BY_CREDENTIALS
    return Failure(_inputs(resolution, access), outcome, awaits) if fixed else None


def _replayed(known: Failure | None, resolution: Resolution[Any], access: Access, attempt: Attempt) -> Outcome | None:
    """Return the outcome of a known failure, which sends nothing, if nothing that it depends on has changed; else None."""
    if known is None or known.inputs != _inputs(resolution, access):
        return None
    requeue: Requeue = RequeueAfter(SECRET_REQUEUE) if known.awaits_credentials else NoRequeue()
    if (failure := known.outcome.failure) is not None:
        if failure.since > attempt.now:  # its grace would not end
            return None
        requeue = attempt.within_grace(requeue, failure.since)
    return replace(known.outcome, requeue=requeue, sent=None)


def _inputs(resolution: Resolution[Any], access: Access) -> tuple[object, ...]:
    metadata, spec = resolution.resource.metadata, resolution.resource.spec
    return metadata.uid, metadata.generation, metadata.reconcile_request, spec, access, resolution.problem
