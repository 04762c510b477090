"""What the commands ``check`` and ``plan`` ask and say about private endpoints of dedicated clusters. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from atlas_endpoints.kinds.dedicated_private_endpoint.resource import DedicatedPrivateEndpoint, Service, service_key
from atlas_endpoints.kinds.regions import atlas_name, doubt
from atlas_endpoints.reconcile.kind import Named


def unnamed(provider: str, services: Iterable[Service], named: Collection[Named]) -> Mapping[str, Sequence[str]]:
    """Return the services in whose region no object is, and the endpoints that none names there."""
    regions = {each.shared for each in named}
    known = {(each.shared, each.endpoint.casefold()) for each in named if each.endpoint is not None}
    found: dict[str, list[str]] = {"Endpoint services": [], "Endpoints": []}
    for each in services:
        region = each.region or ""
        shared = service_key(provider, region, is_legacy=provider == "GCP" and not each.port_mapping_enabled)
        if shared not in regions:
            found["Endpoint services"].append(f"{each.id} in {region}")
        ids = (id_ for id_ in each.endpoint_ids if (shared, id_.casefold()) not in known)
        found["Endpoints"] += [f"{id_} in {region}" for id_ in ids]
    return found


def mismatch(resource: DedicatedPrivateEndpoint, services: Collection[Service]) -> str | None:
    """Return why a resource contradicts the services: its endpoint is in another region, and not in its own."""
    spec, endpoint_id = resource.spec, resource.endpoint_id
    if endpoint_id is None or spec.gcp is not None:  # names in Google Cloud are not unique
        return None
    found = [each for each in services if each.shows(endpoint_id)]
    if not found or any(map(spec.is_served_by, found)):
        return None
    return (
        f"spec.region is {spec.region}, but Atlas shows endpoint {endpoint_id} in region {found[0].region}, and one of the two is"
        " wrong. If it is the spec, correct region; that of an existing resource cannot change: delete the resource and create it again."
        f" If region is right, the registration in {found[0].region} is left over: delete it in Atlas."
    )


def doubts(resources: Collection[DedicatedPrivateEndpoint], services: Collection[Service]) -> Iterator[str]:
    """Yield what may be wrong: names of regions that are not known, and endpoints that are registered in several regions."""
    unknown: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    several: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in resources:
        spec, provider, name = each.spec, each.spec.provider_name, f"{each.key.namespace}/{each.key.name}"
        shown = {atlas_name(provider, service.region or "") for service in services}
        remote_regions = [("supportedRemoteRegions", region) for region in spec.supported_remote_regions]
        for field, region in [("region", spec.region), *remote_regions]:
            if atlas_name(provider, region) not in shown and doubt(provider, region):
                unknown[provider, field, region].append(name)
        if each.endpoint_id is not None and spec.gcp is None:  # names in Google Cloud are not unique
            regions = [service.region or "" for service in services if service.shows(each.endpoint_id)]
            if len(regions) > 1:
                several[each.endpoint_id, " and ".join(regions)].append(name)
    for (cloud, field, region), users in unknown.items():
        yield f"{', '.join(users)}: spec.{field}:{doubt(cloud, region)} If the cloud has added it, this is no problem."
    for (endpoint_id, where), users in several.items():
        yield (
            f"{', '.join(users)}: Atlas shows endpoint {endpoint_id} in {where}. A private endpoint connects to one endpoint"
            " service, so only one of these registrations can become available. Remove the others: delete their resources"
            " with deletionPolicy Delete, or remove them in Atlas."
        )
