"""The work queue: keys with due times, each given to one worker at a time.

It coalesces as client-go's workqueue does: a key is queued once, and a key that is added while it runs is handed out again when
its worker is done.

Each key is in a flow, and each flow has an owner. Four rules choose among the due keys:

- An owner, and a flow name that several owners have in common, has a limited number of workers. Owners below the limit take
  turns, and so do the flows of each, so that no owner crowds out the others.
- Urgent keys come before routine ones.
- Routine keys have a limited number of workers, in all and of each owner and flow name, so that an urgent key finds a free one.
- One pick in ``ROUTINE_SHARE`` is of a routine key, among all picks and among those of each flow, so that urgent keys cannot
  starve them. (Without the latter, a flow that is full at each tenth pick would starve.)
"""

import asyncio
import heapq
import math
from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from atlas_endpoints.controller.bookkeeping import Bookkeeping
from atlas_endpoints.controller.clock import Clock

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a waiting routine key."""

_SLACK = 64
"""Replaced times in the heap, beyond the number of keys, before it is rebuilt."""


class Flow(NamedTuple):
    """The flow of a key: its owner, and a name that other owners may have in common; both have a share of the workers."""

    owner: str
    name: str


NOBODY = Flow("", "")
"""The flow of keys without an owner."""


class Waited(Protocol):
    """Receives waits."""

    def __call__(self, seconds: float, *, urgent: bool) -> None:
        """Record how long a key was due."""


class _RoundRobin(Generic[K]):
    """Keys of one priority: first in, first out within a flow; the flow and the owner of the last pick go to the end."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[Flow, OrderedDict[K, None]]] = OrderedDict()
        self._flows: Counter[str] = Counter()
        """The number of flows by name."""

    def __contains__(self, flow: Flow) -> bool:
        return flow in self._owners.get(flow.owner, ())

    def put(self, key: K, flow: Flow) -> None:
        flows = self._owners.setdefault(flow.owner, OrderedDict())
        if flow not in flows:
            flows[flow] = OrderedDict()
            self._flows[flow.name] += 1
        flows[flow][key] = None

    def discard(self, key: K, flow: Flow) -> None:
        del self._owners[flow.owner][flow][key]
        self._tidy(flow)

    def take(self, flow: Flow) -> K:
        flows = self._owners[flow.owner]
        key, _ = flows[flow].popitem(last=False)
        flows.move_to_end(flow)
        self._owners.move_to_end(flow.owner)
        self._tidy(flow)
        return key

    def first_flow(self, full_owners: Collection[str], full_names: Collection[str]) -> Flow | None:
        # Only few owners and names can be full, but many owners may have a single flow, all of a full name.
        if all(name in full_names for name in self._flows):
            return None
        free = (flows for owner, flows in self._owners.items() if owner not in full_owners)
        return next((flow for flows in free for flow in flows if flow.name not in full_names), None)

    def _tidy(self, flow: Flow) -> None:
        flows = self._owners[flow.owner]
        if not flows[flow]:
            del flows[flow]
            self._flows[flow.name] -= 1
            if not self._flows[flow.name]:
                del self._flows[flow.name]
        if not flows:
            del self._owners[flow.owner]


@dataclass(slots=True)
class _Run:
    """A running key."""

    flow: Flow
    urgent: bool
    forgotten: bool = False


class _DueKeys(Generic[K]):
    """The due keys, and the choice among them; ``limit`` applies to each owner and each flow name."""

    _urgent_in_a_row: Bookkeeping[int]
    _overtaken: Bookkeeping[Counter[Flow]]
    """Urgent keys that were picked in a row while a routine key of the flow was waiting."""

    def __init__(self, limit: int, routine_limit: float, routine_flow_limit: float) -> None:
        self._limit = limit
        self._routine_limit = routine_limit
        self._routine_flow_limit = routine_flow_limit
        self._urgent: _RoundRobin[K] = _RoundRobin()
        self._routine: _RoundRobin[K] = _RoundRobin()
        self._places: dict[K, tuple[_RoundRobin[K], Flow]] = {}
        self._urgent_in_a_row = 0
        self._overtaken = Counter()

    def __len__(self) -> int:
        return len(self._places)

    def put(self, key: K, flow: Flow, *, urgent: bool) -> None:
        """Add a key to the end of its flow."""
        queue = self._urgent if urgent else self._routine
        queue.put(key, flow)
        self._places[key] = queue, flow

    def discard(self, key: K) -> None:
        """Remove a key, if it is there."""
        place = self._places.pop(key, None)
        if place is not None:
            queue, flow = place
            queue.discard(key, flow)
            self._drop_overtaken(flow)

    def take(self, running: Iterable[_Run]) -> tuple[K, Flow] | None:
        """Remove and return the next key and its flow; None when each key is in a flow, or has a priority, at its limit."""
        pick = self._pick(running)
        if pick is None:
            return None
        queue, flow = pick
        key = queue.take(flow)
        del self._places[key]
        if queue is self._urgent:
            self._urgent_in_a_row += 1
            self._overtaken[flow] += 1
        else:
            self._urgent_in_a_row = 0
            del self._overtaken[flow]
        self._drop_overtaken(flow)
        return key, flow

    def _pick(self, running: Iterable[_Run]) -> tuple[_RoundRobin[K], Flow] | None:
        running = tuple(running)
        routine_running = tuple(run for run in running if not run.urgent)
        owners, names = _full(running, self._limit)
        urgent = self._urgent.first_flow(owners, names)
        if len(routine_running) >= self._routine_limit:
            return None if urgent is None else (self._urgent, urgent)
        more_owners, more_names = _full(routine_running, self._routine_flow_limit)
        owners, names = owners | more_owners, names | more_names
        if urgent is None or self._urgent_in_a_row >= ROUTINE_SHARE - 1:
            routine = self._routine.first_flow(owners, names)
            if routine is not None:
                return self._routine, routine
        if urgent is None:
            return None
        is_full = urgent.owner in owners or urgent.name in names
        if self._overtaken[urgent] >= ROUTINE_SHARE - 1 and not is_full:
            return self._routine, urgent
        return self._urgent, urgent

    def _drop_overtaken(self, flow: Flow) -> None:
        if flow not in self._routine:
            del self._overtaken[flow]


def _full(running: Iterable[_Run], limit: float) -> tuple[set[str], set[str]]:
    """Return the owners and the flow names that have as many of the running keys as they may."""
    owners, names = Counter[str](), Counter[str]()
    for run in running:
        owners[run.flow.owner] += 1
        names[run.flow.name] += 1
    return {each for each in owners if owners[each] >= limit}, {each for each in names if names[each] >= limit}


@dataclass(frozen=True, slots=True)
class _Entry:
    """The request for a key; it is replaced, never changed, so that the heap can recognise a replaced time by identity."""

    flow: Flow
    due: float
    urgent: bool


class Queue(Generic[K]):
    """A coalescing queue of due keys.

    Args:
        flow_limit: the most running keys of one owner, or of one flow name.
        routine_limit: the most running routine keys.
        routine_flow_limit: the most running routine keys of one owner, or of one flow name.
        waited: called for each key that is handed out.
    """

    _times: Bookkeeping[list[tuple[float, int, K, _Entry]]]
    _sequence: Bookkeeping[int]
    _idle: Bookkeeping[deque[asyncio.Future[None]]]
    _alarm: Bookkeeping[asyncio.TimerHandle | None]

    def __init__(
        self,
        clock: Clock,
        *,
        flow_limit: int,
        routine_limit: float = math.inf,
        routine_flow_limit: float = math.inf,
        waited: Waited | None = None,
    ) -> None:
        self._clock = clock
        self._waited = waited
        self._waiting: dict[K, _Entry] = {}
        self._running: dict[K, _Run] = {}
        self._due: _DueKeys[K] = _DueKeys(flow_limit, routine_limit, routine_flow_limit)
        self._times = []
        self._sequence = 0
        self._closed = False
        # Idle workers, the longest idle first. Each is woken alone: to wake all for each key would cost more than the reconcile.
        self._idle = deque()
        self._alarm = None

    def __len__(self) -> int:  # the due keys that do not run
        now = self._clock.monotonic()
        return sum(entry.due <= now and key not in self._running for key, entry in self._waiting.items())

    def __contains__(self, key: K) -> bool:  # requested, now or later, perhaps beside a running reconcile
        return key in self._waiting

    @property
    def running(self) -> int:
        """The number of running keys."""
        return len(self._running)

    def add(self, key: K, *, flow: Flow = NOBODY, delay: float = 0.0, urgent: bool = False) -> None:
        """Request a reconcile of a key, in ``delay`` seconds; it is urgent when a user waits for it.

        Of several requests, the earliest time, the higher priority and the newest flow count.
        """
        due = self._clock.monotonic() + delay
        before = self._waiting.get(key)
        if before is not None:
            due = min(due, before.due)
            urgent = urgent or before.urgent
            if before == _Entry(flow, due, urgent):
                return  # it keeps its position
            self._withdraw(key)
        self._waiting[key] = _Entry(flow, due, urgent)
        if key not in self._running:  # else done() places it
            self._schedule(key)

    def forget(self, key: K) -> None:
        """Drop the requests for a key; a running reconcile of it finishes, and does not requeue it."""
        if key in self._waiting:
            self._withdraw(key)
            del self._waiting[key]
        if key in self._running:
            self._running[key].forgotten = True

    async def get(self) -> K | None:
        """Wait for the next due key; None when the queue is closed."""
        while not self._closed:
            self._promote()
            picked = self._due.take(self._running.values())
            if picked is not None:
                key, flow = picked
                entry = self._waiting.pop(key)
                self._running[key] = _Run(flow, entry.urgent)
                if self._waited is not None:
                    self._waited(self._clock.monotonic() - entry.due, urgent=entry.urgent)
                self._wake_next()
                return key
            await self._sleep()
        return None

    def done(self, key: K, *, delay: float | None = None, urgent: bool = False) -> None:
        """Return a key from ``get``, so that it can be handed out again. One that goes on at once keeps its priority.

        ``delay`` is in seconds; with None, only requests since then requeue it. Raises ``KeyError`` if no worker has the key.
        """
        run = self._running.pop(key)
        asked = self._waiting.get(key)
        if asked is not None:
            self._schedule(key)
        if delay is not None and not run.forgotten:
            urgent = urgent or (run.urgent and delay == 0)
            self.add(key, flow=asked.flow if asked else run.flow, delay=delay, urgent=urgent)
        self._wake_next()

    def close(self) -> None:
        """Hand out no more keys; waiting workers get None."""
        self._closed = True
        while self._idle:
            self._wake_one()

    def _withdraw(self, key: K) -> None:
        """Remove a key from the due ones, after all due keys have joined them: the flow may wait on without it."""
        promoted = self._promote()
        self._due.discard(key)
        if promoted and len(self._due):
            self._wake_one()  # the alarm for these keys may move to a later one

    def _schedule(self, key: K) -> None:
        """Schedule a key that does not run."""
        entry = self._waiting[key]
        self._sequence += 1
        heapq.heappush(self._times, (entry.due, self._sequence, key, entry))
        if len(self._times) > 2 * len(self._waiting) + _SLACK:
            self._times = [time for time in self._times if self._is_current(time)]
            heapq.heapify(self._times)
        if self._times[0][3] is entry:
            self._set_alarm()

    def _is_current(self, time: tuple[float, int, K, _Entry]) -> bool:
        """Return whether a time in the heap is still that of its key."""
        _, _, key, entry = time
        return self._waiting.get(key) is entry

    def _promote(self) -> bool:
        """Move the due keys to the due ones; return whether there were any."""
        before = len(self._due)
        now = self._clock.monotonic()
        while self._times and self._times[0][0] <= now:
            time = heapq.heappop(self._times)
            if self._is_current(time):
                _, _, key, entry = time
                self._due.put(key, entry.flow, urgent=entry.urgent)
        return len(self._due) > before

    async def _sleep(self) -> None:
        """Wait until a key may be due."""
        worker = asyncio.get_running_loop().create_future()
        self._idle.append(worker)
        self._set_alarm()
        try:
            await worker
        except asyncio.CancelledError:
            self._wake_one()  # the key that may have woken this worker still waits
            raise

    def _wake_next(self) -> None:
        """Wake another worker: keys that became due together have woken only one, and a flow may have room now."""
        if len(self._due):
            self._wake_one()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Schedule the waking of an idle worker at the next due time."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._idle and self._times:
            delay = self._times[0][0] - self._clock.monotonic()
            self._alarm = self._idle[0].get_loop().call_later(delay, self._wake_one)

    def _wake_one(self) -> None:
        """Wake the worker that has been idle the longest."""
        while self._idle:
            worker = self._idle.popleft()
            if not worker.done():  # else it is being cancelled
                worker.set_result(None)
                return
