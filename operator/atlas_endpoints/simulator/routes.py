"""The URLs of the API, and what each operation is called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.exchange import Request

API = ("api", "atlas", "v2")
"""How the paths of the Admin API begin."""
OAUTH = ("api", "oauth")
"""How the paths of the token endpoint begin."""

_HEX_ID = re.compile(r"[a-f0-9]{24}")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")
_RESOURCE = "ApiAtlasServerlessPrivateEndpointResource"


class Operation(Enum):
    """What can be asked of the API."""

    LIST = auto()
    CREATE = auto()
    GET = auto()
    UPDATE = auto()
    DELETE = auto()
    LIST_INSTANCES = auto()
    GET_INSTANCE = auto()
    LIST_RATE_LIMITS = auto()
    GET_RATE_LIMIT = auto()

    @property
    def writes(self) -> bool:
        """Whether the operation changes anything, which takes the role Project Owner."""
        return self in {Operation.CREATE, Operation.UPDATE, Operation.DELETE}


ENDPOINT_OPERATIONS = frozenset(
    {Operation.LIST, Operation.CREATE, Operation.GET, Operation.UPDATE, Operation.DELETE},
)
"""The deprecated family."""

JAVA_METHODS: Mapping[Operation, str] = {
    Operation.LIST: f"{_RESOURCE}::getAllServerlessPrivateEndpoints",
    Operation.CREATE: f"{_RESOURCE}::createServerlessPrivateEndpoint",
    Operation.GET: f"{_RESOURCE}::getServerlessPrivateEndpoint",
    Operation.UPDATE: f"{_RESOURCE}::updateServerlessPrivateEndpoint",
    Operation.DELETE: f"{_RESOURCE}::deleteServerlessPrivateEndpoint",
    Operation.LIST_INSTANCES: "ApiAtlasServerlessInstanceDescriptionResource::getAllServerlessInstances",
    Operation.GET_INSTANCE: "ApiAtlasServerlessInstanceDescriptionResource::getServerlessInstance",
    Operation.LIST_RATE_LIMITS: "ApiAtlasRateLimitResource::getRateLimits",
    Operation.GET_RATE_LIMIT: "ApiAtlasRateLimitResource::getRateLimit",
}

INSTANCE_PATH = "/api/atlas/v2/groups/{groupId}/serverless/{name}"
COLLECTION_PATH = "/api/atlas/v2/groups/{groupId}/privateEndpoint/serverless/instance/{instanceName}/endpoint"
ENDPOINT_PATH = COLLECTION_PATH + "/{endpointId}"

_COLLECTION = {"GET": Operation.LIST, "POST": Operation.CREATE}
_ITEM = {"GET": Operation.GET, "PATCH": Operation.UPDATE, "DELETE": Operation.DELETE}
_INSTANCE = {"GET": Operation.GET_INSTANCE}


@dataclass(frozen=True, slots=True)
class Route:
    """An operation and the ids in its path; ids that the operation has not are empty."""

    operation: Operation
    project: str = ""
    instance: str = ""
    endpoint: str = ""
    rate_limit: str = ""


def match(request: Request) -> Route:
    """Find what a request asks for.

    Raises:
        ApiError: 404, the URL leads nowhere; 405, not with this method; 400, an id or name in it is malformed.
    """
    match request.segments:
        case ("api", "atlas", "v2", "groups", project, "privateEndpoint", "serverless", "instance", name, "endpoint"):
            route = Route(_operation(request, _COLLECTION), project, name)
        case (
            "api", "atlas", "v2", "groups", project, "privateEndpoint", "serverless", "instance", name, "endpoint", key,
        ):  # fmt: skip
            route = Route(_operation(request, _ITEM), project, name, key)
            if not _HEX_ID.fullmatch(key):
                raise errors.malformed_path(request.path)
        case ("api", "atlas", "v2", "groups", project, "serverless"):
            route = Route(_operation(request, {"GET": Operation.LIST_INSTANCES}), project)
        case ("api", "atlas", "v2", "groups", project, "serverless", name):
            route = Route(_operation(request, _INSTANCE), project, name)
        case ("api", "atlas", "v2", "rateLimits"):
            return Route(_operation(request, {"GET": Operation.LIST_RATE_LIMITS}))
        case ("api", "atlas", "v2", "rateLimits", rate_limit):
            return Route(_operation(request, {"GET": Operation.GET_RATE_LIMIT}), rate_limit=rate_limit)
        case _:
            raise errors.resource_not_found(request.path)
    named = route.operation is Operation.LIST_INSTANCES or _NAME.fullmatch(route.instance)
    if not _HEX_ID.fullmatch(route.project) or not named:
        raise errors.malformed_path(request.path)
    return route


def _operation(request: Request, methods: Mapping[str, Operation]) -> Operation:
    operation = methods.get(request.method)
    if operation is None:
        raise errors.method_not_allowed(request.method)
    return operation
