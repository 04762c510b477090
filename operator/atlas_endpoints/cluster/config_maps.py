"""What matters of a ConfigMap that the operator may write: whose it is, which version, and what it holds; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from atlas_endpoints.cluster.api import Names


class Owner(NamedTuple):
    """The resource that a ConfigMap is written for.

    Attributes:
        names: of its kind.
        namespace: of both.
        name: of the resource.
        uid: of the resource.
    """

    names: Names
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """A ConfigMap as it was read.

    Attributes:
        uid: tells it from a namesake.
        version: its ``resourceVersion``.
        owners: the uids of its owners.
        deleting: whether it is being deleted.
        data: all that it holds as text.
    """

    uid: str
    version: str
    owners: frozenset[str]
    deleting: bool
    data: Mapping[str, str]

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object of the API server.

        Raises:
            ValueError: it is none.
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
