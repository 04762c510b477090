"""Decide about an endpoint that Atlas makes for a region: from the facts to its state and at most one write. Pure.

An endpoint is INITIATING, then PENDING_ACCEPTANCE or ACTIVE; PENDING_RECREATION when its connection was removed in the cloud, after
which Atlas makes it again, perhaps with another ID; FAILED and DELETING at any time. ``made_by_atlas`` has what is not special to
regions: how an endpoint is created, followed and deleted.

What a kind adds are reads beside the endpoints: what has to be on before a POST, and what needs the endpoint before a DELETE.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from typing_extensions import override

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.made_by_atlas import FAILED, REPLACED, Facts, MadeByAtlas
from atlas_endpoints.kinds.made_by_atlas_resource import Made
from atlas_endpoints.kinds.regional_atlas import Calls, Endpoint, EndpointState
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec
from atlas_endpoints.kinds.regions import doubt, is_other_region
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import FORCE_DELETE
from atlas_endpoints.reconcile.waiting import unknown, waiting, words

R = TypeVar("R", bound=RegionalResource)

NO_STEPS = frozenset[str](
    {EndpointState.ACTIVE, EndpointState.FAILED, EndpointState.PENDING_RECREATION, EndpointState.DELETING}
)
"""The statuses that are no step on the way of an endpoint that Atlas makes."""


class RegionalReason(ReadyReason):
    """The reasons of ``Ready`` that only these kinds have."""

    RECREATING = "Recreating", "False", Progress.RECONCILING


class RegionalDecisions(MadeByAtlas[R]):
    """What a kind of endpoints that Atlas makes for a region decides.

    Attributes:
        calls: for the endpoints.
        read_before_post: the name under which the view has what a POST rests on, if it rests on anything.
        read_before_delete: the name under which it has what shows who needs an endpoint.
        forced_deletion: what a forced deletion does, as the end of a sentence.
    """

    calls: ClassVar[Calls]
    read_before_post: ClassVar[str | None] = None
    read_before_delete: ClassVar[str]
    forced_deletion: ClassVar[str]

    noun = "endpoint"
    of_place = "endpoint of this region"
    ranks: ClassVar[Mapping[str, int]] = {EndpointState.PENDING_RECREATION: REPLACED, EndpointState.FAILED: FAILED}
    no_steps = NO_STEPS
    remedy = "Regions cannot change: if one is wrong, delete this resource (nothing was made in Atlas) and create it again with the right one."
    reasons: ClassVar[Sequence[ReadyReason]] = (*Reason, *RegionalReason)

    @abstractmethod
    def body_of(self, spec: Any) -> Mapping[str, str]:
        """Return the body of the POST."""

    @abstractmethod
    def needed_by(self, facts: Facts, endpoint: Endpoint, value: Any) -> str:
        """Return who needs an endpoint, as a sentence with the ways out, by the value of ``read_before_delete``; "": nobody."""

    def hindrance(self, facts: Facts, value: Any) -> State | None:  # noqa: ARG002  # a default
        """Return the state if Atlas would make no endpoint, by the value of ``read_before_post``; None: it makes one."""
        return None

    def accepting(self, facts: Facts, endpoint: Endpoint) -> Decision:
        """Return the decision about an endpoint in PENDING_ACCEPTANCE, which Atlas itself accepts."""
        name = words(endpoint.private_endpoint_connection_name)
        shown = f" The name of its connection is {name}." if endpoint.private_endpoint_connection_name else ""
        message = f"Atlas is connecting endpoint {endpoint.id}.{shown}"
        return Decision(waiting(facts, Reason.INITIATING, message, self.since_of(facts, endpoint), ()))

    @override
    def creation(self, facts: Facts) -> Request:
        spec = facts.resource.spec
        return self.calls.creation_of(facts.scope.project_id, spec.provider_name, self.body_of(spec))

    @override
    def deletion(self, facts: Facts, id_: str) -> Request:
        return self.calls.deletion_of(facts.scope.project_id, facts.resource.spec.provider_name, id_)

    @override
    def doubt(self, facts: Facts) -> str:
        return doubt_about(facts.resource.spec)

    @override
    def is_elsewhere(self, facts: Facts, made: Endpoint) -> bool:
        spec = facts.resource.spec
        shown = {"region": made.region, "vpc_region": made.vpc_region}
        return any(
            is_other_region(spec.provider_name, shown[field], region) for field, region in spec.regions_in_atlas.items()
        )

    def _anywhere(self, facts: Facts) -> str:
        """Return a sentence about endpoints that may be the one of the region, since Atlas shows no region of them; "": none."""
        known = facts.resource.status.endpoint
        own = None if known is None else known.id
        values = (each.value for each in facts.view.entries.values())
        ids = [each.id for each in values if isinstance(each, Endpoint) and not each.place]
        names = ", ".join(sorted(id_ for id_ in ids if id_ != own and not facts.is_claimed_by_other(id_)))
        called = facts.resource.called
        return f"Atlas shows endpoints without a region, one of which may be the {called}: {names}." if names else ""

    @override
    def nothing_left(self, facts: Facts, others: Sequence[Made]) -> Decision:
        known = facts.resource.status.endpoint
        is_asked = known is not None and known.status in self.going
        if is_asked or not (anywhere := self._anywhere(facts)):
            decision, forced = super().nothing_left(facts, others), facts.resource.metadata.is_delete_forced
            said = f"{decision.gone} The annotation {FORCE_DELETE} was set, so the operator did not ask who needs it."
            return replace(decision, gone=said) if is_asked and forced and decision.gone else decision
        message = f"{anywhere} The operator deletes none of them."
        return Decision(State(Reason.DELETION_BLOCKED, message, facts.as_long_again))

    @override
    def before_post(self, facts: Facts) -> tuple[tuple[Get, ...], State | None]:
        if anywhere := self._anywhere(facts):
            return (), State(Reason.PENDING, f"{anywhere} The operator creates none until Atlas shows their regions.")
        if self.read_before_post is None:
            return (), None
        gets = (Get(self.read_before_post, beside=True),)
        if (value := facts.view.value(self.read_before_post)) is None:
            message = f"Atlas has no {facts.resource.called}. The operator looks whether Atlas would make one."
            return gets, State(Reason.PENDING, message, POLL)
        return gets, self.hindrance(facts, value)

    @override
    def in_its_status(self, facts: Facts, made: Endpoint) -> Decision:
        endpoint, since, what = made, self.since_of(facts, made), f"endpoint {made.id}"
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
                return self.failed(facts, endpoint)
            case EndpointState.DELETING:
                message = f"Atlas is deleting {what}."
                return Decision(waiting(facts, Reason.DELETING, message, since, ()))
            case other:
                message = f"Atlas reports {unknown(other)}. The operator waits for another status. If it does not change, upgrade the operator."
                return Decision(waiting(facts, Reason.PENDING, message, since, ()))

    @override
    def before_delete(self, facts: Facts, made: Endpoint) -> tuple[tuple[Get, ...], State | None]:
        if facts.resource.metadata.is_delete_forced:
            return (), None
        gets = (Get(self.read_before_delete, beside=True),)
        if (value := facts.view.value(self.read_before_delete)) is None:
            message = f"The operator looks whether something in Atlas needs endpoint {made.id}."
            return gets, State(Reason.DELETING, message, POLL)
        if not (needed := self.needed_by(facts, made, value)):
            return gets, None
        message = f'{needed} Or set the annotation {FORCE_DELETE} to "true": {self.forced_deletion}'
        return gets, State(Reason.DELETION_BLOCKED, message, facts.as_long_again)

    @override
    def status_of(self, facts: Facts, made: Endpoint, since: datetime) -> EndpointStatus:
        shown: EndpointStatus = facts.resource.endpoint_type.of(made, facts.resource.spec, since)
        return shown


def may_be_in_region(facts: Facts, endpoint: Endpoint, region: str | None) -> bool:
    """Return whether a region may be that of an endpoint, as the spec or Atlas names it: only a known other one is not."""
    provider, wanted = facts.resource.spec.provider_name, facts.resource.spec.region
    return not all(is_other_region(provider, region, name or wanted) for name in (wanted, endpoint.region))


def doubt_about(spec: RegionalSpec) -> str:
    """Return a sentence, after a blank, about each region of a spec that is not known; "": all are."""
    return "".join(dict.fromkeys(doubt(spec.provider_name, region) for region in spec.desired.values()))
