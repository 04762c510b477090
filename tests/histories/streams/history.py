"""A random history of a few private connections of Stream Processing: what happens in it, and what has to be true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.controller.cache import uid_of
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.targets import target_of
from atlas_endpoints.reconcile.status import condition_in
from atlas_endpoints.simulator.stream_endpoint import (
    DELETE_REQUESTED,
    DELETED,
    DELETING,
    DONE,
    FAILED,
    StreamConnectionDocument,
    StreamEndpointDocument,
)
from behaviour.atlas import PROJECT
from histories.atlas import UnreliableAtlas
from histories.course import Course
from histories.history import History
from model.dedicated.named import deletes, lives

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.stream_endpoint import StreamEndpoint

CONFLUENT = {
    "vendor": "CONFLUENT",
    "region": "eu-west-1",
    "serviceEndpointId": "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
}
PLACES = (CONFLUENT, {**CONFLUENT, "region": "EU_WEST_1"}, {"vendor": "KINESIS", "region": "eu-west-1"})
GOING = {DELETE_REQUESTED, DELETING, DELETED}
TWICE = 60.0
"""Seconds for which a creation whose answer was lost may still arrive."""


class StreamCourse(Course):
    """What people and Atlas do."""

    def __init__(self, history: StreamHistory) -> None:
        super().__init__(history.random, history)
        self._history = history

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        return [self._create, self._create, self._domain, self._policy, self._delete, self._suspend, self._force]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        return [self._change, self._use]

    def _create(self) -> None:
        choice, name = self._random.choice, self._random.choice(["one", "two", "other/three"])
        if name not in self._names:
            policies = {"deletionPolicy": choice([None, "Delete"]), "driftPolicy": choice([None, "Report"])}
            self._setup.apply(name, {"projectId": PROJECT, "providerName": "AWS", **policies, **choice(PLACES)})

    def _domain(self) -> None:
        """Confluent names a domain; once it is set, it stays."""
        name = self._name()
        if self._history.vendor_of(name) == "CONFLUENT":
            self._setup.edit(name, dnsDomain="orders.example")

    def _change(self) -> None:
        """A connection fails, or it vanishes."""
        self._history.put(self._random.choice([{"state": FAILED}, {"state": DONE}, {"remove": True}]))

    def _use(self) -> None:
        self._history.use(is_used=self._random.choice([True, False]))


class StreamHistory(History[UnreliableAtlas]):
    """One history."""

    kind = KIND

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.atlas = UnreliableAtlas(self.random, lambda: self.clock.now().timestamp())
        self.atlas.sent = self._is_sent
        self.course = StreamCourse(self)
        self._project = self.atlas.world.projects[PROJECT]
        self._posts: dict[str, float] = {}

    def vendor_of(self, name: str) -> str:
        named = (each for key, each in self.cluster.objects.items() if self.cluster.name_of(key) == name)
        return str(next(named)["spec"]["vendor"])

    def put(self, fields: dict[str, Any]) -> None:
        """Change one of the connections as a person would."""
        self.atlas.world.settle()
        if there := [each for each in self._project.stream_endpoints.values() if each.state not in GOING]:
            document = StreamEndpointDocument.model_validate({"_id": self.random.choice(there).id, **fields})
            self.atlas.simulator.streams.put(self._project, document)

    def use(self, *, is_used: bool) -> None:
        """Have a stream use one of the connections, or none."""
        there = [*self._project.stream_endpoints]
        used = self.random.choice(there) if there and is_used else None
        document = {"workspaceName": "orders", "name": "orders", "connectionId": used}
        self.atlas.simulator.streams.put_connection(self._project, StreamConnectionDocument.model_validate(document))

    def _of(self, place: str) -> list[StreamEndpoint]:
        return [each for each in self._project.stream_endpoints.values() if _place(each) == place]

    def _naming(self, place: str) -> list[Body]:
        return [body for body in self.cluster.objects.values() if self.kind.named_by(body).endpoint == place]

    def _is_sent(self, request: Request) -> None:
        """A call leaves: no connection is asked for while one may come."""
        if request.method != "POST" or request.body is None:
            return
        self.atlas.world.settle()
        now, place = self.clock.monotonic(), target_of(request.body)
        # What a resource had that went, nobody knows while the LIST lags: it stays, and Atlas refuses a second one.
        is_known = not any(self.kind.named_by(each).endpoint == place for each in self.cluster.deleted)
        is_there = any(each.state not in GOING and not each.is_deleted for each in self._of(place))
        if is_known and is_there and now - self._posts.get(place, -math.inf) < TWICE:
            self.atlas.violations.append(f"{place} is asked for twice")
        self._posts[place] = now

    @override
    def calm(self) -> None:
        super().calm()
        self.use(is_used=False)

    @override
    def wrong(self) -> str | None:
        for body in self.cluster.objects.values():
            if not self._is_right(body):
                ready, there = condition_in(body["status"], "Ready"), self._of(self.kind.named_by(body).endpoint or "")
                return f"{body['metadata']['name']} is not right: {ready}, {there}"
        told = str([each.message for events in self.events.of.values() for each in events])
        for endpoint in self._project.stream_endpoints.values():
            place = _place(endpoint)
            named = (each for each in reversed(self.cluster.deleted) if self.kind.named_by(each).endpoint == place)
            last = next(named, None)
            goes = last is not None and uid_of(last) in self.cluster.held and deletes(last)
            if goes and endpoint.id not in told and not self._naming(place):
                return f"{endpoint.id} was left behind"
        return None

    def _is_right(self, body: Body) -> bool:
        """Return whether Atlas is as a resource wants it, and its status says so."""
        metadata, status, place = body["metadata"], body["status"], self.kind.named_by(body).endpoint or ""
        is_current = lives(body) and status["observedGeneration"] == metadata["generation"]
        if not is_current or bool(metadata.get("finalizers")) != deletes(body):
            return False
        reason, there = condition_in(status, "Ready")["reason"], {each.id: each for each in self._of(place)}
        if reason == "Conflict":
            return {condition_in(each["status"], "Ready").get("reason") for each in self._naming(place)} != {"Conflict"}
        if not there:
            return bool(reason == "EndpointNotFound")
        shown, domain = there.get((status.get("connection") or {}).get("id", "")), body["spec"].get("dnsDomain")
        if shown is None or (shown.state != FAILED and domain not in {None, shown.fields.get("dnsDomain")}):
            return False
        waits = "WaitingForCloudEndpoint" if shown.waits_for_domain else None
        return bool(reason == {DONE: "Available", FAILED: "EndpointFailed"}.get(shown.state, waits))


def _place(endpoint: StreamEndpoint) -> str:
    return target_of(endpoint.document())
