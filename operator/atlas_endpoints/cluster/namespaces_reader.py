"""Read Namespaces by name, for the annotations with which they set defaults for their resources."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.calls import call, unexpected_answer
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblem, UnreadableError
from atlas_endpoints.cluster.object_cache import ObjectCache


class NamespaceReader:
    """Reads Namespaces."""

    def __init__(self, api: client.ApiClient, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._cache = ObjectCache("Namespace", self._get, _problem, monotonic)

    async def annotations(self, namespace: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        """Return the annotations of a Namespace that are in the operator's group.

        Raises:
            UnreadableError: it may not be read.
            ClusterUnavailableError: the API server could not be reached, or the Namespace is gone, and soon its
                resources are, too.
        """
        return await self._cache.read(namespace, age=age)

    async def _get(self, name: str) -> Mapping[str, str]:
        namespace = await call(self._api, "GET", ("api", "v1", "namespaces", name))
        try:
            annotations = namespace["metadata"].get("annotations") or {}
            return {each: value for each, value in annotations.items() if each.startswith(f"{GROUP}/")}
        except (AttributeError, KeyError, TypeError):
            raise unexpected_answer() from None


def _problem(name: str, status: int, retry_in: float) -> UnreadableError | ClusterUnavailableError:
    if status == HTTPStatus.NOT_FOUND:
        return ClusterUnavailableError(f"There is no Namespace {name}.")
    return UnreadableError(
        SecretProblem.NAMESPACE_FORBIDDEN,
        f"The operator may not read Namespace {name}, whose annotations may name a Secret. Give its ServiceAccount the verb"
        " get on namespaces, or set spec.credentialsSecretRef.name.",
        what=f"Namespace {name}",
        retry_in=retry_in,
    )
