"""One step of a reconcile: observe, decide, check what may be written, and make at most one write."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.reconcile import creation, events, failures, summarize
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.creation import Intents
from atlas_endpoints.reconcile.events import ChangeEvents
from atlas_endpoints.reconcile.facts import Facts, Gatherer
from atlas_endpoints.reconcile.kind import POLL_FIRST, Creates, Decision, Done, State, Write, WriteOutcome
from atlas_endpoints.reconcile.observe import observe
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.reasons import FAILURES, Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Cause, Creation, find

logger = logging.getLogger(__name__)


class Converger:
    """Bring an entry closer to what its resource wants, by one step."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._kind = gatherer.kind
        self._ports = gatherer.ports
        self.changes = ChangeEvents(self._ports.record)
        self.intents = Intents(self._ports.clock.now)

    async def converge(self, facts: Facts[Any], *, max_age: float) -> Outcome:
        """Observe, decide, make at most one write, and return the outcome.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        resource = facts.resource
        armed_for = self._armed_for(facts)
        facts, decision = await observe(
            self._ports.atlas,
            replace(facts, unsent=armed_for is not None),
            self._kind.decide,
            max_age=max_age if armed_for is None else min(max_age, armed_for),  # a LIST has to follow the intent
            is_claimed=lambda known: self._gatherer.claim(known) is not None,
        )
        if decision.state.reason is Reason.ENDPOINT_NOT_FOUND and (error := _absence(facts, decision)) is not None:
            self._ports.limiter.release(resource.key)
            return self.failed(facts, error, own=decision.own)
        is_about_entry = decision.seen is not None or decision.write is not None
        if is_about_entry and (claim := self._gatherer.claim(facts)) is not None:
            self._ports.limiter.release(resource.key)
            if isinstance(claim, Owner) and resource.entry_release is not None:
                return self._reserve_own(facts, resource.entry_release)
            return summarize.of_contention(self._kind, facts, decision, claim)
        write = decision.write
        if write is None or facts.policy != "Manage" or (write.surplus is not None and resource.entry is not None):
            return await self._without_write(facts, decision)
        if write.surplus is not None:
            return await self._discard(facts, decision, write)
        if write.cause is Cause.DRIFT and not facts.forced and armed_for is None:
            wait = self._ports.limiter.wait_to_correct(resource.key)
            if wait:
                state = summarize.correction_delayed(decision, wait)
                return summarize.of_decision(self._kind, facts, replace(decision, state=state, write=None))
        if write.creates is not None:
            return await self._create(facts, decision, write, write.creates, armed=armed_for is not None)
        return await self._send(facts, decision, write)

    def failed(
        self,
        facts: Facts[Any],
        error: AtlasError,
        *,
        seen: object | None = None,
        own: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Return the outcome of an Atlas error; ``seen`` and ``own`` as in ``summarize.of_error``."""
        if (outcome := unrelated(error, facts.generation, held_for=facts.held_for)) is not None:
            return outcome
        outcome = failures.of_atlas(
            error,
            facts.attempt,
            source=facts.resolved.credentials_source,
            refused=facts.done.refused if facts.done is not None else (),
            differences=None if seen is None else compare(facts.resource, facts.desired, seen),
        )
        return summarize.of_error(self._kind, facts, outcome, seen=seen, own=own)

    async def _without_write(self, facts: Facts[Any], decision: Decision) -> Outcome:
        """Return an outcome that writes nothing the resource wants; delete a surplus entry if writes are allowed."""
        resource, write = facts.resource, decision.write
        self._settle(facts)
        self._ports.limiter.release(resource.key)
        for left in decision.left:
            self._ports.record(resource.named, events.left_connected(self._kind.called(left)))
        if write is None:
            return summarize.of_decision(self._kind, facts, decision)
        if write.surplus is None:
            return summarize.of_plan(self._kind, facts, decision, write)
        if self._ports.resources.is_unchanged(resource.key, resource.metadata.trigger):
            try:
                entry, _ = await self._write(facts, write)
            except AtlasError as error:
                # The resource itself is well; the next resync finds the entry again.
                logger.warning(
                    "The surplus endpoint %s could not be deleted; the operator tries again: %s",
                    write.surplus,
                    error,
                    extra=LogFields(key=str(resource.key)),
                )
            else:
                self._ports.record(resource.named, events.discarded(write))
                facts = facts.after(Done(write, WriteOutcome.CONFIRMED), entry=entry)
                decision = self._kind.decide(facts)
        return summarize.of_decision(self._kind, facts, decision)

    async def _discard(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome:
        """Delete a surplus entry before one of the two is adopted."""
        resource = facts.resource
        if not self._ports.resources.is_unchanged(resource.key, resource.metadata.trigger):
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        await self._write(facts, write)
        self._ports.record(resource.named, events.discarded(write))
        return summarize.of_decision(self._kind, facts, decision)

    async def _create(
        self, facts: Facts[Any], decision: Decision, write: Write, creates: Creates, *, armed: bool
    ) -> Outcome:
        """Take one step towards exactly one creation."""
        resource = facts.resource
        if not armed:
            if (left := creation.may_arrive_for(facts.previous.creation, facts.now)) > 0:
                state = State(creates.reason, creates.searched, RequeueAfter(min(POLL_FIRST, left)))
                return summarize.of_decision(self._kind, facts, Decision(state))
            self._settle(facts)
            return self._intend(facts, decision, creates, creates.attempt)
        if not self._ports.resources.is_unchanged(resource.key, resource.metadata.trigger):
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        name = self.intents.name(resource.key)
        if name not in {None, creates.name}:  # the spec names another one since
            self.intents.take(resource.key)
            own = {**decision.own, **self._kind.not_created(facts, name or "")}
            state = replace(decision.state, requeue=RequeueAfter(0.0))
            return summarize.of_decision(self._kind, facts, replace(decision, state=state, write=None, own=own))
        intent = self.intents.take(resource.key)
        if intent is None:  # the resource was gone for a moment, for example by its labels
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        if self._ports.clock.now() - intent.requested_at >= creation.RECENT:  # the search took too long
            return self._intend(facts, decision, creates, intent.attempt)
        facts = replace(facts, unsent=False)
        try:
            entry, answer = await self._write(facts, write)
        except AtlasError as error:
            if (outcome := unrelated(error, facts.generation, held_for=facts.held_for)) is not None:
                self.intents.arm(resource.key, intent, creates.name)  # nothing was sent, so nothing has to be searched
                return outcome
            if error.unknown_outcome:
                facts = facts.after(Done(write, WriteOutcome.UNKNOWN, error=error))
                intent = Creation(requested_at=self._ports.clock.now(), attempt=intent.attempt)
                return self.failed(facts, error, own=self._kind.intended(facts, creates, intent))
            facts = facts.after(Done(write, WriteOutcome.REFUSED, error=error))
            if self._kind.is_outdated(error):
                self._ports.atlas.outcome_unknown(facts.scope, resource.written_as)
                state = State(creates.reason, creates.searched, RequeueAfter(POLL_FIRST))
                return summarize.of_decision(
                    self._kind, facts, Decision(state, own=self._kind.not_created(facts, creates.name))
                )
            outcome = self.failed(facts, error, own=self._kind.not_created(facts, creates.name))
            return _naming_call(outcome, creates) if isinstance(error, UpdateRejectedError) else outcome
        facts = facts.after(Done(write, WriteOutcome.CONFIRMED, answer=answer), entry=entry)
        if not self._ports.resources.holds(resource.key, resource.metadata.uid):
            self._ports.record(resource.named, events.created_too_late(self._kind.called(entry)))
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    def _intend(self, facts: Facts[Any], decision: Decision, creates: Creates, attempt: int) -> Outcome:
        """Record in the status that an entry is about to be created.

        A refused earlier attempt stays in the status until another attempt succeeds: a retry is no news.
        """
        intent = Creation(requested_at=self._ports.clock.now(), attempt=attempt)
        self.intents.arm(facts.resource.key, intent, creates.name)
        own, previous = self._kind.intended(facts, creates, intent), facts.previous
        ready, last = find(previous, "Ready"), previous.last_error
        operation = decision.write.request.operation if decision.write is not None else None
        state = State(creates.reason, creates.intended, RequeueAfter(0.0))
        intended = replace(decision, state=state, write=None, own=own)
        outcome = summarize.of_decision(self._kind, facts, intended)
        is_retry = last is not None and last.operation == operation
        # Another version of the operator may have written a reason that this one does not know.
        if (
            ready is not None
            and is_retry
            and ready.observed_generation == facts.generation
            and ready.reason in FAILURES
        ):
            state = State(Reason(ready.reason), ready.message, RequeueAfter(0.0))
            outcome = replace(outcome, state=state, credentials=None, failure=last)
        return replace(outcome, creates=True)

    def _armed_for(self, facts: Facts[Any]) -> float | None:
        """Return how many seconds ago this process announced an unused intent that has reached the API server, or None."""
        key, intent = facts.resource.key, facts.previous.creation
        body = self._ports.resources.get(key)
        if body is None or intent is None or facts.resource.status_in(body).creation != intent:
            return None
        return self.intents.armed_for(key, intent)

    def _reserve_own(self, facts: Facts[Any], own: Mapping[str, Any]) -> Outcome:
        """Reserve an own entry: another copy of the same resource has the entry that the annotation names."""
        message = (
            "The annotation names an endpoint that another resource owns. A new endpoint is reserved for this resource."
        )
        state = State(Reason.RESERVATION_REQUESTED, message, RequeueAfter(0.0))
        return summarize.of_decision(self._kind, facts, Decision(state, own=own))

    async def _send(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome:
        """Make a write, and return what its answer means.

        Raises:
            AtlasError: observing the entry again, which the answer made necessary, failed.
        """
        resource, before = facts.resource, decision.seen
        self._ports.limiter.release(resource.key)
        if not self._ports.resources.holds(resource.key, resource.metadata.uid):
            # The resource was deleted, or its labels changed, during the observation.
            return status_unchanged(facts.generation, NoRequeue())
        self.changes.before(facts, write, before)
        shown = {} if before is None else resource.shown(before)
        done = Done(write, WriteOutcome.CONFIRMED, before=shown)
        try:
            entry, answer = await self._write(facts, write)
        except EndpointAbsentError as error:
            if write.request.method == "DELETE":
                return status_unchanged(facts.generation, RequeueAfter(POLL_FIRST))
            seen = await self._observe_now(facts)
            return self.failed(facts, failures.contradicting(error), seen=seen)
        except UpdateRejectedError as error:
            # The cached entry may be outdated, or a lost write has arrived late: observe again before the refusal is reported.
            # A refusal that the status already reports needs no observation.
            if write.tolerates_refusal:
                facts = facts.after(replace(done, outcome=WriteOutcome.REFUSED, error=error))
                return summarize.of_decision(self._kind, facts, self._kind.decide(facts))
            if self._kind.is_outdated(error) and write.request.method != "DELETE":
                self._ports.atlas.outcome_unknown(facts.scope, resource.written_as)
                return status_unchanged(facts.generation, RequeueAfter(POLL_FIRST))
            if not facts.attempt.is_reported(Reason.UPDATE_REJECTED):
                seen = await self._observe_now(facts)
                if _basis(resource, seen) != _basis(resource, before):
                    return status_unchanged(facts.generation, RequeueAfter(0.0))
            refused = failures.refused_fields(error, tuple(write.fields), resource.connection)
            facts = facts.after(replace(done, outcome=WriteOutcome.REFUSED, error=error, refused=refused))
            outcome = self.failed(facts, error, seen=before)
            return outcome if set(refused) == set(write.fields) else replace(outcome, requeue=RequeueAfter(0.0))
        except AtlasError as error:
            if error.unknown_outcome:
                facts = facts.after(replace(done, outcome=WriteOutcome.UNKNOWN, error=error))
                own = self._kind.decide(facts).own if write.tolerates_refusal else None
                return self.failed(facts, error, own=own)
            return self.failed(facts, error, seen=before)
        self._settle(facts)
        self.changes.after(facts, write, before, answer)
        facts = facts.after(replace(done, answer=answer), entry=entry)
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    async def _observe_now(self, facts: Facts[Any]) -> Any:
        """Return the entry as it is now, without the cache.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        fresh = replace(facts, view=self._ports.atlas.view(facts.scope), forced=True)
        fresh, decision = await observe(self._ports.atlas, fresh, self._kind.decide, max_age=0.0)
        if decision.seen is None and (error := _absence(fresh, decision)) is not None:
            raise error
        return decision.seen

    async def _write(self, facts: Facts[Any], write: Write) -> tuple[str, Any]:
        """Make a write; return the id and the value of the entry in the answer (without one: of the entry that it touches)."""
        kind = self._kind
        return await self._ports.atlas.write(
            facts.scope, write.request, parse=lambda answer: kind.written(write, answer), touches=write.touches
        )

    def _settle(self, facts: Facts[Any]) -> None:
        self._ports.atlas.settle(facts.scope, facts.resource.written_as, began=facts.view.began)


def _naming_call(outcome: Outcome, creates: Creates) -> Outcome:
    """Add which call was refused to the message."""
    if outcome.state is None:
        return outcome
    message = f"{outcome.state.message} The refused call {creates.planned}."
    return replace(outcome, state=replace(outcome.state, message=message))


def _basis(resource: Resource, value: object | None) -> object | None:
    return None if value is None else resource.basis(value)


def _absence(facts: Facts[Any], decision: Decision) -> AtlasError | None:
    """Return the error with which Atlas has answered that the entry is absent, if the decision rests on that."""
    error = None if decision.absent is None else facts.view.entries[decision.absent].error
    return None if error is None else error.with_traceback(None)
