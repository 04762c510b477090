"""After any faults in any order, the controller converges, and it has lost and repeated nothing.

Edits, deletions and objects of the same name; outages, lost answers, a watch that lags or loses events; reconciles that wait, fail or change
nothing: all of it at moments that hypothesis picks, the controller and the relister running together.
"""

import asyncio
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.cluster.relister import Relister
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, RequeueAfter
from support.virtual_time import VirtualClock, run
from unit.controller.api_server import NAMESPACE, ApiServer
from unit.controller.mirror import Operator

NAMES = ["a", "b"]
LONG_ENOUGH = 1000.0
"""Seconds: the longest backoff and the longest relist interval are over."""


class Harness:
    """An API server, the controller, and the deletions that the watch has reported."""

    def __init__(self, clock: VirtualClock) -> None:
        self.server = ApiServer()
        self.operator = Operator(clock, self.server)
        self.gone: set[str] = set()
        self.passes_over_what_was_gone: list[str] = []
        self._tell = self.server.watch
        self.server.watch = self._watch
        self.operator.mirror.begins = self._begins
        self.relister = Relister(
            self.operator.cache,
            self.server,
            self.operator,
            namespaces=(),
            interval=60,
            random=Random(1),  # noqa: S311  # jitter
        )

    def check(self) -> None:
        """All is as it should be once everything is over."""
        server, operator, mirror = self.server, self.operator, self.operator.mirror
        assert {key: operator.cache.get(key) for key in operator.cache} == server.objects
        for key, body in server.objects.items():
            assert mirror.external[key] == body["spec"]["value"]
            assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
            assert body["status"]["said"] == "Done"
            assert body["status"]["sent"] == mirror.sent_for[body["metadata"]["uid"]], (
                "something is lost, or told twice"
            )
        assert mirror.remembered == {key: body["metadata"]["uid"] for key, body in server.objects.items()}
        assert operator.loop.failing == 0
        assert (len(operator.queue), operator.queue.running) == (0, 0)
        assert not self.passes_over_what_was_gone

    def _watch(self, type_: str, body: Body) -> None:
        if type_ == "DELETED":
            self.gone.add(body["metadata"]["uid"])
        self._tell(type_, body)

    def _begins(self, body: Body) -> None:
        if body["metadata"]["uid"] in self.gone:
            self.passes_over_what_was_gone.append(body["metadata"]["uid"])


Event = Callable[[Harness], None]


def on(name: str, change: Callable[[ApiServer, Key], None]) -> Event:
    """Do something to an object, if there is one of this name."""
    key = Key("ServerlessPrivateEndpoint", NAMESPACE, name)

    def event(harness: Harness) -> None:
        if key in harness.server.objects:
            change(harness.server, key)

    return event


def sets(target: str, name: str, value: object) -> Event:
    def event(harness: Harness) -> None:
        setattr(harness.operator.mirror if target == "mirror" else harness.server, name, value)

    return event


def applies(name: str, value: str) -> Event:
    def event(harness: Harness) -> None:
        harness.server.apply(name, value)

    return event


def replaces(server: ApiServer, key: Key) -> None:
    server.delete(key)
    server.apply(key.name, "v3")


def loses_events(harness: Harness) -> None:
    harness.server.lose_events()


EVENTS: dict[str, Event] = {
    **{f"{name} becomes {value}": applies(name, value) for name in NAMES for value in ("v1", "v2")},
    **{f"{name} is deleted": on(name, ApiServer.delete) for name in NAMES},
    **{f"{name} is replaced": on(name, replaces) for name in NAMES},
    **{f"{name} gets a label": on(name, lambda server, key: server.label(key, touched="yes")) for name in NAMES},
    **{f"a person calls for {name}": on(name, lambda server, key: server.annotate(key, force="yes")) for name in NAMES},
    "the watch lags": sets("server", "watch_lags", True),
    "the watch catches up": sets("server", "watch_lags", False),
    "the watch loses events": loses_events,
    "the API server goes": sets("server", "down", True),
    "the API server comes": sets("server", "down", False),
    "answers are lost": sets("server", "loses_answers", True),
    "answers arrive": sets("server", "loses_answers", False),
    "calls take long": sets("server", "latency", 2.0),
    "calls take a moment": sets("server", "latency", 0.4),
    "calls take no time": sets("server", "latency", 0.0),
    "reconciles meet a bug": sets("mirror", "bug", True),
    "reconciles change nothing": sets("mirror", "quiet", RequeueAfter(2)),
    "reconciles succeed": lambda harness: (
        sets("mirror", "bug", False)(harness),
        sets("mirror", "quiet", None)(harness),
    )[0],
    "reconciles requeue": sets("mirror", "next", RequeueAfter(3)),
    "reconciles fail": sets("mirror", "next", Backoff(at_least=2)),
    "reconciles do not requeue": sets("mirror", "next", NoRequeue()),
}
END = [
    "the API server comes",
    "answers arrive",
    "the watch catches up",
    "calls take no time",
    "reconciles succeed",
    "reconciles do not requeue",
]
pauses = st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, 1.7, 5.0, 40.0])


@settings(max_examples=100, deadline=None)
@given(events=st.lists(st.tuples(pauses, st.sampled_from(list(EVENTS))), min_size=20, max_size=40))
def test_the_external_state_converges_to_the_specs(events: list[tuple[float, str]]) -> None:
    run(happen(events))


async def happen(events: list[tuple[float, str]]) -> None:
    harness = Harness(VirtualClock(asyncio.get_running_loop()))
    EVENTS["calls take a moment"](harness)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(harness.operator.loop.work())
        relister = tasks.create_task(harness.relister.keep())
        for pause, event in events:
            await asyncio.sleep(pause)
            EVENTS[event](harness)
        for event in END:
            EVENTS[event](harness)
        await asyncio.sleep(LONG_ENOUGH)
        harness.check()
        writes = len(harness.server.writes)
        await asyncio.sleep(LONG_ENOUGH)
        assert len(harness.server.writes) == writes, "it does not come to rest"
        harness.operator.queue.close()
        relister.cancel()
