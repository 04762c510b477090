"""The lines of the table: which figures are shown, and what they are to be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from benchmarks.results import OURS, PEER, RowResult, Summary, shown

Measured: TypeAlias = Mapping[str, RowResult]
"""The results by the names of the rows."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure of ours must be: in words, and whether it is; None when something that it takes was not measured."""

    text: str
    is_met: Callable[[Line, Measured], bool | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        title: What it shows.
        row: Where it was measured.
        figure: Which figure of the row.
        unit: Of the figure; empty for numbers of things.
        goal: What it is to be, if anything.
        no_peer: Why there is nothing to compare with.
    """

    title: str
    row: str
    figure: str
    unit: str = ""
    goal: Goal | None = None
    no_peer: str = ""

    def summary(self, measured: Measured, contender: str) -> Summary | None:
        """Sum up what a contender came to; None when it was not measured."""
        result = measured.get(self.row)
        return result.summary(contender, self.figure) if result else None

    def ratio(self, measured: Measured) -> float | None:
        """Divide our median by that of the peer; None when that makes no sense."""
        ours, peer = self.summary(measured, OURS), self.summary(measured, PEER)
        return ours.median / peer.median if ours and peer and peer.median else None


def ratio_at_most(limit: float) -> Goal:
    """Return the goal of so many times the peer's median, or less."""
    return Goal(
        f"at most {limit:g}x", lambda line, measured: _holds(line.ratio(measured), lambda ratio: ratio <= limit)
    )


def ratio_at_least(limit: float) -> Goal:
    """Return the goal of so many times the peer's median, or more."""
    return Goal(
        f"at least {limit:g}x", lambda line, measured: _holds(line.ratio(measured), lambda ratio: ratio >= limit)
    )


def at_most(limit: float) -> Goal:
    """Return the goal of a bound for our median."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ours = line.summary(measured, OURS)
        return _holds(None if ours is None else ours.median, lambda median: median <= limit)

    return Goal(f"at most {limit:g}" if limit else "none", is_met)


def at_most_times(factor: float, row: str, words: str) -> Goal:
    """Return the goal of so many times the same figure of ours in another row, or less."""

    def is_met(line: Line, measured: Measured) -> bool | None:
        ours, other = line.summary(measured, OURS), replace(line, row=row).summary(measured, OURS)
        return None if ours is None or other is None else ours.median <= factor * other.median

    return Goal(f"at most {factor:g}x {words}", is_met)


def _holds(value: float | None, goal: Callable[[float], bool]) -> bool | None:
    return None if value is None else goal(value)


def _of_burst(
    title: str, figure: str, unit: str = "", create: Goal | None = None, edit: Goal | None = None, *, workers: int = 16
) -> Iterator[Line]:
    """Yield the line for the creations of a burst, and that for its edits, with their goals."""
    for change, goal in (("create", create), ("edit", edit)):
        yield Line(title.format(change), f"burst-{workers}", f"{change}_{figure}", unit, goal)


def _of_instructions() -> Iterator[Line]:
    layers = {
        "python": "Python's interpreter",
        "pydantic": "pydantic",
        "http": "the event loop, HTTP and JSON",
        "tls": "TLS",
        "c_library": "the C library",
        "other": "others",
    }
    each = partial(Line, row="instructions", no_peer="not counted")
    yield each("instructions for each edit of a burst, million", figure="all_millions", goal=at_most(9.3))
    for layer, words in layers.items():
        yield each(f"of them in {words}", figure=f"{layer}_millions")


def _dedicated(title: str, row: str, figure: str, unit: str = "", goal: Goal | None = None) -> Line:
    return Line(f"dedicated: {title}", f"dedicated-{row}", figure, unit, goal, no_peer="no such kind")


def _of_dedicated(figure: str, change: str, goal: Goal | None = None) -> Iterator[Line]:
    """Yield the lines for a change of dedicated endpoints, one at a time."""
    yield _dedicated(f"one {change} at rest, p50", "edit", f"{figure}_p50_ms", "ms", goal)
    yield _dedicated(f"one {change} at rest, p99", "edit", f"{figure}_p99_ms", "ms")
    yield _dedicated(f"Atlas calls for each {change}", "edit", f"{figure}_atlas_calls")
    yield _dedicated(f"Kubernetes writes for each {change}", "edit", f"{figure}_kubernetes_writes")


def _six_kinds(title: str, figure: str, goal: Goal | None = None) -> Line:
    return Line(f"1,000 of six kinds: {title}", "six-kinds-rest", figure, goal=goal, no_peer="no such kinds")


def _among(size: str, row: str, goal: Goal) -> Iterator[Line]:
    operations = {
        "list": "LIST, among {} instances",
        "write": "write, among {} instances",
        "secret": "reading of a Secret, among {}",
    }
    for name, words in operations.items():
        yield Line(f"processor time for each {words.format(size)}, without HTTP", row, f"{name}_us", "µs", goal)


_KNOWN, _MEMORY = (at_most_times(4, "start-5000", words) for words in ("those of 5,000", "that of 5,000"))

LINES = (
    Line("one edit at rest, p50", "edit", "p50_ms", "ms", ratio_at_most(0.6)),
    Line("one edit at rest, p99", "edit", "p99_ms", "ms", ratio_at_most(0.75)),
    Line("the same without Atlas's share, p50", "edit", "own_p50_ms", "ms"),
    Line("until Atlas hears of the edit, p50", "edit", "heard_p50_ms", "ms"),
    Line("Atlas calls for each edit", "edit", "atlas_calls"),
    Line("Kubernetes writes for each edit", "edit", "kubernetes_writes", goal=at_most(1)),
    *_of_burst("1,000 {}s at once, 16 workers", "rate", "/s", ratio_at_least(0.85), ratio_at_least(0.8)),
    *_of_burst("1,000 {}s at once, 64 workers", "rate", "/s", ratio_at_least(0.75), ratio_at_least(0.75), workers=64),
    *_of_burst("processor time for each {}, 16 workers", "cpu_ms", "ms", ratio_at_most(2.7), ratio_at_most(3)),
    *_of_instructions(),
    *_of_burst("Kubernetes writes for each {} of a burst", "kubernetes_writes", "", at_most(1), at_most(1)),
    Line("1,000 edits at once, where Atlas admits 10 calls a second for each of 2 projects", "limit", "all_s", "s", ratio_at_most(0.55)),
    Line("one edit while 5,000 resources resync, p99", "resync", "p99_ms", "ms", ratio_at_most(0.8)),
    Line("start, all 5,000 known", "start-5000", "ready_s", "s", ratio_at_most(1.2)),
    Line("start, all 5,000 compared with Atlas", "start-5000", "compared_s", "s", ratio_at_most(0.8)),
    Line("start, Atlas calls for 5,000", "start-5000", "atlas_calls"),
    Line("start, Kubernetes writes for 5,000", "start-5000", "kubernetes_writes", goal=at_most(0)),
    Line("resident memory, 5,000 settled", "start-5000", "resident_mb", "MB", ratio_at_most(2)),
    Line("start, all 20,000 known", "start-20000", "ready_s", "s", _KNOWN),
    Line("start, all 20,000 compared with Atlas", "start-20000", "compared_s", "s"),
    Line("start, Kubernetes writes for 20,000", "start-20000", "kubernetes_writes", goal=at_most(0)),
    Line("resident memory, 20,000 settled", "start-20000", "resident_mb", "MB", _MEMORY),
    Line("Atlas calls an hour at rest, 1,000 resources on 40 instances", "rest", "atlas_calls_an_hour", goal=at_most(260)),
    Line("Kubernetes writes at rest", "rest", "kubernetes_writes", goal=at_most(0)),
    Line("start, all 20,000 on 2,000 instances known", "wide-start", "ready_s", "s", _KNOWN),
    Line("resident memory, 20,000 settled on 2,000 instances", "wide-start", "resident_mb", "MB", _MEMORY),
    Line("one edit while 20,000 resources on 2,000 instances resync, p99", "wide-resync", "p99_ms", "ms"),
    *_of_dedicated("create", "new endpoint", at_most(40)),
    *_of_dedicated("edit", "edit of remote regions"),
    _dedicated("start, all 5,000 known", "start-5000", "ready_s", "s"),
    _dedicated("start, all 5,000 compared with Atlas", "start-5000", "compared_s", "s"),
    _dedicated("resident memory, 5,000 settled", "start-5000", "resident_mb", "MB"),
    _dedicated("LISTs an hour at rest, 1,000 endpoints in 40 projects", "rest", "lists_an_hour", goal=at_most(260)),
    _dedicated("GETs an hour at rest, 1,000 endpoints in 40 projects", "rest", "gets_an_hour"),
    _dedicated("Kubernetes writes at rest", "rest", "kubernetes_writes", goal=at_most(0)),
    _six_kinds("LISTs of a page in an interval", "looks_at_a_page", at_most(1.25)),
    _six_kinds("reads of one thing in an interval", "looks_at_a_read", at_most(1.25)),
    _six_kinds("Atlas calls an hour at rest", "atlas_calls_an_hour"),
    _six_kinds("writes to Atlas at rest", "atlas_writes", at_most(0)),
    _six_kinds("Kubernetes writes at rest", "kubernetes_writes", at_most(0)),
    *_among("20,000", "among-20000", at_most_times(2, "among-1000", "that among 1,000")),
)  # fmt: skip


def cell(summary: Summary | None, unit: str) -> str:
    if summary is None:
        return ""
    value = f"{shown(summary.median)}{unit if unit.startswith('/') else f' {unit}'}".rstrip()
    if summary.low == summary.high:
        return value
    return f"{value} ({shown(summary.low)} to {shown(summary.high)})"
