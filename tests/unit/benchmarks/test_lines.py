from __future__ import annotations

import pytest

from benchmarks.figures import Summary
from benchmarks.lines import LINES, AtMost, AtMostTimes, Goal, Line, RatioAtLeast, RatioAtMost, cell
from benchmarks.rows import ROWS
from unit.benchmarks.measured import edits, row

P50 = Line(title="p50", row="edit", figure="p50_ms", unit="ms")


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        pytest.param(RatioAtMost(0.5), True, id="half the peer's is at most half of it"),
        pytest.param(RatioAtMost(0.49), False, id="half the peer's is more than 0.49 of it"),
        pytest.param(RatioAtLeast(0.5), True, id="half the peer's is at least half of it"),
        pytest.param(RatioAtLeast(0.51), False, id="half the peer's is less than 0.51 of it"),
        pytest.param(AtMost(27), True, id="the median is within the bound"),
        pytest.param(AtMost(26.9), False, id="the median is over the bound"),
    ],
)
def test_a_goal_is_met_or_not(goal: Goal, met: bool) -> None:
    assert goal.is_met(P50, {"edit": edits()}) is met


@pytest.mark.parametrize(("p99", "met"), [(74.0, True), (74.1, False)])
def test_a_goal_may_look_at_another_row(p99: float, met: bool) -> None:
    line = Line(title="", row="resync", figure="p99_ms")
    measured = {"edit": edits(p99=37.0), "resync": row("resync", [{"p99_ms": p99}], [])}
    assert AtMostTimes(2, "edit", "the edit at rest").is_met(line, measured) is met


@pytest.mark.parametrize(
    "goal",
    [
        pytest.param(RatioAtMost(1), id="a ratio"),
        pytest.param(RatioAtLeast(1), id="a ratio the other way round"),
        pytest.param(AtMost(1), id="a bound"),
        pytest.param(AtMostTimes(2, "edit", ""), id="a multiple"),
    ],
)
def test_nobody_knows_whether_a_goal_is_met_that_was_not_measured(goal: Goal) -> None:
    assert goal.is_met(Line(title="", row="resync", figure="p99_ms"), {}) is None
    assert goal.is_met(Line(title="", row="resync", figure="other"), {"resync": row("resync", [{}], [{}])}) is None


def test_a_ratio_to_nothing_is_none() -> None:
    line = Line(title="", row="rest", figure="kubernetes_writes")
    assert line.ratio({"rest": row("rest", [{"kubernetes_writes": 0}], [{"kubernetes_writes": 0}])}) is None


def test_a_goal_in_words() -> None:
    assert [goal.text for goal in (RatioAtMost(0.65), RatioAtLeast(1), AtMost(1.6, "ms"), AtMost(0))] == [
        "at most 0.65x",
        "at least 1x",
        "at most 1.6 ms",
        "none",
    ]


def test_every_row_has_its_lines() -> None:
    assert {line.row for line in LINES} == set(ROWS)


@pytest.mark.parametrize(
    ("summary", "unit", "expected"),
    [
        pytest.param(Summary(27, 26.5, 28), "ms", "27.0 ms (26.5 to 28.0)", id="has its spread"),
        pytest.param(Summary(238, 238, 238), "/s", "238/s", id="has none after one round"),
        pytest.param(Summary(0, 0, 0), "", "0", id="may be nothing"),
        pytest.param(None, "ms", "", id="may be unknown"),
    ],
)
def test_a_cell(summary: Summary | None, unit: str, expected: str) -> None:
    assert cell(summary, unit) == expected
