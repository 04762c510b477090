"""Writing status, and reading objects: compare-and-set, so that nobody's newer state is overwritten."""

from collections.abc import Mapping
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, GROUP, PLURAL, VERSION
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.inventory import Page
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_not_served, told
from atlas_endpoints.engine.controller import ConflictError, GoneError
from atlas_endpoints.engine.store import Body, Key

PAGE = 500
"""Objects that are listed at a time: to read so many takes about 10 ms, during which nothing else happens."""


class StatusWriter:
    """Writes the status of resources of our kind.

    Args:
        api: the connection.
        write_within: seconds that a write may take.
    """

    def __init__(self, api: client.ApiClient, *, write_within: float = TIMEOUT) -> None:
        self._api = api
        self._write_within = write_within

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
                exchange(
                    self._api,
                    "PATCH",
                    (*_path(metadata["namespace"], metadata["name"]), "status"),
                    query={"fieldManager": FIELD_MANAGER},
                    body=patch,
                    content_type="application/json-patch+json",
                ),
                within=self._write_within,
            )
        except ApiException as error:
            if is_gone(error):
                raise GoneError from error
            if is_changed(error):
                raise ConflictError from error
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        return lean(_body(after))

    async def read(self, key: Key) -> Body | None:
        """Read an object; ``None`` when there is none.

        Raises:
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = await call(exchange(self._api, "GET", _path(key.namespace, key.name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        return lean(_body(body))

    async def list(self, namespace: str | None, label_selector: str, following: str) -> Page | None:
        """List the objects of one namespace, or of all, a page at a time; see ``cluster.inventory.Reader``.

        Raises:
            ClusterUnavailableError: they could not be read, or the LIST was begun too long ago to be continued (410).
        """
        wanted = {"limit": str(PAGE), "labelSelector": label_selector, "continue": following}
        query = {name: value for name, value in wanted.items() if value}
        try:
            answer = _body(await call(exchange(self._api, "GET", _path(namespace), query=query)))
        except ApiException as error:
            if is_gone(error) or is_not_served(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        items, metadata = answer.get("items"), answer.get("metadata")
        if not isinstance(items, list) or not isinstance(metadata, dict):
            raise ClusterUnavailableError("The API server's answer to a LIST holds no items.")
        return Page([lean(_body(item)) for item in items], metadata.get("continue") or "")


def _path(namespace: str | None, *name: str) -> tuple[str, ...]:
    """Give the path of our kind in one namespace or in all, or of one object."""
    inside = ("namespaces", namespace) if namespace is not None else ()
    return ("apis", GROUP, VERSION, *inside, PLURAL, *name)


def _body(answer: object) -> Body:
    """Give an answer the type that the client does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer
