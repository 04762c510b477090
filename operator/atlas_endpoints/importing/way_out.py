"""The way out: manifests for MongoDB's own operator, whose ``AtlasPrivateEndpoint`` serves dedicated clusters. Pure.

Atlas has one endpoint service for each cloud and region of a project, and that is what an ``AtlasPrivateEndpoint`` stands for;
so the endpoints of a project, cloud and region share one. What is connected in the cloud cannot come along: a private
endpoint leads to the service that it was made for.
Source: the CRD ``atlasprivateendpoints.atlas.mongodb.com``, version v1, of MongoDB Atlas Kubernetes Operator 2.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from atlas_endpoints.importing.drafts import Draft, LeftOut, Wishes, harmless, quoted

_AWS_SERVICE = re.compile(r"com\.amazonaws\.vpce\.([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.")


@dataclass(frozen=True, slots=True)
class Connection:
    """A serverless private endpoint, as far as its successor is concerned.

    Attributes:
        label: names it for people.
        project_id: of its project.
        provider: AWS or AZURE.
        region: as Atlas spells it, such as ``US_EAST_1``; None: not known.
        cloud_id: of the private endpoint in the cloud; None: it was never connected.
    """

    label: str
    project_id: str
    provider: str
    region: str | None
    cloud_id: str | None


def region_of(endpoint_service_name: str | None) -> str | None:
    """Tell the region, as Atlas spells it, from the name of an endpoint service; only AWS puts it there."""
    found = _AWS_SERVICE.match(endpoint_service_name or "")
    return found[1].upper().replace("-", "_") if found else None


def successors(connections: Iterable[Connection], wishes: Wishes) -> list[Draft | LeftOut]:
    """Write a manifest for each project, cloud and region.

    Args:
        connections: all that there is.
        wishes: what else is to stand in them; the Secret is required.
    """
    services: dict[tuple[str, str, str], list[Connection]] = defaultdict(list)
    left_out: list[Draft | LeftOut] = []
    for each in connections:
        if each.region is None:
            why = "its region is not known: name it with --region"
            left_out.append(LeftOut(each.label, why))
        else:
            services[each.project_id, each.provider, each.region].append(each)
    return [*(_draft(*service, users, wishes) for service, users in services.items()), *left_out]


def _draft(project_id: str, provider: str, region: str, users: list[Connection], wishes: Wishes) -> Draft:
    name = re.sub(r"[^a-z0-9]+", "-", f"{provider}-{region}".lower())[:38].strip("-") + f"-{project_id}"
    lines = _lines(name, (project_id, provider, region), users, wishes)
    return Draft(name, "".join(f"{line}\n" for line in lines))


def _lines(name: str, service: tuple[str, str, str], users: list[Connection], wishes: Wishes) -> Iterator[str]:
    project_id, provider, region = service
    yield "# For MongoDB's own operator: the endpoint service of a project for its dedicated clusters in one region."
    yield "# It takes the place of these, whose private endpoints in the cloud lead to their own service and cannot be used again:"
    for each in users:
        yield f"# - {harmless(each.label)}: {harmless(each.cloud_id or 'never connected')}"
    yield "apiVersion: atlas.mongodb.com/v1"
    yield "kind: AtlasPrivateEndpoint"
    yield "metadata:"
    yield f"  name: {quoted(name)}"
    if wishes.namespace:
        yield f"  namespace: {quoted(wishes.namespace)}"
    yield "spec:"
    yield "  externalProjectRef:"
    yield f"    id: {quoted(project_id)}"
    yield "  connectionSecret:"
    yield f"    name: {quoted(wishes.credentials_secret or '')}"
    yield f"  provider: {quoted(provider)}"
    yield f"  region: {quoted(region)}"
    yield from _CONNECTED[provider]


_CONNECTED = {
    "AWS": (
        "  # Once status.serviceName is there, create an interface VPC endpoint to it, and name it here:",
        "  # awsConfiguration:",
        '  #   - id: "vpce-…"',
    ),
    "AZURE": (
        "  # Once status.resourceId is there, create a private endpoint with a manual connection to it, and name it here:",
        "  # azureConfiguration:",
        '  #   - id: "/subscriptions/…/privateEndpoints/…"',
        '  #     ipAddress: "…"',
    ),
}
