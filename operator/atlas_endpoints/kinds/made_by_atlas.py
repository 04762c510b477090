"""Decide about something that Atlas makes and names: an endpoint for a region, a connection to a service. Pure.

A resource names it by its place (``made_by_atlas_resource``). The operator creates it with an intent (``reconcile.creation``), and
follows the one that lives there. If it is gone, it is created again, or reported, by the drift policy; one that has failed is deleted
and created again only on request.

What a kind adds is what Atlas says of the thing in each status, and who needs it before a DELETE.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias, TypeVar

from typing_extensions import override

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.made_by_atlas_resource import DELETING, Made, MadeResource, key_of
from atlas_endpoints.reconcile.compare import cause_of_loss, is_contested
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Creates, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Creation, ShownEntry, condition_in
from atlas_endpoints.reconcile.waiting import deleted_at, deleting, since_shown, words
from atlas_endpoints.reconcile.waits import as_long_again, pace

Facts: TypeAlias = AnyFacts[Any]

R = TypeVar("R", bound=MadeResource)

LAGS = timedelta(minutes=2)
"""For so long after an accepted DELETE, Atlas may still show a thing as before."""

EARLY_FIRST, EARLY_LAST = 30.0, 300.0
"""Seconds until a DELETE is repeated that came too early, at least and at most."""


def asked_for(facts: Facts, id_: str) -> float:
    """Return for how many more seconds Atlas may show a thing as before, since it has accepted a DELETE."""
    known: ShownEntry | None = facts.resource.status.made
    if known is None or known.id != id_ or known.status != DELETING or known.status_since is None:
        return 0.0
    return (known.status_since + LAGS - facts.now).total_seconds()


class MadeByAtlas(KindWithCommands[R]):
    """A kind of things that Atlas makes and names. An entry is such a thing.

    Attributes:
        noun: what people call one, which is also its field of the status.
        of_place: what people call one by its place.
        state_field: the field in which the status shows its status.
        gone: the statuses of what is still listed, and does not exist any more.
        going: those of what goes.
        replaced: those of what goes, and Atlas makes another one in its place.
        no_steps: those that are no step on its way.
        remedy: of a refused POST, as a sentence.
    """

    noun: ClassVar[str]
    of_place: ClassVar[str]
    state_field: ClassVar[str] = "status"
    gone: ClassVar[Collection[str]] = ()
    going: ClassVar[Collection[str]] = (DELETING,)
    replaced: ClassVar[Collection[str]] = ()
    no_steps: ClassVar[Collection[str]]
    remedy: ClassVar[str]

    preceding = frozenset({Reason.DELETING})  # then another one is created
    keeps_confirmed = True  # what is gone is created again, or reported, by the drift policy
    names_endpoints = False

    @abstractmethod
    def creation(self, facts: Facts) -> Request:
        """Return the POST."""

    @abstractmethod
    def deletion(self, facts: Facts, id_: str) -> Request:
        """Return the DELETE of one thing."""

    @abstractmethod
    def doubt(self, facts: Facts) -> str:
        """Return a sentence, after a blank, about what may be wrong in the spec; "": nothing."""

    @abstractmethod
    def in_its_status(self, facts: Facts, made: Any) -> Decision:
        """Return the decision about the thing, by its status."""

    @abstractmethod
    def status_of(self, facts: Facts, made: Any, since: datetime) -> ShownEntry:
        """Return what the status shows of a thing."""

    def before_post(self, facts: Facts) -> tuple[tuple[Get, ...], State | None]:  # noqa: ARG002  # a default
        """Return what is read before a POST, and the state if none is sent now; None: it is sent."""
        return (), None

    def before_delete(self, facts: Facts, made: Any) -> tuple[tuple[Get, ...], State | None]:  # noqa: ARG002  # a default
        """Return what is read before a DELETE, and the state if none is sent now; None: it is sent."""
        return (), None

    # Plain JSON.

    @override
    def entry_of(self, body: Body) -> str | None:
        found = part(part(body, "status"), self.noun).get("id")
        return found if isinstance(found, str) else None

    @override
    def recorded_in(self, status: Mapping[str, Any]) -> str | None:
        """Return the thing, or what stands for one that is being created."""
        found: str | None = part(status, self.noun).get("id") or part(status, "creation").get("requestedAt")
        return found

    # What Atlas has.

    @override
    def called(self, entry: str) -> str:
        return f"{self.noun.capitalize()} {entry}"

    @override
    def label(self, value: Any) -> str | None:
        is_there = isinstance(value, Made) and value.place and value.status not in self.gone
        return key_of(value.place) if is_there else None

    def recorded(self, facts: Facts) -> Any:
        """Return the thing that the status names, or that was just created, or None if Atlas does not show it."""
        known, done = facts.resource.status.made, facts.done
        found = None if known is None else facts.view.value(known.id)
        if done is not None and done.write.creates is not None and done.answer is not None:
            found = done.answer
        return found if isinstance(found, Made) and found.status not in self.gone else None

    def chosen(self, facts: Facts) -> tuple[Any, Sequence[Any]]:
        """Return the thing at the place, and the others that live there.

        It is the recorded one as long as that lives; else the one with the smallest ID of those that do.
        """
        found = {each.id: each for each in facts.view.labelled.get(facts.resource.created_as, ())}
        if (recorded := self.recorded(facts)) is not None:  # also if Atlas spells its place as nobody knows
            found = {recorded.id: recorded, **found}
        ranked = sorted(found.values(), key=self._rank)
        return next(iter(ranked), None), [each for each in ranked[1:] if self._rank(each) == 0]

    def _rank(self, made: Made) -> int:
        """Return 0 for a thing that lives, 1 for one that Atlas replaces, 2 for one that goes."""
        if made.status in self.going:
            return 2
        return 1 if made.status in self.replaced else 0

    def since_of(self, facts: Facts, made: Made) -> datetime:
        """Return since when the thing has been observed in its status, or is on its way."""
        return since_shown(facts.resource.status.made, made.id, made.status, facts.now, self.no_steps)

    # Decisions about a live resource.

    @override
    def decide(self, facts: Facts) -> Decision:
        known, done = facts.resource.status.made, facts.done
        if done is not None and done.write.request.method == "DELETE" and done.result is WriteResult.CONFIRMED:
            message = f"Atlas is deleting {self.noun} {done.write.touches[0]}. Then the operator creates another one."
            asked = {"status": DELETING, "status_since": facts.now}
            own = {} if known is None else {self.noun: known.model_copy(update=asked)}
            return Decision(State(Reason.DELETING, message, POLL), own=own)
        made, others = self.chosen(facts)
        decision = self._absent(facts) if made is None else self._present(facts, made)
        if known is not None and (made is None or made.id != known.id) and facts.view.value(known.id) is None:
            decision = replace(decision, absent=known.id)  # a LIST may lag
        if made is None or not others:
            return decision
        names = ", ".join((made.id, *(each.id for each in others)))
        message = f"{decision.state.message} {self._also} {names}. The operator follows {made.id}, and leaves the others alone."
        return replace(decision, state=replace(decision.state, message=message))

    @property
    def _also(self) -> str:
        """Begins the part of a message that names all that live at one place."""
        return f"Atlas has more than one {self.of_place}:"

    def _absent(self, facts: Facts) -> Decision:
        """Decide about a place without a thing."""
        resource, is_lost = facts.resource, bool(facts.baseline.confirmed)
        called, none = resource.called, f"Atlas has no {resource.called}."
        if is_lost and resource.spec.drift_policy != "Correct" and not facts.forced:
            message = (
                f"The {called} no longer exists in Atlas, and spec.driftPolicy is Report. To create it again, set"
                f" spec.driftPolicy to Correct, or {FORCE}."
            )
            return Decision(State(Reason.ENDPOINT_NOT_FOUND, message, observed=none))
        own = {self.noun: None}
        if is_lost and not facts.forced and is_contested(self.noun, facts):
            message = f"The {called} keeps vanishing from Atlas, so the operator creates it only once an hour. Find out who removes it."
            return Decision(State(Reason.DRIFTED, message, observed=none), own=own)
        gets, hindrance = self.before_post(facts)
        if hindrance is not None:
            return Decision(hindrance, gets=gets, own=own)
        cause = cause_of_loss(facts, is_lost=is_lost, otherwise=Cause.FIRST_CONTACT)
        state = State(Reason.INITIATING, f"The operator creates the {called}.", POLL, observed=none)
        return Decision(state, self._creation(facts, cause), gets=gets, own=own)

    def _creation(self, facts: Facts, cause: Cause) -> Write:
        key, called = facts.resource.created_as, facts.resource.called
        creates = Creates(
            key,
            1,
            Reason.INITIATING,
            intended=f"The operator creates the {called}.",
            searched=f"Atlas may be creating the {called}. The operator looks for it before it asks for it again.",
        )
        return Write(
            self.creation(facts),
            cause,
            names=(self.noun,),
            planned=f"creates the {called}",
            doubt=self.doubt(facts),
            remedy=self.remedy,
            touches=(key,),
            creates=creates,
        )

    def _present(self, facts: Facts, made: Made) -> Decision:
        """Decide about the thing at the place; an intent has come to its end."""
        if (left := asked_for(facts, made.id)) > 0 and made.status not in self.going:
            message = f"Atlas has accepted the deletion of {self.noun} {made.id}, and still shows it as {made.status}."
            return Decision(State(Reason.DELETING, message, _looks_again(left)))
        decision = self.in_its_status(facts, made)
        return replace(decision, seen=made, own={"intent": None, **decision.own})

    def failed(self, facts: Facts, made: Made) -> Decision:
        """Return the decision about a thing in the status FAILED."""
        said = f"Atlas reports FAILED for {self.noun} {made.id}."
        atlas_says = f"Message from Atlas: {words(made.error_message)}"
        if facts.is_protected(facts.resource.thing):
            message = (
                f"{said} Another resource names it as well, so the operator does not delete it. To create another one, delete the other"
                f" resource, and {FORCE}. {atlas_says}"
            )
            return Decision(State(Reason.ENDPOINT_FAILED, message, differences=()))
        message = f"{said} To delete it in Atlas and create another one, {FORCE}. {atlas_says}"
        state = State(Reason.ENDPOINT_FAILED, message, differences=())
        return Decision(state, self._deletion(facts, made, Cause.FORCED) if facts.forced else None)

    def _deletion(self, facts: Facts, made: Made, cause: Cause | None) -> Write:
        touches, thing = (made.id, facts.resource.written_as), facts.resource.thing
        request = self.deletion(facts, made.id)
        return Write(request, cause, names=(self.noun,), touches=touches, reads=made.id, deletes=thing)

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        known: ShownEntry | None = facts.resource.status.made
        made, others = self.chosen(facts)
        is_asked = known is not None and facts.resource.status.is_being_deleted
        if known is not None and is_asked and made is not None and made.id != known.id:
            made, others = self.recorded(facts), [made, *others]  # only the one that was asked for goes
        if made is None:
            return self.nothing_left(facts, others)
        if made.status in self.going:
            return Decision(deleting(facts, f"{self.noun} {made.id}", self.since_of(facts, made)), seen=made)
        now = "" if made.status is None else f" (now {made.status})"
        state = deleting(facts, f"{self.noun} {made.id}{now}", deleted_at(facts))
        if (left := asked_for(facts, made.id)) > 0 and not facts.forced:
            return Decision(replace(state, requeue=_looks_again(left)))
        gets, hindrance = self.before_delete(facts, made)
        if hindrance is not None:
            return Decision(hindrance, seen=made, gets=gets)
        asked = self.status_of(facts, replace(made, status=DELETING), facts.now)
        before = known if known is not None and known.id == made.id else None
        write = self._deletion(facts, made, None)
        decision = registered.deletion(facts, state, before, write, {self.noun: asked, "intent": None})
        if decision.write is not None or facts.done is None:
            return replace(decision, gets=gets)
        wait = as_long_again(deleted_at(facts), facts.now, facts.interval)
        requeue = RequeueAfter(min(max(wait, EARLY_FIRST), EARLY_LAST))
        return replace(decision, state=replace(decision.state, requeue=requeue), seen=made)

    def nothing_left(self, facts: Facts, others: Sequence[Made]) -> Decision:
        """Return the decision about a deleted resource whose thing Atlas does not show; ``others`` live at its place."""
        known = facts.resource.status.made
        absent = None if known is None or facts.view.value(known.id) is not None else known.id
        if (left := may_arrive_for(facts.resource.status.intent, facts.now)) > 0:
            return replace(registered.may_appear(facts, left), absent=absent)
        gone = None if known is None else f"{self.called(known.id)} is deleted from Atlas."
        stays = None
        if others:
            names = ", ".join(each.id for each in others)
            stays = f"What Atlas has beside it at the same place stays there: {names}. This resource did not follow it."
        state = State(Reason.DELETING, f"Atlas has no {self.noun} of this resource.")
        return Decision(state, absent=absent, nothing_left=True, gone=gone, stays=stays)

    # What a resource tells.

    @override
    def render(self, facts: Facts, seen: Made) -> Mapping[str, Any]:
        return {self.noun: self.status_of(facts, seen, self.since_of(facts, seen))}

    @override
    def intended(self, facts: Facts, creates: Creates, creation: Creation) -> Mapping[str, Any]:
        return {"intent": creation, self.noun: None}  # the one in the status is gone

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        return {"intent": None}

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        yield from self._news_of_identity(previous, status)
        also, told = (
            condition_in(each, "Ready").get("message", "").partition(self._also)[1:] for each in (status, previous)
        )
        if also[1] and also != told:
            yield EventReason.ENDPOINT_WARNING, "".join(also)

    def _news_of_identity(
        self, previous: Mapping[str, Any], status: Mapping[str, Any]
    ) -> Iterator[tuple[EventReason, str]]:
        """Yield the Events about which thing it is."""
        before, now = (part(each, self.noun).get("id") for each in (previous, status))
        was_confirmed = "applied" in previous
        if now is None:
            if (
                before is not None
                and was_confirmed
                and part(previous, self.noun).get(self.state_field) not in self.going
            ):
                yield EventReason.ENDPOINT_LOST, f"{self.called(before)} no longer exists in Atlas."
            return
        if "applied" not in status or (was_confirmed and now == before):
            return
        if before is not None and before != now:
            message = f"This resource follows {self.noun} {now} now, the {self.of_place} that Atlas shows in the place of {before}."
            yield EventReason.ENDPOINT_TAKEN_OVER, message
        elif "creation" in previous and not _is_refused(previous, status):
            yield EventReason.ENDPOINT_CREATED, f"The operator created {self.noun} {now} for this resource."
        else:
            message = (
                f"{self.called(now)} was there before, and this resource names it by its spec. With managementPolicy Manage and"
                " deletionPolicy Delete, it is deleted with this resource."
            )
            yield EventReason.ENDPOINT_ADOPTED, message

    # Commands.

    @override
    def state_of(self, value: Any) -> str | None:
        return value.status if isinstance(value, Made) else None


def _looks_again(left: float) -> RequeueAfter:
    """Return the requeue while Atlas may show a thing as before for ``left`` more seconds."""
    return RequeueAfter(min(left, pace(LAGS - timedelta(seconds=left))))


def _is_refused(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return whether the newest call in a history was refused, since Atlas had the thing already."""
    newest: Mapping[str, Any] = next(iter(status.get("history") or ()), {})
    is_new = bool(newest) and newest not in (previous.get("history") or ())
    return is_new and str(newest["result"]).startswith("Rejected")
