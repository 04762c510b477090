"""The work queue: keys with due times, each of which runs once at a time.

It coalesces as client-go's workqueue does: a key is queued once, and a key that is added while it runs is handed out again when
its run is done.

Four rules choose among the due keys:

- An owner, and a flow name that several owners have in common, has at most half of the workers. Owners below that take turns, and
  so do the flows of each, so that no owner crowds out the others.
- Urgent keys come before routine ones.
- Routine keys have at most three quarters of the workers, and of each such half, so that an urgent key finds a free one.
- One pick in ``ROUTINE_SHARE`` is of a routine key, so that urgent keys cannot starve them.
"""

import asyncio
import heapq
from collections import Counter, OrderedDict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from atlas_endpoints.controller.clock import Clock

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a waiting routine key."""

_SLACK = 64
"""Replaced times in the heap, beyond the number of keys, before it is rebuilt."""


class Flow(NamedTuple):
    """The flow of a key: its owner, and a name that other owners may have in common; both have a share of the workers."""

    owner: Hashable
    name: Hashable


class Waited(Protocol):
    """Receives how long each key was due."""

    def __call__(self, seconds: float, *, urgent: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class _Request:
    """The request for a key; it is replaced, never changed, so that the heap can recognise a replaced time by identity."""

    flow: Flow
    due: float
    urgent: bool


class _Turns(Generic[K]):
    """Due keys of one priority: first in, first out within a flow; the flow and the owner of the last pick go to the end."""

    def __init__(self) -> None:
        self._owners: OrderedDict[Hashable, OrderedDict[Hashable, OrderedDict[K, None]]] = OrderedDict()

    def put(self, key: K, flow: Flow) -> None:
        self._owners.setdefault(flow.owner, OrderedDict()).setdefault(flow.name, OrderedDict())[key] = None

    def discard(self, key: K, flow: Flow) -> None:
        flows = self._owners.get(flow.owner, OrderedDict())
        if key in flows.get(flow.name, ()):
            del flows[flow.name][key]
            if not flows[flow.name]:
                del flows[flow.name]
            if not flows:
                del self._owners[flow.owner]

    def take(self, full: Collection[tuple[str, Hashable]]) -> K | None:
        """Remove and return the next key whose owner and flow name are not ``full``, as ``_full`` returns them."""
        for owner, flows in self._owners.items():
            flow = next((Flow(owner, name) for name in flows if ("name", name) not in full), None)
            if flow is not None and ("owner", owner) not in full:
                key = next(iter(flows[flow.name]))
                flows.move_to_end(flow.name)
                self._owners.move_to_end(owner)
                self.discard(key, flow)
                return key
        return None


class Queue(Generic[K]):
    """A coalescing queue of due keys.

    Args:
        workers: the most running keys.
        waited: called for each key that is handed out.
    """

    def __init__(self, clock: Clock, *, workers: int, waited: Waited = lambda seconds, urgent: None) -> None:  # noqa: ARG005  # by name
        self._clock = clock
        self._waited = waited
        self._workers = workers
        self._waiting: dict[K, _Request] = {}
        self._running: dict[K, _Request] = {}
        self._forgotten: set[K] = set()
        self._due: dict[bool, _Turns[K]] = {True: _Turns(), False: _Turns()}
        """By whether they are urgent."""
        self._urgent_in_a_row = 0
        self._times: list[tuple[float, int, K, _Request]] = []
        self._sequence = 0
        self._sleeper: asyncio.Future[None] | None = None
        self._closed = False

    def __len__(self) -> int:  # the due keys that do not run
        now = self._clock.monotonic()
        return sum(each.due <= now and key not in self._running for key, each in self._waiting.items())

    def __contains__(self, key: K) -> bool:  # requested, now or later, perhaps beside a running reconcile
        return key in self._waiting

    @property
    def running(self) -> int:
        """The number of running keys."""
        return len(self._running)

    def add(self, key: K, *, flow: Flow | None = None, delay: float = 0.0, urgent: bool = False) -> None:
        """Request a reconcile of a key, in ``delay`` seconds; it is urgent when a user waits for it.

        Of several requests, the earliest time, the higher priority and the newest flow count. Without a flow, a key has its own.
        """
        flow, due = flow or Flow(key, key), self._clock.monotonic() + delay
        before = self._waiting.get(key)
        if before is not None:
            due, urgent = min(due, before.due), urgent or before.urgent
            if before == _Request(flow, due, urgent):
                return  # it keeps its position
            self._withdraw(key)
        self._waiting[key] = _Request(flow, due, urgent)
        if key not in self._running:  # else done() schedules it
            self._schedule(key)

    def forget(self, key: K) -> None:
        """Drop the requests for a key; a running reconcile of it finishes, and does not requeue it."""
        if key in self._waiting:
            self._withdraw(key)
        if key in self._running:
            self._forgotten.add(key)

    async def get(self) -> K | None:
        """Wait for the next due key; None when the queue is closed. Only one task may wait at a time."""
        while not self._closed:
            key = self._pick()
            if key is not None:
                run = self._running[key] = self._waiting.pop(key)
                self._waited(self._clock.monotonic() - run.due, urgent=run.urgent)
                return key
            await self._sleep()
        return None

    def done(self, key: K, *, delay: float | None = None, urgent: bool = False) -> None:
        """Return a key from ``get``, so that it can be handed out again. One that goes on at once keeps its priority.

        ``delay`` is in seconds; with None, only requests since then requeue it. Raises ``KeyError`` if it does not run.
        """
        run = self._running.pop(key)
        asked = self._waiting.get(key)
        if asked is not None:
            self._schedule(key)
        if delay is not None and key not in self._forgotten:
            urgent = urgent or (run.urgent and delay == 0)
            self.add(key, flow=asked.flow if asked else run.flow, delay=delay, urgent=urgent)
        self._forgotten.discard(key)
        self._wake()

    def close(self) -> None:
        """Hand out no more keys; who waits for one gets None."""
        self._closed = True
        self._wake()

    def _withdraw(self, key: K) -> None:
        request = self._waiting.pop(key)
        self._due[request.urgent].discard(key, request.flow)

    def _schedule(self, key: K) -> None:
        """Schedule a key that does not run."""
        request = self._waiting[key]
        self._sequence += 1
        heapq.heappush(self._times, (request.due, self._sequence, key, request))
        if len(self._times) > 2 * len(self._waiting) + _SLACK:
            self._times = [each for each in self._times if self._waiting.get(each[2]) is each[3]]
            heapq.heapify(self._times)
        if self._times[0][3] is request:
            self._wake()

    def _pick(self) -> K | None:
        """Remove and return the due key that runs next; None when there is none, or each is at a limit."""
        now = self._clock.monotonic()
        while self._times and self._times[0][0] <= now:
            _, _, key, request = heapq.heappop(self._times)
            if self._waiting.get(key) is request:
                self._due[request.urgent].put(key, request.flow)
        if len(self._running) >= self._workers:
            return None
        half = max(1, self._workers // 2)
        routine = [each for each in self._running.values() if not each.urgent]
        full = _full(self._running.values(), half)
        urgent_first = self._urgent_in_a_row < ROUTINE_SHARE - 1
        for urgent in (urgent_first, not urgent_first):
            if not urgent and len(routine) >= _for_routine(self._workers):
                continue
            picked = self._due[urgent].take(full if urgent else full | _full(routine, _for_routine(half)))
            if picked is not None:
                self._urgent_in_a_row = self._urgent_in_a_row + 1 if urgent else 0
                return picked
        return None

    async def _sleep(self) -> None:
        """Wait until a key may be due, or may have room."""
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        alarm = loop.call_later(self._times[0][0] - self._clock.monotonic(), self._wake) if self._times else None
        try:
            await self._sleeper
        finally:
            self._sleeper = None
            if alarm is not None:
                alarm.cancel()

    def _wake(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)


def _full(running: Iterable[_Request], limit: int) -> set[tuple[str, Hashable]]:
    """Return the owners and the flow names that have as many of the running keys as they may."""
    counts = Counter(part for run in running for part in zip(Flow._fields, run.flow, strict=True))
    return {part for part, count in counts.items() if count >= limit}


def _for_routine(workers: int) -> int:
    """Return how many of these workers routine keys may have."""
    return workers - workers // 4
