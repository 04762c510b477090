"""A cluster, and its connection strings through the private endpoints of its project."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from atlas_endpoints.simulator.endpoint import AWS
from atlas_endpoints.simulator.regions import atlas_name, cloud_name
from atlas_endpoints.simulator.service import AVAILABLE, PrivateEndpoint, Service
from atlas_endpoints.simulator.switches import CloudProvider, Document

ClusterName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*$", max_length=64)]
_PORTS = (1024, 1025, 1026)


class RegionDocument(Document):
    """A region of a cluster, by either name."""

    provider_name: CloudProvider = "AWS"
    region_name: str = "US_EAST_1"


class ClusterDocument(Document):
    """A cluster as a seed file or a person puts it; what is not given keeps its value.

    Attributes:
        connection_strings: Shown instead of those that the cluster would have; null: its own again.
    """

    name: ClusterName
    cluster_type: Literal["REPLICASET", "SHARDED", "GEOSHARDED", "FLEX"] = "REPLICASET"
    state_name: str = "IDLE"
    regions: tuple[RegionDocument, ...] = Field(default=(RegionDocument(),), min_length=1)
    encryption_at_rest_provider: Literal["NONE", "AWS", "AZURE", "GCP"] = "NONE"
    connection_strings: dict[str, Any] | None = None
    remove: bool = False


@dataclass(slots=True)
class Cluster:
    """A cluster, dedicated or Flex."""

    id: str
    name: str
    cluster_type: str = "REPLICASET"
    state_name: str = "IDLE"
    regions: Sequence[RegionDocument] = (RegionDocument(),)
    encryption_at_rest_provider: str = "NONE"
    connection_strings: Mapping[str, Any] | None = None

    def put(self, document: ClusterDocument) -> None:
        """Write the given fields."""
        for name in document.model_fields_set - {"name", "remove", "project_id"}:
            setattr(self, name, getattr(document, name))

    def document(self, services: Iterable[Service], *, regional: bool, settled: float) -> dict[str, Any]:
        """Return the cluster as the API shows it.

        Args:
            services: The endpoint services of its project.
            regional: Whether each region has strings of its own.
            settled: The cluster knows of what has happened to endpoints up to this time, in seconds since 1970.
        """
        places: set[tuple[str, str]] = {
            (each.provider_name, atlas_name(each.provider_name, each.region_name)) for each in self.regions
        }
        near = [
            (service, endpoint)
            for service in services
            if (service.cloud_provider, service.region) in places
            for endpoint in service.endpoints.values()
        ]
        is_updating = self.state_name == "IDLE" and any(endpoint.since > settled for _, endpoint in near)
        usable = [(service, each) for service, each in near if each.status == AVAILABLE and each.since <= settled]
        strings = self.connection_strings
        return {
            "clusterType": self.cluster_type,
            "connectionStrings": self._strings(usable, places, regional=regional) if strings is None else strings,
            "encryptionAtRestProvider": self.encryption_at_rest_provider,
            "id": self.id,
            "name": self.name,
            "paused": False,
            "replicationSpecs": [
                {
                    "regionConfigs": [
                        {
                            "electableSpecs": {"instanceSize": "M10", "nodeCount": 2 if number else 3},
                            "priority": 7 - number,
                            "providerName": cloud,
                            "regionName": region,
                        }
                        for number, (cloud, region) in enumerate(sorted(places))
                    ],
                    "zoneName": "Zone 1",
                }
            ],
            "stateName": "UPDATING" if is_updating else self.state_name,
        }

    @property
    def _is_sharded(self) -> bool:
        return self.cluster_type in {"SHARDED", "GEOSHARDED"}

    @property
    def _host(self) -> str:
        return f"{self.id[-5:]}.mongodb.net"

    def _strings(
        self, usable: Sequence[tuple[Service, PrivateEndpoint]], places: set[tuple[str, str]], *, regional: bool
    ) -> dict[str, Any]:
        strings: dict[str, Any] = {"awsPrivateLinkSrv": {}, "privateEndpoint": []} if self._is_sharded else {}
        if self.state_name == "CREATING":
            return strings
        name, suffix = self.name.lower(), self._suffix
        hosts = ",".join(f"{name}-shard-00-0{number}.{self._host}:27017" for number in range(3))
        strings |= {"standard": f"mongodb://{hosts}{suffix}", "standardSrv": f"mongodb+srv://{name}.{self._host}"}
        # While one region has no endpoint, the cluster has no private strings at all.
        if {(service.cloud_provider, service.region) for service, _ in usable} == places:
            entries = list(self._entries(usable, one_for_all=len(places) > 1 and not regional))
            aws = [entry for entry in entries if entry["endpoints"][0]["providerName"] == AWS]
            strings["privateEndpoint"] = entries
            for kind, own in (("connectionString", "awsPrivateLink"), ("srvConnectionString", "awsPrivateLinkSrv")):
                by_id = {each["endpointId"]: entry[kind] for entry in aws for each in entry["endpoints"]}
                strings |= {own: by_id} if by_id else {}
        return strings

    @property
    def _suffix(self) -> str:
        replica_set = "" if self._is_sharded else f"&replicaSet=atlas-{self.id[:6]}-shard-0"
        return f"/?ssl=true&authSource=admin{replica_set}"

    def _entries(
        self, usable: Sequence[tuple[Service, PrivateEndpoint]], *, one_for_all: bool
    ) -> Iterator[dict[str, Any]]:
        for group in [usable] if one_for_all else [[each] for each in usable]:
            service, endpoint = group[0]
            kind = "psc" if service.port_mapping else "pl"
            number, region = endpoint.number, cloud_name(service.cloud_provider, service.region)
            hosts = ",".join(f"{kind}-{number}-{region}.{self._host}:{port}" for port in _PORTS)
            srv = f"mongodb+srv://{self.name.lower()}-{kind}-{number}"
            entry: dict[str, Any] = {
                "connectionString": f"mongodb://{hosts}{self._suffix}",
                "endpoints": [
                    {"endpointId": each.id, "providerName": one.cloud_provider, "region": one.region}
                    for one, each in group
                ],
                "srvConnectionString": f"{srv}.{self._host}",
                "type": "MONGOS" if self._is_sharded else "MONGOD",
            }
            if self._is_sharded and service.cloud_provider == AWS:
                entry["srvShardOptimizedConnectionString"] = f"{srv}-lb.{self._host}"
            yield entry
