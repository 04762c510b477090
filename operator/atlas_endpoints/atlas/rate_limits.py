"""The remaining calls in the rate limits of Atlas, as its answers announce them."""

from collections.abc import Callable, Mapping

RECENT = 300.0
"""Seconds for which an announcement counts; buckets fill again within minutes."""

_DIGITS = 9
"""Digits of a number of calls that is accepted."""


class RateLimits:
    """The remaining calls, by project; ``monotonic`` returns seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left: dict[str, tuple[int, float]] = {}

    def take(self, place: str, headers: Mapping[str, str]) -> None:
        """Record the headers (a case-insensitive mapping) of an answer, by the project or another owner of a limit."""
        left = headers.get("ratelimit-remaining")
        if left is not None and left.isdecimal() and len(left) <= _DIGITS:
            self._left[place] = int(left), self._monotonic()

    def remaining(self) -> int | None:
        """Return the smallest recently announced number of remaining calls, or None without one."""
        recently = self._monotonic() - RECENT
        self._left = {place: (left, at) for place, (left, at) in self._left.items() if at > recently}
        return min((left for left, _ in self._left.values()), default=None)
