"""The published figures are those that were measured, round by round."""

from __future__ import annotations

from benchmarks import chart, report
from benchmarks.__main__ import PAGE, PLOT, RESULTS
from benchmarks.results import load_all
from benchmarks.rows import ROWS


def test_each_row_has_been_measured_in_full_size() -> None:
    assert {name: result.scale for name, result in load_all(RESULTS).items()} == dict.fromkeys(ROWS, 1.0)


def test_the_table_is_made_of_the_measured_rounds() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert report.update(page, load_all(RESULTS)) == page


def test_the_plot_is_made_of_the_measured_rounds() -> None:
    assert chart.draw(load_all(RESULTS)) == PLOT.read_text(encoding="utf-8")
