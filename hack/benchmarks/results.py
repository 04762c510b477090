"""What is kept of a run: the figures of each row, contender and round, as JSON, and what is made of them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003  dataclass fields are read at run time by documentation tools
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many percent of all values do not exceed (nearest rank)."""
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[rank - 1]


@dataclass(frozen=True, slots=True)
class Summary:
    """What several rounds came to."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        return cls(median(values), min(values), max(values))


def shown(value: float) -> str:
    """Write a figure with three digits that count, and with all before the point."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


OURS = "ours"
PEER = "peer"


@dataclass(frozen=True, slots=True)
class Round:
    """What one contender came to in one round: figures by name."""

    contender: str
    figures: Mapping[str, float]


@dataclass(slots=True)
class RowResult:
    """A row that was measured.

    Attributes:
        row: Its name.
        scale: The share of the full size that it was run with.
        machine: Versions and the class of hardware, as words by topic.
        date: On which day, as ISO 8601.
        rounds: In the order in which they were run.
    """

    row: str
    scale: float
    machine: Mapping[str, str]
    date: str
    rounds: list[Round] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "rounds": [Round(**each) for each in stored["rounds"]]})

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def summary(self, contender: str, figure: str) -> Summary | None:
        """Sum up a figure of a contender over the rounds; None when it was not measured."""
        values = [
            each.figures[figure] for each in self.rounds if each.contender == contender and figure in each.figures
        ]
        return Summary.of(values) if values else None

    @property
    def count(self) -> int:
        counts: defaultdict[str, int] = defaultdict(int)
        for each in self.rounds:
            counts[each.contender] += 1
        return min(counts.values(), default=0)


def load_all(folder: Path) -> dict[str, RowResult]:
    """Read the results of all rows that a folder holds, by the names of the rows."""
    loaded = [RowResult.load(path) for path in sorted(folder.glob("*.json"))]
    return {result.row: result for result in loaded}
