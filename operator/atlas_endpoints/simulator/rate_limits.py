"""The family of the rate limits."""

from typing import Any

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.routes import Call, Family, Operation
from atlas_endpoints.simulator.serverless import COLLECTION, ENDPOINT
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import World

_ID = "serverlessPrivateEndpoints_group"
_VERSION = "2025-03-12"
_RESOURCE = "ApiAtlasRateLimitResource"
_LIST = "/api/atlas/v2/rateLimits"


class RateLimits:
    """Answers the operations of the family."""

    def __init__(self, world: World) -> None:
        self._world = world

    def operations(self) -> Family:
        """Return the operations."""
        return {
            _LIST: {"GET": Operation(f"{_RESOURCE}::getRateLimits", self._list, version=_VERSION)},
            f"{_LIST}/{{endpointSet}}": {"GET": Operation(f"{_RESOURCE}::getRateLimit", self._get, version=_VERSION)},
        }

    def _list(self, call: Call) -> tuple[int, bytes]:
        found = self._documents(call)
        return 200, to_json({"links": [], "results": found, "totalCount": len(found)})

    def _get(self, call: Call) -> tuple[int, bytes]:
        found = self._documents(call)
        if call.names["endpointSet"] != _ID or not found:
            raise errors.resource_not_found(call.request.path)
        return 200, to_json(found[0])

    def _documents(self, call: Call) -> list[dict[str, Any]]:
        project = self._world.projects.get(call.request.query.get("groupId", ""))
        limit = (project.rate_limit if project else None) or self._world.switches.rate_limit
        return [] if limit is None else [_document(limit)]


def _document(limit: RateLimit) -> dict[str, Any]:
    """Describe the one set of endpoints that the simulator limits."""
    return {
        "capacity": {"value": limit.capacity},
        "endpointSetId": _ID,
        "endpointSetName": "Serverless Private Endpoints",
        "endpoints": [
            {"method": method, "path": path}
            for path, methods in ((COLLECTION, "GET POST"), (ENDPOINT, "GET PATCH DELETE"))
            for method in methods.split()
        ],
        "refillDurationSeconds": {"value": limit.refill_duration_seconds},
        "refillRate": {"value": limit.refill_rate},
        "scope": "GROUP",
    }
