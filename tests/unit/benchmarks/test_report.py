from __future__ import annotations

import pytest

from benchmarks.__main__ import PAGE
from benchmarks.report import BEGIN, END, table, update
from benchmarks.results import SLOW_PEER
from unit.benchmarks.measured import edits, row


def test_the_table_shows_the_measured_rows_with_ratio_and_goal() -> None:
    lines = table({"edit": edits()}).splitlines()
    assert lines[2] == "| one edit at rest, p50 | 27.0 ms (26.0 to 29.0) | 54.0 ms | 0.50 | at most 0.65x | yes |"
    assert not any("resync" in line for line in lines)


def test_a_goal_that_is_not_met_stands_out() -> None:
    assert "| at most 0.8x | **no** |" in table({"edit": edits(p99=48.0)})


def test_the_limited_peer_is_compared_in_its_own_row() -> None:
    measured = {"throttled": row("throttled", [{"edit_rate": 200.0}], [{"edit_rate": 20.0}], against=SLOW_PEER)}
    assert "| 200/s | 20.0/s | 10.00 |" in table(measured)


def test_the_page_keeps_what_people_wrote_and_loses_old_figures() -> None:
    page = f"# Title\n\n{BEGIN}\nold figures\n{END}\n\nThe end.\n"
    once = update(page, {"edit": edits()})
    assert once.startswith(f"# Title\n\n{BEGIN}\n\n| | ours |")
    assert once.endswith(f"{END}\n\nThe end.\n")
    assert "old figures" not in once
    assert "Measured on 2026-01-02; rows, with the number of their rounds: edit (3)." in once
    assert "processor: Fast CPU 9000, 2 cores" in once
    assert update(once, {"edit": edits()}) == once


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has to hold the lines"):
        update("# Title\n", {})


def test_the_page_has_its_marks() -> None:
    assert update(PAGE.read_text(encoding="utf-8"), {"edit": edits()})
