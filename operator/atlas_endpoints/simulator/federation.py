"""The third family of operations: private endpoints of Data Federation and Online Archive, and federated databases."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from zlib import crc32

from atlas_endpoints.simulator.body import AWS_ID, AZURE_ID, check_address, read_fields, read_text, require_text
from atlas_endpoints.simulator.endpoint import AWS, AZURE
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.federation_endpoint import (
    DATA_LAKE,
    DELETING,
    OK,
    PENDING,
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

_AWS_ROLE = ("externalId", "iamAssumedRoleARN", "iamUserARN", "roleId")
_RATE_LIMIT = RateLimit(capacity=1200, refill_rate=1200)
_MOST_ON_AZURE = 3
_DNS_NAME, _ADDRESS = "customerEndpointDNSName", "customerEndpointIPAddress"
_WRITTEN = ("comment", "region", _DNS_NAME, _ADDRESS)
_COMPUTED = ("azureLinkId", "errorMessage", "status")
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

    def put(self, project: Project, document: FederationEndpointDocument) -> FederationEndpoint | None:
        """Put, change or remove an endpoint directly, also in ways that no request can.

        Returns:
            The endpoint, or ``None`` if it is gone.
        """
        self._world.settle()
        known = project.federation_endpoints.get(document.endpoint_id.casefold())
        if document.remove:
            if known is not None:
                self._forget(project, known)
            return None
        endpoint = known or FederationEndpoint(document.endpoint_id, document.provider)
        if document.status is not None:
            endpoint.put(document.status)
        endpoint.fields |= document.fields()
        if known is None or document.status is not None:
            self._entered(project, endpoint)
        else:
            self._show(project, endpoint)
        return endpoint

    def database(self, project: Project, name: str) -> dict[str, Any]:
        """Return a federated database as the API shows it now, with a host for each endpoint that is OK."""
        host, domain = f"{name}-{project.id[-5:]}", "a.query.mongodb.net"
        settled = self._world.clock() - self._world.switches.federation.hostname_lag
        private = [
            {"hostname": f"{host}-pe-{crc32(key.encode()):08x}.{domain}", "privateEndpoint": each.id}
            for key, each in project.federation_endpoints.items()
            if each.status == OK and each.since <= settled
        ]
        return {
            "cloudProviderConfig": {"aws": dict.fromkeys(_AWS_ROLE, "")},
            "dataProcessRegion": None,
            "groupId": project.id,
            "hostnames": [f"{host}.{domain}"],
            "name": name,
            "privateEndpointHostnames": private,
            "state": "ACTIVE",
            "storage": {"databases": None, "stores": None},
        }

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
        project, new, switches = self._world.project(call), _read(call.request.body), self._world.switches
        known = project.federation_endpoints.get(new.id.casefold())
        if known is None:
            if new.provider == AZURE:
                if sum(each.provider == AZURE for each in project.federation_endpoints.values()) >= _MOST_ON_AZURE:
                    raise api_error("DATA_FEDERATION_PRIVATE_ENDPOINT_LIMIT_EXCEEDED", _MOST_ON_AZURE)
                new.fields["azureLinkId"] = self._world.names.object_id()
                new.put(PENDING)
            else:
                new.connect(switches)
            self._entered(project, new)
        elif known.provider not in switches.federation.comment_fixed:
            known.fields["comment"] = new.fields.get("comment", known.fields.get("comment"))
            self._show(project, known)
        return 201, self._list(call)[1]

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(self._endpoint(call).shown(self._world.switches))

    def _delete(self, call: Call) -> tuple[int, bytes]:
        endpoint = self._endpoint(call)
        endpoint.deletes += 1
        if endpoint.status != DELETING and endpoint.deletes >= self._world.switches.federation.deletes:
            endpoint.put(DELETING)
            self._entered(self._world.project(call), endpoint)
        return 204, b""

    def _get_database(self, call: Call) -> tuple[int, bytes]:
        project, name = self._world.project(call), call.names["tenantName"]
        if name not in project.federated_databases:
            raise api_error("DATA_FEDERATION_TENANT_NOT_FOUND_FOR_NAME", name, project.id)
        return 200, to_json(self.database(project, name))

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
        if endpoint.status == DELETING:
            self._forget(project, endpoint)
        else:
            endpoint.connect(self._world.switches)
            self._entered(project, endpoint)

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
    given = read_fields(body, {"endpointId", "provider", "type", *_WRITTEN, *_COMPUTED})
    endpoint_id = require_text(given, "endpointId")
    provider, kind = read_text(given, "provider") or AWS, read_text(given, "type") or DATA_LAKE
    for value, known in ((provider, {AWS, AZURE}), (kind, {DATA_LAKE})):
        if value not in known:
            raise api_error("INVALID_ENUM_VALUE", value)
    fields = {name: text for name in _WRITTEN if (text := read_text(given, name)) is not None}
    own, foreign = (_ADDRESS, _DNS_NAME) if provider == AZURE else (_DNS_NAME, _ADDRESS)
    wrong = {
        "endpointId": not (AZURE_ID if provider == AZURE else AWS_ID).fullmatch(endpoint_id),
        "region": "region" in fields and (own not in fields or not is_region(provider, fields["region"])),
        foreign: foreign in fields,
        own: own == _DNS_NAME and own in fields and "region" not in fields,
    }
    for name in filter(wrong.get, wrong):
        raise api_error("INVALID_ATTRIBUTE", name)
    if _ADDRESS in fields:
        check_address(fields[_ADDRESS])
    return FederationEndpoint(endpoint_id, provider, fields=fields)
