"""Which of the keys that are due goes to a worker next; pure.

Keys stand in lanes, and each lane belongs to one who shares the workers with others: its owner. Three rules:

- An owner holds at most so many workers, and so does a lane, which several owners may have in common. Owners that have room
  take turns, and so do the lanes of each: nobody crowds out the others, however many lanes he has.
- Urgent keys go before routine ones.
- But one pick in ``ROUTINE_SHARE`` is of a routine key, so that a stream of urgent ones cannot starve them: of all picks,
  and of those of each lane too. (Without the latter a lane would starve that happens to be full at each tenth pick.)
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from atlas_endpoints.engine.bookkeeping import Bookkeeping

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a routine key that waits, where there is one."""


class Lane(NamedTuple):
    """Where a key stands.

    Attributes:
        owner: whose share of the workers it uses.
        name: what else has a share; other owners may have it in common.
    """

    owner: str
    name: str


class _Line(Generic[K]):
    """Keys of one priority: first in first out within a lane; who has had the last turn longest ago stands first."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, OrderedDict[Lane, OrderedDict[K, None]]] = OrderedDict()
        self._lanes: Counter[str] = Counter()
        """How many lanes there are of each name."""

    def __contains__(self, lane: Lane) -> bool:
        return lane in self._owners.get(lane.owner, ())

    def put(self, key: K, lane: Lane) -> None:
        lanes = self._owners.setdefault(lane.owner, OrderedDict())
        if lane not in lanes:
            lanes[lane] = OrderedDict()
            self._lanes[lane.name] += 1
        lanes[lane][key] = None

    def discard(self, key: K, lane: Lane) -> None:
        del self._owners[lane.owner][lane][key]
        self._tidy(lane)

    def take(self, lane: Lane) -> K:
        lanes = self._owners[lane.owner]
        key, _ = lanes[lane].popitem(last=False)
        lanes.move_to_end(lane)
        self._owners.move_to_end(lane.owner)
        self._tidy(lane)
        return key

    def first_lane(self, running: "_Running", limit: int) -> Lane | None:
        # Few owners and names can be full at a time: the workers divided by the limit. But many owners may have a full one in
        # common, and nothing else.
        if all(running.names[name] >= limit for name in self._lanes):
            return None
        for owner, lanes in self._owners.items():
            if running.owners[owner] < limit:
                for lane in lanes:
                    if running.names[lane.name] < limit:
                        return lane
        return None

    def _tidy(self, lane: Lane) -> None:
        lanes = self._owners[lane.owner]
        if not lanes[lane]:
            del lanes[lane]
            self._lanes[lane.name] -= 1
            if not self._lanes[lane.name]:
                del self._lanes[lane.name]
        if not lanes:
            del self._owners[lane.owner]


class _Running:
    """How many keys are with workers, by owner and by name."""

    def __init__(self) -> None:
        self.owners: Counter[str] = Counter()
        self.names: Counter[str] = Counter()

    def add(self, lane: Lane, number: int) -> None:
        for counter, name in ((self.owners, lane.owner), (self.names, lane.name)):
            counter[name] += number
            if not counter[name]:
                del counter[name]


class Lanes(Generic[K]):
    """The keys that are due, and how many keys of each lane are with workers.

    Args:
        limit: how many keys of one owner, or of one name of a lane, may be with workers at once.
    """

    _urgent_in_a_row: Bookkeeping[int]
    _overtaken: Bookkeeping[Counter[Lane]]
    """By lane: the urgent keys that were picked in a row while a routine key of the lane was waiting."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: _Line[K] = _Line()
        self._routine: _Line[K] = _Line()
        self._places: dict[K, tuple[_Line[K], Lane]] = {}
        self._running = _Running()
        self._urgent_in_a_row = 0
        self._overtaken = Counter()

    def __contains__(self, key: K) -> bool:
        """Tell whether a key stands in a lane."""
        return key in self._places

    def __len__(self) -> int:
        """Count the keys that stand in lanes."""
        return len(self._places)

    def put(self, key: K, lane: Lane, *, urgent: bool) -> None:
        """Have a key stand at the end of its lane."""
        line = self._urgent if urgent else self._routine
        line.put(key, lane)
        self._places[key] = line, lane

    def discard(self, key: K) -> None:
        """Have a key stand in no lane, if it does stand in one."""
        place = self._places.pop(key, None)
        if place is not None:
            line, lane = place
            line.discard(key, lane)
            self._settle(lane)

    def take(self) -> tuple[K, Lane] | None:
        """Pick the next key for a worker; give it and its lane, or ``None`` when no lane with a key has room."""
        turn = self._turn()
        if turn is None:
            return None
        line, lane = turn
        key = line.take(lane)
        del self._places[key]
        self._running.add(lane, 1)
        if line is self._urgent:
            self._urgent_in_a_row += 1
            self._overtaken[lane] += 1
        else:
            self._urgent_in_a_row = 0
            del self._overtaken[lane]
        self._settle(lane)
        return key, lane

    def release(self, lane: Lane) -> None:
        """Take in that a worker has given back a key of a lane."""
        self._running.add(lane, -1)

    def _turn(self) -> tuple[_Line[K], Lane] | None:
        """Tell which line and which lane is next."""
        urgent = self._urgent.first_lane(self._running, self._limit)
        if urgent is None or self._urgent_in_a_row >= ROUTINE_SHARE - 1:
            routine = self._routine.first_lane(self._running, self._limit)
            if routine is not None:
                return self._routine, routine
        if urgent is None:
            return None
        if self._overtaken[urgent] >= ROUTINE_SHARE - 1:
            return self._routine, urgent
        return self._urgent, urgent

    def _settle(self, lane: Lane) -> None:
        """Nobody is overtaken in a lane where no routine key waits."""
        if lane not in self._routine:
            del self._overtaken[lane]
