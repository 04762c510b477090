"""Manifests of this kind, of the endpoints that a project has in Atlas, or a state of Terraform. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from atlas_endpoints.kinds.data_federation_private_endpoint.atlas import Endpoint, EndpointState, entry_of
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from atlas_endpoints.kinds.data_federation_private_endpoint.resource import SCOPE, Spec
from atlas_endpoints.kinds.importer import Drafts, Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.new_manifest import NewManifest, drafts_of, fitting, last_part, managed_fields, retained


def manifests(found: Iterable[Found], options: Options) -> Drafts:
    """Return the manifests of endpoints, which change nothing in Atlas when they are applied."""
    return drafts_of(KIND, (_manifest(each, options) for each in found))


def _manifest(found: Found, options: Options) -> NewManifest | LeftOut:
    endpoint = found.value
    if endpoint.status == EndpointState.DELETING:
        return LeftOut(endpoint.id, "Atlas is deleting it", expected=True)
    spec = {
        "projectId": found.project_id,
        "providerName": endpoint.provider or ("AZURE" if endpoint.id.startswith("/") else "AWS"),
        "cloudProviderEndpointId": endpoint.id,
    }
    in_atlas = {
        "region": endpoint.region,
        "customerEndpointDnsName": endpoint.customer_endpoint_dns_name,
        "privateEndpointIpAddress": endpoint.customer_endpoint_ip_address,
        "comment": endpoint.comment,
    }
    managed, to_do = managed_fields(Spec, spec, in_atlas)
    spec = {**spec, **managed, **retained(options.credentials_secret)}
    name = fitting("data-federation", last_part(endpoint.id))
    return NewManifest(endpoint.id, name, options.namespace, spec, to_do=to_do)


def _of_terraform(resources: Sequence[InTerraform]) -> Iterator[Found | LeftOut]:
    # Two modules may have one endpoint, which two resources would claim.
    keys = ((each.text("project_id"), entry_of(each.text("endpoint_id") or each.address)) for each in resources)
    for each in dict(zip(keys, resources, strict=True)).values():
        if not (endpoint_id := each.text("endpoint_id")):
            yield LeftOut(each.address, "its endpoint_id is missing")
            continue
        endpoint = Endpoint(
            endpoint_id,
            provider=each.text("provider_name").upper(),  # Terraform takes aws as well
            comment=each.text("comment"),
            region=each.text("region"),
            customer_endpoint_dns_name=each.text("customer_endpoint_dns_name"),
            customer_endpoint_ip_address=each.text("customer_endpoint_ip_address"),
        )
        yield Found(each.text("project_id"), SCOPE, None, endpoint)


IMPORTER = Importer(
    KIND,
    manifests,
    flags=("terraform",),
    sources=("terraform",),
    of_terraform=_of_terraform,
    terraform=("mongodbatlas_privatelink_endpoint_service_data_federation_online_archive",),
)
"""How ``atlas-endpoints import`` writes manifests of this kind."""
