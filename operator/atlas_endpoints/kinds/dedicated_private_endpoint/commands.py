"""What the commands ``check`` and ``plan`` ask and say about private endpoints of dedicated clusters. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Service
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import DedicatedPrivateEndpoint, service_key
from atlas_endpoints.kinds.regions import atlas_name, doubt
from atlas_endpoints.reconcile.kind import Named


def unnamed(provider: str, services: Iterable[Service], named: Collection[Named]) -> Mapping[str, Sequence[str]]:
    """Return the services in whose region no object is, and the endpoints that none names there."""
    regions = {each.shared for each in named}
    known = {(each.shared, each.endpoint.casefold()) for each in named if each.endpoint is not None}
    found: dict[str, list[str]] = {"Endpoint services": [], "Endpoints": []}
    for each in services:
        region = each.region_name or ""
        shared = service_key(provider, region, is_legacy=provider == "GCP" and not each.port_mapping_enabled)
        if shared not in regions:
            found["Endpoint services"].append(f"{each.id} in {region}")
        ids = (id_ for id_ in each.endpoint_ids if (shared, id_.casefold()) not in known)
        found["Endpoints"] += [f"{id_} in {region}" for id_ in ids]
    return found


def mismatch(resource: DedicatedPrivateEndpoint, services: Collection[Service]) -> str | None:
    """Return why a resource contradicts the services: its endpoint is in another region."""
    spec, endpoint_id = resource.spec, resource.endpoint_id
    if endpoint_id is None or spec.gcp is not None:  # names in Google Cloud are not unique
        return None
    others = (each for each in services if not spec.is_served_by(each) and each.shows(endpoint_id))
    if (other := next(others, None)) is None:
        return None
    return (
        f"spec.region is {spec.region}, but Atlas shows endpoint {endpoint_id} in region {other.region_name}. Correct"
        " region. region of an existing resource cannot change: delete the resource and create it again. Atlas keeps the"
        " endpoint unless deletionPolicy is Delete."
    )


def doubts(resources: Collection[DedicatedPrivateEndpoint], services: Collection[Service]) -> Iterator[str]:
    """Yield what may be wrong: names of regions that are not known."""
    unknown: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in resources:
        spec, provider = each.spec, each.spec.provider_name
        shown = {atlas_name(provider, service.region_name or "") for service in services}
        remote_regions = [("supportedRemoteRegions", name) for name in spec.supported_remote_regions]
        for field, name in [("region", spec.region), *remote_regions]:
            if atlas_name(provider, name) not in shown and doubt(provider, name):
                unknown[provider, field, name].append(f"{each.key.namespace}/{each.key.name}")
    for (cloud, field, name), users in unknown.items():
        yield f"{', '.join(users)}: spec.{field}:{doubt(cloud, name)} If the cloud has added it, this is no problem."
