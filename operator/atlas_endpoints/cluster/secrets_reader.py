"""Read Secrets by name."""

import base64
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.calls import call, unexpected_answer
from atlas_endpoints.cluster.errors import SecretProblem, UnreadableError
from atlas_endpoints.cluster.object_cache import RETRY_LAST, ObjectCache
from atlas_endpoints.controller.names import is_name, is_namespace


class _Name(NamedTuple):
    namespace: str
    name: str


class SecretReader:
    """Reads Secrets.

    Args:
        keep: selects the values of a Secret that are cached and returned.
    """

    def __init__(
        self,
        api: client.ApiClient,
        monotonic: Callable[[], float],
        *,
        keep: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._api = api
        self._keep = keep
        self._cache = ObjectCache("Secret", self._get, _problem, monotonic)

    async def read(self, namespace: str, name: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        """Return the decoded values of a Secret.

        Raises:
            UnreadableError: it does not exist, or may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        key = _Name(namespace, name)
        if not (is_namespace(namespace) and is_name(name)):  # no object has such a name, and it could be another path
            raise _problem(key, HTTPStatus.NOT_FOUND, RETRY_LAST)
        return await self._cache.read(key, age=age)

    async def _get(self, key: _Name) -> Mapping[str, str]:
        secret = await call(self._api, "GET", ("api", "v1", "namespaces", key.namespace, "secrets", key.name))
        try:
            return self._keep({name: _decoded(value) for name, value in (secret.get("data") or {}).items()})
        except (
            AttributeError,
            TypeError,
            ValueError,
        ):  # no object, or no base64; not chained: the error may quote a value
            raise unexpected_answer() from None


def _decoded(value: str) -> str:
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
