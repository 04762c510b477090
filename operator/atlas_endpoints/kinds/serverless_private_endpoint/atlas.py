"""Serverless private endpoints and their instances in the Atlas Admin API: models and requests as data. Pure.

Sources: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-serverless-private-endpoints and
.../group/endpoint-serverless-instances. The published patterns are not enforced on answers: real ids break them, and
fields are null or missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import count
from typing import Any

from pydantic.alias_generators import to_camel

from atlas_endpoints.atlas.answers import Requester, text_of, unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import (
    APIGoneError,
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidRequestError,
    NotServerlessError,
)
from atlas_endpoints.atlas.requests import Refusals, Request, path

LIST = "listServerlessPrivateEndpoint"
GET = "getServerlessPrivateEndpoint"
CREATE = "createServerlessPrivateEndpoint"
UPDATE = "updateServerlessPrivateEndpoint"
DELETE = "deleteServerlessPrivateEndpoint"
LIST_INSTANCES = "listServerlessInstances"
GET_INSTANCE = "getServerlessInstance"

_GROUP = "/api/atlas/v2/groups/{groupId}"
_ALL = f"{_GROUP}/privateEndpoint/serverless/instance/{{instanceName}}/endpoint"
_ONE = f"{_ALL}/{{endpointId}}"

TEMPLATES = {
    LIST: _ALL,
    CREATE: _ALL,
    GET: _ONE,
    UPDATE: _ONE,
    DELETE: _ONE,
    GET_INSTANCE: f"{_GROUP}/serverless/{{name}}",
}
"""The path of each operation, as in Atlas's API reference."""

_SUCCESSOR = (
    "write its DedicatedPrivateEndpoint with `atlas-endpoints import -f FILE --region REGION` (FILE has this resource), and then"
    " delete this resource."
)
"""The remedy if the resource is of the wrong kind, or if this API ends."""

REFUSALS = Refusals(
    absent=("TENANT_PRIVATE_ENDPOINT_NOT_FOUND", "ENDPOINT_NOT_FOUND"),
    explanations={
        EndpointAbsentError: (
            "The instance has no endpoint with this ID. If endpointId or instanceName is wrong, {wrong_field}. If the endpoint "
            "was deleted or has expired, reserve another one and create a resource for it."
        ),
        InstanceNotFoundError: (
            f"The project has no serverless instance with this name. If it is that of a dedicated cluster, {_SUCCESSOR} If"
            " instanceName or projectId is wrong, {wrong_field}."
        ),
        NotServerlessError: (
            "The instance is not serverless: Atlas migrated serverless instances to Flex or dedicated clusters. Flex has no"
            f" private endpoints. For a dedicated cluster, {_SUCCESSOR}"
        ),
        APIGoneError: (
            "Atlas no longer serves the API of serverless private endpoints (its sunset was 2026-01-22). Move to a dedicated"
            f" cluster, {_SUCCESSOR}"
        ),
        InvalidRequestError: (
            "Atlas cannot parse the request: projectId, instanceName or endpointId is malformed. To correct it, {wrong_field}."
        ),
    },
)
"""What the refusals of these calls mean; the first code is documented, similar ones occur."""

PAGE = 100
"""Items of a page. Atlas permits 500, but an answer shows the endpoints of each instance: 100 instances may have 100
each."""


class EndpointState(StrEnum):
    """The known statuses of an endpoint."""

    RESERVATION_REQUESTED = "RESERVATION_REQUESTED"
    RESERVED = "RESERVED"
    INITIATING = "INITIATING"
    AVAILABLE = "AVAILABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A serverless private endpoint; a field that Atlas did not send, or not as text, is None.

    ``status`` may be a word that is no ``EndpointState``. Some real answers have no ``provider_name``.
    """

    id: str
    status: str | None = None
    error_message: str | None = None
    provider_name: str | None = None
    cloud_provider_endpoint_id: str | None = None
    private_endpoint_ip_address: str | None = None
    endpoint_service_name: str | None = None
    private_link_service_resource_id: str | None = None
    comment: str | None = None


_TEXTS = {each.name: to_camel(each.name) for each in fields(Endpoint) if each.name != "id"}
"""The texts of an endpoint, and Atlas's names of them."""


def list_of(project_id: str, instance_name: str) -> Request:
    """Return the LIST of the endpoints of an instance: one bare array, no pages."""
    return _request(LIST, "GET", groupId=project_id, instanceName=instance_name)


def get_of(project_id: str, instance_name: str, endpoint_id: str) -> Request:
    """Return the GET of one endpoint."""
    return _request(GET, "GET", groupId=project_id, instanceName=instance_name, endpointId=endpoint_id)


def creation_of(project_id: str, instance_name: str, comment: str) -> Request:
    """Return the POST that reserves an endpoint; it is not idempotent, so the comment identifies the new endpoint."""
    return _request(CREATE, "POST", {"comment": comment}, groupId=project_id, instanceName=instance_name)


def update_of(
    project_id: str, instance_name: str, endpoint_id: str, provider_name: str, changes: Mapping[str, str]
) -> Request:
    """Return the PATCH of one endpoint: the changes, and ``providerName``, which Atlas requires.

    Args:
        changes: by Atlas's names of the fields; an empty ``comment`` clears the comment.
    """
    body = {"providerName": provider_name, **changes}
    return _request(UPDATE, "PATCH", body, groupId=project_id, instanceName=instance_name, endpointId=endpoint_id)


def deletion_of(project_id: str, instance_name: str, endpoint_id: str) -> Request:
    """Return the DELETE of one endpoint, which takes Atlas a while; repeating it meanwhile changes nothing."""
    return _request(DELETE, "DELETE", groupId=project_id, instanceName=instance_name, endpointId=endpoint_id)


def instance_of(project_id: str, name: str) -> Request:
    """Return the GET of an instance."""
    return _request(GET_INSTANCE, "GET", groupId=project_id, name=name)


async def list_instances(client: Requester, credentials: Credentials, project_id: str) -> Mapping[str, str | None]:
    """Return the clouds of all instances of a project by their names; None: Atlas did not send it.

    The list also contains Flex clusters that were serverless instances; since 2026-01-15 Atlas documents it as empty.

    Raises:
        AtlasError: ``AtlasUnavailableError`` also if an answer is 2xx but no page.
    """
    found: dict[str, str | None] = {}
    for number in count(1):
        where = path(f"{_GROUP}/serverless", LIST_INSTANCES, groupId=project_id)
        request = Request(LIST_INSTANCES, "GET", f"{where}?pageNum={number}&itemsPerPage={PAGE}", refusals=REFUSALS)
        answer = await client.request(credentials, request)
        results = answer.json.get("results") if isinstance(answer.json, dict) else None
        if not isinstance(results, list):
            raise unreadable(answer.status, operation=LIST_INSTANCES, writes=False)
        found |= dict(each for each in map(_instance, results) if each is not None)
        if len(results) < PAGE:
            break
    return found


def listed(item: object) -> tuple[str, Endpoint] | None:
    """Return the id and the endpoint in an item of a LIST, or None if it has no usable id."""
    endpoint = got(None, item)
    return None if endpoint is None else (endpoint.id, endpoint)


def got(endpoint_id: str | None, answer: Any) -> Endpoint | None:
    """Return the endpoint in an answer, or None if it is none or another one.

    The answer to a request for one endpoint need not contain its id, but then a status.
    """
    if not isinstance(answer, dict):
        return None
    known = endpoint_id if isinstance(answer.get("status"), str) else None
    found = answer.get("_id") or known
    if not isinstance(found, str) or (endpoint_id is not None and found.lower() != endpoint_id.lower()):
        return None
    texts = {name: text_of(answer.get(alias)) for name, alias in _TEXTS.items()}
    return Endpoint(text_of(found) or "", **texts)


def _instance(item: Any) -> tuple[str, str | None] | None:
    if not isinstance(item, dict) or not (name := text_of(item.get("name"))):
        return None
    provider = item.get("providerSettings")
    settings = provider if isinstance(provider, dict) else {}
    return name, text_of(settings.get("backingProviderName"))


def _request(operation: str, method: str, body: Mapping[str, Any] | None = None, **segments: str) -> Request:
    return Request(operation, method, path(TEMPLATES[operation], operation, **segments), body, REFUSALS)
