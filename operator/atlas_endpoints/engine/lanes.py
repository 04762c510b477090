"""Which of the keys that are due goes to a worker next; pure.

Keys stand in lanes: one for each who shares the workers with others. Three rules:

- A lane holds at most so many workers, and lanes that have room take turns, so that nobody crowds out the others.
- Urgent keys go before routine ones.
- But one pick in ``ROUTINE_SHARE`` is of a routine key, so that a stream of urgent ones cannot starve them: of all picks,
  and of those of each lane too. (Without the latter a lane would starve that happens to be full at each tenth pick.)
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from atlas_endpoints.engine.bookkeeping import Bookkeeping

K = TypeVar("K", bound=Hashable)

ROUTINE_SHARE = 10
"""One pick in this many is of a routine key that waits, where there is one."""


class _Line(Generic[K]):
    """Keys of one priority: first in first out within a lane; the lane whose last turn is longest ago stands first."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, OrderedDict[K, None]] = OrderedDict()

    def __contains__(self, lane: str) -> bool:
        return lane in self._lanes

    def put(self, key: K, lane: str) -> None:
        self._lanes.setdefault(lane, OrderedDict())[key] = None

    def discard(self, key: K, lane: str) -> None:
        del self._lanes[lane][key]
        self._tidy(lane)

    def take(self, lane: str) -> K:
        key, _ = self._lanes[lane].popitem(last=False)
        self._lanes.move_to_end(lane)
        self._tidy(lane)
        return key

    def first_lane(self, running: Counter[str], limit: int) -> str | None:
        # Few lanes can be full at a time: the workers divided by the limit. So few are passed over here.
        return next((lane for lane in self._lanes if running[lane] < limit), None)

    def _tidy(self, lane: str) -> None:
        if not self._lanes[lane]:
            del self._lanes[lane]


class Lanes(Generic[K]):
    """The keys that are due, and how many keys of each lane are with workers.

    Args:
        limit: how many keys of one lane may be with workers at once.
    """

    _urgent_in_a_row: Bookkeeping[int]
    _overtaken: Bookkeeping[Counter[str]]
    """By lane: the urgent keys that were picked in a row while a routine key of the lane was waiting."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._urgent: _Line[K] = _Line()
        self._routine: _Line[K] = _Line()
        self._places: dict[K, tuple[_Line[K], str]] = {}
        self._running: Counter[str] = Counter()
        self._urgent_in_a_row = 0
        self._overtaken = Counter()

    def __contains__(self, key: K) -> bool:
        """Tell whether a key stands in a lane."""
        return key in self._places

    def __len__(self) -> int:
        """Count the keys that stand in lanes."""
        return len(self._places)

    def put(self, key: K, lane: str, *, urgent: bool) -> None:
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

    def take(self) -> tuple[K, str] | None:
        """Pick the next key for a worker; give it and its lane, or ``None`` when no lane with a key has room."""
        turn = self._turn()
        if turn is None:
            return None
        line, lane = turn
        key = line.take(lane)
        del self._places[key]
        self._running[lane] += 1
        if line is self._urgent:
            self._urgent_in_a_row += 1
            self._overtaken[lane] += 1
        else:
            self._urgent_in_a_row = 0
            del self._overtaken[lane]
        self._settle(lane)
        return key, lane

    def release(self, lane: str) -> None:
        """Take in that a worker has given back a key of a lane."""
        self._running[lane] -= 1
        if not self._running[lane]:
            del self._running[lane]

    def _turn(self) -> tuple[_Line[K], str] | None:
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

    def _settle(self, lane: str) -> None:
        """Nobody is overtaken in a lane where no routine key waits."""
        if lane not in self._routine:
            del self._overtaken[lane]
