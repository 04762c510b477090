"""Reading Secrets by name."""

import base64
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import SecretProblem, UnreadableError
from atlas_endpoints.cluster.object_cache import RETRY_LAST, Readings
from atlas_endpoints.controller.names import is_name, is_namespace


class _Name(NamedTuple):
    namespace: str
    name: str


class SecretReader:
    """Reads Secrets; see ``kinds.ports.SecretReader``.

    Args:
        api: the connection.
        monotonic: seconds that only grow.
        keep: what is given, and kept in memory, of the values of a Secret.
    """

    def __init__(
        self,
        api: client.ApiClient,
        monotonic: Callable[[], float],
        *,
        keep: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._keep = keep
        self._core = client.CoreV1Api(api)
        self._readings = Readings("Secret", self._get, _problem, monotonic)

    async def read(self, namespace: str, name: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        """Give the decoded values of a Secret.

        Args:
            namespace: of the Secret.
            name: of the Secret.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: there is no such Secret, or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        key = _Name(namespace, name)
        if not (is_namespace(namespace) and is_name(name)):  # the API server has none, and it could be another path
            raise _problem(key, HTTPStatus.NOT_FOUND, RETRY_LAST)
        return await self._readings.read(key, age=age)

    async def _get(self, key: _Name) -> Mapping[str, str]:
        secret = await self._core.read_namespaced_secret(key.name, key.namespace)
        return self._keep({name: _decoded(value) for name, value in (secret.data or {}).items()})


def _decoded(value: bytes | str) -> str:
    return base64.b64decode(value).decode(errors="replace")


def _problem(key: _Name, status: int, retry_in: float) -> UnreadableError:
    what = f"Secret {key.name} in namespace {key.namespace}"
    if status == HTTPStatus.NOT_FOUND:
        return UnreadableError(
            SecretProblem.NOT_FOUND,
            f"There is no {what}. Create it with the keys clientId and clientSecret"
            " (or publicApiKey and privateApiKey); it is picked up by itself.",
            what=what,
            retry_in=retry_in,
        )
    return UnreadableError(
        SecretProblem.FORBIDDEN,
        f"The operator may not read {what}, whether it exists or not. Give its"
        " ServiceAccount the verb get on it, or use a Secret that it may read.",
        what=what,
        retry_in=retry_in,
    )
