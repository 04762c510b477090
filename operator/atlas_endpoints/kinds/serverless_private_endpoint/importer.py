"""Manifests of this kind, of the endpoints that an instance has in Atlas. Pure."""

from collections.abc import Iterable
from itertools import combinations

from atlas_endpoints.atlas.errors import APIGoneError, NotServerlessError
from atlas_endpoints.kinds.importer import Drafts, Found, Importer, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, drafts_of, fitting, problems_of, retained
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import EndpointState, list_instances
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import Spec, shown


def manifests(found: Iterable[Found], options: Options) -> Drafts:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied."""
    return drafts_of(KIND, (_manifest(each, options) for each in found))


def _manifest(found: Found, options: Options) -> NewManifest | LeftOut:
    endpoint = found.value
    if endpoint.status == EndpointState.DELETING:
        return LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
    spec = {
        "projectId": found.project_id,
        "instanceName": found.scope_name,
        "providerName": _provider(found),
        "endpointId": endpoint.id,
    }
    in_atlas = {str(field): value for field, value in shown(endpoint).items() if value}
    problems = problems_of(Spec, {**spec, **in_atlas})
    # As many as possible: those of a connection are only valid together.
    subsets = (dict(each) for size in range(len(in_atlas), -1, -1) for each in combinations(in_atlas.items(), size))
    managed = next((each for each in subsets if not problems_of(Spec, {**spec, **each})), {})
    unmanaged = []
    for field in in_atlas.keys() - managed.keys():
        own = [each for each in problems if each.startswith(f"spec.{field}: ")]
        why = (own or problems)[0].partition(": ")[2]
        unmanaged.append(f"{field} is not managed, so Atlas keeps {in_atlas[field]!r}. {why}")
    spec = {**spec, **managed, **retained(options.credentials_secret)}
    name = fitting(found.scope_name, endpoint.id)
    return NewManifest(endpoint.id, name, options.namespace, spec, to_do=sorted(unmanaged))


def _provider(found: Found) -> str:
    """Return the cloud. Some answers of Atlas lack it; only endpoints in Azure have a private link service."""
    inferred = "AZURE" if found.value.private_link_service_resource_id else "AWS"
    provider: str = found.value.provider_name or found.scope or inferred
    return provider


IMPORTER = Importer(
    KIND,
    list_instances,
    manifests,
    flags=("instance",),
    sources=("instance",),
    without={
        NotServerlessError: "is no longer a serverless instance and has no such endpoints",
        APIGoneError: "has no serverless private endpoints any more: Atlas has ended their API",
    },
)
"""How ``atlas-endpoints import`` writes manifests of this kind."""
