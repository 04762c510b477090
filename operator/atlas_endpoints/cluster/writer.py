"""Writing status and metadata, and reading objects: compare-and-set, so that nobody's newer state is overwritten."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, Names
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SelectorRefusedError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_not_served, is_refused, told
from atlas_endpoints.controller.cache import Body, Key, Listing
from atlas_endpoints.controller.controller import (
    ConflictError,
    GoneError,
    MetadataChange,
    RefusedError,
    annotations_of,
    finalizers_of,
)

FORBIDDEN = (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Answers to a change of the metadata after which only rights, or somebody's policy, can be changed: of RBAC and of webhooks."""

PAGE = 250
"""Objects that are listed at a time: to read so many takes about 10 ms of processor time, in which nothing else happens."""


class ResourceWriter:
    """Writes the status of resources of a kind, and what is ours in their metadata.

    Args:
        api: the connection.
        names: of the kind.
        write_within: seconds that a write may take.
        label_selector: of the resources that are ours to serve; all when empty.
    """

    def __init__(
        self, api: client.ApiClient, names: Names, *, write_within: float = TIMEOUT, label_selector: str = ""
    ) -> None:
        self._api = api
        self._names = names
        self._write_within = write_within
        self._label_selector = label_selector

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        """Write the status of exactly this version of an object; see ``controller.controller.Writer``.

        A JSON patch tests uid and resourceVersion in the same breath. (A merge patch would write to a namesake.)
        """
        return await self._patch(body, [{"op": "add", "path": "/status", "value": status}], "status")

    async def change(self, body: Body, change: MetadataChange) -> Body:
        """Write into the metadata of exactly this version of an object; see ``controller.controller.Writer``."""
        patch: list[Mapping[str, Any]] = []
        before = list(finalizers_of(body))
        after = [name for name in before if change.finalizers.get(name, True)]
        after += [name for name, wanted in change.finalizers.items() if wanted and name not in before]
        if after != before:
            patch.append({"op": "add", "path": "/metadata/finalizers", "value": after})
        if change.annotations:
            annotations = {**annotations_of(body), **change.annotations}
            patch.append({"op": "add", "path": "/metadata/annotations", "value": annotations})
        try:
            return await self._patch(body, patch)
        except ClusterUnavailableError as error:
            cause = error.__cause__
            if isinstance(cause, ApiException) and any(is_refused(cause, status) for status in FORBIDDEN):
                raise RefusedError(told(cause)) from cause
            raise

    async def _patch(self, body: Body, patch: Sequence[Mapping[str, Any]], *subresource: str) -> Body:
        metadata = body["metadata"]
        tests = [
            {"op": "test", "path": f"/metadata/{name}", "value": metadata[name]} for name in ("uid", "resourceVersion")
        ]
        try:
            answer = await call(
                exchange(
                    self._api,
                    "PATCH",
                    self._path(metadata["namespace"], metadata["name"], *subresource),
                    query={"fieldManager": FIELD_MANAGER},
                    body=[*tests, *patch],
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
        return lean(_body(answer))

    async def read(self, key: Key) -> Body | None:
        """Read an object as it is now; ``None`` when there is none, or none that is ours to serve.

        Without a ``resourceVersion`` the answer to a GET is never from a cache.

        Raises:
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = await call(exchange(self._api, "GET", self._path(key.namespace, key.name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error
        return lean(_body(body)) if await self._is_selected(key) else None

    async def _is_selected(self, key: Key) -> bool:
        """Ask whether the labels of an object are those that we serve, which the API server alone can tell."""
        if not self._label_selector:
            return True
        listing = await self._list(
            key.namespace, {"labelSelector": self._label_selector, "fieldSelector": f"metadata.name={key.name}"}
        )
        return listing is not None and bool(listing.bodies)

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

        They are read page by page, since all at once they would hold everybody else up; all pages show the same moment.

        Raises:
            SelectorRefusedError: the API server cannot read the label selector.
            ClusterUnavailableError: they could not be read, or not all of them before their moment was forgotten (410).
        """
        return await self._list(namespace, {"labelSelector": label_selector} if label_selector else {})

    async def _list(self, namespace: str | None, selectors: Mapping[str, str]) -> Listing | None:
        bodies: list[Body] = []
        following = ""
        while True:
            page = await self._page(namespace, selectors, following)
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

    async def _page(self, namespace: str | None, selectors: Mapping[str, str], following: str) -> Body | None:
        """Give a page of a LIST: the first, or the one that another one has told of."""
        query = {"limit": str(PAGE), **selectors, **({"continue": following} if following else {})}
        try:
            return _body(await call(exchange(self._api, "GET", self._path(namespace), query=query)))
        except ApiException as error:
            if is_gone(error) or is_not_served(error):
                return None
            # Of what a first page asks for, the selector alone is somebody's own words.
            if not following and "labelSelector" in selectors and is_refused(error, HTTPStatus.BAD_REQUEST):
                raise SelectorRefusedError(
                    f"LABEL_SELECTOR is {selectors['labelSelector']!r}, which the API server cannot read: {told(error)}. Correct it; an"
                    " example is team=shop,stage!=test."
                ) from error
            raise ClusterUnavailableError(f"The API server refused: {told(error)}") from error

    def _path(self, namespace: str | None, *name: str) -> tuple[str, ...]:
        """Return the path of the kind in one namespace or in all, or of one object, or of a subresource of it."""
        group, version, _, plural = self._names
        inside = ("namespaces", namespace) if namespace is not None else ()
        return ("apis", group, version, *inside, plural, *name)


def _body(answer: object) -> Body:
    """Give an answer the type that the client does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer
