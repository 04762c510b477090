"""The kind ``DedicatedPrivateEndpoint`` for the reconcile layer, and its ConfigMaps. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds import registered
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.connection_strings import Connected, output
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas, commands, decide, deletion, endpoint
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Endpoint, EndpointState, Service, parts_of
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    DedicatedPrivateEndpoint,
    ServiceStatus,
    service_key,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import DedicatedReason, Facts, is_created_in
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Creation

KEYS = (
    "serviceId",
    "endpointServiceName",
    "privateLinkServiceName",
    "privateLinkServiceResourceId",
    "serviceAttachmentNames",
)
"""The keys of the ConfigMap for the cloud's side."""


NO_SERVICE = "0" * 24
"""The ID of an endpoint service that cannot exist."""


def service_values(service: ServiceStatus | None) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for the cloud's side, or None until Atlas shows all of it."""
    if service is None or service.status not in READY:
        return None
    shown = (
        service.id,
        service.endpoint_service_name,
        service.private_link_service_name,
        service.private_link_service_resource_id,
        ",".join(service.service_attachment_names),
    )
    values = {key: value for key, value in zip(KEYS, shown, strict=True) if value}
    return values if len(values) > 1 else None


def _cluster(scope: Scope, *, name: str) -> Request:
    return atlas.cluster_of(scope.project_id, name)


HINT = (
    "Atlas makes private strings some minutes after the endpoint is available, for a cluster that has nodes in this cloud and region,"
    " and only when each of its regions has an endpoint; for a replica set perhaps for one endpoint of a region only. If they do not"
    " come, compare clusterName, providerName and region with the cluster, and see whether the project names its own strings (project"
    " setting privateEndpointConnectionStringsEnabled)."
)


class DedicatedPrivateEndpoints(KindWithCommands[DedicatedPrivateEndpoint]):
    """An entry is a service, or an endpoint of one; a scope is a cloud provider in a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "DedicatedPrivateEndpoint", "dedicatedprivateendpoints")
    resource = DedicatedPrivateEndpoint
    templates = atlas.TEMPLATES
    reasons = (*Reason, *DedicatedReason)
    preceding = frozenset({DedicatedReason.SERVICE_INITIATING})
    scope_noun = "provider"
    scopes = ("AWS", "AZURE", "GCP")
    keeps_confirmed = True  # what is gone is registered again, or reported, by the drift policy

    @override
    def entry_of(self, body: Body) -> str | None:
        service_id, named = part(part(body, "status"), "service").get("id"), self.named_by(body).endpoint
        return atlas.entry_name(service_id, named) if isinstance(service_id, str) and named is not None else None

    @override
    def named_by(self, body: Body) -> Named:
        """Return the endpoint that an object names, and the service of its region, which others may share.

        This is much faster than to parse the object.
        """
        spec = part(body, "spec")
        is_legacy = part(spec, "gcp").get("portMappingEnabled") is False
        named = part(spec, "gcp").get("endpointGroupName") if is_legacy else spec.get("cloudProviderEndpointId")
        shared = service_key(str(spec.get("providerName")), str(spec.get("region")), is_legacy=is_legacy)
        return registered.named_in(body, named, shared)

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        found = (part(status, name).get("id") for name in ("service", "endpoint"))
        return tuple(each for each in found if isinstance(each, str))

    @override
    def parent_of(self, entry: str) -> str | None:
        service, endpoint = parts_of(entry)
        return None if endpoint is None else service

    @override
    def called(self, entry: str) -> str:
        service, endpoint = parts_of(entry)
        return f"Endpoint service {service}" if endpoint is None else f"Endpoint {endpoint}"

    @override
    def in_atlas(self, status: Any, entry: str | None) -> Sequence[str]:
        if (service := status.service) is None:
            return ()
        endpoint = status.endpoint
        return (service.id,) if endpoint is None else (atlas.entry_name(service.id, endpoint.id), service.id)

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        found: str | None = spec.get("providerName")
        return found

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id, scope.name)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        return atlas.get_of(scope.project_id, scope.name, entry)

    @override
    def listed(self, item: object) -> tuple[str, Service | Endpoint] | None:
        return atlas.listed(item)

    @override
    def got(self, entry: str, answer: object) -> Service | Endpoint | None:
        return atlas.got(entry, answer)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        return atlas.is_outdated(error)

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(facts)

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return deletion.decide_deletion(facts)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, object] | None:
        if write.request.operation in {atlas.CREATE, atlas.UPDATE}:
            return atlas.listed(answer)
        return super().written(write, answer)

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        before, service = part(previous, "service").get("id"), part(status, "service")
        new = service.get("id")
        if before is not None and new != before:
            yield EventReason.SERVICE_LOST, f"Endpoint service {before} no longer exists in Atlas."
        if new not in {None, before} and "serviceCreation" in previous and service.get("origin") == "Created":
            yield EventReason.SERVICE_CREATED, f"The operator created endpoint service {new} for this resource."
        yield from registered.news(previous, status)

    @override
    def took_over(self, status: Any, other: Body) -> bool:
        service = status.service
        return service is None or service.origin != "Created" or is_created_in(other, service.id)

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        return {"service_creation": creation}

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        return {"service_creation": None}

    @override
    def render(self, facts: Facts, seen: Any) -> Mapping[str, Any]:
        return {"endpoint": endpoint.endpoint_status(facts, seen)}

    @override
    def outputs(self, resource: DedicatedPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, found = resource.spec, []
        service = own.get("service", resource.status.service)
        endpoint = own.get("endpoint", resource.status.endpoint)
        if (reference := spec.output_config_map_ref) is not None:
            found.append(Output(reference.name, KEYS, service_values(service)))
        is_available = endpoint is not None and endpoint.status == EndpointState.AVAILABLE
        endpoint_id = endpoint.id if endpoint is not None else ""
        region = spec.region if service is None or service.region is None else service.region
        connected = Connected(endpoint_id, spec.provider_name, region) if is_available else None
        for each in spec.connection_strings:
            request = partial(_cluster, name=each.cluster_name)
            name = each.config_map_ref.name
            strings = output(name, each.cluster_name, request, endpoint_id=endpoint_id, wanted=connected)
            found.append(replace(strings, hint=HINT))
        return found

    @override
    def state_of(self, value: Any) -> str | None:
        found: str | None = value.status
        return found

    @override
    def unnamed(
        self, scope: Scope, entries: Mapping[str, Any], named: Collection[Named]
    ) -> Mapping[str, Sequence[str]]:
        return commands.unnamed(scope.name, entries.values(), named)

    @override
    def counted(self, values: Collection[Any]) -> str:
        endpoints = sum(len(each.endpoint_ids) for each in values)
        return f"Endpoint services: {len(values)}. Endpoints in them: {endpoints}."

    @override
    def mismatch(self, resource: DedicatedPrivateEndpoint, values: Collection[Any]) -> str | None:
        return commands.mismatch(resource, _services(values))

    @override
    def doubts(self, resources: Collection[DedicatedPrivateEndpoint], values: Collection[Any]) -> Iterable[str]:
        return commands.doubts(resources, _services(values))

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        """Return a PATCH without a change, and a DELETE; Atlas checks the role before it looks for the service."""
        return (
            atlas.no_change_of(scope.project_id, NO_SERVICE),
            atlas.deletion_of(scope.project_id, scope.name, NO_SERVICE),
        )


def _services(values: Collection[Any]) -> Sequence[Service]:
    """Return the services among entries, of which others are endpoints."""
    return [each for each in values if isinstance(each, Service)]


KIND = DedicatedPrivateEndpoints()
