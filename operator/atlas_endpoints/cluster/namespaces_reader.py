"""Reading Namespaces by name, for the annotations by which they set defaults for their resources."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from kubernetes.aio import client

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblem, UnreadableError
from atlas_endpoints.cluster.object_cache import Readings


class NamespaceReader:
    """Reads Namespaces; see ``kinds.ports.NamespaceReader``.

    Args:
        api: the connection.
        monotonic: seconds that only grow.
    """

    def __init__(self, api: client.ApiClient, monotonic: Callable[[], float]) -> None:
        self._core = client.CoreV1Api(api)
        self._readings = Readings("Namespace", self._get, _problem, monotonic)

    async def annotations(self, namespace: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        """Give the annotations of a Namespace that are meant for us.

        Args:
            namespace: its name.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: it may not be read.
            ClusterUnavailableError: the API server could not be reached, or the Namespace is gone: its resources go, too.
        """
        return await self._readings.read(namespace, age=age)

    async def _get(self, name: str) -> Mapping[str, str]:
        metadata = (await self._core.read_namespace(name)).metadata
        annotations = (metadata.annotations if metadata is not None else None) or {}
        return {each: value for each, value in annotations.items() if each.startswith(f"{GROUP}/")}


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
