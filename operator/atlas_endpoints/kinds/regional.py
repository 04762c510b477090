"""Decide about an endpoint that Atlas makes for a region, and the kind of such endpoints for the reconcile layer. Pure.

An endpoint is INITIATING, then PENDING_ACCEPTANCE or ACTIVE; PENDING_RECREATION when its connection was removed in the cloud, after
which Atlas makes it again, perhaps with another ID; FAILED and DELETING at any time. Atlas gives it its ID and knows no change of it.
So a resource names it by its region, creates it with an intent (``reconcile.creation``), and follows the one that lives there.

What a kind adds are reads beside the endpoints: what has to be on before a POST, and what needs the endpoint before a DELETE.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from atlas_endpoints.kinds.made_by_atlas import Facts, MadeByAtlas
from atlas_endpoints.kinds.regional_atlas import Beside, Calls, Endpoint, EndpointState, place_of
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec
from atlas_endpoints.kinds.regions import doubt
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import FORCE_DELETE, part
from atlas_endpoints.reconcile.waiting import deleted_at, unknown, waiting, words
from atlas_endpoints.reconcile.waits import as_long_again

R = TypeVar("R", bound=RegionalResource)

NO_ENDPOINT = "0" * 24
"""The ID of an endpoint that cannot exist."""

NO_STEPS = frozenset[str](
    {EndpointState.ACTIVE, EndpointState.FAILED, EndpointState.PENDING_RECREATION, EndpointState.DELETING}
)
"""The statuses that are no step on the way of an endpoint that Atlas makes."""


class RegionalReason(ReadyReason):
    """The reasons of ``Ready`` that only these kinds have."""

    RECREATING = "Recreating", "False", Progress.RECONCILING


class RegionalKind(MadeByAtlas[R]):
    """The kind of endpoints that Atlas makes for a region, for one purpose. An entry is an endpoint; a scope is a cloud.

    Attributes:
        calls: for the endpoints.
        beside: what is read beside them, by the name under which the view has it.
        rests_on: the name of what a POST rests on, if it rests on anything.
        needed_in: the name of what shows who needs an endpoint.
        keys: those of the ConfigMap.
    """

    calls: ClassVar[Calls]
    beside: ClassVar[Mapping[str, Beside]]
    rests_on: ClassVar[str | None] = None
    needed_in: ClassVar[str]
    keys: ClassVar[Sequence[str]]

    noun = "endpoint"
    of_place = "endpoint of this region"
    replaced = (EndpointState.PENDING_RECREATION,)
    no_steps = NO_STEPS
    remedy = "Regions cannot change: if one is wrong, delete this resource (nothing was made in Atlas) and create it again with the right one."
    scope_noun = "provider"
    reasons: ClassVar[Sequence[ReadyReason]] = (*Reason, *RegionalReason)
    busy = MadeByAtlas.busy | {RegionalReason.RECREATING}

    @abstractmethod
    def body_of(self, spec: Any) -> Mapping[str, str]:
        """Return the body of the POST."""

    @abstractmethod
    def needed_by(self, facts: Facts, endpoint: Endpoint, value: Any) -> str:
        """Return who needs an endpoint, as a sentence with the ways out, by the value of ``needed_in``; "": nobody."""

    def guards(self, facts: Facts, endpoint: Endpoint) -> bool:  # noqa: ARG002  # a default
        """Return whether somebody may need an endpoint in its status."""
        return True

    def hindrance(self, facts: Facts, value: Any) -> State | None:  # noqa: ARG002  # a default
        """Return the state if Atlas would make no endpoint, by the value of ``rests_on``; None: it makes one."""
        return None

    def accepting(self, facts: Facts, endpoint: Endpoint) -> Decision:
        """Return the decision about an endpoint in PENDING_ACCEPTANCE, which Atlas itself accepts."""
        name = words(endpoint.private_endpoint_connection_name)
        shown = f" The name of its connection is {name}." if endpoint.private_endpoint_connection_name else ""
        message = f"Atlas is connecting endpoint {endpoint.id}.{shown}"
        return Decision(waiting(facts, Reason.INITIATING, message, self.since_of(facts, endpoint), ()))

    # Plain JSON.

    @override
    def named_by(self, body: Body) -> Named:
        spec = part(body, "spec")
        provider, region, vpc_region = (spec.get(name) for name in ("providerName", "region", "vpcRegion"))
        if not isinstance(provider, str) or not isinstance(region, str):
            return Named(None)
        return Named(place_of(provider, region, vpc_region if isinstance(vpc_region, str) else None))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        endpoint = part(status, "endpoint")
        region, vpc_region = endpoint.get("region"), endpoint.get("vpcRegion")
        if not isinstance(region, str):
            return ()
        return (region if vpc_region in {None, region} else f"{region} from {vpc_region}",)

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        found: str | None = spec.get("providerName")
        return found

    # Atlas.

    @override
    def list_request(self, scope: Scope) -> Request:
        return self.calls.list_of(scope.project_id, scope.name)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        if entry in self.beside:
            return self.beside[entry].request_of(scope.project_id)
        return self.calls.get_of(scope.project_id, scope.name, entry)

    @override
    def listed(self, item: object) -> tuple[str, Endpoint] | None:
        endpoint = self.calls.endpoint_in(item)
        return None if endpoint is None else (endpoint.id, endpoint)

    @override
    def got(self, entry: str, answer: object) -> Any | None:
        if entry in self.beside:
            return self.beside[entry].parse(answer)
        return self.calls.endpoint_in(answer, entry)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, Endpoint] | None:
        endpoint = self.calls.created(write.request, answer)
        return None if endpoint is None else (endpoint.id, endpoint)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        return self.calls.is_there(error)

    @override
    def is_early(self, error: AtlasError) -> bool:
        return self.calls.is_early(error)

    # Decisions.

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
    def before_creation(self, facts: Facts) -> tuple[tuple[Get, ...], State | None]:
        if self.rests_on is None:
            return (), None
        gets = (Get(self.rests_on, beside=True),)
        if (value := facts.view.value(self.rests_on)) is None:
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
    def before_deletion(self, facts: Facts, made: Endpoint) -> tuple[tuple[Get, ...], State | None]:
        if facts.resource.metadata.is_delete_forced or not self.guards(facts, made):
            return (), None
        gets = (Get(self.needed_in, beside=True),)
        if (value := facts.view.value(self.needed_in)) is None:
            message = f"The operator looks whether something in Atlas needs endpoint {made.id}."
            return gets, State(Reason.DELETING, message, POLL)
        if not (needed := self.needed_by(facts, made, value)):
            return gets, None
        message = f'{needed} Or set the annotation {FORCE_DELETE} to "true": then the operator does not ask for them.'
        requeue = RequeueAfter(as_long_again(deleted_at(facts), facts.now, facts.interval))
        return gets, State(Reason.DELETION_BLOCKED, message, requeue)

    # What a resource tells.

    @override
    def status_of(self, facts: Facts, made: Endpoint, since: datetime) -> EndpointStatus:
        shown: EndpointStatus = facts.resource.endpoint_type.of(made, facts.resource.spec, since)
        return shown

    @override
    def outputs(self, resource: R, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint = resource.spec, own.get("endpoint", resource.status.endpoint)
        if spec.output_config_map_ref is None:
            return ()
        return (Output(spec.output_config_map_ref.name, self.keys, self._values(spec, endpoint)),)

    def _values(self, spec: RegionalSpec, endpoint: EndpointStatus | None) -> Mapping[str, str] | None:
        """Return the data of the ConfigMap, or None until somebody can accept the connection."""
        if endpoint is None or endpoint.status not in {EndpointState.PENDING_ACCEPTANCE, EndpointState.ACTIVE}:
            return None
        name = endpoint.private_endpoint_connection_name
        if spec.provider_name == "AZURE" and not name:
            return None  # in AWS, an endpoint may have none
        regions = {to_camel(field): value for field, value in spec.regions_in_atlas.items()}
        shown = {"endpointId": endpoint.id, "privateEndpointConnectionName": name, "providerName": spec.provider_name}
        return {key: value for key, value in {**shown, **regions}.items() if value}

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        yield from super().news(previous, status)
        before, endpoint = part(previous, "endpoint"), part(status, "endpoint")
        word = endpoint.get("status")
        if before.get("status") == EndpointState.ACTIVE and word in _AGAIN:
            message = f"Endpoint {before['id']} was active, and is not any more: Atlas shows endpoint {endpoint['id']} as {word}."
            yield EventReason.ENDPOINT_WARNING, f"{message} Message from Atlas: {words(endpoint.get('errorMessage'))}"
        said = endpoint.get("errorMessage")
        if word == EndpointState.ACTIVE and said and said != before.get("errorMessage"):
            yield (
                EventReason.ENDPOINT_WARNING,
                f"Endpoint {endpoint['id']} is active. Message from Atlas: {words(said)}",
            )

    # Commands.

    @override
    def identity(self, resource: R) -> Mapping[str, object]:
        spec = resource.spec
        return {"projectId": spec.project_id, "providerName": spec.provider_name, **spec.desired}

    @override
    def unnamed(
        self, scope: Scope, entries: Mapping[str, Any], named: Collection[Named]
    ) -> Mapping[str, Sequence[str]]:
        known = {each.endpoint for each in named}
        return {"Endpoints": [id_ for id_, each in entries.items() if each.place not in known]}

    @override
    def counted(self, values: Collection[Any]) -> str:
        return f"Endpoints: {len(values)}."

    @override
    def doubts(self, resources: Collection[R], values: Collection[Any]) -> Iterable[str]:
        found = ((each.key, doubt_about(each.spec)) for each in resources)
        return [f"{key.namespace}/{key.name}:{doubt}" for key, doubt in found if doubt]

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a DELETE of nothing; Atlas checks the role before it looks for the endpoint."""
        return (self.calls.deletion_of(scope.project_id, scope.name, NO_ENDPOINT),)


_AGAIN = frozenset[str]({EndpointState.PENDING_RECREATION, EndpointState.INITIATING, EndpointState.PENDING_ACCEPTANCE})
"""The statuses after which an endpoint that was active has to be accepted again."""


def doubt_about(spec: RegionalSpec) -> str:
    """Return a sentence, after a blank, about each region of a spec that is not known; "": all are."""
    return "".join(dict.fromkeys(doubt(spec.provider_name, region) for region in spec.desired.values()))
