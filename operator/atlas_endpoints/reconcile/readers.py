"""What is read of the cluster to find credentials."""

from collections.abc import Mapping
from typing import Protocol

from atlas_endpoints.cluster.age import Age


class SecretReader(Protocol):
    """Reads Secrets by name; see ``cluster.secrets_reader.SecretReader``."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        """Return the decoded values of a Secret.

        Args:
            namespace: of the Secret.
            name: of the Secret.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: there is no such Secret or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        ...


class NamespaceReader(Protocol):
    """Reads Namespaces; see ``cluster.namespaces_reader.NamespaceReader``."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        """Return the annotations of a Namespace that are meant for us.

        Args:
            namespace: its name.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: it may not be read.
            ClusterUnavailableError: it could not be read.
        """
        ...
