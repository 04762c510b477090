"""The kind ``BackupPrivateEndpoint``: an endpoint through which Atlas exports snapshots to buckets. Pure.

Nobody has to accept one, and nothing has to be on before.
Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-cloud-backups. They have never been recorded.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.backup_private_endpoint.resource import BackupEndpointStatus, BackupPrivateEndpoint, Spec
from atlas_endpoints.kinds.lives.imports import regional_importer_of
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.lives.made import some_of
from atlas_endpoints.kinds.lives.regional import REFUSALS, Regional
from atlas_endpoints.kinds.parts.api import Api, Read, all_of


class Bucket(NamedTuple):
    """An export bucket; ``region`` in AWS's spelling, None if Atlas does not show it."""

    name: str
    region: str | None
    requires_private_networking: bool


def bucket_in(item: Any) -> Bucket | None:
    """Return the bucket in an item of a LIST; a switch that is no flag counts as on."""
    name = text_of(item.get("bucketName")) if isinstance(item, dict) else None
    if not name:
        return None
    switch = item.get("requirePrivateNetworking")
    return Bucket(name, text_of(item.get("region")) or None, switch is not None and switch is not False)


class BackupPrivateEndpoints(Regional[BackupPrivateEndpoint]):
    """Such endpoints, and which buckets need them."""

    names = Names("atlas-endpoints.dev", "v1alpha1", "BackupPrivateEndpoint", "backupprivateendpoints")
    resource, entry = BackupPrivateEndpoint, BackupEndpointStatus
    purpose, scopes = "backup", ("AWS",)
    api = Api(
        below="backup/{cloudProvider}/privateEndpoints",
        one="endpointId",
        list="listBackupPrivateEndpoints",
        get="getBackupPrivateEndpoint",
        create="createBackupPrivateEndpoint",
        delete="deleteBackupPrivateEndpoint",
        version="2024-11-13",
        refusals=REFUSALS,
    )
    reads: ClassVar = {
        "exportBuckets": Read(
            operation="listExportBuckets",
            below="backup/exportBuckets",
            version="2024-05-30",
            parse=all_of(bucket_in),
            paged=True,
        )
    }
    read_before_delete = "exportBuckets"
    forced_deletion = "that deletes the endpoint all the same; exports to the buckets fail then."
    keys = (*Regional.keys, "vpcRegion")

    @override
    def body(self, spec: Spec) -> Mapping[str, str]:
        body = {"cloudProvider": spec.provider_name, **super().body(spec)}
        if body["vpcRegionName"] == body["regionName"]:  # which is Atlas's default
            del body["vpcRegionName"]
        return body

    @override
    def needed_by(self, facts: Facts, endpoint: BackupEndpointStatus, value: Iterable[Bucket]) -> str:
        found = [each for each in value if each.requires_private_networking]
        names = [each.name for each in found if self.may_be_in_region(facts, endpoint, each.region)]
        if not names:
            return ""
        return (
            f"Exports to these buckets go through endpoint {endpoint.id}, or may do so, since they require private networking:"
            f" {some_of(names)}. Switch off requirePrivateNetworking of these export buckets in Atlas, or remove them there."
        )


KIND = BackupPrivateEndpoints()
IMPORTER = regional_importer_of(KIND)
