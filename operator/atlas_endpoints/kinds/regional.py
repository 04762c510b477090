"""The kind of endpoints that Atlas makes for a region, for the reconcile layer and the commands, and its ConfigMap. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.regional_atlas import Endpoint, EndpointState, ProjectRead, place_of
from atlas_endpoints.kinds.regional_decisions import RegionalDecisions, RegionalReason, doubt_about
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec
from atlas_endpoints.reconcile.decision import Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.waiting import words

R = TypeVar("R", bound=RegionalResource)

NO_ENDPOINT = "0" * 24
"""The ID of an endpoint that cannot exist."""


class RegionalKind(RegionalDecisions[R]):
    """The kind of endpoints that Atlas makes for a region, for one purpose. An entry is an endpoint; a scope is a cloud.

    Attributes:
        beside: what is read beside the endpoints, by the name under which the view has it.
        keys: those of the ConfigMap.
        purpose: what the endpoints are for, for people.
    """

    beside: ClassVar[Mapping[str, ProjectRead]]
    keys: ClassVar[Sequence[str]]
    purpose: ClassVar[str]

    scope_noun = "provider"
    busy = KindWithCommands.busy | {RegionalReason.RECREATING}

    # Plain JSON.

    @override
    def named_by(self, body: Body) -> Named:
        spec = part(body, "spec")
        provider, region, vpc_region = (spec.get(name) for name in ("providerName", "region", "vpcRegion"))
        if not isinstance(provider, str) or not isinstance(region, str):
            return Named(None)
        place = place_of(provider, region, vpc_region if isinstance(vpc_region, str) else None)
        return Named(place, recorded=self.entry_of(body))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        endpoint = part(status, "endpoint")
        region, vpc_region = endpoint.get("region"), endpoint.get("vpcRegion")
        if not isinstance(region, str):
            return ()
        place, id_ = region if vpc_region in {None, region} else f"{region} from {vpc_region}", endpoint.get("id")
        return (place, id_) if isinstance(id_, str) else (place,)

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

    # What a resource tells.

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
        found = {id_: each.place for id_, each in entries.items() if each.place not in known}
        return {"Endpoints": [f"{id_} in {place}" if place else id_ for id_, place in found.items()]}

    @override
    def shown_scope(self, name: str) -> str:
        return f"{self.purpose} on {name}"

    @override
    def counted(self, values: Collection[Any]) -> str:
        return f"Endpoints for {self.purpose}: {len(values)}."

    @override
    def doubts(self, resources: Collection[R], values: Collection[Any]) -> Iterable[str]:
        shown = {each.place for each in values}  # regions that exist
        found = ((each.key, doubt_about(each.spec)) for each in resources if each.spec.place not in shown)
        return [f"{key.namespace}/{key.name}:{doubt}" for key, doubt in found if doubt]

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a DELETE of nothing; Atlas checks the role before it looks for the endpoint."""
        return (self.calls.deletion_of(scope.project_id, scope.name, NO_ENDPOINT),)


_AGAIN = frozenset[str]({EndpointState.PENDING_RECREATION, EndpointState.INITIATING, EndpointState.PENDING_ACCEPTANCE})
"""The statuses after which an endpoint that was active has to be accepted again."""
