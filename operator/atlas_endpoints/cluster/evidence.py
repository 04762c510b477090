"""Read what a support bundle contains beside resources: Events, the operator's Pods, their logs, and a version.

Each function raises ``ClusterUnavailableError``, also if the user may not read it.
"""

from collections.abc import Mapping
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.calls import call, object_in, refused, unexpected_answer
from atlas_endpoints.controller.cache import Key

LOG_LINES, LOG_BYTES = 20_000, 8 << 20
"""The end of a log that is read, and its size at most."""

OPERATOR = "app.kubernetes.io/name=atlas-endpoints"
"""The label of the operator's Pods."""


async def version(api: client.ApiClient) -> str:
    """Return the version of the API server."""
    return str((await _read(api, "version")).get("gitVersion"))


async def events_about(api: client.ApiClient, key: Key) -> list[Any]:
    """Return the Events about an object, which may have any form."""
    about = f"involvedObject.kind={key.kind},involvedObject.name={key.name}"
    path = ("api", "v1", "namespaces", key.namespace, "events")
    return _items(await _read(api, *path, query={"fieldSelector": about}))


async def pods_of_the_operator(api: client.ApiClient, namespace: str) -> list[Any]:
    """Return the Pods of the operator in a namespace, which may have any form."""
    path = ("api", "v1", "namespaces", namespace, "pods")
    return _items(await _read(api, *path, query={"labelSelector": OPERATOR}))


async def log_of(
    api: client.ApiClient, namespace: str, pod: str, container: str, *, previous: bool = False
) -> list[str]:
    """Return the last lines of the log of a container.

    Args:
        previous: whether of the container before its last restart.
    """
    path, lines = ("api", "v1", "namespaces", namespace, "pods", pod, "log"), LOG_LINES
    query = {"container": container, "previous": str(previous).lower(), "limitBytes": str(LOG_BYTES)}
    try:
        # The API server cuts the end of what is longer, which has the newest lines: fewer lines have it.
        while (
            len(text := await call(api, "GET", path, query={**query, "tailLines": str(lines)}, parse=bytes))
            >= LOG_BYTES
        ):
            lines //= 2
    except ApiException as error:
        raise refused(error) from error
    return bytes(text).decode(errors="replace").splitlines()


def _items(answer: Mapping[str, Any]) -> list[Any]:
    items = answer.get("items") or []  # Go has null for an empty list
    if not isinstance(items, list):
        raise unexpected_answer()
    return items


async def _read(api: client.ApiClient, *path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
    try:
        return object_in(await call(api, "GET", path, query=query))
    except ApiException as error:
        raise refused(error) from error
