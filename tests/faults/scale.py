"""How long the long tests take: scaled down in ``make test-all``, true times in ``make soak``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Scale:
    """Durations in seconds, and counts.

    Attributes:
        soak: how long the soak goes on.
        rate: its edits a second.
        api_away: how long the API server is away.
        atlas_away: how long Atlas is away.
        interval: how often settled resources are compared with it.
        settled: how many there are.
    """

    soak: float = 45.0
    rate: float = 25.0
    api_away: float = 45.0
    atlas_away: float = 12.0
    interval: float = 3.0
    settled: int = 60

    @classmethod
    def of(cls, minutes: float | None) -> Self:
        """Give the scale for a soak of some minutes; of ``None``: for ``make test-all``."""
        if minutes is None:
            return cls()
        return cls(soak=minutes * 60, rate=8.0, api_away=300.0, atlas_away=120.0, interval=30.0, settled=1000)
