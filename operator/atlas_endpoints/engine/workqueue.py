"""The work queue: keys that are due, each handed to one worker at a time.

It coalesces (a key is queued once, whatever the number of reasons), keeps due times, knows two priorities and
bounds how many workers one lane may hold. It follows client-go's workqueue in one more respect: a key that is
added while a worker has it runs again when that worker is done.
"""

import asyncio
import heapq
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from atlas_endpoints.engine.clock import Clock

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is from the routine keys, so that a stream of user changes cannot starve them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    lane: str
    due: float
    urgent: bool


class _Ready(Generic[K]):
    """Keys that are due, first in first out within a lane, the lanes taking turns."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[K, None]] = OrderedDict()

    def push(self, lane: str, key: K) -> None:
        self._lanes.setdefault(lane, OrderedDict())[key] = None

    def discard(self, lane: str, key: K) -> None:
        keys = self._lanes[lane]
        del keys[key]
        if not keys:
            del self._lanes[lane]

    def pop(self, busy: Counter[str], limit: int) -> K | None:
        for lane, keys in self._lanes.items():
            if busy[lane] < limit:
                key, _ = keys.popitem(last=False)
                self._lanes.move_to_end(lane)
                if not keys:
                    del self._lanes[lane]
                return key
        return None


class Queue(Generic[K]):
    """A coalescing queue of due keys.

    Args:
        clock: tells when a key is due.
        lane_limit: how many keys of one lane may be with workers at once.
    """

    def __init__(self, clock: Clock, *, lane_limit: int) -> None:
        self._clock = clock
        self._lane_limit = lane_limit
        self._waiting: dict[K, _Entry] = {}
        self._running: dict[K, str] = {}
        self._busy: Counter[str] = Counter()
        self._timers: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._urgent: _Ready[K] = _Ready()
        self._routine: _Ready[K] = _Ready()
        self._ready: dict[K, bool] = {}  # and whether it stands among the urgent ones
        self._picks = 0
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Count the keys that are due and with no worker yet."""
        return len(self._ready)

    @property
    def running(self) -> int:
        """How many keys are with workers."""
        return len(self._running)

    def add(self, key: K, *, lane: str = "", delay: float = 0.0, urgent: bool = False) -> None:
        """Ask for a pass over a key; the earliest due time and the higher priority win over what was asked before.

        Args:
            key: what to work on.
            lane: whose share of the workers it uses.
            delay: seconds from now.
            urgent: whether a user waits for it.
        """
        due = self._clock.monotonic() + delay
        entry = self._waiting.get(key)
        if entry is not None:
            if key in self._ready and entry.urgent >= urgent:
                return  # it keeps its place in the line
            due = min(due, entry.due)
            urgent = urgent or entry.urgent
            self._unready(key, entry)
        self._place(key, _Entry(lane=lane, due=due, urgent=urgent))

    def forget(self, key: K) -> None:
        """Drop whatever was asked for this key; a worker that has it finishes its pass."""
        entry = self._waiting.pop(key, None)
        if entry is not None:
            self._unready(key, entry)

    async def get(self) -> K | None:
        """Wait for the next due key and hand it out; ``None`` when the queue is closed."""
        while not self._closed:
            self._promote()
            key = self._pick()
            if key is not None:
                return key
            await self._wait()
        return None

    def done(self, key: K, *, delay: float | None = None) -> None:
        """Give a key back, so that it can be handed out again.

        Args:
            key: what ``get`` handed out.
            delay: seconds after which it is due again; ``None`` when only what was added meanwhile brings it back.
        """
        lane = self._running.pop(key)
        self._busy[lane] -= 1
        if not self._busy[lane]:
            del self._busy[lane]
        if delay is not None:
            self.add(key, lane=lane, delay=delay)
        elif (entry := self._waiting.get(key)) is not None:
            self._place(key, entry)
        self._changed.set()

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._changed.set()

    def _place(self, key: K, entry: _Entry) -> None:
        self._waiting[key] = entry
        if key in self._running:
            return  # done() places it again
        self._sequence += 1
        heapq.heappush(self._timers, (entry.due, self._sequence, key))
        self._changed.set()

    def _unready(self, key: K, entry: _Entry) -> None:
        urgent = self._ready.pop(key, None)
        if urgent is not None:
            (self._urgent if urgent else self._routine).discard(entry.lane, key)

    def _promote(self) -> None:
        """Move the keys whose time has come from the timers to the ready ones."""
        now = self._clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            entry = self._waiting.get(key)
            if entry is None or entry.due != due or key in self._running or key in self._ready:
                continue  # an older time of a key that was moved, taken or forgotten
            self._ready[key] = entry.urgent
            (self._urgent if entry.urgent else self._routine).push(entry.lane, key)

    def _pick(self) -> K | None:
        first, second = self._urgent, self._routine
        if (self._picks + 1) % ROUTINE_SHARE == 0:
            first, second = second, first
        key = first.pop(self._busy, self._lane_limit)
        if key is None:
            key = second.pop(self._busy, self._lane_limit)
        if key is None:
            return None
        self._picks += 1
        del self._ready[key]
        entry = self._waiting.pop(key)
        self._running[key] = entry.lane
        self._busy[entry.lane] += 1
        return key

    async def _wait(self) -> None:
        self._changed.clear()
        timeout = self._timers[0][0] - self._clock.monotonic() if self._timers else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass
