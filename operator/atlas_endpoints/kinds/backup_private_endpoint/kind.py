"""The kind ``BackupPrivateEndpoint``: an endpoint through which Atlas exports snapshots, and which buckets need it. Pure."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from typing_extensions import override

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.backup_private_endpoint import atlas
from atlas_endpoints.kinds.backup_private_endpoint.atlas import Bucket
from atlas_endpoints.kinds.backup_private_endpoint.resource import BackupPrivateEndpoint, Spec
from atlas_endpoints.kinds.made_by_atlas import Facts, some_of
from atlas_endpoints.kinds.regional import RegionalKind
from atlas_endpoints.kinds.regional_atlas import Endpoint
from atlas_endpoints.kinds.regional_decisions import may_be_in_region


class BackupPrivateEndpoints(RegionalKind[BackupPrivateEndpoint]):
    """Endpoints through which Atlas exports snapshots to buckets; nobody has to accept one, and nothing has to be on before."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "BackupPrivateEndpoint", "backupprivateendpoints")
    resource = BackupPrivateEndpoint
    scopes = ("AWS",)
    calls = atlas.CALLS
    beside = atlas.BESIDE
    templates: ClassVar[Mapping[str, str]] = {
        **atlas.CALLS.templates,
        **{each.operation: each.template for each in atlas.BESIDE.values()},
    }
    reads_beside = frozenset(each.operation for each in atlas.BESIDE.values())
    read_before_delete = "exportBuckets"
    forced_deletion = "that deletes the endpoint all the same; exports to the buckets fail then."
    keys = ("endpointId", "privateEndpointConnectionName", "providerName", "region", "vpcRegion")
    purpose = "backup"

    @override
    def body_of(self, spec: Spec) -> Mapping[str, str]:
        regions = spec.regions_in_atlas
        body = {"cloudProvider": spec.provider_name, "regionName": regions["region"]}
        # The region of the bucket is Atlas's default.
        return body if regions["vpc_region"] == regions["region"] else {**body, "vpcRegionName": regions["vpc_region"]}

    @override
    def needed_by(self, facts: Facts, endpoint: Endpoint, value: Iterable[Bucket]) -> str:
        found = [each for each in value if each.requires_private_networking]
        names = [each.name for each in found if may_be_in_region(facts, endpoint, each.region)]
        if not names:
            return ""
        return (
            f"Exports to these buckets go through endpoint {endpoint.id}, or may do so, since they require private networking:"
            f" {some_of(names)}. Switch off requirePrivateNetworking of these export buckets in Atlas, or remove them there."
        )


KIND = BackupPrivateEndpoints()
