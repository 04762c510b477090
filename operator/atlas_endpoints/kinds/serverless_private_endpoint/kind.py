"""The kind ``ServerlessPrivateEndpoint`` for the reconcile layer. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.serverless_private_endpoint import atlas, commands, decide
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.decide import Facts
from atlas_endpoints.kinds.serverless_private_endpoint.outputs import outputs
from atlas_endpoints.kinds.serverless_private_endpoint.resource import (
    MARK,
    EndpointStatus,
    Reservation,
    ServerlessPrivateEndpoint,
    entry_of,
)
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.status import Creation


class ServerlessPrivateEndpoints(Kind[ServerlessPrivateEndpoint]):
    """An entry is an endpoint; a scope is a serverless instance."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "ServerlessPrivateEndpoint", "serverlessprivateendpoints")
    resource = ServerlessPrivateEndpoint
    templates = atlas.TEMPLATES
    scope_noun = "instance"

    @override
    def entry_of(self, body: Body) -> str | None:
        return entry_of(body)

    @override
    def shown_in(self, status: Mapping[str, Any]) -> str | None:
        found: str | None = (status.get("endpoint") or {}).get("id")
        return found

    @override
    def recorded_in(self, status: Mapping[str, Any]) -> str | None:
        found: str | None = (status.get("reservation") or {}).get("endpointId")
        return found

    @override
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        found: str | None = spec.get("instanceName")
        return found

    @override
    def list_request(self, scope: Scope) -> Request:
        return atlas.list_of(scope.project_id, scope.name)

    @override
    def listed(self, item: object) -> tuple[str, Endpoint] | None:
        return atlas.listed(item)

    @override
    def get_request(self, scope: Scope, entry: str) -> Request:
        return atlas.get_of(scope.project_id, scope.name, entry)

    @override
    def got(self, entry: str, answer: object) -> Endpoint | None:
        return atlas.got(entry, answer)

    @override
    def written(self, write: Write, answer: object) -> tuple[str, Endpoint] | None:
        asked = None if write.creates is not None else write.touches[0]
        endpoint = atlas.got(asked, answer)
        return None if endpoint is None else (endpoint.id, endpoint)

    @override
    def label(self, value: Endpoint) -> str | None:
        comment = value.comment or ""
        return comment if comment.startswith(MARK) else None

    @override
    def decide(self, facts: Facts) -> Decision:
        return decide.decide(facts)

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return decide.decide_deletion(facts)

    @override
    def intended(self, creation: Creation) -> Mapping[str, Any]:
        # The endpoint in the status is gone, or was another one.
        return {"reservation": Reservation(**dict(creation)), "endpoint": None}

    @override
    def not_created(self, facts: Facts) -> Mapping[str, Any]:
        """Clear the reservation, so that a person may name an endpoint, unless it was to replace a lost one."""
        record = facts.resource.metadata.endpoint_record
        replaces = record is not None and record.uid == facts.resource.metadata.uid
        return {} if replaces else {"reservation": None}

    @override
    def render(self, facts: Facts, seen: Endpoint) -> Mapping[str, Any]:
        return {"endpoint": EndpointStatus.of(seen, decide.status_since(facts, seen))}

    @override
    def outputs(self, resource: ServerlessPrivateEndpoint, own: Mapping[str, Any]) -> Sequence[Output]:
        return outputs(resource, own.get("endpoint", resource.status.endpoint))

    @override
    def state_of(self, value: Endpoint) -> str | None:
        return value.status

    @override
    def misfit(self, resource: ServerlessPrivateEndpoint, values: Collection[Endpoint]) -> str | None:
        return commands.misfit(resource.spec, values)

    @override
    def harmless_writes(self, scope: Scope, values: Collection[Endpoint]) -> Iterable[Request]:
        return commands.harmless_writes(scope, values)


KIND = ServerlessPrivateEndpoints()
