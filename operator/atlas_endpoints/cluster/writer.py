"""Read and write resources and ConfigMaps by compare-and-set, so that no newer state is overwritten."""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import ConfigMap, Names, OutputOwner
from atlas_endpoints.cluster.calls import (
    TIMEOUT,
    call,
    is_changed,
    is_gone,
    is_not_served,
    is_refused,
    message_of,
    object_in,
    refused,
    unexpected_answer,
)
from atlas_endpoints.cluster.errors import SelectorRefusedError
from atlas_endpoints.controller.cache import Body, Key, ListedObjects, annotations_of, finalizers_of
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange, RefusedError

PAGE = 100
"""Objects on a page of a LIST. To parse so many blocks the event loop for a few milliseconds."""

TURN = 50
"""Objects of a LIST that are taken in without a pause for the event loop: half a millisecond."""

SHORT = 256
"""Characters of the longest text that cached objects share; longer ones seldom occur in two objects."""

SHARED_TEXTS = 8192
"""The number of shared texts: 8 MiB at most."""


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
        self._labels = {"labelSelector": label_selector} if label_selector else {}

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        return await self._patch(body, {"status": status}, "status", refusal=refused)

    async def change(self, body: Body, change: MetadataChange) -> Body:
        made, fields = change.made_to(body), dict[str, object]()
        if finalizers_of(made) != list(finalizers_of(body)):
            fields["metadata/finalizers"] = finalizers_of(made)
        if change.annotations:
            fields["metadata/annotations"] = annotations_of(made)
        return await self._patch(body, fields, refusal=_lasting)

    async def _patch(
        self,
        body: Body,
        fields: Mapping[str, object],
        *subresource: str,
        refusal: Callable[[ApiException], Exception],
    ) -> Body:
        metadata = body["metadata"]
        path = self._path(metadata["namespace"], metadata["name"], *subresource)
        patch = _patch_of(metadata["uid"], metadata["resourceVersion"], fields)
        try:
            return lean(object_in(await call(self._api, "PATCH", path, body=patch, within=self._write_within)))
        except ApiException as error:
            if is_gone(error):
                raise GoneError from error
            if is_changed(error):
                raise ConflictError from error
            raise refusal(error) from error

    async def read(self, key: Key) -> Body | None:
        """Return an object, or None when there is none or the operator does not serve it.

        A GET without a ``resourceVersion`` is never answered from a cache.

        Raises:
            ForbiddenError: the operator may not read it.
            ClusterUnavailableError: it could not be read.
        """
        try:
            body = object_in(await call(self._api, "GET", self._path(key.namespace, key.name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise refused(error) from error
        if self._labels:  # which only the API server evaluates
            listing = await self.list(key.namespace, name=key.name)
            if listing is None or not listing.bodies:
                return None
        return lean(body)

    async def list(
        self, namespace: str | None, known: Callable[[Body], Body] = lambda body: body, *, name: str | None = None
    ) -> ListedObjects | None:
        """Return the served objects of one namespace, or of all; None when the API server does not serve the kind.

        All pages show the same moment.

        Args:
            known: returns the object to keep in place of one that was just read.
            name: of the one object that is wanted.

        Raises:
            SelectorRefusedError: the API server cannot parse the label selector.
            ForbiddenError: the operator may not list them.
            ClusterUnavailableError: they could not be read, or not all before their moment expired (410).
        """
        selectors = self._labels if name is None else {**self._labels, "fieldSelector": f"metadata.name={name}"}
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
                    for item in items:
                        bodies.append(known(lean(_resource_in(item))))
                        if len(bodies) % TURN == 0:
                            await asyncio.sleep(0)
                    following = metadata.get("continue") or ""
                case _:
                    raise unexpected_answer()
            if not following:
                return ListedObjects(bodies, int(version))

    async def _page(self, namespace: str | None, selectors: Mapping[str, str], following: str) -> Body | None:
        """Return the first page of a LIST, or the one of a continue token; None when the kind is not served."""
        query = {"limit": str(PAGE), **selectors, **({"continue": following} if following else {})}
        try:
            return object_in(await call(self._api, "GET", self._path(namespace), query=query))
        except ApiException as error:
            if is_gone(error) or is_not_served(error):
                return None
            # Of the query of a first page, only the selector is the user's.
            if not following and "labelSelector" in selectors and is_refused(error, HTTPStatus.BAD_REQUEST):
                raise SelectorRefusedError(
                    f"LABEL_SELECTOR is {selectors['labelSelector']!r}, which the API server cannot read: {message_of(error)}. Correct it; an"
                    " example is team=shop,stage!=test."
                ) from error
            raise refused(error) from error

    def _path(self, namespace: str | None, *name: str) -> tuple[str, ...]:
        """Return the path of the kind in one namespace or in all, of an object, or of its subresource."""
        inside = ("namespaces", namespace) if namespace is not None else ()
        return ("apis", self._names.group, self._names.version, *inside, self._names.plural, *name)


class ConfigMapWriter:
    """Reads and writes ConfigMaps that belong to resources. They are never listed, watched or deleted.

    Each call raises ``RefusedError`` when the API server forbids it, ``ConflictError`` when a write meets another state
    of the ConfigMap, and ``ClusterUnavailableError`` otherwise.

    Args:
        write_within: seconds for a write.
    """

    def __init__(self, api: client.ApiClient, *, write_within: float = TIMEOUT) -> None:
        self._api = api
        self._write_within = write_within

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        try:
            return ConfigMap.parse(await call(self._api, "GET", _config_maps(namespace, name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise _lasting(error) from error
        except (AttributeError, LookupError, TypeError):
            raise unexpected_answer() from None

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap that is garbage-collected with its owner.

        It sets no ``blockOwnerDeletion``, which would need the right to update the owner's finalizers.
        """
        reference = {
            "apiVersion": owner.names.api_version,
            "kind": owner.names.kind,
            "name": owner.name,
            "uid": owner.uid,
            "controller": True,
        }
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": owner.namespace, "ownerReferences": [reference]},
            "data": dict(data),
        }
        await self._write("POST", _config_maps(owner.namespace), body)

    async def update(self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace the data of a ConfigMap if it is still at the version that was read."""
        patch = _patch_of(found.uid, found.version, {"data": dict(data)})
        await self._write("PATCH", _config_maps(owner.namespace, name), patch)

    async def _write(self, method: str, path: tuple[str, ...], body: object) -> None:
        try:
            await call(self._api, method, path, body=body, within=self._write_within)
        except ApiException as error:
            if is_changed(error) or is_gone(error):
                raise ConflictError from error
            raise _lasting(error) from error


def _config_maps(namespace: str, *name: str) -> tuple[str, ...]:
    return ("api", "v1", "namespaces", namespace, "configmaps", *name)


def _lasting(error: ApiException) -> Exception:
    """Return ``RefusedError`` where only other rights, or another policy or webhook, help, else ``ClusterUnavailableError``."""
    status = error.status or 0
    lasts = is_refused(error, status) and status != HTTPStatus.UNAUTHORIZED
    return RefusedError(message_of(error)) if lasts else refused(error)


def _patch_of(uid: str, version: str, fields: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Return a JSON patch that tests uid and version; a merge patch would write to a later object of the same name."""
    tests = {"metadata/uid": uid, "metadata/resourceVersion": version}
    return [
        *({"op": "test", "path": f"/{path}", "value": value} for path, value in tests.items()),
        *({"op": "add", "path": f"/{path}", "value": value} for path, value in fields.items()),
    ]


def _resource_in(item: object) -> Body:
    """Return an item of a LIST that has a name, without which nothing can be done about it."""
    match item:
        case {"metadata": {"name": str(), "namespace": str()}}:
            return object_in(item)
        case _:
            raise unexpected_answer()


def lean(body: Body) -> Body:
    """Return an equivalent object that takes less memory, since there may be thousands.

    It has no ``managedFields``, which are nearly half of an object, and shares its texts with other objects: 20,000
    objects take 95 MB instead of 227.
    """
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        body = {**body, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}
    shared: Body = _shared(body)
    return shared


def _shared(value: Any) -> Any:
    if isinstance(value, str):
        return _same(value) if len(value) <= SHORT else value
    if isinstance(value, dict):
        return {_same(name): _shared(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shared(each) for each in value]
    return value


@lru_cache(SHARED_TEXTS)
def _same(text: str) -> str:
    """Return the first of equal texts.

    ``sys.intern`` has no bound, and early releases of CPython 3.12 never free its texts (CPython issue 113993).
    """
    return text
