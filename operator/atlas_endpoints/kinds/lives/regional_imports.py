"""Manifests that name the endpoint of a region: of what a project has in Atlas, or a state of Terraform. Pure."""

from typing import Any

from atlas_endpoints.kinds.importer import Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.regions import place_of, same_region


def regional_importer_of(kind: Regional[Any], terraform: str = "") -> Importer:
    """Return how ``atlas-endpoints import`` writes manifests of a kind; ``terraform``: Terraform's type of such an endpoint."""

    def place(found: Found) -> str:
        region, vpc_region = found.value.region, getattr(found.value, "vpc_region", None)
        return place_of(found.scope_name, region, vpc_region) if region else ""

    def manifest(found: Found, options: Options) -> NewManifest | LeftOut:
        endpoint, provider, named = found.value, found.scope_name, place(found)
        if not named:
            return LeftOut(endpoint.id, "its region is missing")
        spec = {"projectId": found.project_id, "providerName": provider, "region": endpoint.region}
        vpc_region = getattr(endpoint, "vpc_region", None)
        if vpc_region is not None and not same_region(provider, endpoint.region, vpc_region):
            spec["vpcRegion"] = vpc_region
        name = fitting(f"{kind.purpose}-{provider}-{named}")
        return NewManifest(endpoint.id, name, options.namespace, {**spec, **retained(options.credentials_secret)})

    def found_in(one: InTerraform) -> Found:
        endpoint = kind.entry.model_validate(
            {"id": one.text("id") or one.address, "region": one.text("region_name") or None}
        )
        return Found(one.text("project_id"), one.text("cloud_provider"), None, endpoint)

    return importer_of(kind, place, manifest, terraform=terraform, found_in=found_in, owners_only=True)
