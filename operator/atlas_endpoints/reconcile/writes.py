"""One write to Atlas for a live resource: create an entry exactly once, or make another call, and read the answer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.controller.cache import key_of
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile import creation, events, failures, summarize
from atlas_endpoints.reconcile.attempt import as_long_again
from atlas_endpoints.reconcile.confirmed import after
from atlas_endpoints.reconcile.decision import Create, Decision, Done, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.observe import absence, read_entry
from atlas_endpoints.reconcile.one_pass import Pass
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged, unrelated
from atlas_endpoints.reconcile.ownership import rivals
from atlas_endpoints.reconcile.protection import Later
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import project_id_in
from atlas_endpoints.reconcile.status import Creation
from atlas_endpoints.tunings import LIST_LAGS


class Writes:
    """The write of one reconcile."""

    def __init__(self, one: Pass) -> None:
        self._pass = one
        self._kind, self._ports, self._gatherer = one.kind, one.ports, one.gatherer
        self._creations = one.shared.creations

    async def create(self, facts: Facts[Any], write: Create) -> Outcome:
        key = self._pass.key
        if (waiting := self._waits(facts, write)) is not None:
            return waiting
        if not self._ports.resources.is_unchanged(key, facts.resource.metadata.trigger):
            return status_unchanged(RequeueAfter(0.0))
        if (intent := self._creations.take_recent(key, facts.previous.creation)) is None:
            facts = await self._announced(facts, write) or facts
            if (intent := self._creations.take_recent(key, facts.previous.creation)) is None:
                return status_unchanged(Backoff())  # the resource has changed, or the status took too long
        facts = replace(facts, unsent=False)
        try:
            entry, answer = await self._gatherer.write(facts, write)
        except AtlasError as error:
            self._creations.ended(facts.scope, write.name, in_doubt=error.unknown_outcome)
            # Nothing has to be searched, even if no status says so.
            if not error.unknown_outcome and not self._kind.is_outdated(error):
                self._creations.set_pending(facts.scope, write.name, key, intent)
            if (outcome := unrelated(error, held_for=facts.held_for)) is not None:
                return outcome
            return await self._not_created(facts, write, error, intent)
        return self._created(facts, write, entry, answer)

    def _waits(self, facts: Facts[Any], write: Create) -> Outcome | None:
        """Return the outcome if the entry may be there already, or another one has its turn; None: create it now."""
        operation = write.request.operation
        known = None if facts.unsent else facts.previous.creation
        if known is not None and (left := creation.may_arrive_for(known, facts.now, facts.arrives_for)) > 0:
            wait = min(left, as_long_again(facts.now - known.requested_at, facts.interval))
            searched = Decision(State(write.reason, write.searched, RequeueAfter(wait)))
            return summarize.of_step(self._kind, facts, operation, searched)
        self.resolve_unknown(facts)
        wait = self._waits_for_others(facts, write)
        if wait <= 0:
            return None
        last = facts.attempt.shown_failure(operation)
        since = facts.now - facts.grace if last is None else last.since
        requeue = facts.attempt.within_grace(RequeueAfter(wait), since)
        message = f"{write.intended} It waits: another call for it runs or has failed, or Atlas does not show yet what one has made."
        return summarize.of_step(self._kind, facts, operation, Decision(State(write.reason, message, requeue)))

    def _waits_for_others(self, facts: Facts[Any], write: Create) -> float:
        """Return the seconds until the next look for what others have asked for, perhaps with a process that died; 0: none."""
        resource, project_id = facts.resource, facts.scope.project_id
        naming = rivals(self._kind, resource, self._gatherer.naming(resource, write.name, project_id), deleting=True)
        others = [body for body in naming if project_id_in(body) == project_id]
        wait = self._creations.wait(facts.scope, write.name, map(key_of, others), forced=facts.forced)
        intents = (self._kind.resource.status_in(body).creation for body in others)
        # One of the future was dated by a clock that was ahead: how old it is, nobody knows.
        dated = (
            each for each in intents if each is not None and (each.requested_at <= facts.now or facts.arrives_for > 0)
        )
        newest = max(dated, key=lambda each: min(each.requested_at, facts.now), default=None)
        if newest is None or (left := creation.may_arrive_for(newest, facts.now, facts.arrives_for)) <= 0:
            return wait
        return max(wait, min(left, as_long_again(facts.now - newest.requested_at, facts.interval)))

    async def _announced(self, facts: Facts[Any], write: Create) -> Facts[Any] | None:
        """Record the intent in the status, and return the facts with it; None: the resource has changed."""
        key = self._pass.key
        intent = Creation(requested_at=self._ports.clock.now(), attempt=write.attempt)
        self._creations.set_pending(facts.scope, write.name, key, intent)
        state = State(write.reason, write.intended, RequeueAfter(0.0))
        decision = Decision(state, own=self._kind.intended(facts, intent))
        return await self._pass.write_status(
            facts, summarize.of_step(self._kind, facts, write.request.operation, decision)
        )

    def _created(self, facts: Facts[Any], write: Create, entry: str, answer: Any) -> Outcome:
        resource = facts.resource
        self._creations.created(facts.scope, write.name, shown_in=self._kind.shown_within)
        for body in self._gatherer.naming(resource, write.name, facts.scope.project_id):
            self._ports.wake(key_of(body))  # they wait for the same thing
        facts = after(facts, Done(write, WriteResult.CONFIRMED, answer=answer), entry=entry)
        if not self._ports.resources.holds(resource.key, resource.metadata.uid):
            why = "it was created while its resource was being deleted"
            self._ports.emit(self._pass.store.body, events.stays(self._kind.called(entry), why))
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    async def _not_created(self, facts: Facts[Any], write: Create, error: AtlasError, intent: Creation) -> Outcome:
        """Return the outcome of a creation that failed: its intent stays only if the call may still be carried out."""
        if error.unknown_outcome:
            facts = after(facts, Done(write, WriteResult.UNKNOWN, error=error))
            own = self._kind.intended(facts, intent)
        else:
            if not isinstance(error, AtlasHeldError):
                facts = after(facts, Done(write, WriteResult.REFUSED, error=error))
            own = self._kind.not_created(facts, write.name)
        if not error.unknown_outcome and self._kind.is_outdated(error):
            outcome = await self._contradicted(facts, write, error, own)
        else:
            outcome = summarize.of_failed_call(self._kind, facts, error, own=own)
        now = self._ports.clock.now()
        since = now if outcome.failure is None else outcome.failure.since
        # Also if it is there, as it turns out: Atlas may refuse the next call for the same reason.
        wait = self._creations.failed(facts.scope, write.name, since, now, facts.interval)
        if isinstance(outcome.requeue, Backoff):
            if error.unknown_outcome or outcome.failure is None:  # a LIST may show it soon
                wait = facts.polls.delay
            return replace(outcome, requeue=RequeueAfter(max(wait, outcome.requeue.at_least)))
        return outcome

    async def send(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome:
        """Make a write, and return what its answer means; read before what it rests on.

        Raises:
            AtlasError: an observation failed.
        """
        if write.reads is None:
            return await self.prevented(facts, decision, write) or await self._send(facts, decision, write)
        if (wait := self._ports.atlas.unknown_for(facts.scope, write.reads) or 0.0) > 0:
            # Another write to it may still arrive, and this one would undo that one, or the other way round.
            state = replace(decision.state, requeue=RequeueAfter(wait))
            without = replace(decision, state=state, write=None)
            return summarize.of_step(self._kind, facts, write.request.operation, without)
        turn = (facts.scope.place, write.reads)
        if turn in self._pass.shared.reading:
            return status_unchanged(Backoff())  # the wait after a failure goes on
        self._pass.shared.reading.add(turn)
        try:
            return await self._read_and_send(facts, decision, write, write.reads)
        finally:
            self._pass.shared.reading.discard(turn)

    async def _read_and_send(self, facts: Facts[Any], decision: Decision, write: Write, reads: str) -> Outcome:
        """Read the entry that a write rests on, and make the write if it is still the same call.

        What prevents a DELETE is asked before: its LIST of the namespace may take long, and what is to be deleted may work again by
        then, so the GET follows it. Other writes ask it after the GET.
        """
        deletes = write.request.method == "DELETE"
        if deletes and (outcome := await self.prevented(facts, decision, write)) is not None:
            return outcome
        began = self._ports.atlas.moment()
        facts = replace(facts, view=await read_entry(self._ports.atlas, facts, reads))
        self._ports.atlas.resolve_unknown(facts.scope, reads, began=began)
        decision = self._kind.decide(facts)
        if decision.write is None and decision.absent is None:
            return summarize.of_decision(self._kind, facts, decision)
        if decision.write is None or (decision.write.request.operation, decision.write.reads) != (
            write.request.operation,
            reads,
        ):
            error = facts.view.entries[reads].error
            if error is not None and facts.held_for > facts.grace.total_seconds():
                raise failures.contradicting(error)
            unreported = None if error is None else Reason.ATLAS_UNAVAILABLE
            return status_unchanged(Backoff(at_least=LIST_LAGS), unreported=unreported)
        if not deletes:
            prevented = await self.prevented(facts, decision, decision.write)
            return prevented or await self._send(facts, decision, decision.write)
        if not self._ports.resources.is_unchanged(self._pass.key, facts.resource.metadata.trigger):
            return status_unchanged(RequeueAfter(0.0))
        return await self._send(facts, decision, decision.write)

    async def prevented(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome | None:
        """Return the outcome if a write may not be made any more, or not yet; else None."""
        match await self._pass.shared.protection.permit(facts.resource, write, facts.scope.project_id):
            case None:
                return None
            case Later(requeue, ""):
                return status_unchanged(requeue)
            case Later(requeue, message):
                without = replace(decision, write=None)
                outcome = summarize.of_step(self._kind, facts, write.request.operation, without).saying(message)
                return replace(outcome, requeue=requeue)
            case _:
                protected = self._kind.decide(replace(facts, is_protected=lambda _: True))
                return summarize.of_decision(self._kind, facts, replace(protected, write=None))

    async def _send(self, facts: Facts[Any], decision: Decision, write: Write) -> Outcome:
        """Make a write, and return what its answer means.

        Raises:
            AtlasError: observing the entry again, which the answer made necessary, failed.
        """
        resource, before = facts.resource, decision.seen
        if (adopts := None if before is None else events.adopting(facts, write, before)) is not None:
            self._ports.emit(self._pass.store.body, adopts)
        shown = {} if before is None else resource.shown(before)
        done = Done(write, WriteResult.CONFIRMED, before=shown)
        try:
            entry, answer = await self._gatherer.write(facts, write)
        except AtlasError as error:
            if not isinstance(error, EndpointAbsentError) or write.request.method != "DELETE":
                outcome = await self._failed(facts, done, before, error)
                return outcome.paced(facts.not_ready_for, facts.failing_for.total_seconds())
            entry, answer = write.touches[0], None  # a GET will show what is there
        self.resolve_unknown(facts)
        if write.request.method == "DELETE":
            self._creations.deleted(facts.scope, resource.created_as)
        if before is not None and adopts is None and (event := events.changed(facts, write, before, answer)):
            self._ports.emit(self._pass.store.body, event)
        facts = after(facts, replace(done, answer=answer), entry=entry)
        return summarize.of_decision(self._kind, facts, self._kind.decide(facts))

    async def _failed(self, facts: Facts[Any], done: Done, before: Any, error: AtlasError) -> Outcome:
        """Return what a failed write means; ``before`` is the entry before it.

        Raises:
            AtlasError: observing the entry again, which the answer made necessary, failed.
        """
        write, kind = done.write, self._kind
        if error.unknown_outcome:
            facts = after(facts, replace(done, result=WriteResult.UNKNOWN, error=error))
            own = kind.decide(facts).own if write.is_beside else None
            return summarize.of_failed_call(kind, facts, error, seen=before if write.is_beside else None, own=own)
        refused = after(facts, replace(done, result=WriteResult.REFUSED, error=error))
        if write.is_beside and isinstance(error, UpdateRejectedError):
            return summarize.of_decision(kind, refused, kind.decide(refused))
        if kind.is_outdated(error):
            return await self._contradicted(refused, write, error, {})
        if isinstance(error, EndpointAbsentError):
            seen = await self._observe_now(facts)
            return summarize.of_failed_call(kind, facts, failures.contradicting(error), seen=seen)
        if isinstance(error, UpdateRejectedError):
            return await self._rejected(facts, done, before, error)
        was_sent = before is None and error.http_status is not None
        return summarize.of_failed_call(kind, refused if was_sent else facts, error, seen=before)

    async def _rejected(self, facts: Facts[Any], done: Done, before: Any, error: UpdateRejectedError) -> Outcome:
        """Return what a rejected write means, as for :meth:`_failed`.

        The cached entry may be outdated, or a lost write has arrived late: observe again before the refusal is reported. A refusal
        that the status already reports needs no observation.
        """
        basis = facts.resource.basis
        if before is not None and not facts.attempt.is_reported(Reason.UPDATE_REJECTED):
            seen = await self._observe_now(facts)
            if seen is None or basis(seen) != basis(before):
                return status_unchanged(Backoff())
        facts = after(facts, replace(done, result=WriteResult.REFUSED, error=error))
        return summarize.of_failed_call(self._kind, facts, error, seen=before)

    async def _observe_now(self, facts: Facts[Any]) -> Any:
        """Return the entry as it is now, without the cache.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        fresh, decision = await self._gatherer.observe_anew(replace(facts, forced=True), self._kind.decide)
        if decision.seen is None and (error := absence(fresh, decision)) is not None:
            raise error
        return decision.seen

    async def _contradicted(
        self, facts: Facts[Any], write: Write, error: AtlasError, own: Mapping[str, Any]
    ) -> Outcome:
        """Observe anew after a refusal that only an outdated observation explains; report it if the new one says the same.

        Args:
            own: what the kind's own status records of the refusal.

        Raises:
            AtlasError: the observation failed, or the entry is proved absent.
        """
        contradiction = failures.of_contradiction(error, facts.attempt, facts.as_long_again)
        told = facts.attempt.shown_failure(error.operation)
        if told is None or told.error_code != error.error_code:  # else it is enough that this try has observed
            status = facts.previous.model_copy(update=dict(own))
            fresh = replace(facts, resource=facts.resource.model_copy(update={"status": status}))
            fresh, decision = await self._gatherer.observe_anew(fresh, self._kind.decide)
            if not decision.status_first and (decision.write is None or decision.write.request != write.request):
                state = replace(decision.state, requeue=Backoff())  # Atlas is never asked without a pause
                decision = replace(decision, state=state, write=None, own={**own, **decision.own})
                return summarize.of_decision(self._kind, replace(fresh, done=facts.done), decision)
        return summarize.of_error(self._kind, facts, contradiction, own=own)

    def resolve_unknown(self, facts: Facts[Any]) -> None:
        """End the search for what a write of unknown outcome has done, if the view began when none could arrive any more."""
        self._ports.atlas.resolve_unknown(facts.scope, facts.resource.written_as, began=facts.view.began)
