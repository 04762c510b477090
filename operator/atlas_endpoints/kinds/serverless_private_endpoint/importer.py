"""Manifests of this kind, of the endpoints that an instance has in Atlas. Pure."""

from collections.abc import Iterable

from atlas_endpoints.atlas.errors import APIGoneError, NotServerlessError
from atlas_endpoints.kinds.importer import Found, Importer, LeftOut, Manifests, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import EndpointState, list_instances
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import shown


def manifests(found: Iterable[Found], options: Options) -> Manifests:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied."""
    return (_manifest(each, options) for each in found)


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
    managed = {str(field): value for field, value in shown(endpoint).items() if value}
    spec = {**spec, **managed, **retained(options.credentials_secret)}
    name = fitting(found.scope_name, endpoint.id)
    return NewManifest(endpoint.id, name, options.namespace, spec, optional=managed.keys())


def _provider(found: Found) -> str:
    """Return the cloud. Some answers of Atlas lack it; only endpoints in Azure have a private link service."""
    inferred = "AZURE" if found.value.private_link_service_resource_id else "AWS"
    provider: str = found.value.provider_name or found.scope or inferred
    return provider


IMPORTER = Importer(
    KIND,
    manifests,
    flags=("instance",),
    list_scopes=list_instances,
    sources=("instance",),
    without={
        NotServerlessError: "is no longer a serverless instance and has no such endpoints",
        APIGoneError: "has no serverless private endpoints any more: Atlas has ended their API",
    },
)
"""How ``atlas-endpoints import`` writes manifests of this kind."""
