"""Decide about an endpoint that Atlas makes for a region: from the facts to its state and at most one write. Pure.

An endpoint is INITIATING, then PENDING_ACCEPTANCE or ACTIVE; PENDING_RECREATION when its connection was removed in the cloud, after
which Atlas makes it again, perhaps with another ID; FAILED and DELETING at any time. Atlas gives it its ID and knows no change of it.
So a resource names it by its region, creates it with an intent (``reconcile.creation``), and follows the one that lives there.

What a kind adds are reads beside the endpoints: what has to be on before a POST, and what needs the endpoint before a DELETE.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeAlias, TypeVar

from typing_extensions import override

from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.regional_atlas import Calls, Endpoint, EndpointState
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.reconcile.compare import cause_of_loss, is_contested
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.decision import POLL, Creates, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import FORCE, FORCE_DELETE
from atlas_endpoints.reconcile.status import Cause, Creation
from atlas_endpoints.reconcile.waiting import deleted_at, deleting, since_shown, unknown, waiting, words
from atlas_endpoints.reconcile.waits import as_long_again, pace

Facts: TypeAlias = AnyFacts[Any]

R = TypeVar("R", bound=RegionalResource)

NAME = "endpoint"
"""What the history calls the creation or deletion of an endpoint."""

LAGS = timedelta(minutes=2)
"""For so long after an accepted DELETE, Atlas may still show an endpoint as before."""

EARLY_FIRST, EARLY_LAST = 30.0, 300.0
"""Seconds until a DELETE is repeated that came too early, at least and at most."""

NO_STEPS = frozenset[str](
    {EndpointState.ACTIVE, EndpointState.FAILED, EndpointState.PENDING_RECREATION, EndpointState.DELETING}
)
"""The statuses that are no step on the way of an endpoint that Atlas makes."""

ALSO = "Atlas has more than one endpoint of this region:"
"""Begins the part of a message that names them."""


class RegionalReason(ReadyReason):
    """The reasons of ``Ready`` that only these kinds have."""

    RECREATING = "Recreating", "False", Progress.RECONCILING


def chosen(facts: Facts) -> tuple[Endpoint | None, Sequence[Endpoint]]:
    """Return the endpoint of the region, and the others that live there.

    It is the recorded one, or the one that was just created, as long as it lives; else the one with the smallest ID of those that do.
    """
    found, done, known = {each.id: each for each in _of_region(facts)}, facts.done, facts.resource.status.endpoint
    recorded = None if known is None else facts.view.value(known.id)
    if done is not None and done.write.creates is not None and isinstance(done.answer, Endpoint):
        recorded = done.answer
    if isinstance(recorded, Endpoint):  # also if Atlas spells its region as nobody knows
        found = {recorded.id: recorded, **found}
    ranked = sorted(found.values(), key=_rank)
    return next(iter(ranked), None), [each for each in ranked[1:] if _rank(each) == 0]


def _of_region(facts: Facts) -> Sequence[Endpoint]:
    """Return the endpoints of the region, in the order of their IDs."""
    found: Sequence[Endpoint] = facts.view.labelled.get(facts.resource.created_as, ())
    return found


def _rank(endpoint: Endpoint) -> int:
    """Return 0 for an endpoint that lives, 1 for one that Atlas replaces, 2 for one that goes."""
    return {EndpointState.PENDING_RECREATION.value: 1, EndpointState.DELETING.value: 2}.get(endpoint.status or "", 0)


def since_of(facts: Facts, endpoint: Endpoint) -> datetime:
    """Return since when the endpoint has been observed in its status, or is on its way; the wait for a person is no part of that."""
    waits_for_a_person = facts.resource.spec.provider_name == "AZURE"
    no_steps = NO_STEPS | {EndpointState.PENDING_ACCEPTANCE} if waits_for_a_person else NO_STEPS
    return since_shown(facts.resource.status.endpoint, endpoint.id, endpoint.status, facts.now, no_steps)


def asked_for(facts: Facts, endpoint_id: str) -> float:
    """Return for how many more seconds Atlas may show an endpoint as before, since it has accepted a DELETE."""
    known: EndpointStatus | None = facts.resource.status.endpoint
    if known is None or known.id != endpoint_id or known.status != EndpointState.DELETING or known.status_since is None:
        return 0.0
    return (known.status_since + LAGS - facts.now).total_seconds()


def _looks_again(left: float) -> RequeueAfter:
    """Return the requeue while Atlas may show an endpoint as before for ``left`` more seconds."""
    return RequeueAfter(min(left, pace(LAGS - timedelta(seconds=left))))


class RegionalDecisions(KindWithCommands[R]):
    """What a kind of endpoints that Atlas makes for a region decides.

    Attributes:
        calls: for the endpoints.
        before_creation: the name under which the view has what a POST rests on, if it rests on anything.
        before_deletion: the name under which it has what shows who needs an endpoint.
    """

    calls: ClassVar[Calls]
    before_creation: ClassVar[str | None] = None
    before_deletion: ClassVar[str]

    keeps_confirmed = True  # what is gone is created again, or reported, by the drift policy
    reasons: ClassVar[Sequence[ReadyReason]] = (*Reason, *RegionalReason)

    @abstractmethod
    def body_of(self, spec: Any) -> Mapping[str, str]:
        """Return the body of the POST."""

    @abstractmethod
    def needed_by(self, facts: Facts, endpoint: Endpoint, value: Any) -> str:
        """Return who needs an endpoint, as a sentence with the ways out, by the value of ``before_deletion``; "": nobody."""

    def guards(self, facts: Facts, endpoint: Endpoint) -> bool:  # noqa: ARG002  # a default
        """Return whether somebody may need an endpoint in its status."""
        return True

    def hindrance(self, facts: Facts, value: Any) -> State | None:  # noqa: ARG002  # a default
        """Return the state if Atlas would make no endpoint, by the value of ``before_creation``; None: it makes one."""
        return None

    def accepting(self, facts: Facts, endpoint: Endpoint) -> Decision:
        """Return the decision about an endpoint in PENDING_ACCEPTANCE, which Atlas itself accepts."""
        name = words(endpoint.private_endpoint_connection_name)
        shown = f" The name of its connection is {name}." if endpoint.private_endpoint_connection_name else ""
        message = f"Atlas is connecting endpoint {endpoint.id}.{shown}"
        return Decision(waiting(facts, Reason.INITIATING, message, since_of(facts, endpoint), ()))

    @override
    def render(self, facts: Facts, seen: Endpoint) -> Mapping[str, Any]:
        return {"endpoint": _status_of(facts, seen, since_of(facts, seen))}

    @override
    def intended(self, facts: Facts, creates: Creates, creation: Creation) -> Mapping[str, Any]:
        return {"intent": creation, "endpoint": None}  # the endpoint in the status is gone

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        return {"intent": None}

    # Decisions about a live resource.

    @override
    def decide(self, facts: Facts) -> Decision:
        known, done = facts.resource.status.endpoint, facts.done
        if done is not None and done.write.request.method == "DELETE" and done.result is WriteResult.CONFIRMED:
            message = f"Atlas is deleting endpoint {done.write.touches[0]}. Then the operator creates another one."
            asked = {"status": str(EndpointState.DELETING), "status_since": facts.now}
            own = {} if known is None else {"endpoint": known.model_copy(update=asked)}
            return Decision(State(Reason.DELETING, message, POLL), own=own)
        endpoint, others = chosen(facts)
        decision = self._absent(facts) if endpoint is None else self._present(facts, endpoint)
        if known is not None and (endpoint is None or endpoint.id != known.id) and facts.view.value(known.id) is None:
            decision = replace(decision, absent=known.id)  # a LIST may lag
        if endpoint is None or not others:
            return decision
        names = ", ".join((endpoint.id, *(each.id for each in others)))
        message = (
            f"{decision.state.message} {ALSO} {names}. The operator follows {endpoint.id}, and leaves the others alone."
        )
        return replace(decision, state=replace(decision.state, message=message))

    def _absent(self, facts: Facts) -> Decision:
        """Decide about a region without an endpoint."""
        spec, is_lost = facts.resource.spec, bool(facts.baseline.confirmed)
        none = f"Atlas has no endpoint of {spec.where}."
        if is_lost and spec.drift_policy != "Correct" and not facts.forced:
            message = (
                f"The endpoint of {spec.where} no longer exists in Atlas, and spec.driftPolicy is Report. To create it again, set"
                f" spec.driftPolicy to Correct, or {FORCE}."
            )
            return Decision(State(Reason.ENDPOINT_NOT_FOUND, message, observed=none))
        own = {"endpoint": None}
        if is_lost and not facts.forced and is_contested(NAME, facts):
            message = f"The endpoint of {spec.where} keeps vanishing from Atlas, so the operator creates it only once an hour. Find out who removes it."
            return Decision(State(Reason.DRIFTED, message, observed=none), own=own)
        gets: tuple[Get, ...] = ()
        if self.before_creation is not None:
            gets = (Get(self.before_creation, beside=True),)
            if (value := facts.view.value(self.before_creation)) is None:
                message = f"{none} The operator looks whether Atlas would make one."
                return Decision(State(Reason.PENDING, message, POLL), gets=gets, own=own)
            if (state := self.hindrance(facts, value)) is not None:
                return Decision(state, gets=gets, own=own)
        cause = cause_of_loss(facts, is_lost=is_lost, otherwise=Cause.FIRST_CONTACT)
        write = self._creation(facts, spec, cause)
        state = State(Reason.INITIATING, f"The operator creates the endpoint of {spec.where}.", POLL, observed=none)
        return Decision(state, write, gets=gets, own=own)

    def _creation(self, facts: Facts, spec: RegionalSpec, cause: Cause) -> Write:
        key = facts.resource.created_as
        creates = Creates(
            key,
            1,
            Reason.INITIATING,
            intended=f"The operator creates the endpoint of {spec.where}.",
            searched=f"Atlas may be creating the endpoint of {spec.where}. The operator looks for it before it asks for it again.",
        )
        return Write(
            self.calls.creation_of(facts.scope.project_id, spec.provider_name, self.body_of(spec)),
            cause,
            names=(NAME,),
            planned=f"creates the endpoint of {spec.where}",
            doubt=doubt_about(spec),
            remedy="Regions cannot change: if one is wrong, delete this resource (nothing was made in Atlas) and create it again with the right one.",
            touches=(key,),
            creates=creates,
        )

    def _present(self, facts: Facts, endpoint: Endpoint) -> Decision:
        """Decide about the endpoint of the region; an intent has come to its end."""
        if (left := asked_for(facts, endpoint.id)) > 0 and endpoint.status != EndpointState.DELETING:
            message = (
                f"Atlas has accepted the deletion of endpoint {endpoint.id}, and still shows it as {endpoint.status}."
            )
            return Decision(State(Reason.DELETING, message, _looks_again(left)))
        decision = self._in_its_status(facts, endpoint)
        return replace(decision, seen=endpoint, own={"intent": None, **decision.own})

    def _in_its_status(self, facts: Facts, endpoint: Endpoint) -> Decision:
        since, what = since_of(facts, endpoint), f"endpoint {endpoint.id}"
        match endpoint.status:
            case EndpointState.ACTIVE:
                said = f" Message from Atlas: {words(endpoint.error_message)}" if endpoint.error_message else ""
                return Decision(State(Reason.AVAILABLE, f"The endpoint is active.{said}", NoRequeue(), ()))
            case EndpointState.INITIATING:
                message = f"Atlas is creating {what}. This takes a few minutes, and sometimes hours."
                return Decision(waiting(facts, Reason.INITIATING, message, since, ()))
            case EndpointState.PENDING_ACCEPTANCE:
                return self.accepting(facts, endpoint)
            case EndpointState.PENDING_RECREATION:
                said = f"Message from Atlas: {words(endpoint.error_message)}"
                message = f"The connection of {what} was removed in the cloud. Atlas creates the endpoint again. {said}"
                return Decision(waiting(facts, RegionalReason.RECREATING, message, since, ()))
            case EndpointState.FAILED:
                return self._failed(facts, endpoint)
            case EndpointState.DELETING:
                message = f"Atlas is deleting {what}."
                return Decision(waiting(facts, Reason.DELETING, message, since, ()))
            case other:
                message = f"Atlas reports {unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
                return Decision(waiting(facts, Reason.PENDING, message, since, ()))

    def _failed(self, facts: Facts, endpoint: Endpoint) -> Decision:
        said, thing = f"Atlas reports FAILED for endpoint {endpoint.id}.", facts.resource.region_thing
        atlas_says = f"Message from Atlas: {words(endpoint.error_message)}"
        if facts.is_protected(thing):
            message = (
                f"{said} Another resource names it as well, so the operator does not delete it. To create another one, delete the other"
                f" resource, and {FORCE}. {atlas_says}"
            )
            return Decision(State(Reason.ENDPOINT_FAILED, message, differences=()))
        message = f"{said} To delete it in Atlas and create another one, {FORCE}. {atlas_says}"
        state = State(Reason.ENDPOINT_FAILED, message, differences=())
        return Decision(state, self._deletion(facts, endpoint, Cause.FORCED) if facts.forced else None)

    def _deletion(self, facts: Facts, endpoint: Endpoint, cause: Cause | None) -> Write:
        request = self.calls.deletion_of(facts.scope.project_id, facts.resource.spec.provider_name, endpoint.id)
        touches, thing = (endpoint.id, facts.resource.written_as), facts.resource.region_thing
        return Write(request, cause, names=(NAME,), touches=touches, reads=endpoint.id, deletes=thing)

    # Decisions about a deleted resource.

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        known: EndpointStatus | None = facts.resource.status.endpoint
        endpoint, others = chosen(facts)
        is_asked = known is not None and facts.resource.status.is_being_deleted
        if known is not None and is_asked and endpoint is not None and endpoint.id != known.id:
            others = [endpoint, *others]  # only the one that was asked for goes
            recorded = facts.view.value(known.id)
            endpoint = recorded if isinstance(recorded, Endpoint) else None
        if endpoint is None:
            return self._gone(facts, known, others)
        if endpoint.status == EndpointState.DELETING:
            return Decision(deleting(facts, f"endpoint {endpoint.id}", since_of(facts, endpoint)), seen=endpoint)
        state = deleting(facts, f"endpoint {endpoint.id} (now {endpoint.status})", deleted_at(facts))
        if (left := asked_for(facts, endpoint.id)) > 0 and not facts.forced:
            return Decision(replace(state, requeue=_looks_again(left)))
        gets: tuple[Get, ...] = ()
        if self.guards(facts, endpoint) and not facts.resource.metadata.is_delete_forced:
            gets = (Get(self.before_deletion, beside=True),)
            if (guarded := self._needed(facts, endpoint)) is not None:
                return Decision(guarded, seen=endpoint, gets=gets)
        asked = _status_of(facts, replace(endpoint, status=str(EndpointState.DELETING)), facts.now)
        before = known if known is not None and known.id == endpoint.id else None
        write = self._deletion(facts, endpoint, None)
        decision = registered.deletion(facts, state, before, write, {"endpoint": asked, "intent": None})
        if decision.write is not None or facts.done is None:
            return replace(decision, gets=gets)
        wait = as_long_again(deleted_at(facts), facts.now, facts.interval)
        requeue = RequeueAfter(min(max(wait, EARLY_FIRST), EARLY_LAST))
        return replace(decision, state=replace(decision.state, requeue=requeue), seen=endpoint)

    def _needed(self, facts: Facts, endpoint: Endpoint) -> State | None:
        """Return the state if somebody needs an endpoint, or that is not known yet; None: nobody does."""
        value = facts.view.value(self.before_deletion)
        if value is None:
            message = f"The operator looks whether something in Atlas needs endpoint {endpoint.id}."
            return State(Reason.DELETING, message, POLL)
        if not (needed := self.needed_by(facts, endpoint, value)):
            return None
        message = f'{needed} Or set the annotation {FORCE_DELETE} to "true": then the operator does not ask for them.'
        requeue = RequeueAfter(as_long_again(deleted_at(facts), facts.now, facts.interval))
        return State(Reason.DELETION_BLOCKED, message, requeue)

    def _gone(self, facts: Facts, known: EndpointStatus | None, others: Sequence[Endpoint]) -> Decision:
        """Decide about a deleted resource whose endpoint Atlas does not show."""
        absent = None if known is None else known.id
        if (left := may_arrive_for(facts.resource.status.intent, facts.now)) > 0:
            return replace(registered.may_appear(facts, left), absent=absent)
        gone = None if known is None else f"Endpoint {known.id} is deleted from Atlas."
        stays = None
        if others:
            names = ", ".join(each.id for each in others)
            stays = f"Atlas has more endpoints of this region, which stay there: {names}. This resource did not follow them."
        state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
        return Decision(state, absent=absent, nothing_left=True, gone=gone, stays=stays)


def doubt_about(spec: RegionalSpec) -> str:
    """Return a sentence, after a blank, about each region of a spec that is not known; "": all are."""
    return "".join(dict.fromkeys(doubt(spec.provider_name, region) for region in spec.desired.values()))


def _status_of(facts: Facts, endpoint: Endpoint, since: datetime) -> EndpointStatus:
    shown: EndpointStatus = facts.resource.endpoint_type.of(endpoint, facts.resource.spec, since)
    return shown
