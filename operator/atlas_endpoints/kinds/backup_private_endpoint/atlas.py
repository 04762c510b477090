"""Private endpoints for backups in the Atlas Admin API, and the buckets that need them: models and calls as data. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-cloud-backups. They have never been recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.regional_atlas import Calls, ProjectRead, all_of

CALLS = Calls(
    list="listBackupPrivateEndpoints",
    get="getBackupPrivateEndpoint",
    create="createBackupPrivateEndpoint",
    delete="deleteBackupPrivateEndpoint",
    below="backup",
    api_version="2024-11-13",
    has_vpc_region=True,
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """An export bucket; ``region`` in AWS's spelling, None if Atlas does not show it. A switch that is no flag counts as on."""

    name: str
    region: str | None
    requires_private_networking: bool


def buckets_in(items: Any) -> Sequence[Bucket] | None:
    """Return the export buckets in the items of a LIST, or None if one of them is none."""
    return all_of(items, _bucket_in)


def _bucket_in(item: Any) -> Bucket | None:
    name = text_of(item.get("bucketName")) if isinstance(item, dict) else None
    if not name:
        return None
    switch = item.get("requirePrivateNetworking")
    return Bucket(name, text_of(item.get("region")) or None, switch is not None and switch is not False)


BESIDE: Mapping[str, ProjectRead] = {
    "exportBuckets": ProjectRead("listExportBuckets", "backup/exportBuckets", "2024-05-30", buckets_in, paged=True)
}
