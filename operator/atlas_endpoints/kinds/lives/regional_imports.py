"""Manifests that name the endpoint of a region: of what a project has in Atlas, or a state of Terraform. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from atlas_endpoints.kinds.importer import Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.imports import importer_of
from atlas_endpoints.kinds.lives.made import REPLACED
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.regions import place_of, same_region


def regional_importer_of(kind: Regional[Any], terraform: str = "") -> Importer:
    """Return how ``atlas-endpoints import`` writes manifests of a kind; ``terraform``: Terraform's type of such an endpoint."""

    def place(found: Found) -> str:
        region, vpc_region = found.value.region, getattr(found.value, "vpc_region", None)
        return place_of(found.scope_name, region, vpc_region) if region else ""

    def manifests(there: Sequence[Found], options: Options) -> Iterator[NewManifest | LeftOut]:
        named, provider = place(there[0]), there[0].scope_name
        if not named:
            yield from (LeftOut(each.value.id, "its region is missing") for each in there)
            return
        # The one that the operator would follow.
        first, *others = sorted(there, key=lambda each: (kind.rank_of(each.value), each.value.id))
        region, vpc_region = first.value.region, getattr(first.value, "vpc_region", None)
        spec = {"projectId": first.project_id, "providerName": provider, "region": region}
        if vpc_region is not None and not same_region(provider, region, vpc_region):
            spec["vpcRegion"] = vpc_region
        name = fitting(f"{kind.purpose}-{provider}-{named}")
        yield NewManifest(first.value.id, name, options.namespace, {**spec, **retained(options.credentials_secret)})
        for each in others:
            why = f"the manifest of {first.value.id} names its region {named}, and a resource follows one endpoint"
            yield LeftOut(each.value.id, why, expected=kind.rank_of(each.value) == REPLACED)

    def found_in(one: InTerraform) -> Found:
        endpoint = kind.entry(id=one.text("id") or one.address, region=one.text("region_name") or None)
        return Found(one.text("project_id"), one.text("cloud_provider"), None, endpoint)

    return importer_of(kind, place, manifests, terraform=terraform, found_in=found_in, owners_only=True)
