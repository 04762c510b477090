from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.chart import PANELS, draw
from benchmarks.lines import LINES
from benchmarks.results import OURS
from unit.benchmarks.measured import edits, row

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_medians_and_told_in_figures() -> None:
    drawn = ET.fromstring(draw({"edit": edits()}))  # noqa: S314  # our own words
    texts = [element.text for element in drawn.iter(f"{SVG}text")]
    bars = [element for element in drawn.iter(f"{SVG}rect") if element.get("height") == "12"]
    lengths = [float(bar.get("width", "0")) for bar in bars]
    assert {"p50", "p99", "27.0", "54.0", "37.0", "49.0"} <= set(texts)
    assert lengths[1] == 2 * lengths[0]


def test_what_was_not_measured_is_not_drawn() -> None:
    drawn = draw({"edit": edits()})
    assert "resync" not in drawn
    assert "Resident memory" not in drawn


def test_figures_that_are_all_nothing_have_bars_without_length() -> None:
    assert 'width="0.0"' in draw({"rest": row("rest", [{"atlas_calls_an_hour": 0.0}], [])})


def test_every_bar_is_also_a_line_of_the_table() -> None:
    in_table = {(line.row, line.figure) for line in LINES}
    assert {(bars.row, bars.figure) for panel in PANELS for bars in panel.bars} <= in_table


def test_ours_alone_is_drawn_alone() -> None:
    alone = row("edit", [{"p50_ms": 27.0}], [])
    assert alone.summary(OURS, "p50_ms") is not None
    assert draw({"edit": alone}).count('height="12"') == 1
