"""The life of an endpoint in Atlas, whoever made it: it is absent, on its way, at work, dead, or going. Pure.

A kind declares its calls, its fields and the meaning of each status, and overrides some of the methods here. What is gone is made
again, or reported, by the drift policy; what is dead is deleted and made again only on request.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeAlias, TypeVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.controller.requeue import RequeueAfter, at_latest
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.parts.api import Api, Read
from atlas_endpoints.kinds.parts.fields import DeclaredResource, Entry
from atlas_endpoints.kinds.parts.states import Dead, Going, States, Waits, Works, no_steps, words_for
from atlas_endpoints.reconcile.compare import (
    KEEPS_VANISHING,
    Comparison,
    Treatment,
    available,
    cause_of,
    cause_of_loss,
    described,
    keeps_vanishing,
    sends_next,
)
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, ShownEntry
from atlas_endpoints.reconcile.waiting import asks_again_in, deleted_at, deleting, since_shown, unknown, waiting, words

Facts: TypeAlias = AnyFacts[Any]
Hindrance: TypeAlias = tuple[tuple[Get, ...], State | None]
"""What is read before a write, and the state if it is not sent now."""
UNHINDERED: Hindrance = ((), None)

R = TypeVar("R", bound=DeclaredResource)


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of making an endpoint.

    Attributes:
        makes: the verb, as of the operator.
        again, anew: what it does when the endpoint is gone, and after a deletion, after "to".
        if_wrong: what to do about a dead endpoint if the spec is wrong, as a sentence.
        refused: the remedy if Atlas refuses the POST, since what names an endpoint cannot change.
    """

    makes: str
    again: str
    anew: str
    if_wrong: str
    refused: str


class Life(KindWithCommands[R]):
    """A kind whose entries live so; an entry is an endpoint.

    Attributes:
        further: the calls for other things that resources have.
        reads: what is read beside the endpoints, by the first part of the names that a view has for it.
        entry: what is read of an endpoint.
        gone: the statuses of what is still listed, and does not exist any more.
        nobody: the ID of an endpoint that cannot exist.
        noun: what people call an endpoint, which is also its field of the status.
        keep: how to keep what else goes with a resource, as a sentence after a blank.
    """

    api: ClassVar[Api]
    further: ClassVar[Sequence[Api]] = ()
    reads: ClassVar[Mapping[str, Read]] = {}
    entry: ClassVar[type[Entry]]
    states: ClassVar[States]
    words: ClassVar[Words]
    gone: ClassVar[Collection[str]] = ()
    nobody: ClassVar[str] = "0" * 24
    noun: ClassVar[str] = "endpoint"
    keep: ClassVar[str] = ""

    going: ClassVar[frozenset[str]]
    no_steps: ClassVar[frozenset[str]]
    keeps_confirmed = True

    @override
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "api"):
            reads = {each.operation: each.template for each in cls.reads.values()}
            cls.templates, cls.reads_beside = dict(reads), frozenset(reads)
            for each in (cls.api, *cls.further):
                cls.templates |= each.templates
            cls.going, cls.no_steps = words_for(cls.states, Going), no_steps(cls.states)

    # What a kind adds.

    def creation(self, facts: Facts) -> Write:
        """Return the write that makes the endpoint, without its cause and what is said of it; of a kind that makes some."""
        raise NotImplementedError

    @abstractmethod
    def followed(self, facts: Facts) -> Any | None:
        """Return the endpoint of the resource, if Atlas shows it."""

    @abstractmethod
    def nothing_left(self, facts: Facts) -> Decision:
        """Return the decision about a deleted resource whose endpoint Atlas does not show."""

    def doubt_about(self, spec: Any) -> str:  # noqa: ARG002  # a default
        """Return a sentence, after a blank, about what is probably wrong in a spec; "": nothing is."""
        return ""

    def doubt(self, facts: Facts) -> str:
        """Return such a sentence about a resource."""
        return self.doubt_about(facts.resource.spec)

    def takes(self, facts: Facts, entry: Any, field: str) -> bool:  # noqa: ARG002  # a default
        """Return whether Atlas takes a change of a field now."""
        return bool(facts.resource.sent[field].changes)

    def update(self, facts: Facts, entry: Any, fields: Mapping[str, str]) -> Write:
        """Return the write that changes fields, and perhaps more, without its cause; of a kind that has some that change."""
        raise NotImplementedError

    def before_post(self, facts: Facts) -> Hindrance:  # noqa: ARG002  # a default
        return UNHINDERED

    def before_delete(self, facts: Facts, entry: Any) -> Hindrance:  # noqa: ARG002  # a default
        return UNHINDERED

    # Calls and answers.

    def key_of(self, id_: str) -> str:
        """Return the entry that an endpoint is, by its ID."""
        return id_

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        field = self.resource.scope_field
        return spec.get(to_camel(field)) if field else self.resource.scope

    @override
    def list_request(self, scope: Scope) -> Request:
        return self.api.list_of(scope)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        name, *names = entry.split("/")
        return self.reads[name].of(scope, *names) if name in self.reads else self.api.get_of(scope, entry)

    @override
    def listed(self, item: Any) -> tuple[str, Any] | None:
        found = self.entry.read(item)
        return None if found is None else (self.key_of(found.id), found)

    @override
    def got(self, entry: str, answer: Any) -> Any | None:
        if (read := self.reads.get(entry.partition("/")[0])) is not None:
            return read.parse(answer)
        found = self.entry.read(answer)
        return None if found is None or self.key_of(found.id) != entry else found

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        found = part(status, self.noun).get("id")
        return (found,) if isinstance(found, str) else ()

    # Decisions about a live resource.

    def known(self, facts: Facts) -> Any | None:
        """Return what the status shows of the endpoint."""
        return getattr(facts.resource.status, self.noun)

    def since(self, facts: Facts, entry: Any) -> datetime:
        """Return since when an endpoint has been in its status, or is on its way."""
        return since_shown(self.known(facts), entry.id, entry.status, facts.now, self.no_steps)

    def shown(self, facts: Facts, entry: Any, since: datetime) -> Any:  # noqa: ARG002  # a default
        """Return what the status shows of an endpoint."""
        return entry.model_copy(update={"status_since": since})

    @override
    def render(self, facts: Facts, seen: Any) -> Mapping[str, Any]:
        return {self.noun: self.shown(facts, seen, self.since(facts, seen))}

    def present(self, facts: Facts, entry: Any) -> Decision:
        """Decide about an endpoint that Atlas shows."""
        takes = partial(self.takes, facts, entry)
        found = Comparison.of(facts, entry, takes)
        decision = replace(self.in_its_state(facts, entry, found), seen=entry)
        if decision.write is not None or not found.chosen or entry.status in self.going:
            return decision
        fields = {each.field: each.desired for each in found.chosen}
        cause, touches = cause_of(found.chosen, facts, entry, takes), (self.key_of(entry.id),)
        return replace(decision, write=replace(self.update(facts, entry, fields), cause=cause, touches=touches))

    def in_its_state(self, facts: Facts, entry: Any, found: Comparison) -> Decision:
        """Decide about an endpoint by the meaning of its status."""
        what, differences = f"{self.noun} {entry.id}", found.differences
        match self.states.get(entry.status or ""):
            case Works():
                return Decision(self.works(facts, entry, found))
            case Waits() as meaning:
                return self.waits(facts, entry, found, meaning)
            case Dead(check):
                return self.dead(facts, entry, check, found)
            case Going():
                state = waiting(
                    facts, Reason.DELETING, f"Atlas is deleting {what}.", self.since(facts, entry), differences
                )
                return Decision(state)
            case None:
                message = f"Atlas reports {unknown(entry.status)}. The operator waits for another status. If it does not change, upgrade the operator."
                return Decision(waiting(facts, Reason.PENDING, message, self.since(facts, entry), differences))

    def works(self, facts: Facts, entry: Any, found: Comparison) -> State:  # noqa: ARG002  # for kinds that say more
        """Return the state of an endpoint that works, if no write follows."""
        state, problem = sends_next(found), facts.problem
        if fixed := found.by_treatment[Treatment.WAIT]:
            message = (
                f"The endpoint differs from the spec, and Atlas cannot change it: {described(fixed)}. If the spec is wrong, create"
                " another resource with the right values, and set deletionPolicy of this one to Retain before you delete it. If the"
                " endpoint is wrong, delete this resource with deletionPolicy Delete, wait until it is gone, and create it"
                f" again.{self.keep}"
            )
            if state is not None:
                return replace(state, message=f"{state.message} {message}")
            return State(Reason.DRIFTED, message, differences=found.differences, observed=message)
        if state is not None:
            return state
        state = available(found, facts)
        if state.reason is not Reason.AVAILABLE:
            return state
        if problem is None:
            return replace(state, message=f"{state.message}{self.doubt_about(facts.resource.spec)}")
        message = f"{problem.message} Until then, Atlas keeps the endpoint."
        return replace(state, reason=Reason.REFERENCE_NOT_READY, message=message)

    def waits(self, facts: Facts, entry: Any, found: Comparison, meaning: Waits) -> Decision:
        """Decide about an endpoint that is on its way."""
        message = meaning.message.format(
            what=f"{self.noun} {entry.id}",
            said=f"Message from Atlas: {words(entry.error_message)}",
            doubt=self.doubt(facts),
        )
        return Decision(waiting(facts, meaning.reason, message, self.since(facts, entry), found.differences))

    def dead(self, facts: Facts, entry: Any, check: str, found: Comparison) -> Decision:
        """Decide about an endpoint of which Atlas makes nothing any more; ``check`` as in :class:`Dead`."""
        said = f"Atlas reports {entry.status} for {self.noun} {entry.id}.{self.doubt(facts)}"
        atlas_says, anew = f"Message from Atlas: {words(entry.error_message)}", self.words.anew
        observed = f"{said}{check} {atlas_says}"
        if facts.is_protected(facts.resource.thing):
            message = (
                f"{said} Another resource names it as well, so the operator does not delete it. To {anew}, delete the other resource,"
                f" and {FORCE}. If it is of another namespace, ask the administrator, whom `atlas-endpoints status` shows it. {atlas_says}"
            )
            return Decision(State(Reason.ENDPOINT_FAILED, message, differences=found.differences, observed=observed))
        message = (
            f"{said}{check} To delete it in Atlas and {anew}, {FORCE}. {self.words.if_wrong}{self.keep} {atlas_says}"
        )
        state = State(Reason.ENDPOINT_FAILED, message, differences=found.differences, observed=observed)
        if not facts.forced:
            return Decision(state)
        gets, hindrance = self.before_post(facts)
        if hindrance is None:
            return Decision(state, self.deletion(facts, entry, Cause.FORCED), gets=gets)
        message = f"{observed} The operator deletes it only when Atlas would create another one; the request waits for that. {hindrance.message}"
        return Decision(replace(state, message=message), gets=gets, leaves_open=True)

    def stays_lost(self, facts: Facts, made_as: str) -> State | None:
        """Return the state of an endpoint that was lost, and is not made again now; None: it is."""
        called = facts.resource.thing.called
        if facts.resource.spec.drift_policy != "Correct" and not facts.forced:
            message = (
                f"{called} no longer exists in Atlas, and spec.driftPolicy is Report. To {self.words.again}, set spec.driftPolicy to"
                f" Correct, or {FORCE}."
            )
            return State(Reason.ENDPOINT_NOT_FOUND, message, observed=_none(called))
        if keeps_vanishing(made_as, facts):
            message = f"{called} keeps vanishing from Atlas. {KEEPS_VANISHING}"
            return State(Reason.DRIFTED, message, observed=_none(called))
        return None

    def makes(self, facts: Facts, write: Write, first: Cause, *, is_lost: bool) -> Decision:
        """Return the decision to send a write that makes the endpoint; ``first``: its cause, unless the endpoint is lost."""
        called = facts.resource.thing.called
        planned = f"{self.words.makes} {in_sentence(called)}"
        cause = cause_of_loss(facts, is_lost=is_lost, otherwise=first)
        state = State(Reason.INITIATING, f"The operator {planned}.", POLL, observed=_none(called))
        return Decision(state, replace(write, cause=cause, planned=planned, remedy=self.words.refused))

    def deletion(self, facts: Facts, entry: Any, cause: Cause | None) -> Write:
        """Return the write that deletes an endpoint, unless others protect it."""
        key, resource = self.key_of(entry.id), facts.resource
        return Write(
            self.api.deletion_of(facts.scope, entry.id),
            cause,
            names=(self.noun,),
            remedy=""
            if cause is None
            else "In Atlas, remove what uses it. Then set the annotation again, to another value.",
            touches=tuple(dict.fromkeys((key, resource.written_as))),
            reads=key,
            deletes=resource.thing,
        )

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        if (entry := self.followed(facts)) is None:
            return self.nothing_left(facts)
        what, known = f"{self.noun} {entry.id}", self.known(facts)
        if entry.status in self.going:
            return Decision(deleting(facts, what, self.since(facts, entry)), seen=entry)
        now = "" if entry.status is None else f" (now {entry.status})"
        state = deleting(facts, what + now, deleted_at(facts))
        gets, hindrance = self.before_delete(facts, entry)
        if hindrance is not None:
            return Decision(hindrance, seen=entry, gets=gets)
        asked = self.shown(facts, entry.model_copy(update={"status": "DELETING"}), facts.now)
        before = known if known is not None and known.id == asked.id else None
        return replace(ask(facts, state, before, self.deletion(facts, entry, None), {self.noun: asked}), gets=gets)

    # Commands.

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a DELETE of nothing, if there is any; Atlas checks the role before it looks for the endpoint."""
        return (self.api.deletion_of(scope, self.nobody),) if self.api.delete else ()


def in_sentence(called: str) -> str:
    """Return what people call a thing, within a sentence: "endpoint vpce-0", "the endpoint of AWS region EU_WEST_1"."""
    return called[:1].lower() + called[1:]


def _none(called: str) -> str:
    return f"Atlas has no {in_sentence(called).removeprefix('the ')}."


def ask(facts: Facts, state: State, shown: ShownEntry | None, write: Write, own: Mapping[str, Any]) -> Decision:
    """Return the decision to send a DELETE, unless Atlas has just refused it, or was asked for it before and does not show it.

    It is sent again less and less often.

    Args:
        shown: in the status, with the status DELETING since Atlas was asked.
        own: what shows that Atlas is asked now.
    """
    done = facts.done
    if done is not None and done.result is WriteResult.REFUSED and done.error is not None:
        said = f"Message from Atlas: {words(done.error.detail or done.error.message)}"
        message = f"Atlas refuses the deletion; the operator tries again. {said}"
        if state.reason is Reason.DELETION_BLOCKED:
            message = f"{state.message} {said}"
        return Decision(replace(state, message=message, requeue=facts.as_long_again))
    if (left := asks_again_in(facts, shown)) > 0:
        return Decision(replace(state, requeue=RequeueAfter(left)))
    return Decision(replace(state, requeue=POLL), write, own=own)


def may_appear(facts: Facts, left: float) -> Decision:
    """Return the decision about a deleted resource for which Atlas may still show something that was requested."""
    message = (
        "A call of this or a former process may still create something for this resource. The operator looks for it before the resource"
        " is removed."
    )
    return Decision(State(Reason.DELETING, message, at_latest(facts.as_long_again, left)))
