"""The kind ``DataFederationPrivateEndpoint`` for the reconcile layer and the commands, and its ConfigMaps. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.cloud_endpoint import ip_of
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.data_federation_private_endpoint import atlas, decide
from atlas_endpoints.kinds.data_federation_private_endpoint.atlas import Endpoint, EndpointState, entry_of
from atlas_endpoints.kinds.data_federation_private_endpoint.decide import Facts
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import SCOPE, DataFederationPrivateEndpoint
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason
from atlas_endpoints.reconcile.resource import part

KEYS = ("endpointServiceName", "endpointId")
"""The keys of the ConfigMap for the cloud's side."""

DATABASE_KEYS = ("federatedDatabaseName", "hostname", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications."""

NO_ENDPOINT = "vpce-" + "0" * 17
"""The ID of an endpoint that cannot exist."""


class DataFederationPrivateEndpoints(KindWithCommands[DataFederationPrivateEndpoint]):
    """An entry is an endpoint; a scope is a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "DataFederationPrivateEndpoint", "datafederationprivateendpoints")
    resource = DataFederationPrivateEndpoint
    templates = atlas.TEMPLATES
    scope_noun = ""
    scopes = (SCOPE,)
    keeps_confirmed = True  # what is gone is registered again, or reported, by the drift policy

    @override
    def entry_of(self, body: Body) -> str | None:
        named = self.named_by(body).endpoint
        return None if named is None else entry_of(named)

    @override
    def named_by(self, body: Body) -> Named:
        return registered.named_in(body, part(body, "spec").get(registered.FIELD))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        found = part(status, "endpoint").get("id")
        return (found,) if isinstance(found, str) else ()

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        return SCOPE

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        return atlas.get_of(scope.project_id, entry)

    @override
    def listed(self, item: object) -> tuple[str, Endpoint] | None:
        return atlas.listed(item)

    @override
    def got(self, entry: str, answer: object) -> Endpoint | None:
        return atlas.got(entry, answer)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, Endpoint] | None:
        return atlas.registered(write.request, answer)

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(facts)

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return decide.decide_deletion(facts)

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        return registered.news(previous, status)

    @override
    def render(self, facts: Facts, seen: Endpoint) -> Mapping[str, Any]:
        return {"endpoint": decide.endpoint_status(facts, seen)}

    @override
    def outputs(self, resource: DataFederationPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint, found = resource.spec, own.get("endpoint", resource.status.endpoint), []
        if (reference := spec.output_config_map_ref) is not None:
            values = zip(KEYS, (spec.service_name, None if endpoint is None else endpoint.id), strict=True)
            found.append(Output(reference.name, KEYS, {key: value for key, value in values if value} or None))
        shown = endpoint if endpoint is not None and endpoint.status in {EndpointState.OK, None} else None
        for each in spec.federated_databases:
            request = None if shown is None else partial(_database, name=each.name)
            known = {"federatedDatabaseName": each.name, "providerName": spec.provider_name}
            if shown is not None:
                known |= {"endpointId": shown.id, "region": shown.region or spec.region_in_atlas or ""}
            parse, fill = partial(atlas.hostnames, each.name), partial(_hostname, known)
            found.append(Output(each.config_map_ref.name, DATABASE_KEYS, request=request, parse=parse, fill=fill))
        return found

    @override
    def state_of(self, value: Endpoint) -> str | None:
        return value.status

    @override
    def identity(self, resource: DataFederationPrivateEndpoint) -> Mapping[str, object]:
        spec = resource.spec
        return {
            "projectId": spec.project_id,
            "providerName": spec.provider_name,
            "region": spec.region,
            "cloudProviderEndpointId": (spec.cloud_provider_endpoint_id or "").lower() or None,
            "privateEndpointIpAddress": ip_of(spec.private_endpoint_ip_address),
            "customerEndpointDnsName": (spec.customer_endpoint_dns_name or "").lower() or None,
        }

    @override
    def counted(self, values: Collection[Any]) -> str:
        return f"Endpoints for Data Federation and Online Archive: {len(values)}."

    @override
    def doubts(self, resources: Collection[DataFederationPrivateEndpoint], values: Collection[Any]) -> Iterable[str]:
        found = ((each, decide.doubt_about(each.spec)) for each in resources)
        return [f"{each.key.namespace}/{each.key.name}:{doubt}" for each, doubt in found if doubt]

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a DELETE of nothing; Atlas checks the role before it looks for the endpoint."""
        return (atlas.deletion_of(scope.project_id, NO_ENDPOINT),)


def _database(scope: Scope, *, name: str) -> Request:
    return atlas.database_of(scope.project_id, name)


def _hostname(known: Mapping[str, str], hostnames: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for applications, or None until Atlas shows a hostname for the endpoint."""
    host = hostnames.get(entry_of(known["endpointId"]))
    return None if host is None else {key: value for key, value in {**known, "hostname": host}.items() if value}


KIND = DataFederationPrivateEndpoints()
