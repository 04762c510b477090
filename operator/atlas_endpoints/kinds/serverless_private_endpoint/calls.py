"""The calls for serverless private endpoints and their instances. Pure.

Sources: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-serverless-private-endpoints and
.../group/endpoint-serverless-instances. The published patterns are not enforced on answers: real ids break them, and
fields are null or missing.
"""

from collections.abc import Mapping
from itertools import count
from typing import Any

from atlas_endpoints.atlas.answers import Requester, text_of, unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import (
    APIGoneError,
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidRequestError,
    NotServerlessError,
)
from atlas_endpoints.atlas.requests import Refusals, Scope
from atlas_endpoints.kinds.parts.api import Api, Read

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

ENDPOINTS = Api(
    below="privateEndpoint/serverless/instance/{instanceName}/endpoint",
    one="endpointId",
    list="listServerlessPrivateEndpoint",
    paged=False,
    get="getServerlessPrivateEndpoint",
    create="createServerlessPrivateEndpoint",
    update="updateServerlessPrivateEndpoint",
    delete="deleteServerlessPrivateEndpoint",
    refusals=REFUSALS,
)
INSTANCE = Read(
    operation="getServerlessInstance", below="serverless/{name}", parse=lambda answer: answer, refusals=REFUSALS
)
PAGE = 100
"""Items of a page. Atlas permits 500, but an answer shows the endpoints of each instance: 100 instances may have 100
each."""

INSTANCES = Read(
    operation="listServerlessInstances",
    below="serverless",
    parse=lambda answer: answer,
    page_size=PAGE,
    refusals=REFUSALS,
)


async def list_instances(client: Requester, credentials: Credentials, project_id: str) -> Mapping[str, str | None]:
    """Return the clouds of all instances of a project by their names; None: Atlas did not send it.

    The list also contains Flex clusters that were serverless instances; since 2026-01-15 Atlas documents it as empty.

    Raises:
        AtlasError: ``AtlasUnavailableError`` also if an answer is 2xx but no page.
    """
    request, found = INSTANCES.of(Scope("", project_id, "", "")), dict[str, str | None]()
    for number in count(1):
        answer = await client.request(credentials, request.page(number))
        results = answer.json.get("results") if isinstance(answer.json, dict) else None
        if not isinstance(results, list):
            raise unreadable(answer.status, operation=INSTANCES.operation, writes=False)
        found |= dict(each for each in map(_instance, results) if each is not None)
        if len(results) < PAGE:
            break
    return found


def _instance(item: Any) -> tuple[str, str | None] | None:
    if not isinstance(item, dict) or not (name := text_of(item.get("name"))):
        return None
    provider = item.get("providerSettings")
    settings = provider if isinstance(provider, dict) else {}
    return name, text_of(settings.get("backingProviderName"))
