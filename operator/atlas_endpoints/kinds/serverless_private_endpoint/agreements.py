"""Resources that were found to be content, so that a round of their instance need not find it again.

Nearly all resources are as they were at the round before, and so is what Atlas shows for them. To plan for each of
them anew, only to find nothing to do, is nearly all that a round costs.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.store import Key


@dataclass(frozen=True, slots=True)
class _Agreement:
    """A resource, and what it was content with."""

    body: Mapping[str, Any]
    endpoint: Endpoint
    announced: Hashable


class Agreements:
    """Remembers which resource agreed with what.

    It is told only of what does not depend on the time. A resource is the same as long as it is the very object that was
    compared: the API server sends another one with each change, our own status included.
    """

    def __init__(self) -> None:
        self._known: dict[Key, _Agreement] = {}

    def conclude(self, key: Key, body: Mapping[str, Any], endpoint: Endpoint, announced: Hashable) -> None:
        """Take in that a resource has nothing to do and nothing to say, whatever the time.

        Args:
            key: of the resource.
            body: the resource.
            endpoint: as Atlas shows it.
            announced: what else the status speaks about.
        """
        self._known[key] = _Agreement(body, endpoint, announced)

    def stands(self, key: Key, body: Mapping[str, Any], endpoint: Endpoint, announced: Hashable) -> bool:
        """Tell whether just that was found before."""
        known = self._known.get(key)
        if known is None or known.body is not body or (known.endpoint, known.announced) != (endpoint, announced):
            return False
        # The newest endpoint is shared with who else remembers it, so that the older one can go.
        self.conclude(key, body, endpoint, announced)
        return True

    def end(self, key: Key) -> None:
        """Drop a resource."""
        self._known.pop(key, None)
