"""The ConfigMaps that the operator writes: owner, version and data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from atlas_endpoints.cluster.api import Names


class Owner(NamedTuple):
    """The resource that owns a ConfigMap of its namespace."""

    names: Names
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap as it was read.

    Attributes:
        version: its ``resourceVersion``.
        owners: the uids of its owners.
    """

    uid: str
    version: str
    owners: frozenset[str]
    deleting: bool
    data: Mapping[str, str]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Parse an object of the API server.

        Raises:
            ValueError: it has no uid or no version.
        """
        metadata = body.get("metadata") if isinstance(body, Mapping) else None
        if not isinstance(metadata, Mapping) or not {"uid", "resourceVersion"} <= metadata.keys():
            raise ValueError("no object")
        return cls(
            metadata["uid"],
            metadata["resourceVersion"],
            frozenset(each["uid"] for each in metadata.get("ownerReferences") or ()),
            deleting="deletionTimestamp" in metadata,
            data=body.get("data") or {},
        )
