"""Writing ConfigMaps: one by one by their names, compare-and-set, never listed, watched or deleted."""

from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.config_maps import ConfigMap, Owner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_refused, told
from atlas_endpoints.controller.controller import ConflictError

FIELD = {"fieldManager": FIELD_MANAGER}


class ConfigMapWriter:
    """Reads and writes ConfigMaps that belong to resources of a kind.

    Args:
        api: the connection.
        write_within: seconds that a write may take.
    """

    def __init__(self, api: client.ApiClient, *, write_within: float = TIMEOUT) -> None:
        self._api = api
        self._write_within = write_within

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        """Read a ConfigMap; ``None`` when there is none.

        Raises:
            RefusedError: it may not be read.
            ClusterUnavailableError: it could not be read.
        """
        try:
            return ConfigMap.parse(await call(exchange(self._api, "GET", _path(namespace, name))))
        except ApiException as error:
            if is_gone(error):
                return None
            raise _refusal(error) from error
        except ValueError:
            raise ClusterUnavailableError("The API server's answer is no ConfigMap.") from None

    async def create(self, owner: Owner, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap that goes when its owner goes.

        It does not block the deletion of its owner, which would take a right to the owner's finalizers.

        Raises:
            ConflictError: somebody has created it first.
            RefusedError: it may not be created.
            ClusterUnavailableError: it could not be created.
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
        await self._write(exchange(self._api, "POST", _path(owner.namespace), query=FIELD, body=body))

    async def update(self, owner: Owner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace what exactly this version of a ConfigMap holds.

        Raises:
            ConflictError: it is not at this version any more.
            RefusedError: it may not be changed.
            ClusterUnavailableError: it could not be changed.
        """
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": found.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": found.version},
            {"op": "add", "path": "/data", "value": dict(data)},
        ]
        await self._write(
            exchange(
                self._api,
                "PATCH",
                _path(owner.namespace, name),
                query=FIELD,
                body=patch,
                content_type="application/json-patch+json",
            )
        )

    async def _write(self, request: Awaitable[Any]) -> None:
        try:
            await call(request, within=self._write_within)
        except ApiException as error:
            if is_changed(error) or is_gone(error):
                raise ConflictError from error
            raise _refusal(error) from error


def _path(namespace: str, *name: str) -> tuple[str, ...]:
    return ("api", "v1", "namespaces", namespace, "configmaps", *name)


def _refusal(error: ApiException) -> Exception:
    """Tell what the API server itself refuses from what passes, or is the word of somebody in front of it."""
    status = error.status or 0
    if is_refused(error, status) and status != HTTPStatus.UNAUTHORIZED:
        return RefusedError(told(error))
    return ClusterUnavailableError(f"The API server refused: {told(error)}")
