"""Names in the Kubernetes API."""

from typing import NamedTuple

GROUP = "atlas-endpoints.dev"
"""The operator's own group: of its annotations, and as who reports Events."""

FIELD_MANAGER = "atlas-endpoints"
"""Under this name ``managedFields`` shows what the operator wrote."""


class Names(NamedTuple):
    """The names of a kind of resources."""

    group: str
    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """Group and version, as objects have them."""
        return f"{self.group}/{self.version}"
