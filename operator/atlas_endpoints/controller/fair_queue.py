"""Which of the keys that are due goes to a worker next; pure.

Keys stand in flows, and each flow belongs to one who shares the workers with others: its owner. Three rules:

- An owner holds at most so many workers, and so does a flow, which several owners may have in common. Owners that have room
  take turns, and so do the flows of each: nobody crowds out the others, however many flows he has.
- Urgent keys go before routine ones.
- But one pick in ``ROUTINE_SHARE`` is of a routine key, so that a stream of urgent ones cannot starve them: of all picks,
  and of those of each flow too. (Without the latter a flow would starve that happens to be full at each tenth pick.)
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from atlas_endpoints.controller.bookkeeping import Bookkeeping

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a routine key that waits, where there is one."""


class Flow(NamedTuple):
    """Where a key stands.

    Attributes:
        owner: whose share of the workers it uses.
        name: what else has a share; other owners may have it in common.
    """

    owner: str
    name: str


class _Line(Generic[K]):
    """Keys of one priority: first in first out within a flow; who has had the last turn longest ago stands first."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[Flow, OrderedDict[K, None]]] = OrderedDict()
        self._flows: Counter[str] = Counter()
        """How many flows there are of each name."""

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
        # Few owners and names can be full at a time: the workers divided by the limit. But many owners may have a full one in
        # common, and nothing else.
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
    """How many keys are with workers, by owner and by name."""

    def __init__(self) -> None:
        self.owners: Counter[str] = Counter()
        self.names: Counter[str] = Counter()

    def add(self, flow: Flow, number: int) -> None:
        for counter, name in ((self.owners, flow.owner), (self.names, flow.name)):
            counter[name] += number
            if not counter[name]:
                del counter[name]


class FairQueue(Generic[K]):
    """The keys that are due, and how many keys of each flow are with workers.

    Args:
        limit: how many keys of one owner, or of one name of a flow, may be with workers at once.
    """

    _urgent_in_a_row: Bookkeeping[int]
    _overtaken: Bookkeeping[Counter[Flow]]
    """By flow: the urgent keys that were picked in a row while a routine key of the flow was waiting."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: _Line[K] = _Line()
        self._routine: _Line[K] = _Line()
        self._places: dict[K, tuple[_Line[K], Flow]] = {}
        self._running = _Running()
        self._urgent_in_a_row = 0
        self._overtaken = Counter()

    def __contains__(self, key: K) -> bool:
        """Tell whether a key stands in a flow."""
        return key in self._places

    def __len__(self) -> int:
        """Count the keys that stand in flows."""
        return len(self._places)

    def put(self, key: K, flow: Flow, *, urgent: bool) -> None:
        """Have a key stand at the end of its flow."""
        line = self._urgent if urgent else self._routine
        line.put(key, flow)
        self._places[key] = line, flow

    def discard(self, key: K) -> None:
        """Have a key stand in no flow, if it does stand in one."""
        place = self._places.pop(key, None)
        if place is not None:
            line, flow = place
            line.discard(key, flow)
            self._settle(flow)

    def take(self) -> tuple[K, Flow] | None:
        """Pick the next key for a worker; give it and its flow, or ``None`` when no flow with a key has room."""
        turn = self._turn()
        if turn is None:
            return None
        line, flow = turn
        key = line.take(flow)
        del self._places[key]
        self._running.add(flow, 1)
        if line is self._urgent:
            self._urgent_in_a_row += 1
            self._overtaken[flow] += 1
        else:
            self._urgent_in_a_row = 0
            del self._overtaken[flow]
        self._settle(flow)
        return key, flow

    def release(self, flow: Flow) -> None:
        """Take in that a worker has given back a key of a flow."""
        self._running.add(flow, -1)

    def _turn(self) -> tuple[_Line[K], Flow] | None:
        """Tell which line and which flow is next."""
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

    def _settle(self, flow: Flow) -> None:
        """Nobody is overtaken in a flow where no routine key waits."""
        if flow not in self._routine:
            del self._overtaken[flow]
