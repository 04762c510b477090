"""What the commands ``check`` and ``plan`` ask and say about private endpoints of dedicated clusters. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Service
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import DedicatedPrivateEndpoint, service_key
from atlas_endpoints.kinds.regions import KNOWN, atlas_name, same_region, similar
from atlas_endpoints.reconcile.kind import Named

NO_SERVICE = "0" * 24
"""The ID of an endpoint service that cannot exist."""

MOST_REMOTE_REGIONS = 35
"""Regions from which others may connect to a service, at most."""


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


def counted(services: Collection[Service]) -> str:
    """Return how many services and endpoints there are."""
    return f"Endpoint services: {len(services)}. Endpoints in them: {sum(len(each.endpoint_ids) for each in services)}."


def misfit(resource: DedicatedPrivateEndpoint, services: Collection[Service]) -> str | None:
    """Return why a resource contradicts the services: its endpoint is in another one, or lacks forwarding rules."""
    spec, endpoint_id = resource.spec, resource.endpoint_id
    if endpoint_id is None:
        return None
    own = [each for each in services if _is_for(resource, each)]
    # Names in Google Cloud are not unique.
    others = [each for each in services if each not in own and spec.gcp is None and each.shows(endpoint_id)]
    if others:
        return (
            f"spec.region is {spec.region}, but Atlas shows endpoint {endpoint_id} in region {others[0].region_name}. Correct"
            " region. region of an existing resource cannot change: delete the resource and create it again. Atlas keeps the"
            " endpoint unless deletionPolicy is Delete."
        )
    attachments = next((len(each.service_attachment_names) for each in own if each.status in READY), None)
    if spec.is_legacy and attachments is not None and len(spec.rules) != attachments:
        return (
            f"The number of forwarding rules in spec.gcp.endpoints is {len(spec.rules)}, but the endpoint service has"
            f" {attachments} service attachments. Name one forwarding rule for each of them."
        )
    return None


def _is_for(resource: DedicatedPrivateEndpoint, service: Service) -> bool:
    spec = resource.spec
    is_same = same_region(spec.provider_name, spec.region, service.region_name)
    return is_same and (spec.gcp is None or bool(service.port_mapping_enabled) is not spec.is_legacy)


def doubts(resources: Collection[DedicatedPrivateEndpoint], services: Collection[Service]) -> Iterator[str]:
    """Yield what may be wrong: names of regions that are not known, and too many remote regions."""
    wanted: dict[str, set[str]] = defaultdict(set)
    unknown: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for each in resources:
        spec = each.spec
        names = {"region": (spec.region,), "supportedRemoteRegions": spec.supported_remote_regions}
        wanted[atlas_name(spec.provider_name, spec.region)] |= {
            atlas_name("AWS", region) for region in spec.supported_remote_regions
        }
        for field, regions in names.items():
            for name in regions:
                if not _is_known(spec.provider_name, name, services):
                    unknown[spec.provider_name, field, name].append(f"{each.key.namespace}/{each.key.name}")
    yield from (f"{', '.join(names)}: {_unknown_region(*each)}" for each, names in unknown.items())
    for region, remote_regions in wanted.items():
        if len(remote_regions) > MOST_REMOTE_REGIONS:
            yield (
                f"The resources of region {region} want {len(remote_regions)} supportedRemoteRegions together, and Atlas permits"
                f" {MOST_REMOTE_REGIONS}. Remove some."
            )


def _is_known(provider: str, name: str, services: Collection[Service]) -> bool:
    shown = {atlas_name(provider, each.region_name) for each in services if each.region_name}
    return atlas_name(provider, name) in KNOWN[provider] | shown


def _unknown_region(provider: str, field: str, name: str) -> str:
    close = similar(provider, name)
    hint = "" if close is None else f" Did you mean {close}?"
    return (
        f"spec.{field}: {name} is not a region of {provider} that this version knows.{hint} If the cloud has added it, this is"
        " no problem."
    )


def harmless_writes(scope: Scope) -> Iterable[Request]:
    """Return a PATCH without a change, and a DELETE, of a service that cannot exist; Atlas checks the role before that."""
    return (
        atlas.no_change_of(scope.project_id, NO_SERVICE),
        atlas.deletion_of(scope.project_id, scope.name, NO_SERVICE),
    )
