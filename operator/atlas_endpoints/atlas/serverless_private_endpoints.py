"""The serverless private endpoints of the Atlas Admin API: wire model and operations. Pure but for the client it is given.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-serverless-private-endpoints
The published patterns are not enforced on what Atlas answers: real ids break them, and fields are null or missing.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from atlas_endpoints.atlas.answers import Deprecation, Requester
from atlas_endpoints.atlas.classification import unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasUnavailableError, EndpointAbsentError, InvalidSpecError

LIST = "listServerlessPrivateEndpoint"
GET = "getServerlessPrivateEndpoint"
CREATE = "createServerlessPrivateEndpoint"
UPDATE = "updateServerlessPrivateEndpoint"
DELETE = "deleteServerlessPrivateEndpoint"

_ALL = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint"
_ONE = f"{_ALL}/{{endpointId}}"

TEMPLATES = {LIST: _ALL, CREATE: _ALL, GET: _ONE, UPDATE: _ONE, DELETE: _ONE}
"""The path of each operation, as Atlas's API reference has it."""

CHANGEABLE = frozenset({"cloudProviderEndpointId", "privateEndpointIpAddress", "comment"})
"""The fields that a PATCH may carry beside ``providerName``; Atlas refuses any other."""


_LONGEST = 2048
"""Characters of a text that are kept: more than a resource can ask for, so that a longer one differs from any."""

_AT_ONCE = 500
"""Endpoints of a list that are read before others get a turn; they take some milliseconds."""


def _lenient_text(value: object) -> str | None:
    if isinstance(value, bool | int | float):
        return str(value)
    # A lone surrogate is legal in JSON and cannot be encoded again, neither for Kubernetes nor for a log.
    return value[:_LONGEST].encode("utf-8", "replace").decode() if isinstance(value, str) else None


_Text = Annotated[str | None, BeforeValidator(_lenient_text)]


class EndpointStatus(StrEnum):
    """What Atlas says of an endpoint, as far as we know its words."""

    RESERVATION_REQUESTED = "RESERVATION_REQUESTED"
    RESERVED = "RESERVED"
    INITIATING = "INITIATING"
    AVAILABLE = "AVAILABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


class Endpoint(BaseModel):
    """A serverless private endpoint in Atlas's words; whatever Atlas did not say, or not as text, is None.

    ``status`` is an ``EndpointStatus``, or a word that we do not know. ``provider_name`` is missing in some real answers.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True)

    id: str = Field(validation_alias="_id")
    status: _Text = None
    error_message: _Text = None
    provider_name: _Text = None
    cloud_provider_endpoint_id: _Text = None
    private_endpoint_ip_address: _Text = None
    endpoint_service_name: _Text = None
    private_link_service_resource_id: _Text = None
    comment: _Text = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The endpoints of an instance.

    Attributes:
        endpoints: in Atlas's order.
        deprecation: what Atlas announces about the end of the operation.
        skipped: number of items that were left out since they have no usable ``_id``. They cannot be told apart, so
            they are neither shown nor acted on; whoever needs proof of absence asks for the one endpoint as well.
    """

    endpoints: tuple[Endpoint, ...]
    deprecation: Deprecation | None = None
    skipped: int = 0


async def list_endpoints(client: Requester, credentials: Credentials, project_id: str, instance_name: str) -> Listing:
    """List the endpoints of an instance (one bare array, no pages).

    Raises:
        AtlasError: ``AtlasUnavailableError`` also when the answer is 2xx but no array.
    """
    path = _path(LIST, project_id, instance_name)
    try:
        answer = await client.request(credentials, "GET", path, operation=LIST)
    except EndpointAbsentError as error:
        # Names no endpoint, so it proves nothing about any.
        raise AtlasUnavailableError(
            "Atlas answered a LIST with a code that belongs to a single endpoint; it is retried.",
            operation=LIST,
            http_status=error.http_status,
            error_code=error.error_code,
            detail=error.detail,
        ) from error
    if not isinstance(answer.json, list):
        raise unreadable(answer.status, operation=LIST, writes=False)
    endpoints: list[Endpoint] = []
    for number, item in enumerate(answer.json, 1):
        if (endpoint := _endpoint(item)) is not None:
            endpoints.append(endpoint)
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return Listing(tuple(endpoints), answer.deprecation, skipped=len(answer.json) - len(endpoints))


async def get_endpoint(
    client: Requester, credentials: Credentials, project_id: str, instance_name: str, endpoint_id: str
) -> Endpoint:
    """Read one endpoint.

    Raises:
        AtlasError: ``EndpointAbsentError`` when Atlas says so with a code made for it.
    """
    path = _path(GET, project_id, instance_name, endpoint_id)
    answer = await client.request(credentials, "GET", path, operation=GET)
    if (endpoint := _endpoint(answer.json, endpoint_id)) is None:
        raise unreadable(answer.status, operation=GET, writes=False)
    return endpoint


async def create_endpoint(
    client: Requester, credentials: Credentials, project_id: str, instance_name: str, comment: str
) -> Endpoint:
    """Reserve an endpoint; Atlas knows no key by which the same call, sent twice, would reserve only one.

    Args:
        client: as for all operations.
        credentials: of the role Project Owner.
        project_id: 24 hexadecimal digits.
        instance_name: of the serverless instance, which decides about cloud and region.
        comment: by which the endpoint is found again, at most 80 characters.

    Raises:
        AtlasError: with ``unknown_outcome`` when there may be an endpoint now; so also for a 2xx that does not tell its id.
    """
    path = _path(CREATE, project_id, instance_name)
    answer = await client.request(credentials, "POST", path, operation=CREATE, json={"comment": comment})
    if (endpoint := _endpoint(answer.json)) is None:
        raise unreadable(answer.status, operation=CREATE, writes=True)
    return endpoint


async def update_endpoint(  # noqa: PLR0917  # the operations have these arguments in the same order
    client: Requester,
    credentials: Credentials,
    project_id: str,
    instance_name: str,
    endpoint_id: str,
    body: Mapping[str, str],
) -> Endpoint:
    """Change one endpoint and return it as Atlas has it now.

    Args:
        client: as for all operations.
        credentials: of the role Project Owner.
        project_id: 24 hexadecimal digits.
        instance_name: of the serverless instance.
        endpoint_id: 24 hexadecimal digits.
        body: what :func:`update_body` built.

    Raises:
        AtlasError: with ``unknown_outcome`` when the change may have been made; so also for a 2xx without an endpoint.
    """
    path = _path(UPDATE, project_id, instance_name, endpoint_id)
    answer = await client.request(credentials, "PATCH", path, operation=UPDATE, json=dict(body))
    if (endpoint := _endpoint(answer.json, endpoint_id)) is None:
        raise unreadable(answer.status, operation=UPDATE, writes=True)
    return endpoint


async def delete_endpoint(
    client: Requester, credentials: Credentials, project_id: str, instance_name: str, endpoint_id: str
) -> None:
    """Have one endpoint deleted, which takes Atlas a while; to ask again while it does changes nothing.

    Raises:
        AtlasError: ``EndpointAbsentError`` when Atlas says that there is none, with a code made for it.
    """
    path = _path(DELETE, project_id, instance_name, endpoint_id)
    await client.request(credentials, "DELETE", path, operation=DELETE)


OPERATIONS: Mapping[str, str] = {
    list_endpoints.__name__: LIST,
    get_endpoint.__name__: GET,
    create_endpoint.__name__: CREATE,
    update_endpoint.__name__: UPDATE,
    delete_endpoint.__name__: DELETE,
}
"""Atlas's names of the operations, by the names of the functions here."""


def update_body(provider_name: str, changes: Mapping[str, str]) -> dict[str, str]:
    """Build the body of a PATCH: only what changes, and ``providerName``, without which Atlas refuses it.

    Args:
        provider_name: AWS or AZURE.
        changes: by Atlas's names of the fields; an empty ``comment`` clears the comment.

    Raises:
        ValueError: for a field that a PATCH cannot carry.
    """
    if unknown := sorted(changes.keys() - CHANGEABLE):
        raise ValueError(f"A PATCH cannot carry {', '.join(unknown)}; it may carry {', '.join(sorted(CHANGEABLE))}.")
    return {"providerName": provider_name, **changes}


def endpoint_path(project_id: str, instance_name: str, endpoint_id: str | None) -> str:
    """Give the path of an endpoint, or without an id that of all of an instance, as it is sent."""
    return _path(GET, project_id, instance_name, endpoint_id)


def _endpoint(item: Any, endpoint_id: str | None = None) -> Endpoint | None:
    """Read an endpoint; None when it is none, or not the one asked for.

    When one endpoint was asked for, its id is known and may be missing in the answer, if a status is there.
    """
    if not isinstance(item, dict):
        return None
    known = endpoint_id if isinstance(item.get("status"), str) else None
    found = item.get("_id") or known
    if not isinstance(found, str) or (endpoint_id is not None and found.lower() != endpoint_id.lower()):
        return None
    return Endpoint.model_validate({**item, "_id": _lenient_text(found)}, by_alias=True, by_name=False)


def _path(operation: str, project_id: str, instance_name: str, endpoint_id: str | None = None) -> str:
    project, instance = _segment(project_id, operation), _segment(instance_name, operation)
    endpoint = "" if endpoint_id is None else _segment(endpoint_id, operation)
    return TEMPLATES[operation].format(groupId=project, instanceName=instance, endpointId=endpoint)


def _segment(value: str, operation: str) -> str:
    if value in {"", ".", ".."} or not _is_text(value):  # would name another path, or none
        raise InvalidSpecError(
            f"projectId, instanceName or endpointId is {value!r}, which names nothing in Atlas. Correct it.",
            operation=operation,
        )
    # The wire normalises these harmless characters back; a digest signs the path as it is sent.
    return quote(value, safe="!$&'()*,:;=@")


def _is_text(value: str) -> bool:
    """Tell whether a text can be encoded: with half of a surrogate pair it cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
