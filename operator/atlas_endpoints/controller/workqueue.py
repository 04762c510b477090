"""The work queue: keys with due times, each handed to one worker at a time.

It coalesces: a key is queued once, whatever the number of reasons, and a key that is added while a worker has it is handed
out again when that worker is done, as client-go's workqueue does it. Whose turn it is among those that are due is
decided by ``Lanes``.
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
"""The flow of what is nobody's."""

_SLACK = 64
"""How many overtaken times are kept beside as many as there are keys, before the heap of times is built anew."""


class Waited(Protocol):
    """Is told of waits."""

    def __call__(self, seconds: float, *, urgent: bool) -> None:
        """Take in that a key has been due for so long."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was asked for a key; replaced, never changed, so that a time in the heap knows whether it was overtaken."""

    flow: Flow
    due: float
    urgent: bool


@dataclass(slots=True)
class _Run:
    """A key that is with a worker."""

    flow: Flow
    forgotten: bool = False


class Queue(Generic[K]):
    """A coalescing queue of due keys.

    Args:
        clock: tells when a key is due.
        flow_limit: how many keys of one owner, or of one name of a flow, may be with workers at once.
        waited: told of each key that is handed out for how many seconds it was due, and whether it was urgent.
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
        # Idle workers, the one that has been waiting for longest first. Each is woken by itself, since waking all of them
        # for each key would cost more than what the key is queued for.
        self._idle = deque()
        self._alarm = None

    def __len__(self) -> int:
        """Count the keys that are due and with no worker yet."""
        now = self._clock.monotonic()
        return sum(entry.due <= now and key not in self._running for key, entry in self._waiting.items())

    def __contains__(self, key: K) -> bool:
        """Tell whether a reconcile of a key is asked for, now or later, beside one that may be running."""
        return key in self._waiting

    @property
    def running(self) -> int:
        """How many keys are with workers."""
        return len(self._running)

    def add(self, key: K, *, flow: Flow = NOBODY, delay: float = 0.0, urgent: bool = False) -> None:
        """Ask for a reconcile of a key.

        Of what was asked for a key before, the earliest time and the higher priority stand; the flow is the newest one.

        Args:
            key: what to work on.
            flow: whose share of the workers it uses.
            delay: seconds from now.
            urgent: whether a user waits for it.
        """
        due = self._clock.monotonic() + delay
        before = self._waiting.get(key)
        if before is not None:
            due = min(due, before.due)
            urgent = urgent or before.urgent
            if before == _Entry(flow, due, urgent):
                return  # it keeps its place in the line
            self._withdraw(key)
        self._waiting[key] = _Entry(flow, due, urgent)
        if key not in self._running:  # else done() places it
            self._place(key)

    def forget(self, key: K) -> None:
        """Drop whatever was asked for a key; a worker that has it finishes, and what it asks for then is dropped too."""
        if key in self._waiting:
            self._withdraw(key)
            del self._waiting[key]
        if key in self._running:
            self._running[key].forgotten = True

    async def get(self) -> K | None:
        """Wait for the next due key and hand it out; ``None`` when the queue is closed."""
        while not self._closed:
            self._promote()
            taken = self._ready.take()
            if taken is not None:
                key, flow = taken
                entry = self._waiting.pop(key)
                self._running[key] = _Run(flow)
                if self._waited is not None:
                    self._waited(self._clock.monotonic() - entry.due, urgent=entry.urgent)
                self._wake_next()
                return key
            await self._sleep()
        return None

    def done(self, key: K, *, delay: float | None = None) -> None:
        """Give a key back, so that it can be handed out again.

        Args:
            key: what ``get`` handed out.
            delay: seconds after which it is due again; ``None`` when only what was added meanwhile brings it back.

        Raises:
            KeyError: no worker has this key.
        """
        run = self._running.pop(key)
        self._ready.release(run.flow)
        asked = self._waiting.get(key)
        if asked is not None:
            self._place(key)
        if delay is not None and not run.forgotten:
            self.add(key, flow=asked.flow if asked else run.flow, delay=delay)
        self._wake_next()

    def close(self) -> None:
        """Hand out nothing more; who waits for a key gets ``None``."""
        self._closed = True
        while self._idle:
            self._wake_one()

    def _withdraw(self, key: K) -> None:
        """Have a key stand in the line no longer, after all that is due stands there: its flow may wait on without it."""
        promoted = self._promote()
        self._ready.discard(key)
        if promoted and len(self._ready):
            self._wake_one()  # the alarm that was set for these keys may be set anew for a later one

    def _place(self, key: K) -> None:
        """Have a key that is with no worker become ready when it is due."""
        entry = self._waiting[key]
        self._sequence += 1
        heapq.heappush(self._times, (entry.due, self._sequence, key, entry))
        if len(self._times) > 2 * len(self._waiting) + _SLACK:
            self._times = [time for time in self._times if self._stands(time)]
            heapq.heapify(self._times)
        if self._times[0][3] is entry:
            self._set_alarm()

    def _stands(self, time: tuple[float, int, K, _Entry]) -> bool:
        """Tell whether a time was not overtaken: by another time, by a worker, or by oblivion."""
        _, _, key, entry = time
        return self._waiting.get(key) is entry

    def _promote(self) -> bool:
        """Move the keys whose time has come to the ready ones; tell whether there were any."""
        before = len(self._ready)
        now = self._clock.monotonic()
        while self._times and self._times[0][0] <= now:
            time = heapq.heappop(self._times)
            if self._stands(time):
                _, _, key, entry = time
                self._ready.put(key, entry.flow, urgent=entry.urgent)
        return len(self._ready) > before

    async def _sleep(self) -> None:
        """Wait until there may be something to do."""
        worker = asyncio.get_running_loop().create_future()
        self._idle.append(worker)
        self._set_alarm()
        try:
            await worker
        except asyncio.CancelledError:
            self._wake_one()  # what this worker may have been woken for is still there
            raise

    def _wake_next(self) -> None:
        """Have another worker look: what became due together has woken one only, and a flow may have room by now."""
        if len(self._ready):
            self._wake_one()
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Have an idle worker woken when the next key is due."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._idle and self._times:
            delay = self._times[0][0] - self._clock.monotonic()
            self._alarm = self._idle[0].get_loop().call_later(delay, self._wake_one)

    def _wake_one(self) -> None:
        """Have the worker look that has been idle for longest."""
        while self._idle:
            worker = self._idle.popleft()
            if not worker.done():  # else it is being cancelled
                worker.set_result(None)
                return
