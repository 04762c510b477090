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
from atlas_endpoints.controller.requeue import RequeueAfter, at_latest
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.lives import life
from atlas_endpoints.kinds.made_by_atlas_resource import DELETING, MOST_OTHERS, Made, MadeResource, key_of
from atlas_endpoints.reconcile.attempt import pace
from atlas_endpoints.reconcile.compare import KEEPS_VANISHING, cause_of_loss, keeps_vanishing
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Create, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Creation, ShownEntry
from atlas_endpoints.reconcile.waiting import deleted_at, deleting, since_shown, words

Facts: TypeAlias = AnyFacts[Any]

R = TypeVar("R", bound=MadeResource)

LAGS = timedelta(minutes=2)
"""For so long after an accepted DELETE, Atlas may still show a thing as before."""

EARLY_FIRST, EARLY_LAST = 30.0, 300.0
"""Seconds until a DELETE is repeated that came too early, at least and at most."""

MOST_NAMES = 5
"""As many of those that stand in the way are named, so that a message has room for the ways out."""

REFUSED_ON_REQUEST = "In Atlas, remove what uses it. Then set the annotation again, to another value."
"""The remedy if Atlas refuses a deletion that somebody has requested."""

LIVES, REPLACED, FAILED, GOES = range(4)
"""The ranks of things at one place, by which one of them is followed: one that Atlas makes anew may get another ID."""


def asked_for(facts: Facts, id_: str) -> float:
    """Return for how many more seconds Atlas may show a thing as before, since it has accepted a DELETE."""
    known: ShownEntry | None = facts.resource.status.made
    if known is None or known.id != id_ or known.status != DELETING:
        return 0.0
    asked = known.status_since
    if facts.resource.metadata.deletion_timestamp is None:  # what Atlas deletes by itself was not asked for
        asked = next((each.time for each in facts.previous.history if each.cause is Cause.FORCED), None)
    return 0.0 if asked is None else (asked + LAGS - facts.now).total_seconds()


class MadeByAtlas(KindWithCommands[R]):
    """A kind of things that Atlas makes and names. An entry is such a thing.

    Attributes:
        noun: what people call one, which is also its field of the status.
        of_place: what people call one by its place.
        state_field: the field in which the status shows its status.
        gone: the statuses of what is still listed, and does not exist any more.
        going: those of what goes.
        ranks: those of what lives less than others, from `REPLACED` on.
        no_steps: those that are no step on its way.
        remedy: of a refused POST, as a sentence.
    """

    noun: ClassVar[str]
    of_place: ClassVar[str]
    state_field: ClassVar[str] = "status"
    gone: ClassVar[Collection[str]] = ()
    going: ClassVar[Collection[str]] = (DELETING,)
    ranks: ClassVar[Mapping[str, int]] = {}
    no_steps: ClassVar[Collection[str]]
    remedy: ClassVar[str]

    preceding = frozenset({Reason.DELETING})  # then another one is created
    keeps_confirmed = True  # what is gone is created again, or reported, by the drift policy
    names_endpoints = False
    shown_within = 150.0

    @abstractmethod
    def creation(self, facts: Facts) -> Request:
        """Return the POST."""

    @abstractmethod
    def deletion(self, facts: Facts, id_: str) -> Request:
        """Return the DELETE of one thing."""

    @abstractmethod
    def doubt(self, facts: Facts) -> str:
        """Return a sentence, after a blank, about what may be wrong in the spec; "": nothing."""

    def is_elsewhere(self, facts: Facts, made: Any) -> bool:  # noqa: ARG002  # a default
        """Return whether a thing, as Atlas shows it, is certainly at another place than the one that the resource names."""
        return False

    def contradicts(self, facts: Facts, made: Any) -> bool:  # noqa: ARG002  # a default
        """Return whether a thing that is at the place differs from the spec otherwise, so that another one is rather that of the resource."""
        return False

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
        if done is not None and isinstance(done.write, Create) and done.answer is not None:
            found = done.answer
        is_there = isinstance(found, Made) and found.status not in self.gone
        return found if is_there and not self.is_elsewhere(facts, found) else None

    def followed(self, facts: Facts) -> tuple[Any, Sequence[Any]]:
        """Return the thing at the place, and the others that stay there.

        It is the recorded one as long as that lives; else the one with the smallest ID of those that do. Once the resource has asked
        for a deletion, what was beside it stays, and what appears afterwards is the thing as well.
        """
        found = {each.id: each for each in facts.view.labelled.get(facts.resource.created_as, ())}
        if (recorded := self.recorded(facts)) is not None:  # also if Atlas spells its place as nobody knows
            found = {recorded.id: recorded, **found}
        stays = _left_beside(facts) or ()
        order = {each.id: self.rank(facts, each) for each in found.values()}
        if recorded is not None:  # it may contradict the spec since an edit
            order[recorded.id] = self.rank_of(recorded), False
        ranked = sorted(found.values(), key=lambda each: (each.id in stays, order[each.id]))
        made = next((each for each in ranked if each.id not in stays), None)
        return made, [each for each in ranked if each is not made and self.rank_of(each) in {LIVES, FAILED}]

    def rank(self, facts: Facts, made: Any) -> tuple[int, bool]:
        """Return the rank by which one of several things is followed that the status does not name: the lowest one."""
        return self.rank_of(made), self.contradicts(facts, made)

    def rank_of(self, made: Made) -> int:
        """Return the rank of a thing by its status."""
        return GOES if made.status in self.going else self.ranks.get(made.status or "", LIVES)

    def hidden_for(self, facts: Facts) -> float:
        """Return for how many more seconds Atlas may not show yet what it has just created."""
        known, created = facts.resource.status.made, facts.baseline.patched.get(self.noun)
        if known is None or created is None or known.status in self.going:
            return 0.0
        return self.shown_within - (facts.now - created).total_seconds()

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
        made, others = self.followed(facts)
        decision = self._absent(facts) if made is None else self._present(facts, made)
        if known is not None and (made is None or made.id != known.id) and facts.view.value(known.id) is None:
            decision = replace(decision, absent=known.id)  # a LIST may lag
        if made is None or not others:
            return decision
        names = ", ".join((made.id, *(each.id for each in others)))
        message = (
            f"{decision.state.message} Atlas has more than one {self.of_place}: {names}. The operator follows {made.id}, and leaves the"
            " others alone."
        )
        return replace(decision, state=replace(decision.state, message=message))

    def _absent(self, facts: Facts) -> Decision:
        """Decide about a place without a thing."""
        if (left := self.hidden_for(facts)) > 0:
            return Decision(State(Reason.INITIATING, self._not_shown(facts), _looks_again(left, self.shown_within)))
        resource, is_lost = facts.resource, bool(facts.baseline.confirmed)
        called, none = resource.called, f"Atlas has no {resource.called}."
        if is_lost and resource.spec.drift_policy != "Correct" and not facts.forced:
            message = (
                f"The {called} no longer exists in Atlas, and spec.driftPolicy is Report. To create it again, set"
                f" spec.driftPolicy to Correct, or {FORCE}."
            )
            return Decision(State(Reason.ENDPOINT_NOT_FOUND, message, observed=none))
        own: Mapping[str, Any] = {self.noun: None, "others": ()}
        if is_lost and keeps_vanishing(self.noun, facts):
            message = f"The {called} keeps vanishing from Atlas. {KEEPS_VANISHING}"
            return Decision(State(Reason.DRIFTED, message, observed=none), own=own)
        gets, hindrance = self.before_post(facts)
        if hindrance is not None:
            return Decision(hindrance, gets=gets, own=own)
        cause = cause_of_loss(facts, is_lost=is_lost, otherwise=Cause.FIRST_CONTACT)
        state = State(Reason.INITIATING, f"The operator creates the {called}.", POLL, observed=none)
        return Decision(state, self._creation(facts, cause), gets=gets, own=own)

    def _not_shown(self, facts: Facts) -> str:
        """Return the message about what Atlas has created and does not show."""
        return (
            f"Atlas has accepted the creation of {self.noun} {facts.resource.status.made.id}, and does not show it yet."
        )

    def _creation(self, facts: Facts, cause: Cause) -> Write:
        key, called = facts.resource.created_as, facts.resource.called
        return Create(
            self.creation(facts),
            cause,
            names=(self.noun,),
            planned=f"creates the {called}",
            doubt=self.doubt(facts),
            remedy=self.remedy,
            touches=(key,),
            name=key,
            reason=Reason.INITIATING,
            intended=f"The operator creates the {called}.",
            searched=f"Atlas may be creating the {called}. The operator looks for it before it asks for it again.",
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
        observed = f"{said} {atlas_says}"
        if facts.is_protected(facts.resource.thing):
            message = (
                f"{said} Another resource names it as well, so the operator does not delete it. To create another one, delete the other"
                f" resource, and {FORCE}. {atlas_says}"
            )
            return Decision(State(Reason.ENDPOINT_FAILED, message, differences=(), observed=observed))
        message = (
            f"{said} To delete it in Atlas and create another one, {FORCE}. If the spec is wrong, delete this resource with deletionPolicy"
            f" Delete, wait until it is gone, and create it with the right one. {atlas_says}"
        )
        state = State(Reason.ENDPOINT_FAILED, message, differences=(), observed=observed)
        if not facts.forced:
            return Decision(state)
        gets, hindrance = self.before_post(facts)
        if hindrance is None:
            return Decision(state, self._deletion(facts, made, Cause.FORCED), gets=gets)
        message = f"{said} The operator deletes it only when Atlas would create another one; the request waits for that. {hindrance.message} {atlas_says}"
        return Decision(replace(state, message=message), gets=gets, leaves_open=True)

    def _deletion(self, facts: Facts, made: Made, cause: Cause | None) -> Write:
        touches, thing = (made.id, facts.resource.written_as), facts.resource.thing
        request = self.deletion(facts, made.id)
        remedy = REFUSED_ON_REQUEST if cause is Cause.FORCED else ""
        return Write(request, cause, names=(self.noun,), remedy=remedy, touches=touches, reads=made.id, deletes=thing)

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        known: ShownEntry | None = facts.resource.status.made
        made, others = self.followed(facts)
        if made is None:
            return self.nothing_left(facts, others)
        if made.status in self.going:
            return Decision(deleting(facts, f"{self.noun} {made.id}", self.since_of(facts, made)), seen=made)
        now = "" if made.status is None else f" (now {made.status})"
        state = deleting(facts, f"{self.noun} {made.id}{now}", deleted_at(facts))
        if (left := asked_for(facts, made.id)) > 0 and not facts.forced:
            return Decision(replace(state, requeue=at_latest(facts.polls, left)))
        gets, hindrance = self.before_delete(facts, made)
        if hindrance is not None:
            return Decision(hindrance, seen=made, gets=gets)
        asked = self.status_of(facts, replace(made, status=DELETING), facts.now)
        before = known if known is not None and known.id == made.id else None
        write = self._deletion(facts, made, None)
        own = {self.noun: asked, "others": self._beside(facts), "intent": None}
        decision = life.ask(facts, state, before, write, own)
        if decision.write is not None or facts.done is None:
            return replace(decision, gets=gets)
        requeue = RequeueAfter(min(max(facts.as_long_again.delay, EARLY_FIRST), EARLY_LAST))
        return replace(decision, state=replace(decision.state, requeue=requeue), seen=made)

    def nothing_left(self, facts: Facts, others: Sequence[Made]) -> Decision:
        """Return the decision about a deleted resource whose thing Atlas does not show; ``others`` live at its place."""
        known, intent = facts.resource.status.made, facts.resource.status.intent
        shown = None if known is None else facts.view.value(known.id)
        absent = None if known is None or shown is not None else known.id
        if (left := self.hidden_for(facts)) > 0:
            message = f"{self._not_shown(facts)} The operator looks for it before the resource is removed."
            return Decision(State(Reason.DELETING, message, _looks_again(left, self.shown_within)), absent=absent)
        # The clock by which another process has dated its intent may have been behind.
        if intent is not None and (left := may_arrive_for(intent, facts.now, facts.arrives_for)) > 0:
            return replace(life.may_appear(facts, left), absent=absent)
        gone = None
        if known is not None and not (isinstance(shown, Made) and self.is_elsewhere(facts, shown)):
            end = "is deleted from Atlas" if known.status in self.going else "no longer exists in Atlas"
            gone = f"{self.called(known.id)} {end}."
        stays = None
        if others:
            names = ", ".join(each.id for each in others)
            stays = f"What Atlas has beside it at the same place stays there: {names}. This resource did not follow it."
        state = State(Reason.DELETING, f"Atlas has no {self.noun} of this resource.")
        return Decision(state, absent=absent, nothing_left=True, gone=gone, stays=stays)

    # What a resource tells.

    @override
    def render(self, facts: Facts, seen: Made) -> Mapping[str, Any]:
        shown = self.status_of(facts, seen, self.since_of(facts, seen))
        return {self.noun: shown, "others": self._beside(facts)}

    def _beside(self, facts: Facts) -> Sequence[str]:
        """Return what the status shows of what is beside the thing."""
        left = _left_beside(facts)
        return others_of(self.followed(facts)[1]) if left is None else left

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        return {"intent": creation, self.noun: None}  # the one in the status is gone

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        """Clear the intent, unless Atlas has refused it since it has the thing: a LIST may show that late."""
        done = facts.done
        is_there = done is not None and done.error is not None and self.is_outdated(done.error)
        return {} if is_there else {"intent": None}

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        yield from self._news_of_identity(previous, status)
        before, now = (part(each, self.noun).get("id") for each in (previous, status))
        others, known = status.get("others", ()), previous.get("others", ())
        if others and not {now, *others} <= {before, None, *known}:
            message = f"Atlas has more than one {self.of_place}. This resource does not follow {', '.join(others)}."
            yield EventReason.ENDPOINT_WARNING, message

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
                yield EventReason.ENDPOINT_LOST, f"Atlas no longer shows {self.noun} {before} as the {self.of_place}."
            return
        if "applied" not in status or (now == before and (was_confirmed or _is_created(status, self.noun))):
            return
        if before is not None and before != now:
            message = f"This resource follows {self.noun} {now} now, the {self.of_place} that Atlas shows in the place of {before}."
            yield EventReason.ENDPOINT_TAKEN_OVER, message
        elif "creation" in previous and not _is_refused(previous["creation"], status):
            yield EventReason.ENDPOINT_CREATED, f"The operator created {self.noun} {now} for this resource."
        else:
            message = (
                f"{self.called(now)} was there before, and this resource names it by its spec. With managementPolicy Manage and"
                " deletionPolicy Delete, it is deleted with this resource, unless another one uses it."
            )
            yield EventReason.ENDPOINT_ADOPTED, message

    # Commands.

    @override
    def state_of(self, value: Any) -> str | None:
        return value.status if isinstance(value, Made) else None


def some_of(names: Collection[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(sorted(names)[:MOST_NAMES]) + more


def others_of(others: Iterable[Made]) -> Sequence[str]:
    """Return what the status shows of things that the resource does not follow."""
    return tuple(sorted(each.id for each in others)[:MOST_OTHERS])


def _left_beside(facts: Facts) -> Sequence[str] | None:
    """Return what was beside the thing when this deletion of the resource asked for its end; None: it has not asked yet."""
    resource, known = facts.resource, facts.resource.status.made
    if known is None or resource.metadata.deletion_timestamp is None or not resource.status.is_being_deleted:
        return None
    is_asked = known.status_since is not None and known.status_since >= deleted_at(facts).replace(microsecond=0)
    found: Sequence[str] = resource.status.others
    return found if is_asked else None


def _looks_again(left: float, of: float = LAGS.total_seconds()) -> RequeueAfter:
    """Return the requeue while Atlas may show a thing as before for ``left`` more seconds of a time."""
    return RequeueAfter(min(left, pace(timedelta(seconds=of - left))))


def _is_created(status: Mapping[str, Any], noun: str) -> bool:
    """Return whether a history has a call that created a thing."""
    sent = (each for each in status.get("history") or () if noun in each.get("fields", ()))
    return any(each["result"] == APPLIED for each in sent)


def _is_refused(creation: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return whether the newest call since an intent was refused, since Atlas had the thing already."""
    newest: Mapping[str, Any] = next(iter(status.get("history") or ()), {})
    is_new = bool(newest) and newest["time"] >= creation["requestedAt"]
    return is_new and str(newest["result"]).startswith("Rejected")
