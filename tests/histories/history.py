"""A random history of a few resources and an operator, in one process and on virtual time.

When all that happens in it is over, Atlas and the cluster have to be as the resources want it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from typing_extensions import override

from atlas_endpoints.controller.cache import uid_of
from behaviour.api_server import Cluster
from behaviour.process import Process
from histories.atlas import UnreliableAtlas
from histories.course import Side
from support.cores import SETTINGS
from support.ports import NoObserver
from support.virtual_time import VirtualClock

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.reconcile.events import Event
    from atlas_endpoints.reconcile.kind import Kind
    from histories.course import Course

A = TypeVar("A", bound=UnreliableAtlas)

TROUBLED = (30.0, 120.0, 900.0)
"""Seconds in which things happen: some histories are dense, some are long."""
CALM, STEP = 4 * 3600.0, 300.0
"""Seconds within which everything has to be as wanted afterwards, and how often that is looked at."""

KNOWN = 150.0
"""Seconds after which the operator knows what stands in a status, whatever was lost meanwhile."""


class Events(NoObserver):
    """Keeps Events, by the uid of the resource."""

    def __init__(self) -> None:
        self.of: dict[str, list[Event]] = {}

    @override
    def recorded(self, body: Body, event: Event) -> None:
        self.of.setdefault(uid_of(body), []).append(event)


class History(ABC, Generic[A]):
    """One history.

    Args:
        seed: decides everything that happens.

    Attributes:
        kind: of its resources.
        atlas: what they are about; set by the kind's own history.
        course: what happens; likewise.
        told: what has happened.
        events: the Events of the operator.
    """

    kind: ClassVar[Kind[Any]]
    atlas: A
    course: Course

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # a history is to be the same each time
        self.clock = VirtualClock(asyncio.get_running_loop())
        names = self.kind.names
        named = {"apiVersion": names.api_version, "kind": names.kind}
        self.cluster = Cluster(self.random, lambda: f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}", named)
        self.apply, self.edit = self.cluster.apply, self.cluster.edit
        self.annotate, self.delete = self.cluster.annotate, self.cluster.delete
        self._process = Process(
            self.cluster,
            self.kind,
            delay=lambda: self.random.uniform(0.0, 0.2),
            told=self.learned,
            ended=lambda why: self.atlas.violations.append(why),  # noqa: PLW0108  # it is made later,
        )
        self.told: list[str] = []
        self.events = Events()

    async def run(self) -> str | None:
        """Play it; give what is wrong at its end, or ``None``."""
        self._boot()
        times = self.course.times(TROUBLED)
        for before, at in zip([0.0, *times], times, strict=False):
            await asyncio.sleep(at - before)
            self.told.append(f"{at:6.1f} s {self.course.go_on()}")
        self.calm()
        wrong: str | None = "nothing has been looked at"
        for _ in range(int(CALM / STEP)):
            await asyncio.sleep(STEP)
            self.atlas.world.settle()
            wrong = self.wrong()
            if wrong is None or self.atlas.violations:
                break
        self._kill()
        await asyncio.sleep(0)
        return "; ".join(self.atlas.violations) or wrong

    @abstractmethod
    def wrong(self) -> str | None:
        """Tell what is not as the resources want it; ``None``: all is."""

    # What happens.

    def names(self) -> list[str]:
        return [self.cluster.name_of(key) for key in self.cluster.objects]

    def lists_lag(self, seconds: float) -> None:
        self.atlas.switch(listLag=seconds)

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

    def _side(self, side: Side) -> UnreliableAtlas | Cluster:
        return self.atlas if side is Side.ATLAS else self.cluster

    def _for_a_while(self, what: Any, name: str, value: Any, seconds: float) -> None:
        before = getattr(what, name)
        setattr(what, name, value)
        asyncio.get_running_loop().call_later(seconds, setattr, what, name, type(before)())

    def calm(self) -> None:
        """Nothing goes wrong any more, and nobody is suspended."""
        self.atlas.down = self.cluster.down = False
        self.atlas.written = self.cluster.written = lambda: None
        self.atlas.unreliable = self.cluster.unreliable = self.cluster.lost_events = 0.0
        self.atlas.switch(listLag=0.0)
        for key in list(self.cluster.objects):
            self.cluster.edit(self.cluster.name_of(key), suspend=None)

    def learned(self, body: Body) -> None:
        """The operator was told of a resource by a watch, or knows it from its start; one that is gone as it was last."""

    # The operator's process.

    def _boot(self) -> None:
        if self._process.tasks:
            return
        for body in self.cluster.objects.values():
            self.learned(deepcopy(body))  # nothing is done before they are listed
        ports = {"settings": SETTINGS, "client": self.atlas, "clock": self.clock, "random": self.random}
        self._process.boot(**ports, observer=self.events)

    def _kill(self) -> None:
        self._process.kill()
