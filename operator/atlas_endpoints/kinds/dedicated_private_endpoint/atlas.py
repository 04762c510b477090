"""Private endpoint services, their endpoints, and clusters in the Atlas Admin API: models and requests as data. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-private-endpoint-services. The published
schemas and codes are not enforced on answers: recorded ones differ in status codes, nulls, names of regions and forms
of ids.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass as validated

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import (
    AtlasError,
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidRequestError,
    NotServerlessError,
    RateLimitedError,
)
from atlas_endpoints.atlas.requests import Refusals, Request, path

LIST = "listPrivateEndpointService"
GET = "getPrivateEndpointService"
CREATE = "createPrivateEndpointService"
UPDATE = "updatePrivateEndpointService"
DELETE = "deletePrivateEndpointService"
GET_ENDPOINT = "getPrivateEndpoint"
CREATE_ENDPOINT = "createPrivateEndpoint"
DELETE_ENDPOINT = "deletePrivateEndpoint"
GET_CLUSTER = "getCluster"

_GROUP = "/api/atlas/v2/groups/{groupId}"
_SERVICES = f"{_GROUP}/privateEndpoint/{{cloudProvider}}/endpointService"
_SERVICE = f"{_SERVICES}/{{endpointServiceId}}"
_ENDPOINTS = f"{_SERVICE}/endpoint"
_ENDPOINT = f"{_ENDPOINTS}/{{endpointId}}"

TEMPLATES = {
    LIST: _SERVICES,
    GET: _SERVICE,
    CREATE: f"{_GROUP}/privateEndpoint/endpointService",
    UPDATE: f"{_GROUP}/privateEndpoint/endpointService/{{endpointServiceId}}",
    DELETE: _SERVICE,
    GET_ENDPOINT: _ENDPOINT,
    CREATE_ENDPOINT: _ENDPOINTS,
    DELETE_ENDPOINT: _ENDPOINT,
    GET_CLUSTER: f"{_GROUP}/clusters/{{clusterName}}",
}
"""The path of each operation, as in Atlas's API reference."""

CLUSTER_VERSION = "2024-08-05"
"""The version of the API that describes a cluster of several regions with different shards."""

REFUSALS = Refusals(
    # The names since 2020, and the older ones of the same codes.
    absent=(
        "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND",
        "PRIVATE_ENDPOINT_NOT_FOUND",
        "INTERFACE_ENDPOINT_NOT_FOUND",
        "ENDPOINT_GROUP_NOT_FOUND",
        "PRIVATELINK_NOT_FOUND",
    ),
    explanations={
        EndpointAbsentError: "Atlas has no private endpoint service, or no endpoint in it, with this ID.",
        InstanceNotFoundError: "The project has no cluster with this name. Correct clusterName.",
        NotServerlessError: (
            "The cluster is a Flex cluster or a serverless instance, which has no such endpoints. Name a dedicated cluster in"
            " clusterName."
        ),
        InvalidRequestError: "Atlas cannot parse the request: a name or an ID is malformed. To correct it, {wrong_field}.",
    },
)
"""What the refusals of these calls mean."""

_LONGEST_LIST = 256
"""Items. Atlas permits 100 attachments, 90 endpoints of a service and 35 regions."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The ID of a service, which is used in paths, entries and ConfigMaps."""


def _items(value: object) -> Sequence[object]:
    return value[:_LONGEST_LIST] if isinstance(value, list | tuple) else ()


def _lenient_texts(value: object) -> tuple[str, ...]:
    found = (text_of(each) for each in _items(value))
    return tuple(each for each in found if each)


def _lenient_rules(value: object) -> tuple[object, ...]:
    return tuple(each for each in _items(value) if isinstance(each, dict | ForwardingRule))


_Text = Annotated[str | None, BeforeValidator(text_of)]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_lenient_texts)]
_Flag = Annotated[bool | None, BeforeValidator(lambda value: value if isinstance(value, bool) else None)]


class ServiceState(StrEnum):
    """The known statuses of a service."""

    INITIATING = "INITIATING"
    WAITING_FOR_USER = "WAITING_FOR_USER"
    AVAILABLE = "AVAILABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


READY = frozenset({ServiceState.AVAILABLE, ServiceState.WAITING_FOR_USER})
"""A service with one of these accepts endpoints; its coordinates are complete."""


class EndpointState(StrEnum):
    """The known statuses of an endpoint; the clouds have different ones."""

    NONE = "NONE"
    PENDING_ACCEPTANCE = "PENDING_ACCEPTANCE"
    PENDING = "PENDING"
    INITIATING = "INITIATING"
    VERIFIED = "VERIFIED"
    AVAILABLE = "AVAILABLE"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    DELETING = "DELETING"
    DELETED = "DELETED"


_AS_ANSWERED = ConfigDict(extra="ignore", alias_generator=to_camel, validate_by_name=True)
"""For a part of an answer: a field that Atlas did not send, or not in its type, has its default."""


@validated(frozen=True, slots=True, config=_AS_ANSWERED)
class Service:
    """The private endpoint service of a region; its ``status`` may be a word that is no ``ServiceState``.

    Attributes:
        region_name: as Atlas spells it.
        port_mapping_enabled: GCP only; Atlas did not send it before 2026.
        supported_remote_regions: AWS only.
    """

    id: str
    region_name: _Text = None
    status: _Text = None
    error_message: _Text = None
    endpoint_service_name: _Text = None
    private_link_service_name: _Text = None
    private_link_service_resource_id: _Text = None
    service_attachment_names: _Texts = ()
    port_mapping_enabled: _Flag = None
    supported_remote_regions: _Texts = ()
    interface_endpoints: _Texts = ()
    private_endpoints: _Texts = ()
    endpoint_group_names: _Texts = ()

    @property
    def endpoint_ids(self) -> tuple[str, ...]:
        """The registered endpoints, by the IDs that the cloud gave them."""
        return (*self.interface_endpoints, *self.private_endpoints, *self.endpoint_group_names)

    def shows(self, endpoint_id: str) -> bool:
        """Return whether an endpoint is registered, ignoring the letter case, which Azure does not preserve."""
        return endpoint_id.casefold() in {each.casefold() for each in self.endpoint_ids}


@validated(frozen=True, slots=True, config=_AS_ANSWERED)
class ForwardingRule:
    """A forwarding rule of an endpoint in Google Cloud."""

    endpoint_name: _Text = None
    ip_address: _Text = None


@validated(frozen=True, slots=True, config=_AS_ANSWERED)
class Endpoint:
    """An endpoint that is registered with a service; its ``status`` may be a word that is no ``EndpointState``."""

    status: _Text = Field(default=None, validation_alias=AliasChoices("connectionStatus", "status"))
    error_message: _Text = None
    delete_requested: _Flag = None
    interface_endpoint_id: _Text = None
    private_endpoint_resource_id: _Text = None
    private_endpoint_connection_name: _Text = None
    private_endpoint_ip_address: _Text = Field(default=None, validation_alias="privateEndpointIPAddress")
    endpoint_group_name: _Text = None
    gcp_project_id: _Text = None
    port_mapping_enabled: _Flag = None
    endpoints: Annotated[tuple[ForwardingRule, ...], BeforeValidator(_lenient_rules)] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The IDs in the answer; with port mapping, the name of the group may be another than that of the rule."""
        named = (self.interface_endpoint_id, self.private_endpoint_resource_id, self.endpoint_group_name)
        rules = (each.endpoint_name for each in self.endpoints) if self.port_mapping_enabled is not False else ()
        return tuple(each for each in (*named, *rules) if each)


_SERVICE_IN, _ENDPOINT_IN = TypeAdapter(Service), TypeAdapter(Endpoint)


def list_of(project_id: str, provider: str) -> Request:
    """Return the LIST of the services of a provider: one bare array, no pages."""
    return _request(LIST, "GET", None, groupId=project_id, cloudProvider=provider)


def get_of(project_id: str, provider: str, entry: str) -> Request:
    """Return the GET of a service, or of an endpoint."""
    service_id, endpoint_id = parts_of(entry)
    where = _place(project_id, provider, service_id)
    if endpoint_id is None:
        return _request(GET, "GET", None, **where)
    return _request(GET_ENDPOINT, "GET", None, **where, endpointId=endpoint_id)


def creation_of(project_id: str, provider: str, region: str, *, port_mapping: bool | None = None) -> Request:
    """Return the POST of a service; Atlas refuses a second one for the same region.

    Args:
        region: Atlas's name or the cloud's; Atlas takes both.
        port_mapping: GCP only.
    """
    body: dict[str, Any] = {"providerName": provider, "region": region}
    if port_mapping is not None:
        body["portMappingEnabled"] = port_mapping
    return _request(CREATE, "POST", body, groupId=project_id)


def remote_regions_of(project_id: str, service_id: str, regions: Collection[str]) -> Request:
    """Return the PATCH that replaces the remote regions of an AWS service.

    Args:
        regions: Atlas's names, which are the only ones that Atlas takes here; none: AWS connects none.
    """
    body = {"cloudProvider": "AWS", "supportedRemoteRegions": sorted(regions)}
    return _request(UPDATE, "PATCH", body, groupId=project_id, endpointServiceId=service_id)


def no_change_of(project_id: str, service_id: str) -> Request:
    """Return a PATCH of an AWS service that contains nothing to change."""
    return _request(UPDATE, "PATCH", {"cloudProvider": "AWS"}, groupId=project_id, endpointServiceId=service_id)


def deletion_of(project_id: str, provider: str, entry: str) -> Request:
    """Return the DELETE of a service, which Atlas refuses while it has endpoints; or of an endpoint, which stays in the cloud."""
    service_id, endpoint_id = parts_of(entry)
    where = _place(project_id, provider, service_id)
    if endpoint_id is None:
        return _request(DELETE, "DELETE", None, **where)
    return _request(DELETE_ENDPOINT, "DELETE", None, **where, endpointId=endpoint_id)


def registration_of(
    project_id: str,
    provider: str,
    service_id: str,
    endpoint_id: str,
    *,
    address: str | None = None,
    gcp_project: str | None = None,
    rules: Mapping[str, str] | None = None,
) -> Request:
    """Return the POST that registers an endpoint; Atlas refuses a second one with the same ID.

    Args:
        endpoint_id: on GCP, the name of the group; with port mapping, that of the only rule.
        address: AZURE only.
        gcp_project: GCP only, as ``rules``: the addresses by the names of the forwarding rules.
    """
    body: dict[str, Any] = {"id": endpoint_id}
    if provider == "AZURE":
        body["privateEndpointIPAddress"] = address
    elif provider == "GCP":
        endpoints = [{"endpointName": name, "ipAddress": rule} for name, rule in sorted((rules or {}).items())]
        body = {"endpointGroupName": endpoint_id, "gcpProjectId": gcp_project, "endpoints": endpoints}
    return _request(CREATE_ENDPOINT, "POST", body, **_place(project_id, provider, service_id))


def cluster_of(project_id: str, name: str) -> Request:
    """Return the GET of a cluster."""
    where = path(TEMPLATES[GET_CLUSTER], GET_CLUSTER, groupId=project_id, clusterName=name)
    return Request(GET_CLUSTER, "GET", where, refusals=REFUSALS, api_version=CLUSTER_VERSION)


def listed(item: object) -> tuple[str, Service] | None:
    """Return the id and the service in an item of a LIST, or None if it has no usable id."""
    service = service_in(None, item)
    return None if service is None else (service.id, service)


def entry_name(service_id: str, endpoint_id: str) -> str:
    """Return the entry that an endpoint is; that of a service is its id."""
    return f"{service_id}/{endpoint_id}"


def parts_of(entry: str) -> tuple[str, str | None]:
    """Return the ids of the service and of the endpoint of an entry; an entry without an endpoint is a service."""
    service_id, _, endpoint_id = entry.partition("/")
    return service_id, endpoint_id or None


def got(entry: str, answer: object) -> Service | Endpoint | None:
    """Return the entry in the answer to its GET, or None if it is none or another one."""
    service_id, endpoint_id = parts_of(entry)
    return service_in(service_id, answer) if endpoint_id is None else endpoint_in(endpoint_id, answer)


def service_in(service_id: str | None, answer: object) -> Service | None:
    """Return the service in an answer, or None if it is none or another one.

    The answer to a request for one service need not contain its id, but then a status.
    """
    if not isinstance(answer, dict):
        return None
    known = service_id if isinstance(answer.get("status"), str) else None
    found = answer.get("id") or known
    if (
        not isinstance(found, str)
        or not _ID.fullmatch(found)
        or (service_id is not None and found.lower() != service_id.lower())
    ):
        return None
    return _SERVICE_IN.validate_python({**answer, "id": text_of(found)}, by_alias=True, by_name=False)


def endpoint_in(endpoint_id: str, answer: object) -> Endpoint | None:
    """Return the endpoint in an answer, or None if it is none or another one.

    The answer need not contain the ID, but then a status. What is to be deleted counts as ``DELETING``.
    """
    if not isinstance(answer, dict):
        return None
    present = {name: value for name, value in answer.items() if value is not None}
    endpoint = _ENDPOINT_IN.validate_python(present, by_alias=True, by_name=False)
    if endpoint.delete_requested:
        endpoint = replace(endpoint, status=str(EndpointState.DELETING))
    if not endpoint.ids:
        return endpoint if endpoint.status is not None else None
    return endpoint if endpoint_id.casefold() in {each.casefold() for each in endpoint.ids} else None


def is_outdated(error: AtlasError) -> bool:
    """Return whether a refusal only shows that the observation is outdated.

    The region has a service already, or the service has the endpoint already, is gone, does not take any yet, or still has some.
    """
    if error.operation == CREATE_ENDPOINT and isinstance(error, EndpointAbsentError):
        return True
    if isinstance(error, RateLimitedError):
        return False
    code = error.error_code or ""
    return code.endswith(
        ("ALREADY_EXISTS_FOR_REGION", "ENDPOINT_ALREADY_EXISTS", "CANNOT_ACCEPT_ENDPOINTS", "_WITH_ENDPOINTS")
    )


def _request(operation: str, method: str, body: Mapping[str, Any] | None, **segments: str) -> Request:
    return Request(operation, method, path(TEMPLATES[operation], operation, **segments), body, REFUSALS)


def _place(project_id: str, provider: str, service_id: str) -> Mapping[str, str]:
    return {"groupId": project_id, "cloudProvider": provider, "endpointServiceId": service_id}
