"""Goals and figures of the benchmark. The page and the plot of the measured rounds are in contract/test_benchmark.py."""

from __future__ import annotations

import os

import pytest

from benchmarks import usage
from benchmarks.contenders import total
from benchmarks.lines import Goal, Line, at_most, at_most_times, ratio_at_least, ratio_at_most
from benchmarks.results import OURS, PEER, Round, RowResult, percentile

P50 = Line(title="p50", row="edit", figure="p50_ms", unit="ms")
LATER = Line(title="p50", row="resync", figure="p50_ms", unit="ms")


def row(name: str, ours: float, peer: float) -> RowResult:
    return RowResult(name, 1.0, {}, "2026-01-02", [Round(OURS, {"p50_ms": ours}), Round(PEER, {"p50_ms": peer})])


@pytest.mark.parametrize(
    ("line", "goal", "met"),
    [
        pytest.param(P50, ratio_at_most(0.5), True, id="half the peer's is at most half of it"),
        pytest.param(P50, ratio_at_most(0.49), False, id="half the peer's is more than 0.49 of it"),
        pytest.param(P50, ratio_at_least(0.5), True, id="half the peer's is at least half of it"),
        pytest.param(P50, ratio_at_least(0.51), False, id="half the peer's is less than 0.51 of it"),
        pytest.param(P50, at_most(27), True, id="the median is within the bound"),
        pytest.param(P50, at_most(26.9), False, id="the median is over the bound"),
        pytest.param(LATER, at_most_times(2, "edit", ""), True, id="the double of another row"),
        pytest.param(LATER, at_most_times(1.9, "edit", ""), False, id="more than 1.9 times another row"),
        pytest.param(Line(title="", row="rest", figure="x"), ratio_at_most(1), None, id="not measured"),
        pytest.param(Line(title="", row="edit", figure="x"), at_most_times(2, "edit", ""), None, id="no such figure"),
    ],
)
def test_a_goal_is_met(line: Line, goal: Goal, met: bool | None) -> None:
    assert goal.is_met(line, {"edit": row("edit", 27, 54), "resync": row("resync", 54, 0)}) is met


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0.5, 1)])
def test_a_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_a_metric_is_the_sum_of_its_series() -> None:
    exposition = 'passes_total{result="done"} 40.0\npasses_total{result="a } b"} 2.0\npasses_total_created 1.7e+09\n'

    assert (total(exposition, "passes_total"), total(exposition, "unknown")) == (42.0, 0.0)


def test_processor_time_and_memory_of_a_process_are_read_from_proc() -> None:
    ticks = usage.TICKS
    stat = f"42 (a (very) odd) name) S 1 42 42 0 -1 4194304 9 8 7 6 {3 * ticks} {ticks} 77 66 20 0 1 0 100 200 300"

    assert usage.cpu_seconds_in(stat) == 4.0
    assert usage.memory_in("VmPeak:\t  9 kB\nVmHWM:\t  250000 kB\nVmRSS:\t  125000 kB\n") == usage.Memory(128.0, 256.0)
    assert usage.cpu_seconds(os.getpid()) > 0
