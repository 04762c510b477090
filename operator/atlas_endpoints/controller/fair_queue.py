"""The choice of the next due key for a worker.

Each key is in a flow, and each flow has an owner. Three rules:

- An owner, and a flow name that several owners have in common, has a limited number of workers. Owners below the limit take
  turns, and so do the flows of each, so that no owner crowds out the others.
- Urgent keys come before routine ones.
- One pick in ``ROUTINE_SHARE`` is of a routine key, among all picks and among those of each flow, so that urgent keys cannot
  starve them. (Without the latter, a flow that is full at each tenth pick would starve.)
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from atlas_endpoints.controller.bookkeeping import Bookkeeping

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a waiting routine key."""


class Flow(NamedTuple):
    """The flow of a key: its owner, and a name that other owners may have in common; both have a share of the workers."""

    owner: str
    name: str


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

    def first_flow(self, running: "_Running", limit: int) -> Flow | None:
        # Few owners and names can be at their limit at a time, but many owners may have a single flow, all of a full name.
        if all(running.names[name] >= limit for name in self._flows):
            return None
        for owner, flows in self._owners.items():
            if running.owners[owner] < limit:
                for flow in flows:
                    if running.names[flow.name] < limit:
                        return flow
        return None

    def _tidy(self, flow: Flow) -> None:
        flows = self._owners[flow.owner]
        if not flows[flow]:
            del flows[flow]
            self._flows[flow.name] -= 1
            if not self._flows[flow.name]:
                del self._flows[flow.name]
        if not flows:
            del self._owners[flow.owner]


class _Running:
    """The number of running keys, by owner and by flow name."""

    def __init__(self) -> None:
        self.owners: Counter[str] = Counter()
        self.names: Counter[str] = Counter()

    def add(self, flow: Flow, number: int) -> None:
        for counter, name in ((self.owners, flow.owner), (self.names, flow.name)):
            counter[name] += number
            if not counter[name]:
                del counter[name]


class FairQueue(Generic[K]):
    """The due keys, and the number of running keys of each flow; ``limit`` applies to each owner and each flow name."""

    _urgent_in_a_row: Bookkeeping[int]
    _overtaken: Bookkeeping[Counter[Flow]]
    """Urgent keys that were picked in a row while a routine key of the flow was waiting."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: _RoundRobin[K] = _RoundRobin()
        self._routine: _RoundRobin[K] = _RoundRobin()
        self._places: dict[K, tuple[_RoundRobin[K], Flow]] = {}
        self._running = _Running()
        self._urgent_in_a_row = 0
        self._overtaken = Counter()

    def __contains__(self, key: K) -> bool:
        return key in self._places

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

    def take(self) -> tuple[K, Flow] | None:
        """Remove and return the next key and its flow; None when each flow with a key is at its limit."""
        pick = self._pick()
        if pick is None:
            return None
        queue, flow = pick
        key = queue.take(flow)
        del self._places[key]
        self._running.add(flow, 1)
        if queue is self._urgent:
            self._urgent_in_a_row += 1
            self._overtaken[flow] += 1
        else:
            self._urgent_in_a_row = 0
            del self._overtaken[flow]
        self._drop_overtaken(flow)
        return key, flow

    def release(self, flow: Flow) -> None:
        """Record that a worker has finished a key of a flow."""
        self._running.add(flow, -1)

    def _pick(self) -> tuple[_RoundRobin[K], Flow] | None:
        urgent = self._urgent.first_flow(self._running, self._limit)
        if urgent is None or self._urgent_in_a_row >= ROUTINE_SHARE - 1:
            routine = self._routine.first_flow(self._running, self._limit)
            if routine is not None:
                return self._routine, routine
        if urgent is None:
            return None
        if self._overtaken[urgent] >= ROUTINE_SHARE - 1:
            return self._routine, urgent
        return self._urgent, urgent

    def _drop_overtaken(self, flow: Flow) -> None:
        if flow not in self._routine:
            del self._overtaken[flow]
