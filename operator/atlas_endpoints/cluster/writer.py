"""Write status and metadata by compare-and-set, so that no newer state is overwritten, and read objects."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, Names
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SelectorRefusedError
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_not_served, is_refused, message_of
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
"""Answers of RBAC and webhooks to a change of the metadata: only other rights, or another policy, help."""

PAGE = 250
"""Objects on a page of a LIST. To parse so many blocks the event loop for about 10 ms."""


class ResourceWriter:
    """Reads resources of a kind, and writes their status and our part of their metadata.

    Args:
        write_within: seconds for a write.
        label_selector: of the resources that the operator serves; all when empty.
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

        A JSON patch tests uid and resourceVersion; a merge patch would write to a later object of the same name.
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
                raise RefusedError(message_of(cause)) from cause
            raise

    async def _patch(self, body: Body, patch: Sequence[Mapping[str, Any]], *subresource: str) -> Body:
        metadata = body["metadata"]
        tests = [
            {"op": "test", "path": f"/metadata/{name}", "value": metadata[name]} for name in ("uid", "resourceVersion")
        ]
        try:
            answer = await call(
                self._api,
                "PATCH",
                self._path(metadata["namespace"], metadata["name"], *subresource),
                query={"fieldManager": FIELD_MANAGER},
                body=[*tests, *patch],
                within=self._write_within,
            )
        except ApiException as error:
            if is_gone(error):
                raise GoneError from error
            if is_changed(error):
                raise ConflictError from error
            raise ClusterUnavailableError(f"The API server refused: {message_of(error)}") from error
        return lean(_body(answer))

    async def read(self, key: Key) -> Body | None:
        """Return an object, or None when there is none or the operator does not serve it.

        A GET without a ``resourceVersion`` is never answered from a cache.

        Raises:
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = await call(self._api, "GET", self._path(key.namespace, key.name))
        except ApiException as error:
            if is_gone(error):
                return None
            raise ClusterUnavailableError(f"The API server refused: {message_of(error)}") from error
        return lean(_body(body)) if await self._is_selected(key) else None

    async def _is_selected(self, key: Key) -> bool:
        """Return whether the operator serves an object. Only the API server evaluates label selectors."""
        if not self._label_selector:
            return True
        listing = await self._list(
            key.namespace, {"labelSelector": self._label_selector, "fieldSelector": f"metadata.name={key.name}"}
        )
        return listing is not None and bool(listing.bodies)

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
        """Return the objects of one namespace, or of all; None when the API server does not serve the kind.

        All pages show the same moment.

        Raises:
            SelectorRefusedError: the API server cannot parse the label selector.
            ClusterUnavailableError: they could not be read, or not all before their moment expired (410).
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
        """Return the first page of a LIST, or the one of a continue token; None when the kind is not served."""
        query = {"limit": str(PAGE), **selectors, **({"continue": following} if following else {})}
        try:
            return _body(await call(self._api, "GET", self._path(namespace), query=query))
        except ApiException as error:
            if is_gone(error) or is_not_served(error):
                return None
            # Of the query of a first page, only the selector is the user's.
            if not following and "labelSelector" in selectors and is_refused(error, HTTPStatus.BAD_REQUEST):
                raise SelectorRefusedError(
                    f"LABEL_SELECTOR is {selectors['labelSelector']!r}, which the API server cannot read: {message_of(error)}. Correct it; an"
                    " example is team=shop,stage!=test."
                ) from error
            raise ClusterUnavailableError(f"The API server refused: {message_of(error)}") from error

    def _path(self, namespace: str | None, *name: str) -> tuple[str, ...]:
        """Return the path of the kind in one namespace or in all, of an object, or of its subresource."""
        group, version, _, plural = self._names
        inside = ("namespaces", namespace) if namespace is not None else ()
        return ("apis", group, version, *inside, plural, *name)


def _body(answer: object) -> Body:
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer
