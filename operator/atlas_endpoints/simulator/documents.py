"""The documents of the API besides the private endpoint: the instance and the rate limits."""

from datetime import UTC, datetime
from typing import Any

from atlas_endpoints.simulator.endpoint import Status
from atlas_endpoints.simulator.routes import COLLECTION_PATH, ENDPOINT_PATH
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import Instance, Project

RATE_LIMIT_ID = "serverlessPrivateEndpoints_group"


def instance_document(project: Project, instance: Instance) -> dict[str, Any]:
    """Describe a serverless instance; each AVAILABLE endpoint has its own connection string."""
    host = f"{instance.name.lower()}.{instance.id[-5:]}.mongodb.net"
    available = [each for each in instance.endpoints.values() if each.status == Status.AVAILABLE]
    strings = [
        {
            "endpoints": [
                {
                    "endpointId": each.cloud_provider_endpoint_id,
                    "providerName": instance.provider_name,
                    "region": instance.region_name,
                },
            ],
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


def rate_limit_documents(limit: RateLimit | None) -> list[dict[str, Any]]:
    """Describe the one endpoint set that the simulator limits; none while there is no limit."""
    if limit is None:
        return []
    return [
        {
            "capacity": {"value": limit.capacity},
            "endpointSetId": RATE_LIMIT_ID,
            "endpointSetName": "Serverless Private Endpoints",
            "endpoints": [
                {"method": method, "path": path}
                for path, methods in ((COLLECTION_PATH, "GET POST"), (ENDPOINT_PATH, "GET PATCH DELETE"))
                for method in methods.split()
            ],
            "refillDurationSeconds": {"value": limit.refill_duration_seconds},
            "refillRate": {"value": limit.refill_rate},
            "scope": "GROUP",
        },
    ]
