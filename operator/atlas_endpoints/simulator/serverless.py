"""The first family of operations: serverless instances, their private endpoints (deprecated), and their rate limits."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from atlas_endpoints.simulator.body import AWS_ID, AZURE_ID, check_address, read_fields, read_text, require_text
from atlas_endpoints.simulator.endpoint import AWS, AZURE, Change, Endpoint, Status
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.pages import page
from atlas_endpoints.simulator.routes import Call, Family, Operation, check_content_type
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import Instance, Project, World

_INSTANCES = "/api/atlas/v2/groups/{groupId}/serverless"
_INSTANCE = _INSTANCES + "/{name}"
_COLLECTION = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint"
_ENDPOINT = _COLLECTION + "/{endpointId}"
_LIMITS = "/api/atlas/v2/rateLimits"
_LIMIT = _LIMITS + "/{endpointSet}"

_LIMIT_ID = "serverlessPrivateEndpoints_group"
_LIMITS_VERSION = "2025-03-12"
_MAX_COMMENT = 80


class Serverless:
    """Answers the operations of the family."""

    def __init__(self, world: World) -> None:
        self._world = world

    def operations(self) -> Family:
        """Return the operations."""

        def endpoints(name: str, perform: Callable[[Call], tuple[int, bytes]], *, writes: bool = False) -> Operation:
            name = f"ApiAtlasServerlessPrivateEndpointResource::{name}"
            return Operation(name, perform, self._admit, writes, lambda switches: switches)

        def instances(name: str, perform: Callable[[Call], tuple[int, bytes]]) -> Operation:
            return Operation(f"ApiAtlasServerlessInstanceDescriptionResource::{name}", perform)

        def limits(name: str, perform: Callable[[Call], tuple[int, bytes]]) -> Operation:
            return Operation(f"ApiAtlasRateLimitResource::{name}", perform, version=_LIMITS_VERSION)

        return {
            _COLLECTION: {
                "GET": endpoints("getAllServerlessPrivateEndpoints", self._list),
                "POST": endpoints("createServerlessPrivateEndpoint", self._create, writes=True),
            },
            _ENDPOINT: {
                "GET": endpoints("getServerlessPrivateEndpoint", self._get),
                "PATCH": endpoints("updateServerlessPrivateEndpoint", self._update, writes=True),
                "DELETE": endpoints("deleteServerlessPrivateEndpoint", self._delete, writes=True),
            },
            _INSTANCES: {"GET": instances("getAllServerlessInstances", self._list_instances)},
            _INSTANCE: {"GET": instances("getServerlessInstance", self._get_instance)},
            _LIMITS: {"GET": limits("getRateLimits", self._list_limits)},
            _LIMIT: {"GET": limits("getRateLimit", self._get_limit)},
        }

    def _admit(self, call: Call) -> None:
        self._world.admit(call, _LIMIT_ID)
        match self._world.mode:
            case "gone":
                raise api_error("VERSION_GONE", call.operation.version, call.request.path.lstrip("/"))
            case "flex":
                names = call.names["instanceName"], call.names["groupId"]
                raise api_error("NOT_SERVERLESS_TENANT_CLUSTER", *names)
            case _:
                pass

    def _list(self, call: Call) -> tuple[int, bytes]:
        return 200, self._instance(call).page()

    def _create(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        check_content_type(call.request)
        reserved = self._world.reserve(instance, comment_to_create(call.request.body))
        return 201, reserved.render(self._world.switches)

    def _get(self, call: Call) -> tuple[int, bytes]:
        return 200, _endpoint(call, self._instance(call)).render(self._world.switches)

    def _update(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        check_content_type(call.request)
        change = read_change(call.request.body, instance.provider_name)
        endpoint = _endpoint(call, instance)
        self._world.update(instance, endpoint, change)
        return 200, endpoint.render(self._world.switches)

    def _delete(self, call: Call) -> tuple[int, bytes]:
        instance = self._instance(call)
        self._world.delete(instance, _endpoint(call, instance))
        return 204, b""

    def _list_instances(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)
        # Since the sunset this list is empty; instances that have become Flex clusters stayed in it until then.
        instances = [] if self._world.mode == "gone" else list(project.instances.values())
        return 200, to_json(page(call.request, instances, partial(_instance_document, project)))

    def _get_instance(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(_instance_document(self._world.project(call), self._instance(call, "name")))

    def _list_limits(self, call: Call) -> tuple[int, bytes]:
        limit = self._limit(call)
        found = [] if limit is None else [_limit_document(limit)]
        return 200, to_json({"links": [], "results": found, "totalCount": len(found)})

    def _get_limit(self, call: Call) -> tuple[int, bytes]:
        limit = self._limit(call)
        if call.names["endpointSet"] != _LIMIT_ID or limit is None:
            raise api_error("RESOURCE_NOT_FOUND", call.request.path)
        return 200, to_json(_limit_document(limit))

    def _limit(self, call: Call) -> RateLimit | None:
        project = self._world.projects.get(call.request.query.get("groupId", ""))
        return (project.rate_limit if project else None) or self._world.switches.rate_limit

    def _instance(self, call: Call, variable: str = "instanceName") -> Instance:
        project, name = self._world.project(call), call.names[variable]
        instance = project.instances.get(name)
        if instance is None:
            raise api_error("SERVERLESS_INSTANCE_NOT_FOUND", name, project.id)
        return instance


def comment_to_create(body: bytes) -> str | None:
    """Read the body of a POST, which may hold a comment and nothing else; raise ApiError 400."""
    return _comment(read_fields(body, {"comment"}))


def read_change(body: bytes, provider_name: str) -> Change:
    """Read the body of a PATCH, in which explicit nulls count as absent; raise ApiError 400.

    Args:
        provider_name: The cloud of the instance, which ``providerName`` must name.
    """
    fields = read_fields(body, {"providerName", "comment", "cloudProviderEndpointId", "privateEndpointIpAddress"})
    named = require_text(fields, "providerName")
    if named not in {AWS, AZURE}:
        raise api_error("INVALID_ENUM_VALUE", named)
    if named != provider_name:
        raise api_error("INVALID_ATTRIBUTE", "providerName")
    cloud_id = read_text(fields, "cloudProviderEndpointId")
    if cloud_id is not None and not (AZURE_ID if named == AZURE else AWS_ID).fullmatch(cloud_id):
        raise api_error("INVALID_ATTRIBUTE", "cloudProviderEndpointId")
    address = read_text(fields, "privateEndpointIpAddress")
    if address is not None:
        if named != AZURE:
            raise api_error("INVALID_ATTRIBUTE", "privateEndpointIpAddress")
        check_address(address)
    return Change(_comment(fields), cloud_id, address)


def _comment(fields: dict[str, Any]) -> str | None:
    comment = read_text(fields, "comment")
    if comment is not None and len(comment) > _MAX_COMMENT:
        problem = f"comment must be at most {_MAX_COMMENT} characters."
        raise api_error("VALIDATION_ERROR", problem, fields={"comment": problem})
    return comment


def _endpoint(call: Call, instance: Instance) -> Endpoint:
    endpoint = instance.endpoints.get(call.names["endpointId"])
    if endpoint is None:
        raise api_error("TENANT_PRIVATE_ENDPOINT_NOT_FOUND", call.names["endpointId"])
    return endpoint


def _instance_document(project: Project, instance: Instance) -> dict[str, Any]:
    """Return a serverless instance; each AVAILABLE endpoint has its own connection string."""
    host = f"{instance.name.lower()}.{instance.id[-5:]}.mongodb.net"
    available = [each for each in instance.endpoints.values() if each.status == Status.AVAILABLE]
    place = {"providerName": instance.provider_name, "region": instance.region_name}
    strings = [
        {
            "endpoints": [{"endpointId": each.cloud_provider_endpoint_id, **place}],
            "srvConnectionString": f"mongodb+srv://{host.replace('.', f'-pe-{index}.', 1)}",
            "type": "MONGOS",
        }
        for index, each in enumerate(available)
    ]
    return {
        "connectionStrings": {"privateEndpoint": strings, "standardSrv": f"mongodb+srv://{host}"},
        "createDate": datetime.fromtimestamp(int(instance.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "groupId": project.id,
        "id": instance.id,
        "links": [],
        "mongoDBVersion": "8.0.4",
        "name": instance.name,
        "providerSettings": {
            "backingProviderName": instance.provider_name,
            "providerName": "SERVERLESS",
            "regionName": instance.region_name,
        },
        "serverlessBackupOptions": {"serverlessContinuousBackupEnabled": True},
        "stateName": "IDLE",
        "terminationProtectionEnabled": False,
    }


def _limit_document(limit: RateLimit) -> dict[str, Any]:
    """Return the one set of endpoints whose rate the simulator limits."""
    return {
        "capacity": {"value": limit.capacity},
        "endpointSetId": _LIMIT_ID,
        "endpointSetName": "Serverless Private Endpoints",
        "endpoints": [
            {"method": method, "path": path}
            for path, methods in ((_COLLECTION, "GET POST"), (_ENDPOINT, "GET PATCH DELETE"))
            for method in methods.split()
        ],
        "refillDurationSeconds": {"value": limit.refill_duration_seconds},
        "refillRate": {"value": limit.refill_rate},
        "scope": "GROUP",
    }
