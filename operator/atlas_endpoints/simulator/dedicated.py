"""The second family of operations: endpoint services of a project, their private endpoints, and dedicated clusters."""

from collections.abc import Callable
from functools import partial
from typing import Any

from atlas_endpoints.simulator.body import (
    AWS_ID,
    AZURE_ID,
    check_address,
    read_fields,
    read_flag,
    read_text,
    require_text,
)
from atlas_endpoints.simulator.endpoint import AWS, AZURE
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.pages import page
from atlas_endpoints.simulator.regions import atlas_name, is_region
from atlas_endpoints.simulator.routes import Call, Family, Operation, check_content_type
from atlas_endpoints.simulator.service import GCP, PROVIDERS, PrivateEndpoint, Service, render
from atlas_endpoints.simulator.services import Services, cluster_document
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import World

_ROOT = "/api/atlas/v2/groups/{groupId}/privateEndpoint"
_NEW_SERVICE = _ROOT + "/endpointService"
_REGIONAL_MODE = _ROOT + "/regionalMode"
_SERVICES = _ROOT + "/{cloudProvider}/endpointService"
_SERVICE = _SERVICES + "/{serviceId}"
_ENDPOINTS = _SERVICE + "/endpoint"
_ENDPOINT = _ENDPOINTS + "/{endpoint}"
_CLUSTERS = "/api/atlas/v2/groups/{groupId}/clusters"
_CLUSTER = _CLUSTERS + "/{clusterName}"
_PROJECT = "/api/atlas/v2/groups/{groupId}"

_CLUSTERS_VERSION = "2024-08-05"
_RATE_LIMIT = RateLimit(capacity=4000, refill_rate=4000)
_CLUSTERS_LIMIT = RateLimit(capacity=10_000, refill_rate=10_000)
_MAX_REMOTE_REGIONS = 35


class Dedicated:
    """Answers the operations of the family."""

    def __init__(self, world: World, services: Services) -> None:
        self._world = world
        self._services = services

    def operations(self) -> Family:
        """Return the operations."""

        def endpoints(name: str, perform: Callable[[Call], tuple[int, bytes]], *, writes: bool = False) -> Operation:
            name = f"ApiAtlasPrivateEndpointResource::{name}"
            return Operation(name, perform, self._admit, writes, lambda switches: switches.dedicated)

        def clusters(name: str, perform: Callable[[Call], tuple[int, bytes]]) -> Operation:
            name = f"ApiAtlasClusterDescriptionResource20240805::{name}"
            return Operation(name, perform, self._admit_clusters, version=_CLUSTERS_VERSION)

        regional = "RegionalizedPrivateLinkEnabled"
        return {
            _NEW_SERVICE: {"POST": endpoints("addEndpointService", self._create, writes=True)},
            _NEW_SERVICE + "/{serviceId}": {"PATCH": endpoints("updateEndpointService", self._update, writes=True)},
            _REGIONAL_MODE: {
                "GET": endpoints(f"get{regional}", self._get_regional_mode),
                "PATCH": endpoints(f"update{regional}", self._set_regional_mode, writes=True),
            },
            _SERVICES: {"GET": endpoints("getEndpointServices", self._list)},
            _SERVICE: {
                "GET": endpoints("getEndPointService", self._get),
                "DELETE": endpoints("deleteEndpointService", self._delete, writes=True),
            },
            _ENDPOINTS: {"POST": endpoints("addEndpoint", self._register, writes=True)},
            _ENDPOINT: {
                "GET": endpoints("getEndpoint", self._get_endpoint),
                "DELETE": endpoints("deleteEndpoint", self._deregister, writes=True),
            },
            _CLUSTERS: {"GET": clusters("getAllClusters", self._list_clusters)},
            _CLUSTER: {"GET": clusters("getCluster", self._get_cluster)},
            _PROJECT: {"GET": Operation("ApiAtlasGroupsResource::getGroup", self._get_project)},
        }

    def _admit(self, call: Call) -> None:
        self._world.admit(call, "privateEndpoint", _RATE_LIMIT)
        _check_provider(call.names.get("cloudProvider", AWS))

    def _admit_clusters(self, call: Call) -> None:
        self._world.admit(call, "clusters", _CLUSTERS_LIMIT)

    def _create(self, call: Call) -> tuple[int, bytes]:
        check_content_type(call.request)
        known = {"providerName", "region", "portMappingEnabled", "supportedRemoteRegions"}
        fields = read_fields(call.request.body, known)
        cloud = _check_provider(require_text(fields, "providerName"))
        place = (cloud, atlas_name(cloud, require_text(fields, "region")), read_flag(fields, "portMappingEnabled"))
        if not is_region(*place[:2]):
            raise api_error("INVALID_ATTRIBUTE", "region")
        if place[2] and cloud != GCP:
            raise api_error("INVALID_ATTRIBUTE", "portMappingEnabled")
        remote_regions = _remote_regions(fields, *place[:2])
        project = self._world.project(call)
        if any(each.place == place for each in project.services.values()):
            raise api_error("PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION", *place[:2])
        if self._world.switches.dedicated.no_capacity:
            raise api_error("ATLAS_GENERAL_ERROR", "No Capacity")
        created = self._services.create(project, place, remote_regions)
        return 201, self._shown(created)

    def _update(self, call: Call) -> tuple[int, bytes]:
        service = self._service(call)
        check_content_type(call.request)
        fields = read_fields(call.request.body, {"cloudProvider", "supportedRemoteRegions"})
        if _check_provider(require_text(fields, "cloudProvider")) != AWS or service.cloud_provider != AWS:
            raise api_error("PROVIDER_UNSUPPORTED", service.cloud_provider)
        if "supportedRemoteRegions" in fields:
            remote_regions = _remote_regions(fields, AWS, service.region)
            self._services.update(self._world.project(call), service, remote_regions)
        return 202, self._shown(service)

    def _list(self, call: Call) -> tuple[int, bytes]:
        return 200, self._world.project(call).listings[call.names["cloudProvider"]].page()

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, self._shown(self._service(call))

    def _delete(self, call: Call) -> tuple[int, bytes]:
        service = self._service(call)
        if service.endpoints:
            raise api_error("CANNOT_DELETE_PRIVATE_ENDPOINT_SERVICE_WITH_ENDPOINTS")
        self._services.delete(self._world.project(call), service)
        return 202, b"{}"

    def _register(self, call: Call) -> tuple[int, bytes]:
        service = self._service(call)
        check_content_type(call.request)
        if not service.takes_endpoints:
            raise api_error("PRIVATE_ENDPOINT_SERVICE_CANNOT_ACCEPT_ENDPOINTS", service.id)
        endpoint = self._read_endpoint(call.request.body, service)
        if service.find(endpoint.id) is not None:
            raise api_error("PRIVATE_ENDPOINT_ALREADY_EXISTS", endpoint.id)
        self._services.register(self._world.project(call), service, endpoint)
        return 201, self._shown(endpoint)

    def _get_endpoint(self, call: Call) -> tuple[int, bytes]:
        service = self._service(call)
        return 200, self._shown(self._endpoint(call, service))

    def _deregister(self, call: Call) -> tuple[int, bytes]:
        service = self._service(call)
        self._services.deregister(self._world.project(call), service, self._endpoint(call, service))
        return 202, b"{}"

    def _get_regional_mode(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json({"enabled": self._world.project(call).regional_mode})

    def _set_regional_mode(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)
        check_content_type(call.request)
        enabled = read_flag(read_fields(call.request.body, {"enabled"}), "enabled")
        counts = [len(each.endpoints) for each in project.services.values() if each.endpoints]
        if project.regional_mode and not enabled and len(counts) > 1 and max(counts) > 1:
            raise api_error("MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION")
        project.regional_mode = enabled
        return 202, to_json({"enabled": enabled})

    def _list_clusters(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)
        clusters = [each for each in project.clusters.values() if each.cluster_type != "FLEX"]
        return 200, to_json(page(call.request, clusters, partial(cluster_document, self._world, project)))

    def _get_cluster(self, call: Call) -> tuple[int, bytes]:
        project, name = self._world.project(call), call.names["clusterName"]
        cluster = project.clusters.get(name)
        if (cluster and cluster.cluster_type == "FLEX") or (self._world.mode == "flex" and name in project.instances):
            raise api_error("CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", name)
        if cluster is None:
            raise api_error("CLUSTER_NOT_FOUND", name, project.id)
        return 200, to_json(cluster_document(self._world, project, cluster))

    def _get_project(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)
        return 200, to_json({"id": project.id, "name": f"project-{project.id[-5:]}"})

    def _shown(self, resource: Service | PrivateEndpoint) -> bytes:
        return render(resource.document(), self._world.switches)

    def _service(self, call: Call) -> Service:
        service = self._world.project(call).services.get(call.names["serviceId"])
        if service is None or service.cloud_provider != call.names.get("cloudProvider", service.cloud_provider):
            raise api_error("PRIVATE_ENDPOINT_SERVICE_NOT_FOUND", call.names["serviceId"])
        return service

    def _endpoint(self, call: Call, service: Service) -> PrivateEndpoint:
        endpoint = service.find(call.names["endpoint"])
        if endpoint is None:
            raise api_error("PRIVATE_ENDPOINT_NOT_FOUND", call.names["endpoint"])
        return endpoint

    def _read_endpoint(self, body: bytes, service: Service) -> PrivateEndpoint:
        cloud = service.cloud_provider
        known = {
            AWS: {"id"},
            AZURE: {"id", "privateEndpointIPAddress"},
            GCP: {"endpointGroupName", "gcpProjectId", "endpoints"},
        }
        fields = read_fields(body, known[cloud] | {"cloudProvider"})
        if read_text(fields, "cloudProvider") not in {None, cloud}:
            raise api_error("INVALID_ATTRIBUTE", "cloudProvider")
        if cloud == GCP:
            return _read_rules(fields, service)
        endpoint_id = require_text(fields, "id")
        if cloud == AWS:
            if not AWS_ID.fullmatch(endpoint_id):
                raise api_error("PRIVATE_ENDPOINT_ID_MALFORMED")
            return PrivateEndpoint.registered(endpoint_id, AWS)
        if not AZURE_ID.fullmatch(endpoint_id):
            raise api_error("INVALID_ATTRIBUTE", "id")
        address = require_text(fields, "privateEndpointIPAddress")
        check_address(address)
        connection = f"{endpoint_id.rpartition('/')[2]}.{self._world.names.guid()}"
        return PrivateEndpoint.registered(endpoint_id, AZURE, address=address, connection_name=connection)


def _check_provider(name: str) -> str:
    if name not in PROVIDERS:
        raise api_error("INVALID_ENUM_VALUE", name)
    return name


def _remote_regions(fields: dict[str, Any], cloud: str, region: str) -> list[str] | None:
    """Return the regions from which others may connect, which are given by Atlas's names only."""
    regions: Any = fields.get("supportedRemoteRegions")
    if regions is None:
        return None
    if not isinstance(regions, list) or not all(isinstance(each, str) for each in regions):
        raise api_error("INVALID_JSON_ATTRIBUTE", "supportedRemoteRegions")
    if cloud != AWS:
        raise api_error("PROVIDER_UNSUPPORTED", cloud)
    if len(regions) > _MAX_REMOTE_REGIONS or not all(_is_atlas_name(each) for each in regions):
        raise api_error("INVALID_ATTRIBUTE", "supportedRemoteRegions")
    if region in regions:
        raise api_error("CROSS_REGION_PRIVATE_LINK_SELF_REGION", region)
    return regions


def _is_atlas_name(region: str) -> bool:
    return region == atlas_name(AWS, region) and is_region(AWS, region)


def _read_rules(fields: dict[str, Any], service: Service) -> PrivateEndpoint:
    """Read Google's forwarding rules, one for each attachment; with port mapping the one rule names the endpoint."""
    group, project = require_text(fields, "endpointGroupName"), require_text(fields, "gcpProjectId")
    given: Any = fields.get("endpoints")
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise api_error("INVALID_JSON_ATTRIBUTE" if given else "MISSING_ATTRIBUTE", "endpoints")
    if len(given) != len(service.coordinates["serviceAttachmentNames"]):
        raise api_error("INVALID_ATTRIBUTE", "endpoints")
    rules = [{name: require_text(each, name) for name in ("endpointName", "ipAddress")} for each in given]
    for rule in rules:
        check_address(rule["ipAddress"])
    endpoint_id = rules[0]["endpointName"] if service.port_mapping else group
    names = {"group_name": group, "gcp_project_id": project, "port_mapping": service.port_mapping}
    return PrivateEndpoint.registered(endpoint_id, GCP, rules=rules, **names)
