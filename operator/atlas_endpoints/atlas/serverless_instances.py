"""The serverless instances of a project: wire model and the operations that are used. Pure but for the client it is given.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-serverless-instances
The list also holds Flex clusters that were serverless instances before; since 2026-01-15 Atlas documents it as empty.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.classification import unreadable
from atlas_endpoints.atlas.credentials import Credentials

LIST = "listServerlessInstances"
GET = "getServerlessInstance"

TEMPLATES = {GET: "/api/atlas/v2/groups/{groupId}/serverless/{name}"}
"""The path of the operation that the operator uses, as Atlas's API reference has it."""

PAGE = 100
"""Items of a page. Atlas allows 500; but each shows its endpoints, of which 100 instances may have 100 each within an answer."""

_MOST_PAGES = 1000

_SRV = re.compile(r"mongodb\+srv://[a-zA-Z0-9.-]{1,253}(/[!-~]{0,512})?")
"""A connection string without credentials."""

_LONGEST = 64
"""Characters of a name in Atlas."""


@dataclass(frozen=True, slots=True)
class ServerlessInstance:
    """A serverless instance, or what has become of one.

    Attributes:
        name: in its project.
        provider: AWS or AZURE, or what else Atlas says; None: it does not say.
        region: as Atlas spells it, such as ``US_EAST_1``; None: it does not say.
    """

    name: str
    provider: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class PrivateConnection:
    """How clients reach an instance through private endpoints.

    Attributes:
        srv: the connection string, which begins with ``mongodb+srv://`` and holds no credentials.
        region: as Atlas spells it; None: it does not say.
        endpoint_ids: the cloud's own IDs of the endpoints that the string is for.
    """

    srv: str
    region: str | None
    endpoint_ids: frozenset[str]


async def private_connections(
    client: Requester, credentials: Credentials, project_id: str, name: str
) -> tuple[PrivateConnection, ...]:
    """Return the private connections of an instance; the public one is not among them.

    Raises:
        AtlasError: ``AtlasUnavailableError`` also when an answer is 2xx but no instance.
    """
    path = TEMPLATES[GET].format(groupId=quote(project_id, safe=""), name=quote(name, safe=""))
    answer = await client.request(credentials, "GET", path, operation=GET)
    if not isinstance(answer.json, dict) or answer.json.get("name") != name:
        raise unreadable(answer.status, operation=GET, writes=False)
    strings = answer.json.get("connectionStrings")
    items = strings.get("privateEndpoint") if isinstance(strings, dict) else None
    found = (_private_connection(item) for item in items) if isinstance(items, list) else ()
    return tuple(each for each in found if each is not None)


async def list_instances(
    client: Requester, credentials: Credentials, project_id: str
) -> tuple[ServerlessInstance, ...]:
    """List all instances of a project, page by page.

    Raises:
        AtlasError: ``AtlasUnavailableError`` also when an answer is 2xx but no page.
    """
    found: dict[str, ServerlessInstance] = {}
    seen = 0
    for number in range(1, _MOST_PAGES + 1):
        path = f"/api/atlas/v2/groups/{quote(project_id, safe='')}/serverless?pageNum={number}&itemsPerPage={PAGE}"
        answer = await client.request(credentials, "GET", path, operation=LIST)
        results = answer.json.get("results") if isinstance(answer.json, dict) else None
        if not isinstance(results, list) or len(results) > PAGE:
            raise unreadable(answer.status, operation=LIST, writes=False)
        found |= {each.name: each for each in map(_instance, results) if each is not None}
        seen += len(results)
        total = answer.json.get("totalCount")
        if not results or (seen >= total if isinstance(total, int) else len(results) < PAGE):
            break
    return tuple(found.values())


OPERATIONS = {private_connections.__name__: GET}
"""Atlas's name of the operation that the operator uses, by the name of the function here."""


def _instance(item: Any) -> ServerlessInstance | None:
    if not isinstance(item, dict) or (name := _text(item.get("name"))) is None:
        return None
    provider = item.get("providerSettings")
    settings = provider if isinstance(provider, dict) else {}
    return ServerlessInstance(name, _text(settings.get("backingProviderName")), _text(settings.get("regionName")))


def _private_connection(item: Any) -> PrivateConnection | None:
    srv = item.get("srvConnectionString") if isinstance(item, dict) else None
    endpoints = item.get("endpoints") if isinstance(item, dict) else None
    if not isinstance(srv, str) or not _SRV.fullmatch(srv) or not isinstance(endpoints, list):
        return None
    known = [each for each in endpoints if isinstance(each, dict) and isinstance(each.get("endpointId"), str)]
    regions = (_text(each.get("region")) for each in known)
    return PrivateConnection(srv, next(regions, None), frozenset(each["endpointId"] for each in known))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
