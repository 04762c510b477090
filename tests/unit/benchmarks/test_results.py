from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.results import OURS, PEER, load_all
from unit.benchmarks.measured import edits, row

if TYPE_CHECKING:
    from pathlib import Path


def test_results_are_read_back_as_they_were_saved(tmp_path: Path) -> None:
    results = {"edit": edits(), "rest": row("rest", [{"atlas_calls_an_hour": 240.0}], [])}
    for name, result in results.items():
        result.save(tmp_path / "new" / f"{name}.json")
    assert load_all(tmp_path / "new") == results


def test_a_figure_is_summed_up_over_the_rounds_that_have_it() -> None:
    result = row("edit", [{"p50_ms": 1.0}, {"p50_ms": 3.0}, {}], [{"p50_ms": 9.0}])
    summary = result.summary(OURS, "p50_ms")
    assert summary is not None
    assert (summary.median, summary.low, summary.high) == (2.0, 1.0, 3.0)
    assert result.summary(OURS, "other") is None
    assert result.summary("nobody", "p50_ms") is None


def test_rounds_are_counted_for_the_contender_that_had_the_fewest() -> None:
    assert row("edit", [{}, {}], [{}]).count == 1
    assert row("edit", [], []).count == 0
    assert row("edit", [{}], [{}], against=PEER).count == 1
