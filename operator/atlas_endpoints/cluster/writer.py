"""Writing status, and reading objects: compare-and-set, so that nobody's newer state is overwritten."""

from collections.abc import Mapping
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, GROUP, PLURAL, VERSION
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_not_served, told
from atlas_endpoints.engine.controller import ConflictError, GoneError
from atlas_endpoints.engine.store import Body, Key, Listing

PAGE = 250
"""Objects that are listed at a time: to read so many takes about 10 ms of processor time, in which nothing else happens."""


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
        return lean(_body(await self._patch(body, status)))

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
                exchange(
                    self._api,
                    "PATCH",
                    (*_path(metadata["namespace"], metadata["name"]), "status"),
                    query={"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})},
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
        return answer

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

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

        They are read page by page, since all at once they would hold everybody else up; all pages show the same moment.

        Raises:
            ClusterUnavailableError: they could not be read, or not all of them before their moment was forgotten (410).
        """
        bodies: list[Body] = []
        following = ""
        while True:
            page = await self._page(namespace, label_selector, following)
            match page:
                case None:
                    return None
                case {"items": [*items], "metadata": {"resourceVersion": str(version)} as metadata} if (
                    version.isdecimal()
                ):
                    bodies += [lean(_body(item)) for item in items]
                    following = metadata.get("continue") or ""
                case _:
                    raise ClusterUnavailableError("The API server's answer to a LIST holds no items, or no version.")
            if not following:
                return Listing(bodies, int(version))

    async def _page(self, namespace: str | None, label_selector: str, following: str) -> Body | None:
        """Give a page of a LIST: the first, or the one that another one has told of."""
        wanted = {"limit": str(PAGE), "labelSelector": label_selector, "continue": following}
        query = {name: value for name, value in wanted.items() if value}
        try:
            return _body(await call(exchange(self._api, "GET", _path(namespace), query=query)))
        except ApiException as error:
            if is_gone(error) or is_not_served(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error


def _path(namespace: str | None, *name: str) -> tuple[str, ...]:
    """Give the path of our kind in one namespace or in all, or of one object."""
    inside = ("namespaces", namespace) if namespace is not None else ()
    return ("apis", GROUP, VERSION, *inside, PLURAL, *name)


def _body(answer: object) -> Body:
    """Give an answer the type that the client does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer
