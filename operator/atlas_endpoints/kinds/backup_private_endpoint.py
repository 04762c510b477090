"""The kind ``BackupPrivateEndpoint``: an endpoint through which Atlas exports snapshots to buckets. Pure.

Nobody has to accept one, and nothing has to be on before.
Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-cloud-backups. They have never been recorded.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.lives.imports import regional_importer_of
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.lives.made import some_of
from atlas_endpoints.kinds.lives.regional import REFUSALS, Regional
from atlas_endpoints.kinds.parts.api import Api, Read, all_of
from atlas_endpoints.kinds.parts.fields import Sent
from atlas_endpoints.kinds.regional_resource import EndpointStatus, RegionalResource, RegionalSpec, RegionalStatus
from atlas_endpoints.kinds.regions import atlas_name, place_of
from atlas_endpoints.reconcile.crd import Column, Crd, fixed_if_any
from atlas_endpoints.reconcile.status import Shown


class Spec(RegionalSpec):
    """The spec."""

    cel_rules: ClassVar = [
        fixed_if_any(
            "vpcRegion",
            "may not be changed (not even to its other spelling), added or removed: an endpoint never moves to another region;"
            " create a second resource with the other `vpcRegion`, wait until it is Ready, and delete this one {atlas_keeps}",
        ),
    ]

    provider_name: Literal["AWS"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The cloud of the bucket and of the clusters: Atlas has these endpoints in `AWS` only. Required; never changes."""
    region: Region
    """The region of the bucket: Atlas's name, such as `EU_WEST_1`, or the cloud's, such as `eu-west-1`. The operator sends
    Atlas's name. Required; never changes."""
    vpc_region: Region | None = None
    """The region of the clusters whose snapshots are exported, if it is not that of the bucket; in the same spellings as
    `region`. Default: `region`. Atlas has one endpoint for each pair of regions. Never changes, and can neither be added nor
    removed later."""

    sent: ClassVar = {**RegionalSpec.sent, "vpc_region": Sent("vpcRegionName")}

    @property
    @override
    def regions_in_atlas(self) -> Mapping[str, str]:
        vpc_region = atlas_name(self.provider_name, self.vpc_region or self.region)
        return {**super().regions_in_atlas, "vpc_region": vpc_region}

    @property
    @override
    def place(self) -> str:
        return place_of(self.provider_name, self.region, self.vpc_region)


class BackupEndpointStatus(EndpointStatus):
    """The endpoint as the status shows it; the region of its VPC is the region if Atlas shows none."""

    in_atlas: ClassVar = {**EndpointStatus.in_atlas, "vpc_region": "vpcRegionName"}

    vpc_region: Shown | None = None
    """The region of the clusters, as Atlas names it."""

    @classmethod
    @override
    def read(cls, answer: Any) -> Self | None:
        found = super().read(answer)
        return found and found.model_copy(update={"vpc_region": found.vpc_region or found.region})


class BackupStatus(RegionalStatus):
    """The status of the kind."""

    endpoint: BackupEndpointStatus | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class BackupPrivateEndpoint(RegionalResource, frozen=True):
    """BackupPrivateEndpoint describes the private endpoint through which MongoDB Atlas exports snapshots of a project's clusters to a bucket in AWS S3.

    Atlas makes the endpoint in its own network. The operator asks Atlas for it, and writes its state to the status. Create the
    endpoint before the export bucket that demands private networking, which the operator never changes. {retried} {annotations}
    {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = BackupStatus
    crd: ClassVar = Crd(
        short_name="bpe",
        selectable=("projectId", "providerName", "region", "vpcRegion"),
        columns=(
            Column("Region", ".spec.region", "The region of the bucket"),
            Column("VPC-Region", ".spec.vpcRegion", "The region of the clusters, if it is another one"),
        ),
        wide=(
            Column("Endpoint-Id", ".status.endpoint.id", "The ID that Atlas gave the endpoint"),
            Column("Connection", ".status.endpoint.privateEndpointConnectionName", "The connection in AWS"),
        ),
        resolved={
            "region": "The region of the bucket.",
            "vpcRegion": "The region of the clusters; absent without `spec.vpcRegion`.",
        },
        body={
            "cloudProvider": "The cloud.",
            "regionName": "The region of the bucket.",
            "vpcRegionName": "The region of the clusters, if it is another one.",
        },
    )
    words: ClassVar = {
        "place": "pair of regions",
        "same_place": "same pair of regions",
        "region": "The region of the bucket",
        "connection_name": "The ID",
        "users": "export buckets",
        "keys": "`endpointId`, `privateEndpointConnectionName`, `providerName`, `region` and `vpcRegion`",
        "deletion_too": "The deletion waits while an export bucket in the region, or one whose region is not known, demands"
        " private networking (reason DeletionBlocked).",
        "accepted": "",
        "operation": "createBackupPrivateEndpoint",
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers), `providerName`, `region` and `vpcRegion` identify
    the endpoint and never change, because Atlas cannot change an endpoint. {others_change}"""
    status: BackupStatus


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
