"""What each of several holders has, and had until recently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")


class Lately(Generic[V]):
    """Remembers which holder has which value, and had it when; ``now`` gives seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: dict[str, tuple[V, float]] = {}
        self._until: dict[tuple[V, str], float] = {}

    def note(self, holder: str, value: V | None) -> None:
        """Take note of what a holder has now."""
        known = self._held.get(holder)
        if known is not None and known[0] == value:
            return
        if known is not None:
            self._until[known[0], holder] = self._now()
            del self._held[holder]
        if value is not None:
            self._held[holder] = value, self._now()

    def held(self, value: V, *, since: float = 0.0) -> set[str]:
        """Give those who have had a value for so many seconds."""
        return {each for each, (held, at) in self._held.items() if held == value and at <= self._now() - since}

    def held_lately(self, value: V, seconds: float) -> set[str]:
        """Give those who have a value, or had it in the last seconds."""
        old = self._now() - seconds
        return self.held(value) | {each for (held, each), at in self._until.items() if held == value and at > old}
