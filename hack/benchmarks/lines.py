"""The lines of the table: which figures are shown, and what they are to be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from benchmarks.results import OURS, PEER, SLOW_PEER, RowResult, Summary, shown

Measured: TypeAlias = Mapping[str, RowResult]
"""The results by the names of the rows."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure of ours must be: in words, and whether it is; None when something that it takes was not measured."""

    text: str
    is_met: Callable[[Line, Measured], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        title: What it shows.
        row: Where it was measured.
        figure: Which figure of the row.
        unit: Of the figure; empty for numbers of things.
        goal: What it is to be, if anything.
        against: The contender that ours is compared with.
        no_peer: Why there is nothing to compare with.
    """

    title: str
    row: str
    figure: str
    unit: str = ""
    goal: Goal | None = None
    against: str = PEER
    no_peer: str = ""

    def summary(self, measured: Measured, contender: str) -> Summary | None:
        """Sum up what a contender came to; None when it was not measured."""
        result = measured.get(self.row)
        return result.summary(contender, self.figure) if result else None

    def ratio(self, measured: Measured) -> float | None:
        """Divide our median by that of the peer; None when that makes no sense."""
        ours, peer = self.summary(measured, OURS), self.summary(measured, self.against)
        return ours.median / peer.median if ours and peer and peer.median else None


def ratio_at_most(limit: float) -> Goal:
    """Return the goal of so many times the peer's median, or less."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ratio = line.ratio(measured)
        return None if ratio is None else ratio <= limit

    return Goal(f"at most {limit:g}x", is_met)


def ratio_at_least(limit: float) -> Goal:
    """Return the goal of so many times the peer's median, or more."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ratio = line.ratio(measured)
        return None if ratio is None else ratio >= limit

    return Goal(f"at least {limit:g}x", is_met)


def at_most(limit: float, unit: str = "") -> Goal:
    """Return the goal of a bound for our median."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ours = line.summary(measured, OURS)
        return None if ours is None else ours.median <= limit

    return Goal(f"at most {limit:g} {unit}".rstrip() if limit else "none", is_met)


def at_most_times(factor: float, row: str, words: str) -> Goal:
    """Return the goal of so many times the same figure of ours in another row, or less."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ours, other = line.summary(measured, OURS), measured.get(row)
        reference = other.summary(OURS, line.figure) if other else None
        return None if ours is None or reference is None else ours.median <= factor * reference.median

    return Goal(f"at most {factor:g}x {words}", is_met)


def _burst(workers: int, ratio: float) -> tuple[Line, ...]:
    row = f"burst-{workers}"
    return tuple(
        Line(
            title=f"1,000 {change}s at once, {workers} workers",
            row=row,
            figure=f"{change}_rate",
            unit="/s",
            goal=ratio_at_least(ratio),
        )
        for change in ("create", "edit")
    )


def _dedicated(title: str, row: str, figure: str, *, unit: str = "", goal: Goal | None = None) -> Line:
    return Line(
        title=f"dedicated: {title}",
        row=f"dedicated-{row}",
        figure=figure,
        unit=unit,
        goal=goal,
        no_peer="no such kind",
    )


def _among(size: str, row: str, goal: Goal | None) -> tuple[Line, ...]:
    operations = {
        "list": f"LIST, among {size} instances",
        "write": f"write, among {size} instances",
        "secret": f"reading of a Secret, among {size}",
    }
    return tuple(
        Line(title=f"processor time for each {words}, without HTTP", row=row, figure=f"{name}_us", unit="µs", goal=goal)
        for name, words in operations.items()
    )


LINES = (
    Line(title="one edit at rest, p50", row="edit", figure="p50_ms", unit="ms", goal=ratio_at_most(0.6)),
    Line(title="one edit at rest, p99", row="edit", figure="p99_ms", unit="ms", goal=ratio_at_most(0.75)),
    Line(title="the same without Atlas's share, p50", row="edit", figure="own_p50_ms", unit="ms"),
    Line(title="until Atlas hears of the edit, p50", row="edit", figure="heard_p50_ms", unit="ms"),
    Line(title="Atlas calls for each edit", row="edit", figure="atlas_calls"),
    Line(title="Kubernetes writes for each edit", row="edit", figure="kubernetes_writes", goal=at_most(1)),
    *_burst(16, 0.9),
    *_burst(64, 0.75),
    *(
        Line(
            title=f"processor time for each {change}, 16 workers",
            row="burst-16",
            figure=f"{change}_cpu_ms",
            unit="ms",
            goal=ratio_at_most(2.7),
        )
        for change in ("create", "edit")
    ),
    *(
        Line(
            title=f"processor time of the control plane for each {change}, {workers} workers",
            row=f"burst-{workers}",
            figure=f"{change}_control_plane_cpu_ms",
            unit="ms",
        )
        for workers in (16, 64)
        for change in ("create", "edit")
    ),
    *(
        Line(title=f"Atlas calls for each {change} of a burst", row="burst-16", figure=f"{change}_atlas_calls")
        for change in ("create", "edit")
    ),
    *(
        Line(
            title=f"Kubernetes writes for each {change} of a burst",
            row="burst-16",
            figure=f"{change}_kubernetes_writes",
            goal=at_most(1),
        )
        for change in ("create", "edit")
    ),
    Line(
        title="1,000 edits at once, where Atlas admits 10 calls a second for each of 2 projects",
        row="limit",
        figure="all_s",
        unit="s",
        goal=ratio_at_most(0.55),
    ),
    Line(title="Atlas calls for each of these edits", row="limit", figure="atlas_calls"),
    Line(title="of them refused by the limit", row="limit", figure="refused_calls"),
    Line(title="one edit while 5,000 resources resync, p50", row="resync", figure="p50_ms", unit="ms"),
    Line(
        title="one edit while 5,000 resources resync, p99",
        row="resync",
        figure="p99_ms",
        unit="ms",
        goal=ratio_at_most(0.8),
    ),
    Line(title="start, all 5,000 known", row="start-5000", figure="ready_s", unit="s", goal=ratio_at_most(1.5)),
    Line(
        title="start, all 5,000 compared with Atlas",
        row="start-5000",
        figure="compared_s",
        unit="s",
        goal=ratio_at_most(0.8),
    ),
    Line(title="start, Atlas calls for 5,000", row="start-5000", figure="atlas_calls"),
    Line(title="start, Kubernetes writes for 5,000", row="start-5000", figure="kubernetes_writes", goal=at_most(0)),
    Line(
        title="resident memory, 5,000 settled",
        row="start-5000",
        figure="resident_mb",
        unit="MB",
        goal=ratio_at_most(2),
    ),
    Line(
        title="start, all 20,000 known",
        row="start-20000",
        figure="ready_s",
        unit="s",
        goal=at_most_times(4, "start-5000", "those of 5,000"),
    ),
    Line(title="start, all 20,000 compared with Atlas", row="start-20000", figure="compared_s", unit="s"),
    Line(title="start, Kubernetes writes for 20,000", row="start-20000", figure="kubernetes_writes", goal=at_most(0)),
    Line(
        title="resident memory, 20,000 settled",
        row="start-20000",
        figure="resident_mb",
        unit="MB",
        goal=at_most_times(4, "start-5000", "that of 5,000"),
    ),
    Line(
        title="Atlas calls an hour at rest, 1,000 resources on 40 instances",
        row="rest",
        figure="atlas_calls_an_hour",
        goal=at_most(260),
    ),
    Line(title="Kubernetes writes at rest", row="rest", figure="kubernetes_writes", goal=at_most(0)),
    Line(
        title="200 edits at once, the peer with 20 requests a second",
        row="throttled",
        figure="edit_rate",
        unit="/s",
        against=SLOW_PEER,
    ),
    Line(
        title="the last of 200 edits at rest (p99), the peer with 20 requests a second",
        row="throttled",
        figure="edit_p99_ms",
        unit="ms",
        against=SLOW_PEER,
    ),
    Line(
        title="start, all 20,000 on 2,000 instances known",
        row="wide-start",
        figure="ready_s",
        unit="s",
        goal=at_most_times(4, "start-5000", "those of 5,000"),
    ),
    Line(
        title="start, all 20,000 on 2,000 instances compared with Atlas",
        row="wide-start",
        figure="compared_s",
        unit="s",
    ),
    Line(title="start, Atlas calls for 20,000 on 2,000 instances", row="wide-start", figure="atlas_calls"),
    Line(
        title="start, Kubernetes writes for 20,000 on 2,000 instances",
        row="wide-start",
        figure="kubernetes_writes",
        goal=at_most(0),
    ),
    Line(
        title="resident memory, 20,000 settled on 2,000 instances",
        row="wide-start",
        figure="resident_mb",
        unit="MB",
        goal=at_most_times(4, "start-5000", "that of 5,000"),
    ),
    Line(
        title="one edit while 20,000 resources on 2,000 instances resync, p50",
        row="wide-resync",
        figure="p50_ms",
        unit="ms",
    ),
    Line(
        title="one edit while 20,000 resources on 2,000 instances resync, p99",
        row="wide-resync",
        figure="p99_ms",
        unit="ms",
    ),
    *(
        line
        for figure, change in (("create", "new endpoint"), ("edit", "edit of remote regions"))
        for line in (
            _dedicated(f"one {change} at rest, p50", "edit", f"{figure}_p50_ms", unit="ms"),
            _dedicated(f"one {change} at rest, p99", "edit", f"{figure}_p99_ms", unit="ms"),
            _dedicated(f"until Atlas hears of the {change}, p50", "edit", f"{figure}_heard_p50_ms", unit="ms"),
            _dedicated(f"Atlas calls for each {change}", "edit", f"{figure}_atlas_calls"),
            _dedicated(f"Kubernetes writes for each {change}", "edit", f"{figure}_kubernetes_writes"),
        )
    ),
    _dedicated("start, all 5,000 known", "start-5000", "ready_s", unit="s"),
    _dedicated("start, all 5,000 compared with Atlas", "start-5000", "compared_s", unit="s"),
    _dedicated("start, Atlas calls for 5,000", "start-5000", "atlas_calls"),
    _dedicated("start, Kubernetes writes for 5,000", "start-5000", "kubernetes_writes", goal=at_most(0)),
    _dedicated("resident memory, 5,000 settled", "start-5000", "resident_mb", unit="MB"),
    _dedicated("LISTs an hour at rest, 1,000 endpoints in 40 projects", "rest", "lists_an_hour", goal=at_most(260)),
    _dedicated("GETs an hour at rest, 1,000 endpoints in 40 projects", "rest", "gets_an_hour"),
    _dedicated("calls in the busiest tenth of an interval at rest", "rest", "busiest_tenth_percent", unit="%"),
    _dedicated("Kubernetes writes at rest", "rest", "kubernetes_writes", goal=at_most(0)),
    *_among("1,000", "among-1000", None),
    *_among("20,000", "among-20000", at_most_times(2, "among-1000", "that among 1,000")),
)


def cell(summary: Summary | None, unit: str) -> str:
    if summary is None:
        return ""
    value = f"{shown(summary.median)}{unit if unit.startswith('/') else f' {unit}'}".rstrip()
    if summary.low == summary.high:
        return value
    return f"{value} ({shown(summary.low)} to {shown(summary.high)})"
