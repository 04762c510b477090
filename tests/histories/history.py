"""A random history of a few resources, their endpoints and an operator, in one process and on virtual time.

When all that happens in it is over, the world has to be as the resources want it.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import entry_of as endpoint_of
from atlas_endpoints.settings import OperatorSettings
from histories.atlas import INSTANCE, PROJECT, Atlas
from histories.cluster import Cluster
from histories.course import Course, Side
from histories.judge import Ending, Held
from support.cores import core_of
from support.virtual_time import VirtualClock

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body

TROUBLED = (30.0, 120.0, 900.0)
"""Seconds in which things happen: some histories are dense, some are long."""
CALM, STEP = 4 * 3600.0, 300.0
"""Seconds within which everything has to be as wanted afterwards, and how often that is looked at."""

KNOWN = 150.0
"""Seconds after which the operator knows what stands in a status, whatever was lost meanwhile."""

NAMED = ("a" * 24, "b" * 24)
"""Endpoints that resources name."""
FOREIGN = "f" * 24
"""An endpoint that none of them names."""
SETTINGS = OperatorSettings.model_construct(credentials_secret="operator/atlas", concurrency=4)


class History:
    """One history.

    Args:
        seed: decides everything that happens.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311  # a history is to be the same each time
        loop = asyncio.get_running_loop()
        self._clock = VirtualClock(loop)
        self.cluster = Cluster(self._random, lambda: f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}")
        self.atlas = Atlas(self._random, lambda: self._clock.now().timestamp())
        self.apply, self.edit = self.cluster.apply, self.cluster.edit
        self.annotate, self.delete = self.cluster.annotate, self.cluster.delete
        self.put, self.lists_lag = self.atlas.put, self.atlas.lag
        self.cluster.gone = self._goes
        self.atlas.deleting = self._is_deleted
        for each in (*NAMED, FOREIGN):
            self.atlas.put(each, status="RESERVED", comment="theirs")
        place = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS"}
        self._course = Course(self._random, self, place=place, named=NAMED, foreign=FOREIGN)
        self._tasks: list[asyncio.Task[Any]] = []
        self.told: list[str] = []

    async def run(self) -> str | None:
        """Play it; give what is wrong at its end, or ``None``."""
        self._boot()
        times = self._course.times(TROUBLED)
        for before, at in zip([0.0, *times], times, strict=False):
            await asyncio.sleep(at - before)
            self.told.append(f"{at:6.1f} s {self._course.go_on()}")
        self._calm()
        wrong: str | None = "nothing has been looked at"
        for _ in range(int(CALM / STEP)):
            await asyncio.sleep(STEP)
            self.atlas.world.settle()
            wrong = self._wrong()
            if wrong is None or self.atlas.violations:
                break
        self._kill()
        await asyncio.sleep(0)
        return "; ".join(self.atlas.violations) or wrong

    # What happens.

    def names(self) -> list[str]:
        return [key.name for key in self.cluster.objects]

    def endpoints(self) -> dict[str, Held]:
        there = self.atlas.instance.endpoints.items()
        return {each: Held(str(endpoint.status), endpoint.comment or "") for each, endpoint in there}

    def crash(self) -> None:
        self._kill()
        self._boot()

    def crash_at_a_write(self, side: Side, number: int) -> None:
        what, left = self._side(side), number

        def written() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                what.written = lambda: None
                asyncio.get_running_loop().call_soon(self.crash)

        what.written = written

    def loses_answers(self, side: Side, seconds: float) -> None:
        self._for_a_while(self._side(side), "unreliable", 0.5, seconds)

    def loses_events(self, seconds: float) -> None:
        self._for_a_while(self.cluster, "lost_events", 0.5, seconds)

    def is_away(self, side: Side, seconds: float) -> None:
        self._for_a_while(self._side(side), "down", True, seconds)

    def _side(self, side: Side) -> Atlas | Cluster:
        return self.atlas if side is Side.ATLAS else self.cluster

    def _for_a_while(self, what: Any, name: str, value: Any, seconds: float) -> None:
        before = getattr(what, name)
        setattr(what, name, value)
        asyncio.get_running_loop().call_later(seconds, setattr, what, name, type(before)())

    def _calm(self) -> None:
        """Nothing goes wrong any more, and nobody is suspended."""
        self.atlas.down = self.cluster.down = False
        self.atlas.written = self.cluster.written = lambda: None
        self.atlas.unreliable = self.cluster.unreliable = self.cluster.lost_events = 0.0
        self.atlas.lag(0.0)
        for key in list(self.cluster.objects):
            self.cluster.edit(key.name, suspend=None)

    # The operator's process.

    def _boot(self) -> None:
        core = core_of(self.cluster, settings=SETTINGS, client=self.atlas, clock=self._clock, random=self._random)
        events: asyncio.Queue[tuple[str, Body]] = asyncio.Queue()
        self.cluster.watcher = lambda type_, body: events.put_nowait((type_, body))

        async def watch() -> None:
            while True:
                type_, body = await events.get()
                await asyncio.sleep(self._random.uniform(0.0, 0.2))
                (core.deleted if type_ == "DELETED" else core.seen)(body)

        for each in (core.kinds[KIND.names.kind].relister.keep(), core.work(), watch()):
            task = asyncio.create_task(each)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.cluster.watcher = None

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            with suppress(asyncio.CancelledError):
                self.atlas.violations.append(f"a task has ended: {task.exception()!r}")

    # What has to be true at any time.

    def _goes(self, body: Body) -> None:
        """A resource is gone: the endpoint that was to go with it is, too, unless somebody else stands for it."""
        endpoint_id = endpoint_of(body)
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
            since = self._clock.monotonic() - self.cluster.written_at.get(body["metadata"]["uid"], math.inf)
            if seen and "deletionTimestamp" not in body["metadata"] and since > KNOWN:
                name = body["metadata"]["name"]
                self.atlas.violations.append(f"endpoint {endpoint_id} is deleted, which {name} needs")

    def _others(self, body: Body, endpoint_id: str | None) -> list[Body]:
        return [each for each in self.cluster.objects.values() if each is not body and endpoint_of(each) == endpoint_id]

    # What has to be true in the end.

    def _wrong(self) -> str | None:
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
