"""The ConfigMaps of a serverless private endpoint: for tools that create the cloud's side, and for applications. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import (
    PrivateConnection,
    State,
    instance_of,
    private_connections,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.values import Provider

KEYS = ("endpointId", "endpointServiceName", "privateLinkServiceResourceId")
"""The keys of the ConfigMap for the cloud's side."""

CONNECTION_KEYS = ("clusterName", "connectionStringSrv", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications; other kinds of endpoints have the same ones."""

NEEDED: Mapping[Provider, frozenset[str]] = {"AWS": frozenset(KEYS[:2]), "AZURE": frozenset(KEYS)}
"""The keys without which the cloud's side cannot be created."""


def outputs(resource: ServerlessPrivateEndpoint, endpoint: EndpointStatus | None) -> Sequence[Output]:
    """Return the ConfigMaps of a resource, given the endpoint in its next status."""
    spec, found = resource.spec, []
    if (reference := spec.output_config_map_ref) is not None:
        found.append(Output(reference.name, KEYS, values_of(endpoint, spec.provider_name)))
    if (reference := spec.connection_string_config_map_ref) is not None:
        is_available = endpoint is not None and endpoint.status == State.AVAILABLE
        found.append(
            Output(
                reference.name,
                CONNECTION_KEYS,
                request=_instance if is_available else None,
                parse=partial(private_connections, spec.instance_name),
                fill=partial(connection_values, resource, endpoint),
            )
        )
    return found


def values_of(endpoint: EndpointStatus | None, provider: Provider) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for the cloud's side, or None until Atlas shows all that it needs."""
    if endpoint is None:
        return None
    shown = (endpoint.id, endpoint.endpoint_service_name, endpoint.private_link_service_resource_id)
    values = {key: value for key, value in zip(KEYS, shown, strict=True) if value}
    return values if values.keys() >= NEEDED[provider] else None


def connection_values(
    resource: ServerlessPrivateEndpoint, endpoint: EndpointStatus | None, connections: Iterable[PrivateConnection]
) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for applications, or None until Atlas shows a string for this endpoint.

    Atlas identifies endpoints by the IDs that the clouds gave them. Their order has no meaning.

    Args:
        connections: the private ones of the instance.
    """
    own = endpoint.cloud_provider_endpoint_id if endpoint is not None else None
    if endpoint is None or own is None:
        return None
    for each in connections:
        if own.casefold() in {id_.casefold() for id_ in each.endpoint_ids}:
            values = (resource.spec.instance_name, each.srv, endpoint.id, resource.spec.provider_name, each.region)
            return {key: value for key, value in zip(CONNECTION_KEYS, values, strict=True) if value}
    return None


def _instance(scope: Scope) -> Request:
    return instance_of(scope.project_id, scope.name)
