"""Names in the Kubernetes API."""

from typing import NamedTuple

GROUP = "atlas-endpoints.dev"
"""The API group of the operator's own annotations and Events."""

FIELD_MANAGER = "atlas-endpoints"
"""The operator's name in ``managedFields``."""


class Names(NamedTuple):
    """The names of a kind."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """Return ``group/version``."""
        return f"{self.group}/{self.version}"
