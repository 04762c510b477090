"""The emergency brake on corrections of drift: when there are suspiciously many, it lets a portion pass at a time.

One endpoint that drifts is a slip of somebody's, and is put right. Many that drift at once are somebody who means it, a
restored backup, or a defect of ours: to undo that everywhere within seconds may do more harm than to wait. In portions,
a person has the time to look, and to switch ``WRITES`` off.
"""

import logging
import math
import re
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from typing_extensions import override

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.log_fields import LogFields

logger = logging.getLogger(__name__)

AT_LEAST = 10
"""A share of few resources is next to nothing, and to hold such drift back would protect nobody."""

_LIMIT = re.compile(r"([0-9]{1,6})(%?)")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many resources may be corrected within a window.

    Attributes:
        number: of resources, or per cent of all resources.
        percent: which of the two it is.
    """

    number: int
    percent: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a limit such as ``20%`` or ``50``.

        Raises:
            ValueError: it is neither a share of 1 to 100 per cent nor a number.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is no limit; examples are 20% (of the resources, at least {AT_LEAST}), 50 and 0"
            )
        limit = cls(int(found[1]), percent=bool(found[2]))
        if limit.percent and not 1 <= limit.number <= 100:  # noqa: PLR2004  # per cent
            raise ValueError("a percentage must be from 1% to 100%; to hold all corrections back, use 0")
        return limit

    def of(self, known: int) -> int:
        """Give the number of resources that may be corrected when so many are known."""
        return max(AT_LEAST, known * self.number // 100) if self.percent else self.number

    @override
    def __str__(self) -> str:
        """Write it as it is set."""
        return f"{self.number}%" if self.percent else str(self.number)


class DriftLimiter:
    """Holds corrections of drift back once as many resources as the limit allows were corrected within the window.

    The window slides: it always ends now. A resource counts once in it, however often it is corrected (a correction that
    fails is made again), and for as long as its latest correction is in it.

    Args:
        limit: how many resources may be corrected within the window.
        window: its length in seconds.
        monotonic: seconds that only grow.
        known: counts the resources that the operator knows.
    """

    def __init__(
        self, limit: Limit, *, window: float, monotonic: Callable[[], float], known: Callable[[], int]
    ) -> None:
        self._limit = limit
        self._window = window
        self._monotonic = monotonic
        self._known = known
        self._corrected: OrderedDict[Key, float] = OrderedDict()  # when last, the earliest first
        self._times: list[float] = []  # these times alone: of a list any place is found at once
        self._held: dict[Key, int] = {}  # by the number of its turn, in the order in which they came
        self._turns = 0

    @property
    def held(self) -> int:
        """The number of resources whose correction is being held back."""
        return len(self._held)

    def wait_to_correct(self, key: Key) -> float:
        """Tell when drift of a resource may be corrected.

        Returns:
            0 when that is now, and then it counts as done; else the seconds after which to ask again: by then there is
            room for this resource and those that came before it. Infinite when no drift is ever corrected.
        """
        now = self._monotonic()
        self._slide(now)
        allowed = self._limit.of(self._known())
        if key not in self._corrected and len(self._corrected) >= allowed:
            self._hold(key, allowed)
            return self._until_its_turn(key, now, allowed)
        if (before := self._corrected.pop(key, None)) is not None:
            del self._times[bisect_left(self._times, before)]
        self._corrected[key] = now
        self._times.append(now)
        return 0.0

    def release(self, key: Key) -> None:
        """Take in that nothing of a resource is held back (any more): it was sent, has healed or is not worked on."""
        if key in self._held:
            del self._held[key]
            if not self._held:
                logger.info("The emergency brake is open again: no correction of drift is held back any more")

    def _hold(self, key: Key, allowed: int) -> None:
        if not self._held:
            logger.warning(
                "The emergency brake is closed: %d resources have drifted and been corrected within %.0f s, and"
                " MAX_CORRECTIONS=%s allows no more. Further corrections wait and follow in portions. Find out who changes"
                " the endpoints in Atlas; ATLAS_ENDPOINTS_WRITES=off stops everything",
                len(self._corrected),
                self._window,
                self._limit,
                extra=LogFields(allowed=allowed),
            )
        if key not in self._held:
            self._held[key] = self._turns
            self._turns += 1

    def _until_its_turn(self, key: Key, now: float, allowed: int) -> float:
        """Give each of those that wait a place of its own in the window, so that they do not all come back for the first."""
        if allowed == 0:
            return math.inf
        served = self._turns - len(self._held)
        before = max(0, self._held[key] - served)
        windows, place = divmod(before, allowed)
        leaves = self._times[len(self._times) - allowed + place]
        return leaves + self._window * (1 + windows) - now

    def _slide(self, now: float) -> None:
        """Drop what has left the window."""
        while self._times and self._times[0] + self._window <= now:
            self._corrected.popitem(last=False)
            del self._times[0]
