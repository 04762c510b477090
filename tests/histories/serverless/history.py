"""A random history of a few serverless private endpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from behaviour.atlas import PROJECT
from histories.history import KNOWN, History
from histories.serverless.atlas import INSTANCE, Atlas
from histories.serverless.course import ServerlessCourse
from histories.serverless.judge import Ending, Held

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body

NAMED = ("a" * 24, "b" * 24)
"""Endpoints that resources name."""
FOREIGN = "f" * 24
"""An endpoint that none of them names."""


class ServerlessHistory(History[Atlas]):
    """One history; what is true of it, and what has to be."""

    kind = KIND

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.atlas = Atlas(self.random, lambda: self.clock.now().timestamp())
        self.cluster.gone = self._goes
        self.atlas.deleting = self._is_deleted
        for each in (*NAMED, FOREIGN):
            self.atlas.put(each, status="RESERVED", comment="theirs")
        place = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS"}
        self.course = ServerlessCourse(self.random, self, place=place, named=NAMED, foreign=FOREIGN)

    def endpoints(self) -> dict[str, Held]:
        there = self.atlas.instance.endpoints.items()
        return {each: Held(str(endpoint.status), endpoint.comment or "") for each, endpoint in there}

    def put(self, endpoint_id: str, **fields: Any) -> None:
        self.atlas.put(endpoint_id, **fields)

    # What has to be true at any time.

    def _goes(self, body: Body) -> None:
        """A resource is gone: the endpoint that was to go with it is, too, unless somebody else stands for it."""
        endpoint_id = KIND.entry_of(body)
        takes_it_along = body["spec"].get("deletionPolicy") == "Delete" and body["metadata"]["uid"] in self.cluster.held
        if not takes_it_along or self._others(body, endpoint_id):
            return
        self.atlas.world.settle()
        if endpoint_id in self.atlas.instance.endpoints:
            self.atlas.violations.append(f"{body['metadata']['name']} goes before its endpoint {endpoint_id}")

    def _is_deleted(self, endpoint_id: str) -> None:
        """An endpoint is asked to be deleted: nobody who lives has been seen to need it for long."""
        for body in self.cluster.objects.values():
            seen = (body["status"].get("endpoint") or {}).get("id") == endpoint_id
            since = self.clock.monotonic() - self.cluster.written_at.get(body["metadata"]["uid"], math.inf)
            if seen and "deletionTimestamp" not in body["metadata"] and since > KNOWN:
                name = body["metadata"]["name"]
                self.atlas.violations.append(f"endpoint {endpoint_id} is deleted, which {name} needs")

    def _others(self, body: Body, endpoint_id: str | None) -> list[Body]:
        return [
            each for each in self.cluster.objects.values() if each is not body and KIND.entry_of(each) == endpoint_id
        ]

    # What has to be true in the end.

    @override
    def wrong(self) -> str | None:
        cluster, atlas = self.cluster, self.atlas
        return Ending(
            bodies=list(cluster.objects.values()),
            gone={body["metadata"]["uid"]: body for body in cluster.deleted},
            held=cluster.held,
            wanted_delete=cluster.wanted_delete,
            endpoints=self.endpoints(),
            foreign=FOREIGN,
            reserved_for=atlas.reserved_for,
            deletions=atlas.deletions,
            changes=atlas.changes,
        ).wrong()
