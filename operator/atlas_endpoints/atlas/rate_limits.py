"""What Atlas tells of its rate limits with its answers, where it does; pure state over given times."""

from collections.abc import Callable, Mapping

RECENT = 300.0
"""Seconds for which such a word says something: buckets fill again within minutes."""

_DIGITS = 9
"""Digits of a number of calls that is believed."""


class RateLimits:
    """How many calls are left, by where they go.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._left: dict[str, tuple[int, float]] = {}

    def take(self, place: str, headers: Mapping[str, str]) -> None:
        """Take in an answer.

        Args:
            place: names the project, or whatever else has a limit of its own.
            headers: of the answer; a case-insensitive mapping.
        """
        left = headers.get("ratelimit-remaining")
        if left is not None and left.isdecimal() and len(left) <= _DIGITS:
            self._left[place] = int(left), self._monotonic()

    def remaining(self) -> int | None:
        """Give the smallest number of calls that are left anywhere, as told of late; ``None``: nothing was told."""
        recently = self._monotonic() - RECENT
        self._left = {place: told for place, told in self._left.items() if told[1] > recently}
        return min((left for left, _ in self._left.values()), default=None)
