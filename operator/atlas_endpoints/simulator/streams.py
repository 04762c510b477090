"""The fifth family of operations: private endpoints of Stream Processing, and the streams that use them."""

import json
import re
from functools import partial
from typing import Any
from zlib import crc32

from atlas_endpoints.simulator.auth import STREAM_OWNER
from atlas_endpoints.simulator.body import read_fields, require_text
from atlas_endpoints.simulator.endpoint import AWS, AZURE
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.pages import page
from atlas_endpoints.simulator.regions import atlas_name, is_region
from atlas_endpoints.simulator.routes import Call, Family, Operation, check_content_type
from atlas_endpoints.simulator.service import GCP
from atlas_endpoints.simulator.stream_endpoint import (
    CONFLUENT,
    DELETE_REQUESTED,
    DELETED,
    DELETING,
    DONE,
    GENERIC,
    MSK,
    PLACE,
    PUBSUB,
    StreamConnectionDocument,
    StreamEndpoint,
    StreamEndpointDocument,
    account_details,
    render,
)
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import Project, World

_STREAMS = "/api/atlas/v2/groups/{groupId}/streams"
_ENDPOINTS = _STREAMS + "/privateLinkConnections"
_JAVA = "ApiStreamsResource::"
_VERSION, _PATCH_VERSION, _DETAILS_VERSION = "2023-02-01", "2025-03-12", "2024-11-13"
_RATE_LIMIT = RateLimit(capacity=1200, refill_rate=1200)

_SERVICE, _DOMAIN, _SUB_DOMAIN = "serviceEndpointId", "dnsDomain", "dnsSubDomain"
_URIS, _MOST_URIS = "gcpServiceAttachmentUris", 3
_NEEDED = {
    (AWS, MSK): ("arn",),
    (AWS, CONFLUENT): ("region", _SERVICE, _SUB_DOMAIN),
    (AWS, "S3"): ("region", _SERVICE),
    (AWS, "LAMBDA"): ("region", _SERVICE),
    (AWS, "KINESIS"): ("region",),
    (AZURE, GENERIC): ("region", _SERVICE, _DOMAIN),
    (AZURE, "EVENTHUB"): ("region", _SERVICE, _DOMAIN),
    (AZURE, CONFLUENT): ("region", "azureResourceIds", _DOMAIN),
    (AZURE, "AZURE_BLOB_STORAGE"): ("region", _SERVICE, _DOMAIN),
    (GCP, CONFLUENT): ("region", _URIS, _DOMAIN),
    (GCP, PUBSUB): ("region",),
}
"""What must be sent, by cloud and vendor."""
_TAKEN = {(AWS, "KINESIS"): (_SERVICE,)}
"""What may be sent beside that to say what an endpoint leads to."""
_LISTS = {"azureResourceIds", _URIS, _SUB_DOMAIN}
_KNOWN = {"provider", "vendor", _DOMAIN, "authenticationScheme", *PLACE, *_LISTS}
_SCHEMES = {"TLS", "SASL_SCRAM", "IAM"}
_ARN = re.compile(r"arn:aws:kafka:([-a-z0-9]+):.+")


class Streams:
    """Answers the operations of the family, and does what people and time do to the endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.turned.append(self._turn)

    def operations(self) -> Family:
        """Return the operations."""
        operation = partial(Operation, admit=self._admit, version=_VERSION, suffices=frozenset({STREAM_OWNER}))
        return {
            _ENDPOINTS: {
                "GET": operation(_JAVA + "getPrivateLinkConnections", self._list),
                "POST": operation(_JAVA + "createPrivateLinkConnection", self._create, writes=True),
            },
            _ENDPOINTS + "/{connectionId}": {
                "GET": operation(_JAVA + "getPrivateLinkConnection", self._get),
                "PATCH": operation(
                    _JAVA + "updatePrivateLinkConnection", self._update, writes=True, version=_PATCH_VERSION
                ),
                "DELETE": operation(_JAVA + "deletePrivateLinkConnection", self._delete, writes=True),
            },
            _STREAMS + "/accountDetails": {
                "GET": operation(_JAVA + "getAccountDetails", self._get_details, version=_DETAILS_VERSION)
            },
            _STREAMS: {"GET": operation(_JAVA + "getGroupTenants", self._list_workspaces)},
            _STREAMS + "/{tenantName}/connections": {
                "GET": operation(_JAVA + "getConnections", self._list_connections, needs_owner=True)
            },
        }

    def put(self, project: Project, document: StreamEndpointDocument) -> StreamEndpoint | None:
        """Put, change or remove an endpoint directly, also in ways that no request can.

        Returns:
            The endpoint, or ``None`` if it is gone.
        """
        self._world.settle()
        names, state = self._world.names, document.state
        new = StreamEndpoint(document.id or "", document.provider, fields=document.fields())
        known = project.stream_endpoints.get(new.id)
        if document.id is None:
            known = next((each for each in project.stream_endpoints.values() if each.target == new.target), None)
        if document.remove:
            if known is not None:
                self._forget(project, known)
            return None
        endpoint = known or new
        if known is None:
            endpoint.id = new.id or names.object_id()
            state = state or DONE
        waited = endpoint.waits_for_domain
        if state is not None:
            endpoint.put(state, project.id, names)
        endpoint.fields |= document.fields()
        if "extra" in document.model_fields_set:
            endpoint.extra = document.extra
        if state is not None or endpoint.waits_for_domain != waited:
            self._entered(project, endpoint)
        else:
            self._show(project, endpoint)
        return endpoint

    def put_connection(self, project: Project, document: StreamConnectionDocument) -> dict[str, Any] | None:
        """Put, change or remove a connection of a stream; return it as the API shows it, or ``None`` if it is gone."""
        if document.remove:
            project.stream_workspaces.get(document.workspace_name, {}).pop(document.name, None)
            return None
        connections = project.stream_workspaces.setdefault(document.workspace_name, {})
        known = connections.get(document.name) or {
            "id": self._world.names.object_id(),
            "networking": {"access": {"type": "PUBLIC"}},
            "region": "VIRGINIA_USA",
            "state": "READY",
            "type": "Kafka",
        }
        given = document.model_dump(exclude_unset=True, include={"name", "state", "type"})
        if "connection_id" in document.model_fields_set:
            link = {"connectionId": document.connection_id, "type": "PRIVATE_LINK"}
            given["networking"] = {"access": {"type": "PUBLIC"} if document.connection_id is None else link}
        connections[document.name] = dict(sorted((known | given | document.extra).items()))
        return connections[document.name]

    def _admit(self, call: Call) -> None:
        self._world.admit(call, "streams", _RATE_LIMIT)

    def _list(self, call: Call) -> tuple[int, bytes]:
        documents = self._world.project(call).stream_listing.documents()
        return 200, to_json(page(call.request, documents, json.loads, always_counts=True))

    def _create(self, call: Call) -> tuple[int, bytes]:
        check_content_type(call.request)
        project, switches = self._world.project(call), self._world.switches
        new, given = _read(call.request.body, self._world.names.object_id())
        if new.vendor == PUBSUB and not _has_cluster(project, new):
            raise api_error("STREAM_PRIVATE_LINK_REQUIRES_CLUSTER_IN_REGION", new.fields["region"])
        live = [each for each in project.stream_endpoints.values() if each.state != DELETED]
        if any(each.target == new.target for each in live) and not switches.streams.second_endpoint:
            raise api_error("STREAM_PRIVATE_LINK_ALREADY_EXISTS", new.provider, new.vendor)
        self._entered(project, new)
        # The answer repeats what was sent, without the state and in its letter case.
        return 200, render(dict(sorted(({"_id": new.id} | given).items())), switches)

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, self._endpoint(call).render(self._world.switches)

    def _update(self, call: Call) -> tuple[int, bytes]:
        check_content_type(call.request)
        endpoint = self._endpoint(call)
        domain = require_text(read_fields(call.request.body, {_DOMAIN}), _DOMAIN)
        if not domain:
            raise api_error("MISSING_ATTRIBUTE", _DOMAIN)
        if not endpoint.takes_domain:
            raise api_error("STREAM_PRIVATE_LINK_DNS_DOMAIN_ALREADY_SET", endpoint.id, endpoint.state)
        waited = endpoint.waits_for_domain
        endpoint.fields[_DOMAIN] = domain
        project = self._world.project(call)
        if waited:
            self._entered(project, endpoint)
        else:
            self._show(project, endpoint)
        return 200, endpoint.render(self._world.switches)

    def _delete(self, call: Call) -> tuple[int, bytes]:
        project, endpoint = self._world.project(call), self._endpoint(call)
        connections = [each for some in project.stream_workspaces.values() for each in some.values()]
        if any(each["networking"]["access"].get("connectionId") == endpoint.id for each in connections):
            raise api_error("STREAM_PRIVATE_LINK_IN_USE", endpoint.id)
        if endpoint.state not in {DELETE_REQUESTED, DELETING, DELETED} and not endpoint.is_deleted:
            endpoint.is_deleted = True
            self._entered(project, endpoint)
        return 202, b"{}"

    def _get_details(self, call: Call) -> tuple[int, bytes]:
        asked = call.request.query
        for name in ("cloudProvider", "regionName"):
            if not asked.get(name):
                raise api_error("MISSING_ATTRIBUTE", name)
        cloud = asked["cloudProvider"]
        if cloud not in {"aws", "azure", "gcp"}:
            raise api_error("INVALID_ENUM_VALUE", cloud)
        if not is_region(cloud.upper(), atlas_name(cloud.upper(), asked["regionName"])):
            raise api_error("INVALID_ENUM_VALUE", asked["regionName"])
        return 200, to_json(account_details(self._world.project(call).id, cloud.upper()))

    def _list_workspaces(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)

        def document(name: str) -> dict[str, Any]:
            return {
                "_id": f"{crc32(name.encode()):024x}",
                "dataProcessRegion": {"cloudProvider": "AWS", "region": "VIRGINIA_USA"},
                "failoverRegions": [],
                "groupId": project.id,
                "hostnames": [f"atlas-stream-{name}-{project.id[-5:]}.virginia-usa.a.query.mongodb.net"],
                "name": name,
                "streamConfig": {"tier": "SP30"},
            }

        return 200, to_json(page(call.request, [*project.stream_workspaces], document, always_counts=True))

    def _list_connections(self, call: Call) -> tuple[int, bytes]:
        project, name = self._world.project(call), call.names["tenantName"]
        if name not in project.stream_workspaces:
            raise api_error("STREAM_TENANT_NOT_FOUND_FOR_NAME", name, project.id)
        return 200, to_json(page(call.request, [*project.stream_workspaces[name].values()], dict, always_counts=True))

    def _endpoint(self, call: Call) -> StreamEndpoint:
        endpoint = self._world.project(call).stream_endpoints.get(call.names["connectionId"])
        if endpoint is None:
            raise api_error("STREAM_PRIVATE_LINK_NOT_FOUND", call.names["connectionId"])
        return endpoint

    def _entered(self, project: Project, endpoint: StreamEndpoint) -> None:
        project.stream_endpoints[endpoint.id] = endpoint
        self._show(project, endpoint)
        self._world.enter(endpoint, partial(self._advance, project, endpoint))

    def _advance(self, project: Project, endpoint: StreamEndpoint) -> None:
        if endpoint.advance(project.id, self._world.names, self._world.switches):
            self._entered(project, endpoint)
        else:
            self._forget(project, endpoint)

    def _forget(self, project: Project, endpoint: StreamEndpoint) -> None:
        endpoint.epoch += 1  # what was planned no longer applies
        del project.stream_endpoints[endpoint.id]
        self._world.list(project.stream_listing, endpoint.id, None)

    def _show(self, project: Project, endpoint: StreamEndpoint) -> None:
        self._world.list(project.stream_listing, endpoint.id, endpoint.render(self._world.switches))

    def _turn(self) -> None:
        switches = self._world.switches
        for project in self._world.projects.values():
            endpoints = project.stream_endpoints.values()
            project.stream_listing.show_only({each.id: each.render(switches) for each in endpoints})
            for endpoint in endpoints:
                self._world.plan(endpoint, partial(self._advance, project, endpoint))


def _read(body: bytes, endpoint_id: str) -> tuple[StreamEndpoint, dict[str, Any]]:
    """Read the body of a POST; return the endpoint, and the fields as they were sent; raise ApiError 400."""
    given = {name: value for name, value in read_fields(body, _KNOWN).items() if value is not None}
    for name, value in given.items():
        texts = value if name in _LISTS else [value]
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            raise api_error("INVALID_JSON_ATTRIBUTE", name)
    provider, vendor = require_text(given, "provider").upper(), given.get("vendor", GENERIC).upper()
    for value, known in (
        (provider, {cloud for cloud, _ in _NEEDED}),
        (vendor, {its for cloud, its in _NEEDED if cloud == provider}),
    ):
        if value not in known:
            raise api_error("INVALID_ENUM_VALUE", value)
    needed = _NEEDED[provider, vendor]
    for name in needed:
        if not given.get(name) and (name != _SUB_DOMAIN or name not in given):
            raise api_error("MISSING_ATTRIBUTE", name)
    fields = {name: value for name, value in given.items() if name != "provider"} | {"vendor": vendor}
    arn = _ARN.match(given.get("arn", ""))
    if arn and vendor == MSK:
        fields.setdefault("region", arn[1])
    _check_place(provider, (*needed, *_TAKEN.get((provider, vendor), ())), given, fields.get("region", ""))
    return StreamEndpoint(endpoint_id, provider, fields=fields), given


def _check_place(provider: str, taken: tuple[str, ...], given: dict[str, Any], region: str) -> None:
    """Raise ApiError 400 for what the vendor has not, and for what no service has."""
    uris = given.get(_URIS, [])
    wrong = {name: name in given and name not in taken for name in PLACE}
    wrong["arn"] |= "arn" in taken and not _ARN.match(given["arn"])
    wrong["region"] |= not is_region(provider, atlas_name(provider, region))
    wrong[_URIS] |= len(uris) > _MOST_URIS or len({*uris}) < len(uris)
    for name in filter(wrong.get, wrong):
        raise api_error("INVALID_ATTRIBUTE", name)
    if given.get("authenticationScheme", "TLS") not in _SCHEMES:
        raise api_error("INVALID_ENUM_VALUE", given["authenticationScheme"])


def _has_cluster(project: Project, endpoint: StreamEndpoint) -> bool:
    """Return whether a cluster of the project has nodes in the region of an endpoint."""
    places = [each for cluster in project.clusters.values() for each in cluster.regions]
    regions = {atlas_name(each.provider_name, each.region_name) for each in places if each.provider_name == GCP}
    return atlas_name(GCP, endpoint.fields["region"]) in regions
