"""An Atlas in memory that holds the endpoints of one instance: the whole simulator behind the client port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.simulator.endpoint import EndpointDocument
from behaviour.atlas import PROJECT
from histories.atlas import UnreliableAtlas

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.simulator.exchange import Answer as Served

INSTANCE = "orders"
MARK = "atlas-endpoints.dev/"


class Atlas(UnreliableAtlas):
    """Holds the endpoints of one instance.

    Args:
        random: decides how long calls take and which of them fail.
        clock: seconds since 1970.

    Attributes:
        reserved_for: the uid of the resource that each endpoint was reserved for.
        deletions: the endpoints that were asked to be deleted.
        changes: the endpoints that were changed.
        deleting: is told of an endpoint that is to be deleted, before it is.
    """

    def __init__(self, random: Random, clock: Callable[[], float]) -> None:
        super().__init__(random, clock)
        project = self.world.projects[PROJECT]
        self.instance = self.world.add_instance(project, INSTANCE, provider_name="AWS", region_name="US_EAST_1")
        self.reserved_for: dict[str, str] = {}
        self.deletions: set[str] = set()
        self.changes: set[str] = set()
        self.deleting: Callable[[str], None] = lambda _: None

    def put(self, endpoint_id: str, **fields: Any) -> None:
        """Put or change an endpoint as a person in the Atlas UI would."""
        self.world.put(self.instance, EndpointDocument.model_validate({"_id": endpoint_id, **fields}), advance=True)

    @override
    def perform(self, request: Request) -> Served:
        self.world.settle()
        endpoint_id = request.path.partition("/endpoint")[2].removeprefix("/")
        is_there = endpoint_id in self.instance.endpoints
        if request.method == "PATCH" and is_there:
            self.changes.add(endpoint_id)
        if request.method == "DELETE" and is_there:
            self.deleting(endpoint_id)
            self.deletions.add(endpoint_id)
        answer = super().perform(request)
        if answer.status == 201:
            self._reserved(json.loads(answer.body))
        return answer

    def _reserved(self, endpoint: dict[str, Any]) -> None:
        uid = (endpoint["comment"] or "").removeprefix(MARK)
        alive = [
            each
            for each, owner in self.reserved_for.items()
            if owner == uid and each in self.instance.endpoints and each not in self.deletions
        ]
        if alive:
            self.violations.append(f"a second endpoint is reserved for {uid} beside {alive}")
        self.reserved_for[endpoint["_id"]] = uid
