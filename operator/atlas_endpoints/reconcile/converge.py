"""One step of a reconcile: observe, decide, check what may be written, and make at most one write."""

import logging
from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.controller.cache import key_of, status_of
from atlas_endpoints.controller.controller import Store
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, RequeueAfter
from atlas_endpoints.reconcile import creation, events, failures, summarize
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.events import ChangeEvents
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.kind import Creates, Decision, Done, State, Write, WriteOutcome
from atlas_endpoints.reconcile.observe import read_entry
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.protection import Later, Protection
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause, Creation, find
from atlas_endpoints.reconcile.waits import STATUS_WRITES, backoff

logger = logging.getLogger(__name__)

MIN_READY = timedelta(minutes=30)
"""A settled resource stays Ready for at least this long while observing it fails."""

LAGS = 30.0
"""Seconds until Atlas is asked again, at least, if a LIST still shows what a GET proves absent."""


class Converger:
    """Bring an entry closer to what its resource wants, by one step."""

    def __init__(self, gatherer: Gatherer, protection: Protection, creations: Creations) -> None:
        self._gatherer = gatherer
        self._kind = gatherer.kind
        self._ports = gatherer.ports
        self._protection = protection
        self._creations = creations
        self._reading: set[tuple[Hashable, str]] = set()
        """The entries that a write in progress was read for."""
        self._changes = ChangeEvents(self._ports.record, gatherer.memories)

    async def converge(self, facts: Facts[Any], store: Store, *, max_age: float) -> Outcome:
        """Observe, decide, make at most one write, and return the outcome.

        Args:
            store: records what the reconcile rests on, before it goes on.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        began = self._ports.clock.monotonic()
        facts, decision = await self._observe(facts, max_age)
        if decision.records:
            recorded = await self._recorded(facts, summarize.of_decision(self._kind, facts, decision), store)
            if recorded is None:
                return status_unchanged(facts.generation, Backoff())
            facts, decision = await self._observe(recorded, max_age + self._ports.clock.monotonic() - began)
        resource = facts.resource
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
        if write is None or write.surplus is not None or facts.policy == "Observe":
            return await self._without_write(facts, decision)
        if write.cause is Cause.DRIFT and not facts.forced and not facts.unsent:
            wait = self._ports.limiter.wait_to_correct(resource.key)
            if wait:
                state = summarize.correction_delayed(decision, wait)
                return summarize.of_decision(self._kind, facts, replace(decision, state=state, write=None))
        if write.creates is not None:
            return await self._create(facts, write, write.creates, store)
        return await self._send(facts, decision, write, store)

    async def _observe(self, facts: Facts[Any], max_age: float) -> tuple[Facts[Any], Decision]:
        """Observe and decide; an intent that is not needed any more ends."""
        intent = facts.previous.creation
        facts, decision = await self._gatherer.observe(
            replace(facts, unsent=self._creations.unused(facts.resource.key, intent) is not None),
            self._gatherer.decide,
            max_age=max_age,
            is_claimed=lambda known: self._gatherer.claim(known) is not None,
        )
        creates = facts.policy == "Manage" and decision.write is not None and decision.write.creates is not None
        if not creates and (name := self._creations.withdraw(facts.resource.key, intent)):
            decision = replace(decision, own={**self._kind.not_created(facts, name), **decision.own})
        return facts, decision

    async def _recorded(self, facts: Facts[Any], outcome: Outcome, store: Store) -> Facts[Any] | None:
        """Write the status of an outcome, and return the facts with it; None: the resource has changed."""
        resource = facts.resource
        attempt = replace(facts.attempt, previous=resource.status_in(store.body))
        # A request is handled when the reconcile has ended; and until its turn, only the facts call it handled.
        status = summarize.render(attempt, replace(outcome, handled=None)).to_json()
        if not await store.record(status):
            return None
        memory = self._gatherer.memories[resource.key]
        memory.written = (*memory.written, self._ports.clock.monotonic())[-STATUS_WRITES:]
        return replace(facts, resource=resource.model_copy(update={"status": resource.status_in(store.body)}))

    def failed(
        self, facts: Facts[Any], error: AtlasError, *, seen: object | None = None, own: Mapping[str, Any] | None = None
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
        outcome = summarize.of_error(self._kind, facts, outcome, seen=seen, own=own)
        planned = facts.done.write.planned if facts.done is not None and isinstance(error, UpdateRejectedError) else ""
        return outcome.saying(planned and f"The refused call {planned}.")

    def observation_failed(self, facts: Facts[Any], error: AtlasError) -> Outcome:
        """Return that observing the entry failed; nothing, if the resource is settled and the failure may pass soon."""
        is_settled, outcome = facts.attempt.is_settled, self.failed(facts, error)
        if outcome.unreported is None and not (failures.may_pass(error) and is_settled):
            return outcome
        memory, now = self._gatherer.memories[facts.resource.key], self._ports.clock.monotonic()
        memory.failing_since = now if memory.failing_since is None else memory.failing_since
        if not is_settled or facts.held_for >= max(3 * facts.interval, MIN_READY).total_seconds():
            return outcome
        return status_unchanged(facts.generation, outcome.requeue, unreported=error.reason)

    async def _without_write(self, facts: Facts[Any], decision: Decision) -> Outcome:
        """Return an outcome that writes nothing the resource wants; delete a surplus entry if writes are allowed."""
        resource, write = facts.resource, decision.write
        self._settle(facts)
        self._ports.limiter.release(resource.key)
        for left in decision.left:
            why = "it was reserved for this resource, which has another endpoint, and somebody has connected it"
            self._ports.record(resource.named, events.stays(self._kind.called(left), why))
        if write is None or facts.policy == "Observe":
            return summarize.of_decision(self._kind, facts, decision)
        if await self._prevented(facts, decision, write) is None:
            try:
                entry, _ = await self._gatherer.write(facts, write)
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

    async def _create(self, facts: Facts[Any], write: Write, creates: Creates, store: Store) -> Outcome:
        """Create exactly one entry, once the status says so."""
        if (waiting := self._waits(facts, write, creates)) is not None:
            return waiting
        resource = facts.resource
        if not self._ports.resources.is_unchanged(resource.key, resource.metadata.trigger):
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        if not self._creations.is_recent(resource.key, facts.previous.creation):
            announced = Creation(requested_at=self._ports.clock.now(), attempt=creates.attempt)
            self._creations.arm(facts.scope, creates.name, resource.key, announced)
            state = State(creates.reason, creates.intended, RequeueAfter(0.0))
            decision = Decision(state, own=self._kind.intended(facts, creates, announced))
            recorded = await self._recorded(facts, self._as_before(facts, write.request.operation, decision), store)
            if recorded is None or not self._creations.is_recent(resource.key, announced):  # it took too long
                return status_unchanged(facts.generation, Backoff())
            facts, resource = recorded, recorded.resource
        intent = self._creations.take(resource.key)
        if intent is None:  # the resource was gone for a moment, for example by its labels
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        facts = replace(facts, unsent=False)
        try:
            entry, answer = await self._gatherer.write(facts, write)
        except AtlasError as error:
            if not error.unknown_outcome:  # nothing has to be searched, even if no status says so
                self._creations.arm(facts.scope, creates.name, resource.key, intent)
            if (outcome := unrelated(error, facts.generation, held_for=facts.held_for)) is not None:
                return outcome
            return await self._not_created(facts, write, creates, error, intent)
        self._creations.created(facts.scope, creates.name)
        self._gatherer.memories[resource.key].refusals = None
        for body in self._gatherer.naming(resource, creates.name, facts.scope.project_id):
            self._ports.wake(key_of(body))  # they wait for the same thing
        facts = facts.after(Done(write, WriteOutcome.CONFIRMED, answer=answer), entry=entry)
        if not self._ports.resources.holds(resource.key, resource.metadata.uid):
            why = "it was created while its resource was being deleted"
            self._ports.record(resource.named, events.stays(self._kind.called(entry), why))
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    def _waits(self, facts: Facts[Any], write: Write, creates: Creates) -> Outcome | None:
        """Return the outcome if the entry may be there already, or another one has its turn; None: create it now."""
        known = None if facts.unsent else facts.previous.creation
        if known is not None and (left := creation.may_arrive_for(known, facts.now)) > 0:
            wait = min(left, backoff(known.requested_at, facts.now, facts.interval))
            state = State(creates.reason, creates.searched, RequeueAfter(wait))
            return self._as_before(facts, write.request.operation, Decision(state))
        self._settle(facts)
        wait = self._creations.wait(facts.scope, creates.name, facts.resource.key, forced=facts.forced)
        if wait <= 0:
            return None
        if facts.attempt.shown_failure(write.request.operation) is not None:
            return status_unchanged(facts.generation, RequeueAfter(wait))  # the failure that is shown goes on
        message = f"{creates.intended} It waits, because another call for it runs, or has failed a moment ago."
        state = State(creates.reason, message, RequeueAfter(wait))
        return self._as_before(facts, write.request.operation, Decision(state))

    async def _not_created(
        self, facts: Facts[Any], write: Write, creates: Creates, error: AtlasError, intent: Creation
    ) -> Outcome:
        """Return the outcome of a creation that failed: its intent stays only if the call may still be carried out."""
        if error.unknown_outcome:
            facts = facts.after(Done(write, WriteOutcome.UNKNOWN, error=error))
            outcome = self.failed(facts, error, own=self._kind.intended(facts, creates, intent))
        else:
            own = self._kind.not_created(facts, creates.name)
            facts = facts.after(Done(write, WriteOutcome.REFUSED, error=error))
            if self._kind.is_outdated(error):
                outcome = await self._contradicted(facts, write, error, own)
            else:
                outcome = self.failed(facts, error, own=own)
        if outcome.failure is None:  # it is there
            self._creations.created(facts.scope, creates.name)
            return outcome
        now = self._ports.clock.now()
        wait = self._creations.failed(facts.scope, creates.name, outcome.failure.since, now, facts.interval)
        if isinstance(outcome.requeue, Backoff):
            return replace(outcome, requeue=RequeueAfter(max(wait, outcome.requeue.at_least)))
        return outcome

    def _as_before(self, facts: Facts[Any], operation: str, decision: Decision) -> Outcome:
        """Return the outcome of a step towards a write, which keeps a force-sync request open.

        Args:
            operation: the status keeps showing that this call has failed before.
        """
        outcome = replace(summarize.of_decision(self._kind, facts, decision), handled=None)
        last, ready = facts.attempt.shown_failure(operation), find(facts.previous, "Ready")
        # Another version of the operator may have written a reason that this one does not know.
        if last is None or ready is None or ready.reason not in set(Reason):
            return outcome
        state = State(Reason(ready.reason), ready.message, decision.state.requeue)
        return replace(outcome, state=state, credentials=None, failure=last)

    async def _contradicted(
        self, facts: Facts[Any], write: Write, error: AtlasError, own: Mapping[str, Any]
    ) -> Outcome:
        """Observe anew after a refusal that only an outdated observation explains; report it if the new one says the same.

        Args:
            own: what the kind's own status records of the refusal.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        outcome = failures.of_contradiction(error, facts.attempt, self._gatherer.refused_since(facts), facts.interval)
        told = facts.attempt.shown_failure(error.operation)
        if told is None or told.error_code != error.error_code:  # else it is enough that this try has observed
            status = facts.previous.model_copy(update=dict(own))
            fresh = replace(facts, resource=facts.resource.model_copy(update={"status": status}))
            fresh, decision = await self._gatherer.observe_anew(fresh, self._kind.decide)
            if not decision.records and (decision.write is None or decision.write.request != write.request):
                state = replace(decision.state, requeue=Backoff())  # Atlas is never asked without a pause
                decision = replace(decision, state=state, write=None, own={**own, **decision.own})
                return summarize.of_decision(self._kind, fresh, decision)
        return summarize.of_error(self._kind, facts, outcome, own=own)

    def _reserve_own(self, facts: Facts[Any], own: Mapping[str, Any]) -> Outcome:
        """Reserve an own entry: another copy of the same resource has the entry that the annotation names."""
        message = "The annotation names an endpoint of another resource. A new one is reserved for this resource."
        state = State(Reason.RESERVATION_REQUESTED, message, RequeueAfter(0.0))
        return summarize.of_decision(self._kind, facts, Decision(state, own=own))

    async def _send(self, facts: Facts[Any], decision: Decision, write: Write, store: Store) -> Outcome:
        """Make a write, and return what its answer means; read before what it rests on.

        Raises:
            AtlasError: an observation failed.
        """
        resource = facts.resource
        self._ports.limiter.release(resource.key)
        if not self._ports.resources.holds(resource.key, resource.metadata.uid):
            # The resource was deleted, or its labels changed, during the observation.
            return status_unchanged(facts.generation, NoRequeue())
        if write.request.method == "POST" and not await store.record(status_of(store.body)):  # if it is not written yet
            return status_unchanged(facts.generation, Backoff())
        if write.reads is None:
            return await self._send_now(facts, decision, write)
        if (wait := self._ports.atlas.unknown_for(facts.scope, write.reads) or 0.0) > 0:
            # Another write to it may still arrive, and this one would undo that one, or the other way round.
            state = replace(decision.state, requeue=RequeueAfter(wait))
            return self._as_before(facts, write.request.operation, replace(decision, state=state, write=None))
        turn = (facts.scope.place, write.reads)
        if turn in self._reading:
            return status_unchanged(facts.generation, Backoff())  # the wait after a failure goes on
        self._reading.add(turn)
        try:
            deletes = write.request.method == "DELETE"
            # The LIST of the namespace may take long. So the GET follows it: what is to be deleted may work again by then.
            if deletes and (outcome := await self._prevented(facts, decision, write)) is not None:
                return outcome
            began = self._ports.atlas.moment()
            facts = replace(facts, view=await read_entry(self._ports.atlas, facts, write.reads))
            self._ports.atlas.settle(facts.scope, write.reads, began=began)
            decision = self._kind.decide(facts)
            if decision.write is None:
                return summarize.of_decision(self._kind, facts, decision)
            if decision.write.request.operation != write.request.operation:
                return status_unchanged(facts.generation, Backoff(at_least=LAGS))
            return await self._send_now(facts, decision, decision.write, permitted=deletes)
        finally:
            self._reading.discard(turn)

    async def _prevented(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome | None:
        """Return the outcome if a write may not be made any more, or not yet; else None."""
        match await self._protection.permit(facts.resource, write, facts.scope.project_id):
            case None:
                return None
            case Later(requeue, ""):
                return status_unchanged(facts.generation, requeue)
            case Later(requeue, message):
                outcome = self._as_before(facts, write.request.operation, replace(decision, write=None)).saying(message)
                return replace(outcome, requeue=requeue)
            case _:
                protected = self._kind.decide(replace(facts, is_protected=lambda _: True))
                return summarize.of_decision(self._kind, facts, replace(protected, write=None))

    async def _send_now(
        self, facts: Facts[Any], decision: Decision, write: Write, *, permitted: bool = False
    ) -> Outcome:
        """Make a write, unless it may not be made any more, and return what its answer means.

        Raises:
            AtlasError: observing the entry again, which the answer made necessary, failed.
        """
        resource, before = facts.resource, decision.seen
        if permitted and not self._ports.resources.is_unchanged(resource.key, resource.metadata.trigger):
            return status_unchanged(facts.generation, RequeueAfter(0.0))
        if not permitted and (outcome := await self._prevented(facts, decision, write)) is not None:
            return outcome
        self._changes.before(facts, write, before)
        shown = {} if before is None else resource.shown(before)
        done = Done(write, WriteOutcome.CONFIRMED, before=shown)
        try:
            entry, answer = await self._gatherer.write(facts, write)
        except AtlasError as error:
            if not isinstance(error, EndpointAbsentError) or write.request.method != "DELETE":
                outcome = await self._failed_write(facts, done, before, error)
                return failures.paced(outcome, self._gatherer.refused_since(facts), facts.now, facts.interval)
            entry, answer = write.touches[0], None  # a GET will show what is there
        self._settle(facts)
        self._gatherer.memories[resource.key].refusals = None
        if before is not None:
            self._changes.after(facts, write, before, answer)
        facts = facts.after(replace(done, answer=answer), entry=entry)
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    async def _failed_write(self, facts: Facts[Any], done: Done, before: Any, error: AtlasError) -> Outcome:
        """Return what a failed write means; ``before`` is the entry before it.

        Raises:
            AtlasError: observing the entry again, which the answer made necessary, failed.
        """
        write = done.write
        if error.unknown_outcome:
            facts = facts.after(replace(done, outcome=WriteOutcome.UNKNOWN, error=error))
            own = self._kind.decide(facts).own if write.is_beside else None
            return self.failed(facts, error, seen=before if write.is_beside else None, own=own)
        refused = facts.after(replace(done, outcome=WriteOutcome.REFUSED, error=error))
        if write.is_beside and isinstance(error, UpdateRejectedError):
            return summarize.of_decision(self._kind, refused, self._kind.decide(refused))
        if self._kind.is_outdated(error):
            return await self._contradicted(refused, write, error, {})
        if isinstance(error, EndpointAbsentError):
            return self.failed(facts, failures.contradicting(error), seen=await self._observe_now(facts))
        if isinstance(error, UpdateRejectedError):
            return await self._rejected(facts, done, before, error)
        was_sent = before is None and error.http_status is not None
        return self.failed(refused if was_sent else facts, error, seen=before)

    async def _rejected(self, facts: Facts[Any], done: Done, before: Any, error: UpdateRejectedError) -> Outcome:
        """Return what a rejected write means, as for :meth:`_failed_write`.

        The cached entry may be outdated, or a lost write has arrived late: observe again before the refusal is reported. A refusal
        that the status already reports needs no observation.
        """
        resource, fields = facts.resource, tuple(done.write.fields)
        if before is not None and not facts.attempt.is_reported(Reason.UPDATE_REJECTED):
            seen = await self._observe_now(facts)
            if seen is None or resource.basis(seen) != resource.basis(before):
                return status_unchanged(facts.generation, Backoff())
        refused = failures.refused_fields(error, fields, resource.connection)
        facts = facts.after(replace(done, outcome=WriteOutcome.REFUSED, error=error, refused=refused))
        outcome = self.failed(facts, error, seen=before)
        return outcome if set(refused) == set(fields) else replace(outcome, requeue=RequeueAfter(0.0))

    async def _observe_now(self, facts: Facts[Any]) -> Any:
        """Return the entry as it is now, without the cache.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        fresh, decision = await self._gatherer.observe_anew(replace(facts, forced=True), self._kind.decide)
        if decision.seen is None and (error := _absence(fresh, decision)) is not None:
            raise error
        return decision.seen

    def _settle(self, facts: Facts[Any]) -> None:
        self._ports.atlas.settle(facts.scope, facts.resource.written_as, began=facts.view.began)


def _absence(facts: Facts[Any], decision: Decision) -> AtlasError | None:
    """Return the error with which Atlas has answered that the entry is absent, if the decision rests on that."""
    error = None if decision.absent is None else facts.view.entries[decision.absent].error
    return None if error is None else error.with_traceback(None)
