"""Limit how many resources may have drift corrected within a window.

A single endpoint that drifts is probably a mistake, and is corrected. If many drift at once, the cause may be a
deliberate change, a restored backup or a defect of the operator: correcting all of them within seconds may do more
harm than waiting. The limiter corrects them in portions, so that a person has time to set ``WRITES`` to off.
"""

import logging
import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Self

from typing_extensions import override

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.log_lines import LogFields

logger = logging.getLogger(__name__)

AT_LEAST = 10
"""The minimum of a percentage: a share of few resources would be next to nothing."""

_LIMIT = re.compile(r"([0-9]{1,6})(%?)")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many resources may be corrected within a window.

    Attributes:
        number: of resources, or per cent of all resources.
    """

    number: int
    percent: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limit that a text such as ``20%`` or ``50`` describes.

        Raises:
            ValueError: it is neither a percentage from 1 to 100 nor a number.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"{text!r} is not a limit; examples are 20% (of the resources, at least {AT_LEAST}), 50 and 0"
            )
        limit = cls(int(found[1]), percent=bool(found[2]))
        if limit.percent and not 1 <= limit.number <= 100:  # noqa: PLR2004  # per cent
            raise ValueError("a percentage must be from 1% to 100%; to delay all corrections, use 0")
        return limit

    def of(self, known: int) -> int:
        """Return how many resources may be corrected, given how many are known."""
        return max(AT_LEAST, known * self.number // 100) if self.percent else self.number

    @override
    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


class DriftLimiter:
    """Delays corrections of drift while the limit is reached within a sliding window that ends now.

    A resource counts once in the window, however often it is corrected (a correction that fails is repeated), and as
    long as its latest correction is in the window.

    Args:
        window: seconds.
    """

    def __init__(
        self, limit: Limit, *, window: float, monotonic: Callable[[], float], known: Callable[[], int]
    ) -> None:
        self._limit = limit
        self._window = window
        self._monotonic = monotonic
        self._known = known
        self._corrected: OrderedDict[Key, float] = OrderedDict()  # latest correction, the earliest first
        self._held: dict[Key, int] = {}  # number of the turn, in order of arrival
        self._turns = 0

    @property
    def held(self) -> int:
        """The number of resources whose correction is delayed."""
        return len(self._held)

    def take_slot(self, key: Key) -> float:
        """Return the seconds until drift of a resource may be corrected.

        Returns:
            0: correct it now; it counts as done. Otherwise, ask again after so many seconds: then there is room for
                this resource and all that asked before. Infinite if the limit is 0.
        """
        now = self._monotonic()
        while self._corrected and next(iter(self._corrected.values())) + self._window <= now:
            self._corrected.popitem(last=False)
        allowed = self._limit.of(self._known())
        if key not in self._corrected and len(self._corrected) >= allowed:
            self._hold(key, allowed)
            return self._until_its_turn(key, now, allowed)
        self._corrected[key] = now
        self._corrected.move_to_end(key)
        return 0.0

    def release(self, key: Key) -> None:
        """Forget that a resource is delayed: it was corrected, no longer drifts, or is not reconciled any more."""
        if key in self._held:
            del self._held[key]
            if not self._held:
                logger.info("The drift limiter no longer delays corrections")

    def _hold(self, key: Key, allowed: int) -> None:
        if not self._held:
            logger.warning(
                "The drift limiter delays corrections: the drift of %d resources was corrected within %.0f s, and MAX_CORRECTIONS=%s"
                " allows no more. Find out who changes the endpoints in Atlas. To stop all writes, set ATLAS_ENDPOINTS_WRITES=off",
                len(self._corrected),
                self._window,
                self._limit,
                extra=LogFields(allowed=allowed),
            )
        if key not in self._held:
            self._held[key] = self._turns
            self._turns += 1

    def _until_its_turn(self, key: Key, now: float, allowed: int) -> float:
        """Return the seconds until the place in the window that is reserved for a resource becomes free."""
        if allowed == 0:
            return math.inf
        served = self._turns - len(self._held)
        before = max(0, self._held[key] - served)
        windows, place = divmod(before, allowed)
        leaves = next(islice(reversed(self._corrected.values()), allowed - place - 1, None))
        return leaves + self._window * (1 + windows) - now
