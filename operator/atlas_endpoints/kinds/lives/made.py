"""The life of something that Atlas makes and names: an endpoint for a region, a connection to a service. Pure.

A resource names it by its place: the region for which Atlas makes it, or the service to which it leads. The operator creates it with
an intent (``reconcile.creation``), and follows the one that lives there.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError, UpdateRejectedError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import RequeueAfter, at_latest
from atlas_endpoints.kinds.lives.life import UNHINDERED, Facts, Hindrance, Life, Words, may_appear
from atlas_endpoints.kinds.parts.fields import DeclaredResource
from atlas_endpoints.kinds.parts.states import Going, Waits
from atlas_endpoints.reconcile.attempt import pace
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Create, Decision, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import Thing, part
from atlas_endpoints.reconcile.status import Cause, Creation, Shown, Status
from atlas_endpoints.reconcile.waiting import deleted_at, deleting

LAGS = timedelta(minutes=2)
"""For so long after an accepted DELETE, Atlas may still show a thing as before."""

EARLY_FIRST, EARLY_LAST = 30.0, 300.0
"""Seconds until a DELETE is repeated that came too early, at least and at most."""

DELETING = "DELETING"
"""The status of what Atlas deletes, or was asked to delete."""

MOST_OTHERS = 16
"""As many other things at its place are shown in a status; more of them are unheard of."""

MOST_NAMES = 5
"""As many of those that stand in the way are named, so that a message has room for the ways out."""


class MadeStatus(Status):
    """The status of a resource that names such a thing."""

    intent: Creation | None = Field(default=None, alias="creation")
    """The operator is about to create the {thing}, or has, and Atlas does not show it yet."""
    others: Annotated[tuple[Shown, ...], Field(max_length=MOST_OTHERS)] = ()
    """The IDs of other {others}, at most 16. This resource does not follow them, and leaves them in Atlas when it is deleted.

    The ID of one."""

    @property
    @override
    def creation(self) -> Creation | None:
        return self.intent


class MadeResource(DeclaredResource, frozen=True):
    """A resource that names it. Its entry is the thing, by the ID that Atlas gave it."""

    words: ClassVar = {
        "moved": "",
        "reported": "a missing {thing}",
        "at_once": "creates the {thing}",
        "synced": "the last comparison or change succeeded, and Atlas has the {thing}",
        "error_message": ", which it may also have in other states than FAILED; absent when there is none",
    }

    bound_by: ClassVar[Sequence[str]] = ("endpoint", "intent", "applied")

    status: MadeStatus

    @property
    @abstractmethod
    def place(self) -> str:
        """What it names, as people can read it."""

    @property
    @abstractmethod
    def called(self) -> str:
        """What people call what it names, within a sentence."""

    @property
    @override
    def entry(self) -> str | None:
        return None if self.status.shown is None else self.status.shown.id

    @property
    @override
    def thing(self) -> Thing:
        """The thing that it names, also while Atlas has none."""
        return Thing(f"/{self.place}", self.place, f"The {self.called}")

    @property
    @override
    def created_as(self) -> str:
        return self.thing.key

    @property
    @override
    def written_as(self) -> str:
        return self.created_as  # whatever ID it has

    @property
    @override
    def may_be_in_atlas(self) -> bool:
        return True


R = TypeVar("R", bound=MadeResource)


class Made(Life[R]):
    """A kind of such things.

    Attributes:
        of_place: what people call one by its place.
        place_noun: what people call a place.
        state_field: the field in which the status of a resource shows that of the thing.
    """

    of_place: ClassVar[str]
    place_noun: ClassVar[str]
    state_field: ClassVar[str] = "status"

    words = Words(
        makes="creates",
        again="create it again",
        anew="create another one",
        if_wrong="If the spec is wrong, delete this resource with deletionPolicy Delete, wait until it is gone, and create it with the right one.",
        refused="The fields that name what Atlas makes cannot change: if one is wrong, delete this resource (nothing was made in Atlas)"
        " and create it again with the right values.",
    )
    preceding = frozenset({Reason.DELETING})  # then another one is created
    shown_within = 150.0

    @abstractmethod
    def body(self, spec: Any) -> Mapping[str, Any]:
        """Return the body of the POST."""

    @abstractmethod
    def place_of(self, made: Any) -> str:
        """Return what a thing is for, as people can read it; "": it is not known."""

    def is_elsewhere(self, facts: Facts, made: Any) -> bool:  # noqa: ARG002  # a default
        """Return whether a thing, as Atlas shows it, is certainly at another place than the one that the resource names."""
        return False

    def may_be_there(self, facts: Facts, made: Any) -> bool:  # noqa: ARG002  # a default
        """Return whether a thing of which Atlas shows no place may be at the one that the resource names."""
        return True

    # Plain JSON, and what Atlas has.

    @override
    def entry_of(self, body: Body) -> str | None:
        found = part(part(body, "status"), self.noun).get("id")
        return found if isinstance(found, str) else None

    @override
    def called(self, entry: str) -> str:
        return f"{self.noun.capitalize()} {entry}"

    @override
    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        """Return the thing in the answer to a write; fields that are missing in that to a POST are those that were sent."""
        if write.request.method != "POST":
            return super().written(write, answer)
        shown = {name: value for name, value in answer.items() if value} if isinstance(answer, dict) else {}
        found = self.entry.read({**(write.request.body or {}), **shown})
        return None if found is None else (found.id, found)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        """Return whether Atlas refuses the POST since it has the thing; the code of that is not known."""
        if error.operation != self.api.create or not isinstance(error, UpdateRejectedError):
            return False
        return error.http_status == HTTPStatus.CONFLICT or "already exist" in words_of(error)

    @override
    def label(self, value: Any) -> str | None:
        is_there = isinstance(value, self.entry) and value.status not in self.gone
        return f"/{place}" if is_there and (place := self.place_of(value)) else None

    def recorded(self, facts: Facts) -> Any | None:
        """Return the thing that the status names, or that was just created, or None if Atlas does not show it."""
        known, done = self.known(facts), facts.done
        found = None if known is None else facts.view.value(known.id)
        if done is not None and isinstance(done.write, Create) and done.answer is not None:
            found = done.answer
        is_there = isinstance(found, self.entry) and found.status not in self.gone
        return found if is_there and not self.is_elsewhere(facts, found) else None

    def there(self, facts: Facts) -> tuple[Any | None, Sequence[Any]]:
        """Return the thing that the resource follows, and the others that stay at its place.

        It is the recorded one while Atlas shows it, unless it goes and a new one has come; else the only one. Of several, nobody
        knows which is meant: it is none. Once the resource has asked for a deletion, what comes is not its thing.
        """
        found = sorted(facts.view.labelled.get(facts.resource.created_as, ()), key=lambda each: each.id)
        made, staying = self.recorded(facts), [each for each in found if self._stays(each)]
        if not self._is_asked(facts):
            only = staying[0] if len(staying) == 1 else None
            if made is None:
                made = only if staying else next(iter(found), None)
            elif only is not None and not self._stays(made) and only.id not in facts.resource.status.others:
                made = only
        return made, [each for each in staying if made is None or each.id != made.id]

    def _stays(self, made: Any) -> bool:
        """Return whether Atlas neither deletes a thing nor makes another one in its place."""
        match self.states.get(made.status or ""):
            case Going() | Waits(is_replaced=True):
                return False
            case _:
                return True

    def _is_asked(self, facts: Facts) -> bool:
        """Return whether this deletion of the resource has asked for the end of its thing."""
        known, resource = self.known(facts), facts.resource
        if known is None or resource.metadata.deletion_timestamp is None or not resource.status.is_being_deleted:
            return False
        return known.status_since is not None and known.status_since >= deleted_at(facts).replace(microsecond=0)

    @override
    def followed(self, facts: Facts) -> Any | None:
        return self.there(facts)[0]

    def hidden_for(self, facts: Facts) -> float:
        """Return for how many more seconds Atlas may not show yet what it has just created."""
        known, created = self.known(facts), facts.baseline.patched.get(self.noun)
        if known is None or created is None or known.status in self.going:
            return 0.0
        return self.shown_within - (facts.now - created).total_seconds()

    def asked_for(self, facts: Facts, made: Any) -> float:
        """Return for how many more seconds Atlas may show a thing as before, since it has accepted a DELETE."""
        known = self.known(facts)
        if known is None or known.id != made.id or known.status != DELETING or made.status in self.going:
            return 0.0
        asked = known.status_since
        if facts.resource.metadata.deletion_timestamp is None:  # what Atlas deletes by itself was not asked for
            asked = next((each.time for each in facts.previous.history if each.cause is Cause.FORCED), None)
        return 0.0 if asked is None else (asked + LAGS - facts.now).total_seconds()

    # Decisions about a live resource.

    @override
    def decide(self, facts: Facts) -> Decision:
        known, done = self.known(facts), facts.done
        if done is not None and done.write.request.method == "DELETE" and done.result is WriteResult.CONFIRMED:
            message = f"Atlas is deleting {self.noun} {done.write.touches[0]}. Then the operator creates another one."
            asked = {"status": DELETING, "status_since": facts.now}
            own = {} if known is None else {self.noun: known.model_copy(update=asked)}
            return Decision(State(Reason.DELETING, message, POLL), own=own)
        made, others = self.there(facts)
        if made is not None:
            decision = self.present(facts, made)
        else:
            decision = self._ambiguous(facts, others) if others else self.absent(facts)
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

    def _ambiguous(self, facts: Facts, found: Sequence[Any]) -> Decision:
        """Decide about a place with several things, none of which is the recorded one."""
        message = (
            f"Atlas has more than one {self.of_place}. The operator follows none of them, and changes nothing. Remove all but one in"
            f" Atlas: {some_of([each.id for each in found])}."
        )
        own: dict[str, Any] = {self.noun: None, "others": shown_of(found)}
        if may_arrive_for(facts.resource.status.intent, facts.now, facts.arrives_for) <= 0:
            own["intent"] = None
        return Decision(State(Reason.CONFLICT, message), own=own)

    def absent(self, facts: Facts) -> Decision:
        """Decide about a place without a thing."""
        if (left := self.hidden_for(facts)) > 0:
            return Decision(State(Reason.INITIATING, self._not_shown(facts), _looks_again(left, self.shown_within)))
        own, is_lost = {self.noun: None, "others": ()}, bool(facts.baseline.confirmed)
        if is_lost and (state := self.stays_lost(facts, self.noun)) is not None:
            # Which one was lost stays in the status, for whoever makes it again.
            return Decision(state, own={} if state.reason is Reason.ENDPOINT_NOT_FOUND else own)
        gets, hindrance = self.before_post(facts)
        if hindrance is not None:
            return Decision(hindrance, gets=gets, own=own)
        decision = self.makes(facts, self.creation(facts), Cause.FIRST_CONTACT, is_lost=is_lost)
        return replace(decision, gets=gets, own=own)

    @override
    def before_post(self, facts: Facts) -> Hindrance:
        if unplaced := self._unplaced(facts):
            message = f"{unplaced} The operator creates none. Remove unneeded ones in Atlas, or ask MongoDB's support about the others."
            return (), State(Reason.PENDING, message)
        return UNHINDERED

    def _unplaced(self, facts: Facts) -> str:
        """Return a sentence about things that may be that of the resource, since Atlas shows no place of them; "": there are none."""
        own, values = facts.resource.entry, (each.value for each in facts.view.entries.values())
        things = [each for each in values if isinstance(each, self.entry) and each.status not in self.gone]
        ids = [each.id for each in things if not self.place_of(each) and self.may_be_there(facts, each)]
        if not (names := [id_ for id_ in ids if id_ != own and not facts.is_claimed_by_other(id_)]):
            return ""
        return f"Atlas shows {self.noun}s without a {self.place_noun}, one of which may be the {facts.resource.called}: {some_of(names)}."

    def _not_shown(self, facts: Facts) -> str:
        return f"Atlas has accepted the creation of {self.noun} {facts.resource.entry}, and does not show it yet."

    @override
    def creation(self, facts: Facts) -> Write:
        key, called = facts.resource.created_as, facts.resource.called
        return Create(
            self.api.creation_of(facts.scope, self.body(facts.resource.spec)),
            names=(self.noun,),
            doubt=self.doubt_about(facts.resource.spec),
            touches=(key,),
            name=key,
            reason=Reason.INITIATING,
            intended=f"The operator creates the {called}.",
            searched=f"Atlas may be creating the {called}. The operator looks for it before it asks for it again.",
        )

    @override
    def present(self, facts: Facts, entry: Any) -> Decision:
        if (left := self.asked_for(facts, entry)) > 0:
            message = (
                f"Atlas has accepted the deletion of {self.noun} {entry.id}, and still shows it as {entry.status}."
            )
            return Decision(State(Reason.DELETING, message, _looks_again(left)))
        decision = super().present(facts, entry)
        return replace(decision, own={"intent": None, **decision.own})  # it has come to its end

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        made = self.followed(facts)
        if made is not None and (left := self.asked_for(facts, made)) > 0 and not facts.forced:
            state = deleting(facts, f"{self.noun} {made.id} (now {made.status})", deleted_at(facts))
            return Decision(replace(state, requeue=at_latest(facts.polls, left)))
        decision, done = super().decide_deletion(facts), facts.done
        if decision.write is not None:
            return replace(decision, own={**decision.own, "others": shown_of(self.there(facts)[1]), "intent": None})
        if made is None or done is None or done.result is not WriteResult.REFUSED:
            return decision
        requeue = RequeueAfter(min(max(facts.as_long_again.delay, EARLY_FIRST), EARLY_LAST))
        return replace(decision, state=replace(decision.state, requeue=requeue), seen=made)

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        known, status = self.known(facts), facts.resource.status
        if not status.is_being_deleted and (unplaced := self._unplaced(facts)):
            message = f"{unplaced} The operator deletes none of them."
            return Decision(State(Reason.DELETION_BLOCKED, message, facts.as_long_again))
        shown = None if known is None else facts.view.value(known.id)
        absent = None if known is None or shown is not None else known.id
        if (left := self.hidden_for(facts)) > 0:
            message = f"{self._not_shown(facts)} The operator looks for it before the resource is removed."
            return Decision(State(Reason.DELETING, message, _looks_again(left, self.shown_within)), absent=absent)
        # The clock by which another process has dated its intent may have been behind.
        if (left := may_arrive_for(status.intent, facts.now, facts.arrives_for)) > 0:
            return replace(may_appear(facts, left), absent=absent)
        gone = stays = None
        if known is not None and not (isinstance(shown, self.entry) and self.is_elsewhere(facts, shown)):
            end = "is deleted from Atlas" if known.status in self.going else "no longer exists in Atlas"
            gone = f"{self.called(known.id)} {end}."
        if others := self.there(facts)[1]:
            names = ", ".join(each.id for each in others)
            stays = f"What Atlas has beside it at the same place stays there: {names}. This resource did not follow it."
        state = State(Reason.DELETING, f"Atlas has no {self.noun} of this resource.")
        return Decision(state, absent=absent, nothing_left=True, gone=gone, stays=stays)

    # What a resource tells.

    @override
    def render(self, facts: Facts, seen: Any) -> Mapping[str, Any]:
        return {**super().render(facts, seen), "others": shown_of(self.there(facts)[1])}

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
        was_confirmed, was_going = (
            "applied" in previous,
            part(previous, self.noun).get(self.state_field) in self.going,
        )
        if now is None:
            if before is not None and was_confirmed and not was_going:
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
    def unnamed(
        self, scope: Scope, entries: Mapping[str, Any], named: Collection[Named]
    ) -> Mapping[str, Sequence[str]]:
        known = {each.endpoint for each in named}
        places = {id_: self.place_of(each) for id_, each in entries.items() if each.status not in self.gone}
        found = {id_: place for id_, place in places.items() if place not in known}
        return {f"{self.noun.capitalize()}s": [f"{id_} for {place}" if place else id_ for id_, place in found.items()]}


def some_of(names: Collection[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(sorted(names)[:MOST_NAMES]) + more


def words_of(error: AtlasError) -> str:
    """Return the words of a refusal, and of its code, in small letters."""
    return f"{error.error_code or ''} {error.detail or ''}".replace("_", " ").casefold()


def shown_of(others: Iterable[Any]) -> Sequence[str]:
    """Return what the status shows of things that the resource does not follow."""
    return tuple(sorted(each.id for each in others)[:MOST_OTHERS])


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
