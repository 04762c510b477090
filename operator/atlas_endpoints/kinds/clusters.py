"""The clusters of a project, as far as kinds ask what a change of endpoints does to them. Pure.

Source: the operation ``listClusters``, https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-clusters.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.parts.api import Read, all_of

CLOUDS = frozenset({"AWS", "AZURE", "GCP"})


class Cluster(NamedTuple):
    """A cluster.

    Attributes:
        key_provider: the cloud whose key encrypts it, or NONE; what is another word may be any of them.
        nodes: where it has them: the cloud, which may be another word, and the region in Atlas's spelling; "": Atlas does not show it.
        may_have_private_strings: whether Atlas shows private connection strings of it, or no readable ones.
    """

    name: str
    key_provider: str
    nodes: frozenset[tuple[str, str]]
    is_replica_set: bool
    may_have_private_strings: bool

    def regions_by_key(self, provider: str) -> Collection[str]:
        """Return the regions of a cloud where its nodes may need a key of this cloud; "" for one that Atlas does not show."""
        if self.key_provider in {"NONE", *CLOUDS} - {provider}:
            return ()
        return [region for cloud, region in self.nodes if cloud not in CLOUDS - {provider}]

    @property
    def follows_regional_mode(self) -> bool:
        """Whether its private strings may be others in regional mode: it is sharded, and in several regions."""
        may_span = len(self.nodes) > 1 or any("" in node for node in self.nodes)
        return may_span and self.may_have_private_strings and not self.is_replica_set

    def spans(self, *regions: str) -> bool:
        """Return whether it has nodes in each of these regions, by Atlas's names, or may have."""
        found = {region for _, region in self.nodes}
        return "" in found or found.issuperset(regions)


def cluster_in(item: Any) -> Cluster | None:
    """Return the cluster in an item of a LIST, or None if it is none."""
    name = text_of(item.get("name")) if isinstance(item, dict) else None
    if not name:
        return None
    configs = [
        config for spec in _objects(item.get("replicationSpecs")) for config in _objects(spec.get("regionConfigs"))
    ]
    nodes = {(text_of(each.get("providerName")) or "", text_of(each.get("regionName")) or "") for each in configs}
    strings, key_provider = item.get("connectionStrings"), text_of(item.get("encryptionAtRestProvider")) or ""
    has_none = isinstance(strings, dict) and strings.get("privateEndpoint") in (None, [])
    return Cluster(name, key_provider, frozenset(nodes), item.get("clusterType") == "REPLICASET", not has_none)


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list; an empty one for each that is not readable, and for a list that is not."""
    found = value if isinstance(value, list) else []
    return [each if isinstance(each, dict) else {} for each in found] or [{}]


CLUSTERS = Read(
    operation="listClusters",
    below="clusters",
    version="2024-08-05",
    parse=all_of(cluster_in),
    paged=True,
    page_size=20,
)
"""A cluster may have 50 shards, which take 100 KiB."""


def regional_mode_in(answer: Any) -> bool | None:
    """Return whether the regional mode of a project is on, or None if an answer does not say it."""
    enabled = answer.get("enabled") if isinstance(answer, dict) else None
    return enabled if isinstance(enabled, bool) else None


REGIONAL_MODE = Read(operation="getRegionalEndpointMode", below="privateEndpoint/regionalMode", parse=regional_mode_in)
