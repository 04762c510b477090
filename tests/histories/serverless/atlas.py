"""An Atlas in memory that holds the endpoints of one instance: the simulator's own state machine behind the client port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.simulator.endpoint import EndpointDocument, Names
from atlas_endpoints.simulator.exchange import ApiError, api_error
from atlas_endpoints.simulator.serverless import comment_to_create, read_change
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.world import World
from histories.atlas import UnreliableAtlas

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from atlas_endpoints.atlas.requests import Request

PROJECT, INSTANCE = "5f7cac1adf5d6c6306f4b283", "orders"
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
        switches = Switches(transition=3.0, list_lag=0.0)
        super().__init__(random, World(clock=clock, names=Names(random, clock), switches=switches))
        project = self.world.add_project(PROJECT)
        self.instance = self.world.add_instance(project, INSTANCE, provider_name="AWS", region_name="US_EAST_1")
        self.reserved_for: dict[str, str] = {}
        self.deletions: set[str] = set()
        self.changes: set[str] = set()
        self.deleting: Callable[[str], None] = lambda _: None

    def put(self, endpoint_id: str, **fields: Any) -> None:
        """Put or change an endpoint as a person in the Atlas UI would."""
        self.world.put(self.instance, EndpointDocument.model_validate({"_id": endpoint_id, **fields}), advance=True)

    @override
    def perform(self, request: Request) -> tuple[int, bytes]:
        self.world.settle()
        try:
            endpoint_id = request.path.partition("/endpoint")[2].removeprefix("/")
            return self._answer(request.method, endpoint_id, request.body)
        except ApiError as error:
            answer = error.answer()
            return answer.status, answer.body

    def _answer(self, method: str, endpoint_id: str, body: object) -> tuple[int, bytes]:
        text = json.dumps(body).encode()
        if method == "POST":
            return 201, self._reserve(comment_to_create(text))
        if not endpoint_id:
            return 200, self.instance.page()
        endpoint = self.instance.endpoints.get(endpoint_id)
        if endpoint is None:
            raise api_error("TENANT_PRIVATE_ENDPOINT_NOT_FOUND", endpoint_id)
        match method:
            case "GET":
                return 200, endpoint.render(self.world.switches)
            case "PATCH":
                self.changes.add(endpoint_id)
                self.world.update(self.instance, endpoint, read_change(text, "AWS"))
                return 200, endpoint.render(self.world.switches)
            case "DELETE":
                self.deleting(endpoint_id)
                self.deletions.add(endpoint_id)
                self.world.delete(self.instance, endpoint)
                return 204, b""
            case _:
                raise AssertionError(method)

    def _reserve(self, comment: str | None) -> bytes:
        uid = (comment or "").removeprefix(MARK)
        alive = [
            each
            for each, owner in self.reserved_for.items()
            if owner == uid and each in self.instance.endpoints and each not in self.deletions
        ]
        if alive:
            self.violations.append(f"a second endpoint is reserved for {uid} beside {alive}")
        endpoint = self.world.reserve(self.instance, comment)
        self.reserved_for[endpoint.id] = uid
        return endpoint.render(self.world.switches)
