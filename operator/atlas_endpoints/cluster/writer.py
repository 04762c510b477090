"""Writing status, and reading objects: compare-and-set, so that nobody's newer state is overwritten."""

import json
from collections.abc import Mapping
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, GROUP, PLURAL, VERSION
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.controller import ConflictError, GoneError
from atlas_endpoints.engine.store import Body, Key

NOT_FOUND, CONFLICT, INVALID = 404, 409, 422


class StatusWriter:
    """Writes the status of resources of our kind.

    Args:
        api: the connection.
    """

    def __init__(self, api: client.ApiClient) -> None:
        self._objects = client.CustomObjectsApi(api)

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        """Write the status of exactly this version of an object; see ``engine.controller.StatusWriter``.

        A JSON patch tests uid and resourceVersion in the same breath. (A merge patch would write to a namesake.)
        """
        metadata = body["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            after = await call(
                self._objects.patch_namespaced_custom_object_status(
                    GROUP,
                    VERSION,
                    metadata["namespace"],
                    PLURAL,
                    metadata["name"],
                    patch,
                    field_manager=FIELD_MANAGER,
                    # Without it the client sends a list as a merge patch, which is no JSON object.
                    _content_type="application/json-patch+json",
                )
            )
        except ApiException as error:
            if _is_gone(error):
                raise GoneError from error
            if _is_changed(error):
                raise ConflictError from error
            raise ClusterUnavailableError(_refusal(error)) from error
        return _body(after)

    async def read(self, key: Key) -> Body | None:
        """Read an object; ``None`` when there is none.

        Raises:
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = await call(
                self._objects.get_namespaced_custom_object(GROUP, VERSION, key.namespace, PLURAL, key.name)
            )
        except ApiException as error:
            if _is_gone(error):
                return None
            raise ClusterUnavailableError(_refusal(error)) from error
        return _body(body)

    async def list(self, namespace: str | None, label_selector: str) -> list[Body] | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

        Raises:
            ClusterUnavailableError: they could not be read.
        """
        request = (
            self._objects.list_cluster_custom_object(GROUP, VERSION, PLURAL, label_selector=label_selector)
            if namespace is None
            else self._objects.list_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, label_selector=label_selector
            )
        )
        try:
            answer = await call(request)
        except ApiException as error:
            if _is_gone(error) or _is_not_served(error):
                return None
            raise ClusterUnavailableError(_refusal(error)) from error
        items = _body(answer).get("items")
        if not isinstance(items, list):
            raise ClusterUnavailableError("The API server's answer to a LIST holds no items.")
        return [_body(item) for item in items]


def _body(answer: object) -> Body:
    """Give an answer the type that the client does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer


def _is_gone(error: ApiException) -> bool:
    """Tell an object that is gone from a path that is not served: only the former is answered with a ``Status``."""
    return error.status == NOT_FOUND and _status(error).get("kind") == "Status"


def _is_not_served(error: ApiException) -> bool:
    """Tell that no CRD is there for the path from the words of somebody else, such as a proxy's page."""
    return error.status == NOT_FOUND and str(error.body).strip() == "404 page not found"


def _is_changed(error: ApiException) -> bool:
    """Tell whether a test of the patch failed; a status that the schema refuses (a defect of ours) is 422 with causes."""
    details = _status(error).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return error.status == CONFLICT or (error.status == INVALID and not causes)


def _refusal(error: ApiException) -> str:
    message = str(_status(error).get("message", ""))
    return f"The API server refused: {error.status} {error.reason}: {message[:500]}"


def _status(error: ApiException) -> Mapping[str, Any]:
    """Read the ``Status`` that an API server explains its refusals with; empty when it is something else."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
