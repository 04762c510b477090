"""Writing status, and reading objects: compare-and-set, so that nobody's newer state is overwritten."""

from collections.abc import Mapping
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, GROUP, PLURAL, VERSION
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_not_served, told
from atlas_endpoints.engine.controller import ConflictError, GoneError
from atlas_endpoints.engine.store import Body, Key, Listing


class StatusWriter:
    """Writes the status of resources of our kind.

    Args:
        api: the connection.
        write_within: seconds that a write may take.
    """

    def __init__(self, api: client.ApiClient, *, write_within: float = TIMEOUT) -> None:
        self._objects = client.CustomObjectsApi(api)
        self._write_within = write_within

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        """Write the status of exactly this version of an object; see ``engine.controller.StatusWriter``.

        A JSON patch tests uid and resourceVersion in the same breath. (A merge patch would write to a namesake.)
        """
        return _body(await self._patch(body, status))

    async def confirms(self, body: Body) -> bool:
        """Tell whether an object is at this very version now, by a write that changes nothing.

        A read may be answered from the past; a write that tests a version cannot be.

        Raises:
            ClusterUnavailableError: that could not be found out.
        """
        try:
            await self._patch(body, body.get("status", {}), dry_run=True)
        except (GoneError, ConflictError):
            return False
        return True

    async def _patch(self, body: Body, status: Mapping[str, Any], *, dry_run: bool = False) -> object:
        metadata = body["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        try:
            answer: object = await call(
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
                    dry_run="All" if dry_run else None,
                ),
                within=self._write_within,
            )
        except ApiException as error:
            if is_gone(error):
                raise GoneError from error
            if is_changed(error):
                raise ConflictError from error
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        return answer

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
            if is_gone(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        return _body(body)

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
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
            if is_gone(error) or is_not_served(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        match answer:
            case {"items": [*items], "metadata": {"resourceVersion": str(version)}} if version.isdecimal():
                return Listing([_body(item) for item in items], int(version))
            case _:
                raise ClusterUnavailableError("The API server's answer to a LIST holds no items, or no version.")


def _body(answer: object) -> Body:
    """Give an answer the type that the client does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer
