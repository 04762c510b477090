"""The documents of the serverless instances."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.endpoint import Status
from atlas_endpoints.simulator.exchange import Request
from atlas_endpoints.simulator.world import Instance, Project

_ITEMS_PER_PAGE, _MOST_ITEMS_PER_PAGE = 100, 500


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


def instances_page(request: Request, project: Project, instances: Sequence[Instance]) -> dict[str, Any]:
    """Describe a page of a project's instances, as Atlas pages every list of documents.

    Args:
        request: With ``pageNum`` (from 1), ``itemsPerPage`` (1 to 500, 100 if absent) and ``includeCount`` (true if absent).
        project: Whose instances.
        instances: All of them.

    Raises:
        ApiError: 400, a number is out of its range.
    """
    number = _number(request, "pageNum", 1, most=None)
    size = _number(request, "itemsPerPage", _ITEMS_PER_PAGE, most=_MOST_ITEMS_PER_PAGE)
    begin, end = (number - 1) * size, number * size
    pages = {"previous": number - 1 if number > 1 else None, "self": number}
    pages["next"] = number + 1 if end < len(instances) else None
    page: dict[str, Any] = {
        "links": [
            {
                "href": f"http://{request.headers.get('Host', '')}{request.path}?pageNum={each}&itemsPerPage={size}",
                "rel": rel,
            }
            for rel, each in pages.items()
            if each is not None
        ],
        "results": [instance_document(project, each) for each in instances[begin:end]],
    }
    if request.query.get("includeCount", "true").lower() == "true":
        page["totalCount"] = len(instances)
    return page


def _number(request: Request, name: str, default: int, *, most: int | None) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= (int(text) if most is None else most):
        raise errors.invalid_attribute(name)
    return int(text)
