"""One run of the real operator in a small environment, moved step by step."""

from __future__ import annotations

import asyncio
import operator
import traceback
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, key_of, version_of
from atlas_endpoints.controller.controller import ConflictError, GoneError
from atlas_endpoints.core import Core
from atlas_endpoints.process.app import DRAIN
from atlas_endpoints.tunings import ARRIVES
from model import invariants
from model.environment import Environment, Ghost, Told
from model.invariants import Invariant, Violation
from model.memory import ORIGIN, START, Same
from model.ports import CHANGES, RECORDS, Effect, Ports, failure, serve
from support.cores import SETTINGS
from support.ports import NoAnnotations, OneSecret
from support.targets import NoConfigMaps, NoTargets
from support.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_endpoints.controller.requeue import Requeue
    from atlas_endpoints.core import Work
    from atlas_endpoints.reconcile.events import Event
    from atlas_endpoints.reconcile.kind import Kind
    from support.virtual_time import VirtualTimeLoop

E = TypeVar("E", bound=Environment)

AGAIN = 5.0
"""Seconds after which a comparison that failed is made again."""

CALL = 15.0
"""Seconds: the longest that a call may be under way."""

LEASE = 45.0
"""Seconds after which a Lease that nobody renews is taken over."""


class Watched(Core):
    """The real core, and a note of what it was told and what it has begun; see ``invariants``.

    Attributes:
        told: uid and generation of each resource, the newest that it was shown.
        begun: the same, of the last reconcile of it that has begun.
        working_on: the resources over which a reconcile is under way, as each was when it began.
    """

    def __init__(self, kind: Kind[Any], violations: list[Violation], **ports: Any) -> None:
        self.told: dict[Key, tuple[str, int]] = {}
        self.begun: dict[Key, tuple[str, int]] = {}
        self.working_on: dict[Key, Body] = {}
        self.violations = violations
        super().__init__(SETTINGS, [kind], **ports, around=lambda run: partial(self.observed, run))
        served = self.kinds[kind.names.kind]
        self.cache, self.relister = served.cache, served.relister

    @override
    def seen(self, body: Body) -> None:
        metadata, key = body["metadata"], key_of(body)
        known = self.told.get(key)
        newest = metadata["uid"], metadata["generation"]
        self.told[key] = max(known, newest) if known is not None else newest
        before = self.cache.get(key)
        super().seen(body)
        after = self.cache.get(key)
        if before is not None and after is not None and version_of(after) < version_of(before):
            what = f"{key.name} goes back from version {version_of(before)} to {version_of(after)}"
            self.violations.append(Violation(Invariant.FORWARD, what))

    def forget(self) -> None:
        """Drop when the workers began, as soon as it makes no difference any more."""
        if self.started() < self.clock.monotonic() - ARRIVES:
            self._started = 0.0

    async def observed(self, run: Callable[[Work], Awaitable[Requeue]], work: Work) -> Requeue:
        """Do what a worker does with a piece of work, and take note of it."""
        if not isinstance(work, Key) or (body := self.cache.get(work)) is None:
            return await run(work)
        self.begun[work] = body["metadata"]["uid"], body["metadata"]["generation"]
        if self.begun[work] < self.told[work]:
            self.violations.append(Violation(Invariant.NEWEST, f"a pass over generation {self.begun[work][1]} begins"))
        self.working_on[work] = body
        try:
            return await run(work)
        finally:
            self.working_on.pop(work, None)  # two may be under way where they must not


class Replica:
    """An operator's process.

    Attributes:
        core: the real one.
        compare_at: when it compares its store with the API server next; ``None`` while it does.
        works: whether it knows all as of when it came to lead, and its workers run.
        stops, stopped: whether it was asked to end; whether it has.
        idle: whether nothing of it was under way any more by then, so that it releases the Lease.
    """

    def __init__(self, number: int, run: Run[Any]) -> None:
        self.number = number
        self.core = Watched(
            run.environment.kind,
            run.environment.violations,
            client=run.ports(number),
            objects=lambda _: run.ports(number),
            secrets=OneSecret(),
            namespaces=NoAnnotations(),
            targets=NoTargets(),
            config_maps=NoConfigMaps(),
            observer=run.ports(number),
            clock=VirtualClock(run, start=START - timedelta(seconds=ORIGIN)),
            random=run.environment.random(),
        )
        self.compare_at: float | None = run.now
        self.works = False
        self.stops = False
        self.stopped = False
        self.idle = False


class Run(Generic[E]):
    """The environment, the replicas and the calls between them, at one moment.

    Args:
        environment: as it begins.
    """

    def __init__(self, environment: E) -> None:
        self.environment = environment
        self.effects: list[Effect] = []
        self.replicas: dict[int, Replica] = {}
        self.now_at_rest = ORIGIN
        self.writes: list[str] = []
        self.loop: VirtualTimeLoop | None = None
        self._tasks: dict[asyncio.Task[Any], str] = {}
        for number in range(environment.replicas):
            self.environment.events[number] = []

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "loop": None, "_tasks": {}, "writes": [], "now_at_rest": self.now}

    @property
    def now(self) -> float:
        return self.time()

    def time(self) -> float:
        """Return the time of the loop, or where it was left."""
        return self.now_at_rest if self.loop is None else self.loop.time()

    @property
    def open(self) -> bool:
        """Tell whether a reconcile, a LIST or a comparison is under way."""
        replicas = self.replicas.values()
        return bool(self.effects) or any(
            each.stops or (self.leads(each.number) and not each.works) for each in replicas
        )

    def ports(self, number: int) -> Ports:
        return Ports(number, self.environment.read, self.call, self.leads, self.announced)

    def announced(self, body: Body, event: Event) -> None:
        """Take in that people are told something of the endpoint of a resource."""
        self.environment.announced.add(Told(body["metadata"]["uid"], event.reason, event.message))

    def leads(self, number: int) -> bool:
        return self.environment.leader == number

    def call(self, replica: int, kind: str, target: str, content: Any) -> asyncio.Future[Any]:
        """Take a call of a replica."""
        effect = Effect(replica, kind, target, content, self.now, self._running().create_future())
        invariants.on_call(self, effect)
        if kind == "INVENTORY" and not self.environment.lists_take_time:
            effect.answer.set_result(serve(self.environment, effect))
        elif kind in {"READ", *RECORDS} and not self.leads(replica):
            # Who has lost his Lease has lost the API server: else he would have renewed it.
            effect.answer.set_exception(failure(effect, sent=False))
        else:
            self.effects.append(effect)
        return effect.answer

    def begin(self, loop: VirtualTimeLoop) -> None:
        """Set everything going on an event loop, at the time at which the run was left."""
        loop.set_time(self.now_at_rest)
        self.loop = loop
        if self.replicas:
            for replica in self.replicas.values():
                self._go(replica)
        else:
            for number in range(self.environment.replicas):
                self.boot(number)
        self.settle()

    def end(self) -> None:
        """Stop everything, so that the run can be left; that may have been done already."""
        if self.loop is None:
            return
        loop = self.loop
        self.now_at_rest = self.now
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_for(0)
        loop.drop_timers()
        self.loop = None
        self._tasks = {}

    def settle(self) -> None:
        """Let everything happen that can happen now."""
        self._running().run_for(0)
        self.environment.now = self.now
        self.environment.forget()
        for replica in self.replicas.values():
            replica.core.forget()
        for task, name in list(self._tasks.items()):
            if task.done():
                del self._tasks[task]
                if not task.cancelled() and (error := task.exception()) is not None:
                    what = f"{name} end with {''.join(traceback.format_exception(error))}"
                    self.environment.violations.append(Violation(Invariant.ALIVE, what))
        if not self.environment.standby_lags and self.environment.leader == 0 and 1 in self.replicas:
            while self.environment.events[1]:
                self.deliver(1)
        for replica in [each for each in self.replicas.values() if each.stopped]:
            if replica.idle:
                invariants.on_release(self, replica.number)
            self.crash(replica.number)
            self.environment.leader = None
        invariants.on_moment(self)

    def deliver(self, number: int) -> tuple[str, Body]:
        """Have a replica's watch bring the next event."""
        type_, body = self.environment.events[number].pop(0)
        core = self.replicas[number].core
        (core.deleted if type_ == "DELETED" else core.seen)(body)
        return type_, body

    def boot(self, number: int) -> None:
        """Start a replica's process anew; its watch begins with what there is."""
        self.replicas[number] = replica = Replica(number, self)
        self.environment.events[number] = [("ADDED", body) for body in self.environment.objects.values()]
        self._go(replica)

    def crash(self, number: int) -> None:
        """End a replica's process; what it has sent may still arrive."""
        for effect in self._of(number):
            if effect.kind in CHANGES and effect.held is None:
                self.environment.ghosts.append(Ghost(effect.kind, effect.target, effect.content, self.now + CALL))
            self.effects.remove(effect)
        for task, name in list(self._tasks.items()):
            if name.endswith(f" {number}"):
                del self._tasks[task]
                task.cancel()
        self._running().run_for(0)
        del self.replicas[number]

    def stop(self, number: int) -> None:
        """Ask a replica to end; it finishes what is under way."""
        replica = self.replicas[number]
        replica.stops = True
        workers = next(task for task, name in self._tasks.items() if name == f"workers {number}")
        self._task(self._stopped(replica, workers), f"stop {number}")

    def lead(self, number: int) -> None:
        """Give a replica the Lease."""
        self.environment.leader = number
        self._go(self.replicas[number])

    def answer(self, effect: Effect) -> None:
        """Serve a call, if that is still to be done, and let the caller know."""
        self.effects.remove(effect)
        if effect.held is None:
            self.hold(effect)
        if isinstance(effect.held, Exception):
            effect.answer.set_exception(effect.held)
        else:
            effect.answer.set_result(effect.held)
            if effect.clears and self.leads(effect.replica):
                self.environment.confirmed(effect.target)

    def meddled(self, endpoint: str) -> None:
        """Note that somebody else has changed an endpoint: what is under way to us does not tell of it."""
        self.environment.meddled_with(endpoint)
        for effect in self.effects:
            if effect.target == endpoint:
                effect.clears = False

    def hold(self, effect: Effect) -> None:
        """Serve a call; its answer is on its way."""
        try:
            effect.held = serve(self.environment, effect)
        except (AtlasError, ConflictError, GoneError) as answer:
            effect.held = answer
        else:
            effect.clears = effect.kind in {"PATCH", "POST"}
        if effect.kind in CHANGES | RECORDS:
            if effect.kind != "DELETE" or not isinstance(effect.held, AtlasError):  # at rest, Atlas is asked again
                self.writes.append(effect.told())
            invariants.on_write(self, effect)
        if effect.held is None:
            effect.held = False  # an object that is not there

    def fail(self, effect: Effect, *, sent: bool) -> None:
        """Break a call."""
        self.effects.remove(effect)
        effect.answer.set_exception(failure(effect, sent=sent))

    def pass_time(self, seconds: float) -> None:
        """Have time pass, with everything that becomes due in it."""
        self._running().run_for(seconds)

    def next_timer(self) -> float | None:
        """Tell when something becomes due by itself."""
        return self._running().next_timer()

    def state(self) -> bytes:
        """Give what this moment is the same as others by."""
        same = Same(self.now)
        same.leave_out(self)
        same.add(self.environment)
        same.add([self.replicas[number] for number in sorted(self.replicas)])
        same.add(self.effects)
        tasks = [(_where(task), task) for task in asyncio.all_tasks(self._running())]
        for _, task in sorted((each for each in tasks if not _is_idle(each[0])), key=operator.itemgetter(0)):
            same.frames(task.get_coro())
        return same.state()

    def _go(self, replica: Replica) -> None:
        number, loop = replica.number, self._running()
        if replica.compare_at is not None:
            loop.call_at(replica.compare_at, self._compare, replica)
        if self.leads(number) and not replica.stops:
            self._task(self._work(replica), f"workers {number}")

    async def _work(self, replica: Replica) -> None:
        """Work as the real process does: from a LIST on that begins when it leads."""
        if not replica.works:
            refreshed = asyncio.ensure_future(replica.core.relister.refresh())
            if replica.compare_at is not None:
                replica.compare_at = self.now
                self._compare(replica)
            await refreshed
            replica.works = True
        await replica.core.work()

    def _compare(self, replica: Replica) -> None:
        # A timer may have been overtaken.
        is_due = replica.compare_at is not None and replica.compare_at <= self.now
        if is_due and self.replicas.get(replica.number) is replica:
            replica.compare_at = None
            self._task(self._comparison(replica), f"comparison {replica.number}")

    async def _comparison(self, replica: Replica) -> None:
        try:
            wait = await replica.core.relister.compare()
        except ClusterUnavailableError:
            wait = AGAIN
        if self.leads(replica.number) and not replica.works and not replica.stops:
            wait = min(wait, 0.0 if replica.core.relister.complete.is_set() else AGAIN)
        replica.compare_at = self.now + wait
        self._running().call_at(replica.compare_at, self._compare, replica)

    async def _stopped(self, replica: Replica, workers: asyncio.Task[None]) -> None:
        replica.idle = await replica.core.stop(workers, within=DRAIN)
        replica.stopped = True

    def _task(self, coroutine: Any, name: str) -> None:
        self._tasks[self._running().create_task(coroutine, name=name)] = name

    def _of(self, number: int) -> list[Effect]:
        return [effect for effect in self.effects if effect.replica == number]

    def _running(self) -> VirtualTimeLoop:
        assert self.loop is not None
        return self.loop


def _is_idle(where: tuple[str, ...]) -> bool:
    """Tell whether a task only waits for something to become due, or for those that do."""
    return where[-3] in {"Queue._sleep", "TaskGroup.__aexit__"}


def _where(task: asyncio.Task[Any]) -> tuple[str, ...]:
    """Tell where a task stands, without times: tasks that are alike in this are alike."""
    where: list[str] = []
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        where.extend((frame.f_code.co_qualname, str(frame.f_lasti), str(frame.f_locals.get("key"))))
        coroutine = coroutine.cr_await
    return tuple(where)
