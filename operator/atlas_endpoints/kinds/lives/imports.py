"""What ``atlas-endpoints import`` does alike for kinds that live so: one manifest for each place, once for each endpoint. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from atlas_endpoints.kinds.importer import Found, Importer, InTerraform, LeftOut, Options
from atlas_endpoints.kinds.lives.life import Life
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting, retained
from atlas_endpoints.kinds.regions import place_of, same_region


def importer_of(
    kind: Life[Any],
    place: Callable[[Found], str],
    manifest: Callable[[Found, Options], NewManifest | LeftOut],
    *,
    terraform: str = "",
    id_in_terraform: str = "id",
    found_in: Callable[[InTerraform], Found | LeftOut] | None = None,
    owners_only: bool = False,
) -> Importer:
    """Return how ``atlas-endpoints import`` writes manifests of a kind, which change nothing in Atlas when they are applied.

    Args:
        place: returns what an entry is for, which a resource names; "": it is not known.
        terraform: Terraform's type of such an endpoint; "": it has none.
        found_in: returns the entry that a resource of Terraform is.
    """

    def of_entries(found: Iterable[Found], options: Options) -> Iterator[NewManifest | LeftOut]:
        places: dict[tuple[str, ...], list[Found]] = defaultdict(list)
        for each in found:
            if each.value.status in kind.gone:
                yield LeftOut(each.value.id, "Atlas has deleted it", expected=True)
            elif each.value.status in kind.going:
                yield LeftOut(each.value.id, "Atlas is deleting it", expected=True)
            else:
                places[each.project_id, each.scope_name, place(each) or each.value.id].append(each)
        for there in places.values():
            for each in there:
                others = ", ".join(sorted(other.value.id for other in there if other is not each))
                why = f"a resource names its place, where Atlas also has {others}, and follows none of several. Remove all but one in Atlas"
                yield LeftOut(each.value.id, why) if others else manifest(each, options)

    def of_terraform(resources: Sequence[InTerraform]) -> Iterable[Found | LeftOut]:
        # Two modules may have one endpoint, which two resources would claim.
        ids = ((each.text("project_id"), (each.text(id_in_terraform) or each.address).lower()) for each in resources)
        return () if found_in is None else map(found_in, dict(zip(ids, resources, strict=True)).values())

    sources = ("terraform",) if terraform else ()
    return Importer(
        kind,
        of_entries,
        flags=sources,
        sources=sources,
        of_terraform=of_terraform,
        terraform=(terraform,) if terraform else (),
        owners_only=owners_only,
    )


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
