"""Limit how many resources may have drift corrected within a window.

A single endpoint that drifts is probably a mistake, and is corrected. If many drift at once, the cause may be a
deliberate change, a restored backup or a defect of the operator: correcting all of them within seconds may do more
harm than waiting. The limiter corrects them in portions, so that a person has time to set ``WRITES`` to off.
"""

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
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
    """Delays corrections of drift while the limit of a window is reached.

    A window begins with the first correction after the end of the last one. A resource counts once in it, however often it is
    corrected: a correction that fails is repeated.

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
        self._ends = -math.inf
        self._corrected = set[Key]()
        self._delays = False

    def take_slot(self, key: Key) -> float:
        """Return the seconds until drift of a resource may be corrected.

        Returns:
            0: correct it now; it counts as done. Otherwise, ask again after so many seconds. Infinite if the limit is 0.
        """
        now, allowed = self._monotonic(), self._limit.of(self._known())
        if now >= self._ends:
            self._ends, self._delays = now + self._window, False
            self._corrected.clear()
        if key in self._corrected or len(self._corrected) < allowed:
            self._corrected.add(key)
            return 0.0
        if not self._delays:
            self._delays = True
            logger.warning(
                "The drift limiter delays corrections: the drift of %d resources was corrected within %.0f s, and MAX_CORRECTIONS=%s"
                " allows no more. Find out who makes these changes in Atlas. To stop all writes, set ATLAS_ENDPOINTS_WRITES=off",
                len(self._corrected),
                self._window,
                self._limit,
                extra=LogFields(allowed=allowed),
            )
        return self._ends - now if allowed else math.inf
