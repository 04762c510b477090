"""Private endpoints for Data Federation and Online Archive in the Atlas Admin API: models and requests as data. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-data-federation, and recorded answers, which leave
out what is empty. They belong to a project, and serve all its federated databases and online archives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import EndpointAbsentError, InvalidRequestError
from atlas_endpoints.atlas.requests import Refusals, Request, path

LIST = "listPrivateEndpointIds"
GET = "getPrivateEndpointId"
CREATE = "createPrivateEndpointId"
DELETE = "deletePrivateEndpointId"
GET_DATABASE = "getDataFederation"

_GROUP = "/api/atlas/v2/groups/{groupId}"
_ALL = f"{_GROUP}/privateNetworkSettings/endpointIds"
_ONE = f"{_ALL}/{{endpointId}}"

TEMPLATES = {
    LIST: _ALL,
    CREATE: _ALL,
    GET: _ONE,
    DELETE: _ONE,
    GET_DATABASE: f"{_GROUP}/dataFederation/{{tenantName}}",
}
"""The path of each operation, as in Atlas's API reference."""

REFUSALS = Refusals(
    # No code of these calls is documented. Those that mean something else are known for all calls.
    absent=("_NOT_FOUND",),
    explanations={
        EndpointAbsentError: "The project has no private endpoint for Data Federation with this ID.",
        InvalidRequestError: "Atlas cannot parse the request: projectId or the ID of the endpoint is malformed. To correct it, {wrong_field}.",
    },
)
"""What the refusals of these calls mean."""

_REFUSALS_OF_DATABASE = Refusals(
    absent=("_NOT_FOUND", "_NOT_FOUND_FOR_NAME"),
    explanations={
        EndpointAbsentError: "The project has no federated database with this name. Correct spec.federatedDatabases.",
    },
)


class EndpointState(StrEnum):
    """The known statuses of an endpoint."""

    PENDING = "PENDING"
    OK = "OK"
    FAILED = "FAILED"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint; a field that Atlas did not send, or not as text, is None. ``status`` may be a word that is no ``EndpointState``.

    Attributes:
        is_sent: whether these are the values that were sent, since the answer to a POST shows others only.
    """

    id: str
    provider: str | None = None
    status: str | None = None
    error_message: str | None = None
    comment: str | None = None
    region: str | None = None
    customer_endpoint_dns_name: str | None = None
    customer_endpoint_ip_address: str | None = None
    azure_link_id: str | None = None
    is_sent: bool = False


_TEXTS = {
    "provider": "provider",
    "status": "status",
    "error_message": "errorMessage",
    "comment": "comment",
    "region": "region",
    "customer_endpoint_dns_name": "customerEndpointDNSName",
    "customer_endpoint_ip_address": "customerEndpointIPAddress",
    "azure_link_id": "azureLinkId",
}
"""The texts of an endpoint, and Atlas's names of them."""


def list_of(project_id: str) -> Request:
    """Return the LIST of the endpoints of a project, in pages."""
    return _request(LIST, "GET", groupId=project_id, paged=True)


def get_of(project_id: str, endpoint_id: str) -> Request:
    """Return the GET of one endpoint."""
    return _request(GET, "GET", groupId=project_id, endpointId=endpoint_id)


def registration_of(project_id: str, provider: str, endpoint_id: str, values: Mapping[str, str]) -> Request:
    """Return the POST that registers an endpoint; of one that is registered, it changes the comment, and ignores the rest.

    Args:
        values: the other fields, by Atlas's names.
    """
    body = {"endpointId": endpoint_id, "provider": provider, "type": "DATA_LAKE", **values}
    return _request(CREATE, "POST", body, groupId=project_id)


def deletion_of(project_id: str, endpoint_id: str) -> Request:
    """Return the DELETE of one endpoint."""
    return _request(DELETE, "DELETE", groupId=project_id, endpointId=endpoint_id)


def database_of(project_id: str, name: str) -> Request:
    """Return the GET of a federated database, which shows its hostname for each endpoint."""
    where = path(TEMPLATES[GET_DATABASE], GET_DATABASE, groupId=project_id, tenantName=name)
    return Request(GET_DATABASE, "GET", where, refusals=_REFUSALS_OF_DATABASE)


def entry_of(endpoint_id: str) -> str:
    """Return the entry that an endpoint is: its ID in lower case, since Azure does not preserve the letter case.

    A GET names the endpoint by it, so no letter becomes another one, as ``casefold`` makes ``ss`` of ``ß``.
    """
    return endpoint_id.lower()


def listed(item: object) -> tuple[str, Endpoint] | None:
    """Return the entry and the endpoint in an item of a LIST, or None if it has no usable id."""
    endpoint = got(None, item)
    return None if endpoint is None else (entry_of(endpoint.id), endpoint)


def got(entry: str | None, answer: Any) -> Endpoint | None:
    """Return the endpoint in an answer, or None if it is none or another one."""
    found = answer.get("endpointId") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not found or (entry is not None and entry_of(found) != entry):
        return None
    texts: dict[str, Any] = {name: text_of(answer.get(alias)) for name, alias in _TEXTS.items()}
    return Endpoint(text_of(found) or "", **texts)


def registered(request: Request, answer: Any) -> tuple[str, Endpoint] | None:
    """Return the entry and the endpoint in the answer to a POST, which is the first page of the LIST; None: it is no page.

    An endpoint that is on a later page has the values that were sent.
    """
    items = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        return None
    body = dict(request.body or {})
    entry = entry_of(body["endpointId"])
    found = next((each for each in map(listed, items) if each is not None and each[0] == entry), None)
    sent = {name: body.get(alias) for name, alias in _TEXTS.items()}
    return found or (entry, Endpoint(body["endpointId"], **sent, is_sent=True))


def hostnames(name: str, answer: Any) -> Mapping[str, str] | None:
    """Return the hostnames of a federated database by entry, or None if the answer is not readable as this database."""
    if not isinstance(answer, dict) or answer.get("name") != name:
        return None
    items = answer.get("privateEndpointHostnames")
    pairs = [
        (text_of(each.get("privateEndpoint")), text_of(each.get("hostname")))
        for each in (items if isinstance(items, list) else ())
        if isinstance(each, dict)
    ]
    return {entry_of(endpoint): host for endpoint, host in pairs if endpoint and host}


def _request(
    operation: str, method: str, body: Mapping[str, Any] | None = None, *, paged: bool = False, **segments: str
) -> Request:
    where = path(TEMPLATES[operation], operation, **segments)
    refusals = REFUSALS if "endpointId" in segments else replace(REFUSALS, absent=())
    return Request(operation, method, where, body, refusals, paged=paged)
