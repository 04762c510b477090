"""The serverless instances of a project: wire model and the one operation that is used. Pure but for the client it is given.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-serverless-instances
The list also holds Flex clusters that were serverless instances before; since 2026-01-15 Atlas documents it as empty.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.classification import unreadable
from atlas_endpoints.atlas.credentials import Credentials

LIST = "listServerlessInstances"

PAGE = 100
"""Items of a page. Atlas allows 500; but each shows its endpoints, of which 100 instances may have 100 each within an answer."""

_MOST_PAGES = 1000

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


def _instance(item: Any) -> ServerlessInstance | None:
    if not isinstance(item, dict) or (name := _text(item.get("name"))) is None:
        return None
    provider = item.get("providerSettings")
    settings = provider if isinstance(provider, dict) else {}
    return ServerlessInstance(name, _text(settings.get("backingProviderName")), _text(settings.get("regionName")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST else None
