"""Write the successor manifests: an ``AtlasPrivateEndpoint`` of MongoDB's own operator, for dedicated clusters. Pure.

It is the endpoint service of Atlas for one cloud and region of a project, so the endpoints of these share one. A
private endpoint in the cloud cannot be used again, since it is connected to the service for which it was created.
Source: the CRD ``atlasprivateendpoints.atlas.mongodb.com``, version v1, of MongoDB Atlas Kubernetes Operator 2.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from atlas_endpoints.importing.drafts import Draft, LeftOut, Options, comment, quoted

_AWS_SERVICE = re.compile(r"com\.amazonaws\.vpce\.([a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.")


@dataclass(frozen=True, slots=True)
class Connection:
    """A serverless private endpoint.

    Attributes:
        label: its name for users.
        region: as Atlas spells it, such as ``US_EAST_1``, or None.
        cloud_id: of the private endpoint in the cloud; None if it was never connected.
    """

    label: str
    project_id: str
    provider: str
    region: str | None
    cloud_id: str | None


def region_of(endpoint_service_name: str | None) -> str | None:
    """Return the region, as Atlas spells it, in the name of an endpoint service; only AWS has it there."""
    found = _AWS_SERVICE.match(endpoint_service_name or "")
    return found[1].upper().replace("-", "_") if found else None


def successors(connections: Iterable[Connection], options: Options) -> list[Draft | LeftOut]:
    """Return a manifest for each project, cloud and region. ``options`` must name the Secret."""
    services: dict[tuple[str, str, str], list[Connection]] = defaultdict(list)
    left_out: list[Draft | LeftOut] = []
    for each in connections:
        if each.region is None:
            why = "its region is not known: name it with --region"
            left_out.append(LeftOut(each.label, why))
        else:
            services[each.project_id, each.provider, each.region].append(each)
    return [*(_draft(*service, users, options) for service, users in services.items()), *left_out]


def _draft(project_id: str, provider: str, region: str, users: list[Connection], options: Options) -> Draft:
    name = re.sub(r"[^a-z0-9]+", "-", f"{provider}-{region}".lower())[:38].strip("-") + f"-{project_id}"
    lines = _lines(name, (project_id, provider, region), users, options)
    return Draft(name, "".join(f"{line}\n" for line in lines))


def _lines(name: str, service: tuple[str, str, str], users: list[Connection], options: Options) -> Iterator[str]:
    project_id, provider, region = service
    yield "# For MongoDB's own operator: the endpoint service of a project for its dedicated clusters in one region."
    yield "# It takes the place of these, whose private endpoints in the cloud lead to their own service and cannot be used again:"
    for each in users:
        yield f"# - {comment(each.label)}: {comment(each.cloud_id or 'never connected')}"
    yield "apiVersion: atlas.mongodb.com/v1"
    yield "kind: AtlasPrivateEndpoint"
    yield "metadata:"
    yield f"  name: {quoted(name)}"
    if options.namespace:
        yield f"  namespace: {quoted(options.namespace)}"
    yield "spec:"
    yield "  externalProjectRef:"
    yield f"    id: {quoted(project_id)}"
    yield "  connectionSecret:"
    yield f"    name: {quoted(options.credentials_secret or '')}"
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
