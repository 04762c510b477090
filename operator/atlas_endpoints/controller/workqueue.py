"""The work queue: keys with due times, each given to one worker at a time.

It coalesces as client-go's workqueue does: a key is queued once, and a key that is added while it runs is handed out again when
its worker is done. ``FairQueue`` chooses among the due keys.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from atlas_endpoints.controller.bookkeeping import Bookkeeping
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.fair_queue import FairQueue, Flow

K = TypeVar("K", bound=Hashable)

NOBODY = Flow("", "")
"""The flow of keys without an owner."""

_SLACK = 64
"""Replaced times in the heap, beyond the number of keys, before it is rebuilt."""


class Waited(Protocol):
    """Receives waits."""

    def __call__(self, seconds: float, *, urgent: bool) -> None:
        """Record how long a key was due."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """The request for a key; it is replaced, never changed, so that the heap can recognise a replaced time by identity."""

    flow: Flow
    due: float
    urgent: bool


@dataclass(slots=True)
class _Run:
    """A running key."""

    flow: Flow
    forgotten: bool = False


class Queue(Generic[K]):
    """A coalescing queue of due keys.

    Args:
        flow_limit: the most running keys of one owner, or of one flow name.
        waited: called for each key that is handed out.
    """

    _times: Bookkeeping[list[tuple[float, int, K, _Entry]]]
    _sequence: Bookkeeping[int]
    _idle: Bookkeeping[deque[asyncio.Future[None]]]
    _alarm: Bookkeeping[asyncio.TimerHandle | None]

    def __init__(self, clock: Clock, *, flow_limit: int, waited: Waited | None = None) -> None:
        self._clock = clock
        self._waited = waited
        self._waiting: dict[K, _Entry] = {}
        self._running: dict[K, _Run] = {}
        self._ready: FairQueue[K] = FairQueue(flow_limit)
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
            picked = self._ready.take()
            if picked is not None:
                key, flow = picked
                entry = self._waiting.pop(key)
                self._running[key] = _Run(flow)
                if self._waited is not None:
                    self._waited(self._clock.monotonic() - entry.due, urgent=entry.urgent)
                self._wake_next()
                return key
            await self._sleep()
        return None

    def done(self, key: K, *, delay: float | None = None) -> None:
        """Return a key from ``get``, so that it can be handed out again.

        ``delay`` is in seconds; with None, only requests since then requeue it. Raises ``KeyError`` if no worker has the key.
        """
        run = self._running.pop(key)
        self._ready.release(run.flow)
        asked = self._waiting.get(key)
        if asked is not None:
            self._schedule(key)
        if delay is not None and not run.forgotten:
            self.add(key, flow=asked.flow if asked else run.flow, delay=delay)
        self._wake_next()

    def close(self) -> None:
        """Hand out no more keys; waiting workers get None."""
        self._closed = True
        while self._idle:
            self._wake_one()

    def _withdraw(self, key: K) -> None:
        """Remove a key from the due ones, after all due keys have joined them: the flow may wait on without it."""
        promoted = self._promote()
        self._ready.discard(key)
        if promoted and len(self._ready):
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
        """Move the due keys to the fair queue; return whether there were any."""
        before = len(self._ready)
        now = self._clock.monotonic()
        while self._times and self._times[0][0] <= now:
            time = heapq.heappop(self._times)
            if self._is_current(time):
                _, _, key, entry = time
                self._ready.put(key, entry.flow, urgent=entry.urgent)
        return len(self._ready) > before

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
        if len(self._ready):
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
