"""The ports that read Secrets and Namespaces."""

from collections.abc import Mapping
from typing import Protocol

from atlas_endpoints.cluster.age import Age


class SecretReader(Protocol):
    """Reads Secrets by name; see ``cluster.secrets_reader.SecretReader``."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        """Return the decoded values of a Secret that were read at most ``age`` ago.

        Raises:
            UnreadableError: there is no such Secret, or the operator may not read it.
            ClusterUnavailableError: the API server cannot be reached.
        """
        ...


class NamespaceReader(Protocol):
    """Reads Namespaces; see ``cluster.namespaces_reader.NamespaceReader``."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        """Return the annotations of a Namespace that concern the operator, read at most ``age`` ago.

        Raises:
            UnreadableError: the operator may not read it.
            ClusterUnavailableError: the API server cannot be reached.
        """
        ...
