"""The connection strings of a cluster, or a serverless instance, for private endpoints: Atlas's answer, and the ConfigMap. Pure.

Source: the Atlas Admin API, ``connectionStrings.privateEndpoint`` of "Return One Cluster" and of "Return One Serverless Instance".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.clusters import CLOUDS, Cluster, cluster_in
from atlas_endpoints.kinds.parts.api import Read
from atlas_endpoints.kinds.parts.fields import values_of
from atlas_endpoints.kinds.regions import is_region, same_region
from atlas_endpoints.reconcile.outputs import Output

KEYS = (
    "clusterName",
    "connectionString",
    "connectionStringSrv",
    "connectionStringSrvShardOptimized",
    "endpointId",
    "providerName",
    "region",
)
"""The keys of the ConfigMap for applications."""

_IN_ATLAS = ("connectionString", "srvConnectionString", "srvShardOptimizedConnectionString")
"""Atlas's names of the strings; only a sharded cluster in AWS has the last one."""

_STRING = re.compile(r"mongodb(\+srv)?://[a-zA-Z0-9.,:-]{1,4096}(/[!-~]{0,512})?")
"""A connection string without credentials; a sharded cluster has a host for each of its nodes."""


@dataclass(frozen=True, slots=True)
class Connected:
    """An endpoint that connection strings are for.

    Attributes:
        id: that the cloud gave it; a name in Google Cloud is unique only in its region.
        region: as Atlas spells it.
    """

    id: str
    provider: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class PrivateStrings:
    """The connection strings of a cluster for some of its private endpoints, by their keys; none contains credentials."""

    endpoints: tuple[Connected, ...]
    texts: Mapping[str, str]


def private_strings(name: str, answer: object) -> tuple[PrivateStrings, ...] | None:
    """Return the private connection strings in an answer, or None if it is not readable as this cluster or instance.

    A cluster has no private strings until each of its regions has an endpoint.
    """
    if not isinstance(answer, dict) or answer.get("name") != name:
        return None
    strings = answer.get("connectionStrings")
    items = strings.get("privateEndpoint") if isinstance(strings, dict) else None
    found = (_private_strings(item) for item in items) if isinstance(items, list) else ()
    return tuple(each for each in found if each is not None)


def output(
    config_map: str,
    read: Read,
    cluster: str,
    *,
    endpoint_id: str,
    wanted: Connected | None,
    keys: Sequence[str] = KEYS,
) -> Output:
    """Return the ConfigMap for applications.

    Args:
        read: what shows the cluster, or the serverless instance, by its name.
        endpoint_id: the ID by which users know the endpoint.
        wanted: the endpoint; None: it is not available yet.
        keys: those that it has.
    """
    if wanted is None:
        return Output(config_map, keys)

    def parse(answer: object) -> tuple[tuple[PrivateStrings, ...], Cluster | None] | None:
        strings = private_strings(cluster, answer)
        return None if strings is None else (strings, cluster_in(answer))

    return Output(
        config_map,
        keys,
        request=lambda scope: read.of(scope, cluster),
        parse=parse,
        fill=lambda shown: connection_values(cluster, endpoint_id, wanted, keys, shown[0]),
        never=lambda shown: elsewhere(wanted, shown[1]),
    )


def elsewhere(wanted: Connected, cluster: Cluster | None) -> str:
    """Return a sentence if the cluster has no node where the endpoint is; "": it has, or Atlas does not show it."""
    if cluster is None or not wanted.provider or not wanted.region:
        return ""
    provider, region = wanted.provider, wanted.region
    for cloud, each in cluster.nodes:
        if cloud not in CLOUDS or not each or (cloud == provider and same_region(provider, each, region)):
            return ""
    nodes = ", ".join(sorted(f"{cloud} {each}" for cloud, each in cluster.nodes))
    return (
        f"Cluster {cluster.name} has nodes in {nodes} only, so it never gets a string for {provider} {region}. Correct"
        " clusterName, or create a resource in a region of the cluster."
    )


def connection_values(
    cluster: str, endpoint_id: str, wanted: Connected, keys: Sequence[str], all_strings: Iterable[PrivateStrings]
) -> Mapping[str, str] | None:
    """Return the data of the ConfigMap for applications, or None until Atlas shows a string for the endpoint.

    Atlas identifies endpoints by the IDs that the clouds gave them. Their order has no meaning.
    """
    for strings in all_strings:
        shown = next((each for each in strings.endpoints if _is_same(wanted, each)), None)
        if shown is not None and strings.texts.keys() & set(keys):
            known = {"clusterName": cluster, "endpointId": endpoint_id, "providerName": wanted.provider}
            return values_of(keys, strings.texts, known, {"region": shown.region})
    return None


def _is_same(wanted: Connected, shown: Connected) -> bool:
    if wanted.id.casefold() != shown.id.casefold() or shown.provider not in {None, wanted.provider}:
        return False
    is_elsewhere = shown.region is not None and not same_region("GCP", shown.region, wanted.region)
    return wanted.provider != "GCP" or not is_elsewhere


def _private_strings(item: Any) -> PrivateStrings | None:
    endpoints = item.get("endpoints") if isinstance(item, dict) else None
    found = [_connected(each) for each in endpoints if isinstance(each, dict)] if isinstance(endpoints, list) else []
    known = tuple(each for each in found if each is not None)
    strings = zip(KEYS[1:4], (_string(item.get(name)) for name in _IN_ATLAS), strict=True) if known else ()
    texts = {key: text for key, text in strings if text is not None}
    return PrivateStrings(known, texts) if texts else None


def _connected(item: dict[str, Any]) -> Connected | None:
    id_, provider, region = (text_of(item.get(name)) for name in ("endpointId", "providerName", "region"))
    return Connected(id_, provider, region if region and is_region(region) else None) if id_ else None


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and _STRING.fullmatch(value) else None
