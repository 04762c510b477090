"""Read and write ConfigMaps by name, by compare-and-set. They are never listed, watched or deleted."""

from collections.abc import Mapping
from http import HTTPStatus

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER
from atlas_endpoints.cluster.calls import TIMEOUT, call
from atlas_endpoints.cluster.config_maps import ConfigMap, Owner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.cluster.refusals import is_changed, is_gone, is_refused, message_of
from atlas_endpoints.controller.controller import ConflictError


class ConfigMapWriter:
    """Reads and writes ConfigMaps that belong to resources.

    Args:
        write_within: seconds for a write.
    """

    def __init__(self, api: client.ApiClient, *, write_within: float = TIMEOUT) -> None:
        self._api = api
        self._write_within = write_within

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        """Return a ConfigMap, or None.

        Raises:
            RefusedError: it may not be read.
            ClusterUnavailableError: it could not be read.
        """
        try:
            return ConfigMap.parse(await call(self._api, "GET", _path(namespace, name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise _refusal(error) from error
        except ValueError:
            raise ClusterUnavailableError("The API server's answer is no ConfigMap.") from None

    async def create(self, owner: Owner, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap that is garbage-collected with its owner.

        It sets no ``blockOwnerDeletion``, which would need the right to update the owner's finalizers.

        Raises:
            ConflictError: it exists.
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
        await self._write("POST", _path(owner.namespace), body)

    async def update(self, owner: Owner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace the data of a ConfigMap if it is still at the version that was read.

        Raises:
            ConflictError: it has changed.
            RefusedError: it may not be changed.
            ClusterUnavailableError: it could not be changed.
        """
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": found.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": found.version},
            {"op": "add", "path": "/data", "value": dict(data)},
        ]
        await self._write("PATCH", _path(owner.namespace, name), patch)

    async def _write(self, method: str, path: tuple[str, ...], body: object) -> None:
        query = {"fieldManager": FIELD_MANAGER}
        try:
            await call(self._api, method, path, query=query, body=body, within=self._write_within)
        except ApiException as error:
            if is_changed(error) or is_gone(error):
                raise ConflictError from error
            raise _refusal(error) from error


def _path(namespace: str, *name: str) -> tuple[str, ...]:
    return ("api", "v1", "namespaces", namespace, "configmaps", *name)


def _refusal(error: ApiException) -> Exception:
    """Return ``RefusedError`` for a refusal of the API server that lasts, else ``ClusterUnavailableError``."""
    status = error.status or 0
    if is_refused(error, status) and status != HTTPStatus.UNAUTHORIZED:
        return RefusedError(message_of(error))
    return ClusterUnavailableError(f"The API server refused: {message_of(error)}")
