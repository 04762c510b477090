"""What is going to happen, without a task or a timer: due events run when somebody looks."""

import heapq
from collections.abc import Callable
from itertools import count

Event = Callable[[], object]


class Timeline:
    """Events in the order of their due times.

    Attributes:
        now: The time up to which everything has happened, in seconds since 1970. While an event runs it is that
            event's due time and not the time of the look: what follows from it is planned from there, so the world is
            the same however rarely it is looked at.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Event]] = []
        self._order = count()

    def at(self, due: float, event: Event) -> None:
        """Plan an event; those of one due time run in the order they were planned."""
        heapq.heappush(self._heap, (due, next(self._order), event))

    def run(self, now: float) -> None:
        """Run everything that is due, including what becomes due while doing so."""
        while self._heap and self._heap[0][0] <= now:
            self.now, _, event = heapq.heappop(self._heap)
            event()
        self.now = now
