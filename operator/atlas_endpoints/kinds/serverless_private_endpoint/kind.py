"""The kind ``ServerlessPrivateEndpoint`` for the reconcile layer, and its ConfigMaps. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body, annotations_of, uid_of
from atlas_endpoints.kinds.cloud_endpoint import Provider
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.connection_strings import Connected, output
from atlas_endpoints.kinds.serverless_private_endpoint import atlas, commands, decide
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, EndpointState, instance_of
from atlas_endpoints.kinds.serverless_private_endpoint.decide import Facts, ServerlessReason
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    MARK,
    EndpointStatus,
    Reservation,
    ServerlessPrivateEndpoint,
)
from atlas_endpoints.reconcile.decision import Create, Decision, Write
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import ENDPOINT_ANNOTATION, EndpointRecord, part
from atlas_endpoints.reconcile.status import Creation

KEYS = ("endpointId", "endpointServiceName", "privateLinkServiceResourceId")
"""The keys of the ConfigMap for the cloud's side."""

CONNECTION_KEYS = ("clusterName", "connectionStringSrv", "endpointId", "providerName", "region")
"""The keys of the ConfigMap for applications: an instance has a DNS seed list only."""

NEEDED: Mapping[Provider, frozenset[str]] = {"AWS": frozenset(KEYS[:2]), "AZURE": frozenset(KEYS)}
"""The keys without which the cloud's side cannot be created."""


def values_of(endpoint: EndpointStatus | None, provider: Provider) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for the cloud's side, or None until Atlas shows all that it needs."""
    if endpoint is None:
        return None
    shown = (endpoint.id, endpoint.endpoint_service_name, endpoint.private_link_service_resource_id)
    values = {key: value for key, value in zip(KEYS, shown, strict=True) if value}
    return values if values.keys() >= NEEDED[provider] else None


def _instance(scope: Scope) -> Request:
    return instance_of(scope.project_id, scope.name)


class ServerlessPrivateEndpoints(KindWithCommands[ServerlessPrivateEndpoint]):
    """An entry is an endpoint; a scope is a serverless instance."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "ServerlessPrivateEndpoint", "serverlessprivateendpoints")
    resource = ServerlessPrivateEndpoint
    templates = atlas.TEMPLATES
    reasons = (*Reason, *ServerlessReason)
    busy = KindWithCommands.busy | {ServerlessReason.RESERVATION_REQUESTED}
    scope_noun = "instance"
    successor = "a dedicated cluster and its private endpoints"

    @override
    def entry_of(self, body: Body) -> str | None:
        """Return the endpoint that an object names, even if its spec is invalid; if its status was lost, that of its annotation."""
        named = part(body, "spec").get("endpointId")
        if isinstance(named, str):
            return named
        if reservation := part(part(body, "status"), "reservation"):
            reserved = reservation.get("endpointId")
            return reserved if isinstance(reserved, str) else None
        record = EndpointRecord.parse(annotations_of(body).get(ENDPOINT_ANNOTATION, ""))
        return record.endpoint_id if record is not None and record.uid == uid_of(body) else None

    @override
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        found = (status.get("endpoint") or {}).get("id")
        return () if found is None else (found,)

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        found: str | None = spec.get("instanceName")
        return found

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id, scope.name)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        return atlas.get_of(scope.project_id, scope.name, entry)

    @override
    def listed(self, item: object) -> tuple[str, Endpoint] | None:
        return atlas.listed(item)

    @override
    def got(self, entry: str, answer: object) -> Endpoint | None:
        return atlas.got(entry, answer)

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(facts)

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return decide.decide_deletion(facts)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, Endpoint] | None:
        asked = None if isinstance(write, Create) else write.touches[0]
        endpoint = atlas.got(asked, answer)
        return None if endpoint is None else (endpoint.id, endpoint)

    @override
    def label(self, value: Endpoint) -> str | None:
        comment = value.comment or ""
        return comment if comment.startswith(MARK) else None

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        known, reservation = part(previous, "reservation"), part(status, "reservation")
        lost, found = known.get("endpointId"), reservation.get("endpointId")
        # Without a reservation, an adopted entry belongs to another resource, and is not lost.
        if lost is not None and reservation and found is None:
            yield (
                EventReason.ENDPOINT_LOST,
                f"The reserved endpoint {lost} no longer exists in Atlas: it has expired or was deleted. The operator reserves another one.",
            )
        elif found not in {None, lost} and reservation.get("adopted"):
            message = (
                f"This resource takes over endpoint {found}: the annotation of an earlier resource names it, and no other resource uses"
                " it. When this resource is deleted, the endpoint stays in Atlas, unless spec.endpointId names it."
            )
            yield EventReason.ENDPOINT_TAKEN_OVER, message
        elif found not in {None, lost}:
            yield EventReason.ENDPOINT_RESERVED, f"Endpoint {found} is reserved for this resource."

    @override
    def intended(self, facts: Facts, creation: Creation) -> Mapping[str, Any]:
        # The endpoint in the status is gone, or was another one.
        return {"reservation": Reservation(**dict(creation)), "endpoint": None}

    @override
    def not_created(self, facts: Facts, name: str) -> Mapping[str, Any]:
        """Clear the reservation, so that a person may name an endpoint, unless it was to replace a lost one."""
        record = facts.resource.metadata.endpoint_record
        replaces = record is not None and record.uid == facts.resource.metadata.uid
        return {} if replaces else {"reservation": None}

    @override
    def render(self, facts: Facts, seen: Endpoint) -> Mapping[str, Any]:
        return {"endpoint": EndpointStatus.of(seen, decide.status_since(facts, seen))}

    @override
    def outputs(self, resource: ServerlessPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        spec, endpoint, found = resource.spec, own.get("endpoint", resource.status.endpoint), []
        if (reference := spec.output_config_map_ref) is not None:
            found.append(Output(reference.name, KEYS, values_of(endpoint, spec.provider_name)))
        if (reference := spec.connection_string_config_map_ref) is not None:
            is_available = endpoint is not None and endpoint.status == EndpointState.AVAILABLE
            cloud_id = endpoint.cloud_provider_endpoint_id if endpoint is not None and is_available else None
            connected = Connected(cloud_id, spec.provider_name) if cloud_id is not None else None
            endpoint_id = endpoint.id if endpoint is not None else ""
            strings = output(
                reference.name,
                spec.instance_name,
                _instance,
                endpoint_id=endpoint_id,
                wanted=connected,
                keys=CONNECTION_KEYS,
            )
            found.append(strings)
        return found

    @override
    def state_of(self, value: Endpoint) -> str | None:
        return value.status

    @override
    def mismatch(self, resource: ServerlessPrivateEndpoint, values: Collection[Endpoint]) -> str | None:
        return commands.mismatch(resource.spec, values)

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Endpoint]) -> Iterable[Request]:
        return commands.harmless_writes(scope, values)


KIND = ServerlessPrivateEndpoints()
