"""The third family of operations: private endpoints of Data Federation and Online Archive, and federated databases."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from atlas_endpoints.simulator.body import AWS_ID, AZURE_ID, check_address, read_fields, read_text, require_text
from atlas_endpoints.simulator.endpoint import AWS, AZURE
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.federation_endpoint import (
    DATA_LAKE,
    DELETING,
    OK,
    PENDING,
    FederatedDatabase,
    FederationEndpoint,
    FederationEndpointDocument,
)
from atlas_endpoints.simulator.pages import page
from atlas_endpoints.simulator.regions import is_region
from atlas_endpoints.simulator.routes import Call, Family, Operation, check_content_type
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import Project, World

_GROUP = "/api/atlas/v2/groups/{groupId}"
_ENDPOINTS = _GROUP + "/privateNetworkSettings/endpointIds"
_ENDPOINT = _ENDPOINTS + "/{endpoint}"
_DATABASE = _GROUP + "/dataFederation/{tenantName}"

_RATE_LIMIT = RateLimit(capacity=1200, refill_rate=1200)
_MOST_ON_AZURE = 3
_DNS_NAME, _ADDRESS = "customerEndpointDNSName", "customerEndpointIPAddress"
_WRITTEN = {"endpointId", "provider", "type", "comment", "region", _DNS_NAME, _ADDRESS}
_COMPUTED = {"azureLinkId", "errorMessage", "status"}
"""What a request may hold, too, because the schema of requests is that of answers."""


class Federation:
    """Answers the operations of the family, and does what people and time do to the endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.turned.append(self._turn)

    def operations(self) -> Family:
        """Return the operations."""

        def endpoints(name: str, perform: Callable[[Call], tuple[int, bytes]], *, writes: bool = False) -> Operation:
            return Operation(f"ApiAtlasPrivateNetworkSettingsResource::{name}", perform, self._admit, writes)

        return {
            _ENDPOINTS: {
                "GET": endpoints("getEndpointIds", self._list),
                "POST": endpoints("addEndpointId", self._register, writes=True),
            },
            _ENDPOINT: {
                "GET": endpoints("getEndpointIdEntry", self._get),
                "DELETE": endpoints("deleteEndpointIds", self._delete, writes=True),
            },
            _DATABASE: {"GET": Operation("ApiAtlasDataFederationResource::getTenant", self._get_database, self._admit)},
        }

    def put(
        self, project: Project, document: FederationEndpointDocument, *, advance: bool = False
    ) -> FederationEndpoint | None:
        """Put, change or remove an endpoint directly, as nothing in the API can.

        Args:
            advance: Whether a transitional status changes by itself, unless the document says it.

        Returns:
            The endpoint, or ``None`` if it is gone.
        """
        self._world.settle()
        endpoint = project.federation_endpoints.get(document.endpoint_id.casefold())
        if document.remove:
            if endpoint is not None:
                self._forget(project, endpoint)
            return None
        moves = endpoint is None or bool({"status", "advance"} & document.model_fields_set)
        if endpoint is None:
            endpoint = FederationEndpoint(document.endpoint_id, document.provider)
        endpoint.put(document)
        if moves:
            endpoint.held = not (advance if document.advance is None else document.advance)
            self._entered(project, endpoint)
        else:
            self._show(project, endpoint)
        return endpoint

    def put_database(self, project: Project, database: FederatedDatabase) -> dict[str, Any] | None:
        """Put, replace or remove a federated database; return what the API shows of it, or ``None`` if it is gone."""
        if database.remove:
            project.federated_databases.pop(database.name, None)
            return None
        project.federated_databases[database.name] = database
        return self.database_document(project, database)

    def database_document(self, project: Project, database: FederatedDatabase) -> dict[str, Any]:
        """Return a federated database as the API shows it now."""
        settled = self._world.clock() - self._world.switches.federation.hostname_lag
        endpoints = project.federation_endpoints.values()
        return database.document(
            project.id, [each for each in endpoints if each.status == OK and each.since <= settled]
        )

    def _admit(self, call: Call) -> None:
        self._world.admit(call, "privateNetworkSettings", _RATE_LIMIT)
        endpoint_id = call.names.get("endpoint")
        if endpoint_id is not None and not any(each.fullmatch(endpoint_id) for each in (AWS_ID, AZURE_ID)):
            raise api_error("PATH_PARAM_PARSE_ERROR", call.request.path)

    def _list(self, call: Call) -> tuple[int, bytes]:
        documents = self._world.project(call).federation_listing.documents()
        return 200, to_json(page(call.request, documents, json.loads))

    def _register(self, call: Call) -> tuple[int, bytes]:
        check_content_type(call.request)
        project, registered = self._world.project(call), _read(call.request.body)
        known = project.federation_endpoints.get(registered.id.casefold())
        if known is None:
            self._add(project, registered)
        elif registered.comment is not None and known.provider not in self._world.switches.federation.comment_fixed:
            known.comment = registered.comment
            self._show(project, known)
        return 201, self._list(call)[1]

    def _add(self, project: Project, endpoint: FederationEndpoint) -> None:
        if endpoint.provider == AZURE:
            on_azure = sum(each.provider == AZURE for each in project.federation_endpoints.values())
            if on_azure >= _MOST_ON_AZURE:
                raise api_error("DATA_FEDERATION_PRIVATE_ENDPOINT_LIMIT_EXCEEDED", _MOST_ON_AZURE)
            endpoint.status, endpoint.link_id = PENDING, self._world.names.object_id()
        else:
            endpoint.connect(self._world.switches)
        self._entered(project, endpoint)

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(self._endpoint(call).shown(self._world.switches))

    def _delete(self, call: Call) -> tuple[int, bytes]:
        endpoint = self._endpoint(call)
        endpoint.deletes += 1
        if endpoint.status != DELETING and endpoint.deletes >= self._world.switches.federation.deletes:
            endpoint.status, endpoint.held = DELETING, False
            self._entered(self._world.project(call), endpoint)
        return 204, b""

    def _get_database(self, call: Call) -> tuple[int, bytes]:
        project, name = self._world.project(call), call.names["tenantName"]
        database = project.federated_databases.get(name)
        if database is None:
            raise api_error("DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME", name, project.id)
        return 200, to_json(self.database_document(project, database))

    def _endpoint(self, call: Call) -> FederationEndpoint:
        project, endpoint_id = self._world.project(call), call.names["endpoint"]
        endpoint = project.federation_endpoints.get(endpoint_id.casefold())
        if endpoint is None:
            raise api_error("DATA_FEDERATION_PRIVATE_ENDPOINT_NOT_FOUND", endpoint_id, project.id)
        return endpoint

    def _entered(self, project: Project, endpoint: FederationEndpoint) -> None:
        project.federation_endpoints[endpoint.id.casefold()] = endpoint
        self._show(project, endpoint)
        self._world.enter(endpoint, partial(self._advance, project, endpoint))

    def _advance(self, project: Project, endpoint: FederationEndpoint) -> None:
        if endpoint.advance(self._world.switches):
            self._entered(project, endpoint)
        else:
            self._forget(project, endpoint)

    def _forget(self, project: Project, endpoint: FederationEndpoint) -> None:
        endpoint.epoch += 1  # what was planned no longer applies
        del project.federation_endpoints[endpoint.id.casefold()]
        self._world.list(project.federation_listing, endpoint.id, None)

    def _show(self, project: Project, endpoint: FederationEndpoint) -> None:
        shown = to_json(endpoint.shown(self._world.switches))
        self._world.list(project.federation_listing, endpoint.id, shown)

    def _turn(self) -> None:
        switches = self._world.switches
        for project in self._world.projects.values():
            endpoints = project.federation_endpoints.values()
            project.federation_listing.show_only({each.id: to_json(each.shown(switches)) for each in endpoints})
            for endpoint in endpoints:
                self._world.plan(endpoint, partial(self._advance, project, endpoint))


def _read(body: bytes) -> FederationEndpoint:
    """Read the body of a POST; raise ApiError 400."""
    fields = read_fields(body, _WRITTEN | _COMPUTED)
    for name, known in (("provider", {AWS, AZURE}), ("type", {DATA_LAKE})):
        value = read_text(fields, name)
        if value is not None and value not in known:
            raise api_error("INVALID_ENUM_VALUE", value)
    provider, endpoint_id = read_text(fields, "provider") or AWS, require_text(fields, "endpointId")
    if not (AZURE_ID if provider == AZURE else AWS_ID).fullmatch(endpoint_id):
        raise api_error("INVALID_ATTRIBUTE", "endpointId")
    region, dns_name, address = (read_text(fields, name) for name in ("region", _DNS_NAME, _ADDRESS))
    place = address if provider == AZURE else dns_name
    if region is not None and (place is None or not is_region(provider, region)):
        raise api_error("INVALID_ATTRIBUTE", "region")
    if dns_name is not None and (region is None or provider == AZURE):
        raise api_error("INVALID_ATTRIBUTE", _DNS_NAME)
    if address is not None:
        if provider == AWS:
            raise api_error("INVALID_ATTRIBUTE", _ADDRESS)
        check_address(address)
    comment = read_text(fields, "comment")
    return FederationEndpoint(endpoint_id, provider, comment=comment, region=region, dns_name=dns_name, address=address)
