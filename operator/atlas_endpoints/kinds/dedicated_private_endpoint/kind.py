"""The kind ``DedicatedPrivateEndpoint`` for the reconcile layer, and its ConfigMaps. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas, commands, decide, deletion, endpoint
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import (
    READY,
    PrivateStrings,
    Service,
    State,
    entry_name,
    parts_of,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import (
    NEW_SERVICE,
    REGISTRATIONS,
    DedicatedPrivateEndpoint,
    EndpointStatus,
    Registration,
    ServiceStatus,
    entry_of,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts
from atlas_endpoints.reconcile.kind import Creates, Decision, Kind, Named, Write
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason
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

CONNECTION_KEYS = (
    "clusterName",
    "connectionString",
    "connectionStringSrv",
    "connectionStringSrvShardOptimized",
    "endpointId",
    "providerName",
    "region",
)
"""The keys of the ConfigMap for applications; other kinds of endpoints have the same ones."""


def outputs(
    resource: DedicatedPrivateEndpoint, service: ServiceStatus | None, endpoint: EndpointStatus | None
) -> Iterator[Output]:
    """Yield the ConfigMaps of a resource, given the service and the endpoint in its next status."""
    spec = resource.spec
    if (reference := spec.output_config_map_ref) is not None:
        yield Output(reference.name, KEYS, service_values(service))
    is_available = endpoint is not None and endpoint.status == State.AVAILABLE
    for each in spec.connection_strings:
        yield Output(
            each.config_map_ref.name,
            CONNECTION_KEYS,
            request=partial(_cluster, name=each.cluster_name) if is_available else None,
            parse=partial(atlas.private_strings, each.cluster_name),
            fill=partial(connection_values, resource, each.cluster_name, endpoint),
        )


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


def connection_values(
    resource: DedicatedPrivateEndpoint,
    cluster: str,
    endpoint: EndpointStatus | None,
    all_strings: Collection[PrivateStrings],
) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for applications, or None until Atlas shows a string for this endpoint."""
    if endpoint is None:
        return None
    spec, service = resource.spec, resource.status.service
    region = spec.region if service is None or service.region is None else service.region
    found = atlas.strings_for(atlas.Connected(endpoint.id, spec.provider_name, region), all_strings)
    if found is None:
        return None
    strings, connected = found
    texts = (strings.standard, strings.srv, strings.srv_shard_optimized)
    values = (cluster, *texts, endpoint.id, spec.provider_name, connected.region)
    return {key: value for key, value in zip(CONNECTION_KEYS, values, strict=True) if value}


def _asking_once(facts: Facts) -> Facts:
    """Return facts that look for the sharers of a service once in a decision: a service may have a hundred."""
    return replace(facts, sharers=cache(facts.sharers))


def _cluster(scope: Scope, *, name: str) -> Request:
    return atlas.cluster_of(scope.project_id, name)


class DedicatedPrivateEndpoints(Kind[DedicatedPrivateEndpoint]):
    """An entry is a service, or an endpoint of one; a scope is a cloud provider in a project."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "DedicatedPrivateEndpoint", "dedicatedprivateendpoints")
    resource = DedicatedPrivateEndpoint
    templates = atlas.TEMPLATES
    scope_noun = "provider"
    another = "name it in the spec"

    @override
    def entry_of(self, body: Body) -> str | None:
        return entry_of(body)

    @override
    def found_by(self, body: Body) -> Collection[str]:
        found = (part(part(body, "status"), "service").get("id"), entry_of(body))
        return tuple(each for each in found if isinstance(each, str))

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        service, endpoint = part(status, "service").get("id"), part(status, "endpoint").get("id")
        if service is None:
            return ()
        return (service,) if endpoint is None else (service, entry_name(service, endpoint))

    @override
    def called(self, entry: str) -> str:
        service, endpoint = parts_of(entry)
        return f"Endpoint service {service}" if endpoint is None else f"Endpoint {endpoint}"

    @override
    def in_atlas(self, status: Any, entry: str | None) -> Sequence[str]:
        shown = "" if status.endpoint is None else status.endpoint.id.casefold()

        def is_shown(each: str) -> bool:
            return (parts_of(each)[1] or "").casefold() == shown

        entries = [*(each.entry for each in status.registrations), *filter(is_shown, [entry] if entry else [])]
        by_name = {each.casefold(): each for each in entries}
        endpoints = sorted(by_name.values(), key=is_shown, reverse=True)
        services = [] if status.service is None else [status.service.id]
        return tuple(self.called(each) for each in [*endpoints, *services])

    @override
    def recorded_in(self, status: Mapping[str, Any]) -> str | None:
        found: str | None = part(status, "service").get("id")
        return found

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        found: str | None = spec.get("providerName")
        return found

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id, scope.name)

    @override
    def listed(self, item: object) -> tuple[str, Service] | None:
        return atlas.listed(item)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        service, endpoint = parts_of(entry)
        if endpoint is None:
            return atlas.get_of(scope.project_id, scope.name, service)
        return atlas.endpoint_of(scope.project_id, scope.name, service, endpoint)

    @override
    def got(self, entry: str, answer: object) -> object | None:
        return atlas.got(entry, answer)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, object] | None:
        if write.request.operation in {atlas.CREATE, atlas.UPDATE}:
            return atlas.listed(answer)
        return super().written(write, answer)

    @override
    def is_outdated(self, error: AtlasError) -> bool:
        return atlas.is_outdated(error)

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        before, service = part(previous, "service").get("id"), part(status, "service")
        new = service.get("id")
        if before is not None and new != before:
            yield EventReason.SERVICE_LOST, f"Endpoint service {before} no longer exists in Atlas."
        if new not in {None, before} and "serviceCreation" in previous and service.get("origin") == "Created":
            yield EventReason.SERVICE_CREATED, f"The operator created endpoint service {new} for this resource."
        known = {_name(each) for each in previous.get("registrations") or () if each.get("confirmed")}
        for each in status.get("registrations") or ():
            if each.get("confirmed") and _name(each) not in known:
                yield EventReason.ENDPOINT_REGISTERED, f"Endpoint {each['endpointId']} is registered for this resource."

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(_asking_once(facts))

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return deletion.decide_deletion(_asking_once(facts))

    @override
    def intended(self, facts: Facts, creates: Creates, creation: Creation) -> Mapping[str, Any]:
        if creates.name == NEW_SERVICE:
            return {"service_creation": creation}
        service_id, endpoint_id = parts_of(creates.name)
        new = Registration(
            service_id=service_id,
            endpoint_id=endpoint_id or "",
            requested_at=creation.requested_at,
            attempt=creation.attempt,
        )
        others = (each for each in facts.resource.status.registrations if not each.is_of(new.entry))
        return {"registrations": (new, *others)[:REGISTRATIONS]}

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        if name == NEW_SERVICE:
            return {"service_creation": None}
        known = facts.resource.status.registrations
        kept = tuple(each for each in known if each.confirmed or each.entry != name)
        return {"registrations": kept}

    @override
    def render(self, facts: Facts, seen: Any) -> Mapping[str, Any]:
        return {"endpoint": endpoint.endpoint_status(facts, seen)}

    @override
    def outputs(self, resource: DedicatedPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        status = resource.status
        return [*outputs(resource, own.get("service", status.service), own.get("endpoint", status.endpoint))]

    @override
    def state_of(self, value: Any) -> str | None:
        found: str | None = value.status
        return found

    @override
    def named_by(self, body: Body) -> Named:
        return commands.named_by(body)

    @override
    def counted(self, values: Collection[Any]) -> str:
        return commands.counted(values)

    @override
    def misfit(self, resource: DedicatedPrivateEndpoint, values: Collection[Any]) -> str | None:
        return commands.misfit(resource, values)

    @override
    def doubts(self, resources: Collection[DedicatedPrivateEndpoint], values: Collection[Any]) -> Iterable[str]:
        return commands.doubts(resources, values)

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:
        return commands.harmless_writes(scope)


def _name(registration: Mapping[str, Any]) -> tuple[str, str]:
    return registration["serviceId"], registration["requestedAt"]


KIND = DedicatedPrivateEndpoints()
