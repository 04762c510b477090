"""Manifests that name the endpoint of a region: of what a project has in Atlas, or a state of Terraform. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from atlas_endpoints.kinds.importer import Drafts, Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, drafts_of, fitting, retained
from atlas_endpoints.kinds.regional import RegionalKind
from atlas_endpoints.kinds.regional_atlas import Endpoint, EndpointState, place_of
from atlas_endpoints.kinds.regions import same_region

AnyRegionalKind: TypeAlias = RegionalKind[Any]


def _manifests(kind: AnyRegionalKind, found: Iterable[Found], options: Options) -> Drafts:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied; a region has one."""
    return drafts_of(kind, _made(kind, found, options))


def _made(kind: AnyRegionalKind, found: Iterable[Found], options: Options) -> Iterator[NewManifest | LeftOut]:
    places: dict[tuple[str, ...], list[Found]] = defaultdict(list)
    for each in found:
        endpoint: Endpoint = each.value
        if endpoint.status == EndpointState.DELETING:
            yield LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
        elif endpoint.region is None:
            yield LeftOut(endpoint.id, "its region is missing")
        else:
            place = place_of(each.scope_name, endpoint.region, endpoint.vpc_region)
            places[each.project_id, each.scope_name, place].append(each)
    for (*_, place), there in places.items():
        # The one that the operator would follow.
        first, *others = sorted(there, key=lambda each: (kind.rank_of(each.value), each.value.id))
        yield _manifest(kind, first, place, options)
        for each in others:
            why = f"the manifest of {first.value.id} names its region {place}, and a resource follows one endpoint"
            yield LeftOut(each.value.id, why, expected=_is_replaced(each))


def _is_replaced(found: Found) -> bool:
    """Return whether Atlas makes an endpoint anew, perhaps with another ID."""
    return bool(found.value.status == EndpointState.PENDING_RECREATION)


def _manifest(kind: AnyRegionalKind, found: Found, place: str, options: Options) -> NewManifest:
    endpoint, provider = found.value, found.scope_name
    spec = {"projectId": found.project_id, "providerName": provider, "region": endpoint.region}
    if endpoint.vpc_region is not None and not same_region(provider, endpoint.region, endpoint.vpc_region):
        spec["vpcRegion"] = endpoint.vpc_region
    spec |= retained(options.credentials_secret)
    return NewManifest(endpoint.id, fitting(f"{kind.purpose}-{provider}-{place}"), options.namespace, spec)


def _of_terraform(resources: Sequence[InTerraform]) -> Iterator[Found]:
    # Two modules may have one endpoint, which two resources would claim.
    keys = ((each.text("project_id"), each.text("id") or each.address) for each in resources)
    for (project, endpoint_id), each in dict(zip(keys, resources, strict=True)).items():
        endpoint = Endpoint(endpoint_id, region=each.text("region_name") or None)
        yield Found(project, each.text("cloud_provider"), None, endpoint)


def importer_of(kind: AnyRegionalKind, *terraform: str) -> Importer:
    """Return how ``atlas-endpoints import`` writes manifests of a kind.

    Args:
        terraform: Terraform's types of such endpoints.
    """
    sources = ("terraform",) if terraform else ()
    return Importer(
        kind,
        partial(_manifests, kind),
        flags=sources,
        sources=sources,
        of_terraform=_of_terraform,
        terraform=terraform,
        owners_only=True,
    )
