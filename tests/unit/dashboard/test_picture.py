"""How the dashboard is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest

from dashboard.answers import Series, Shown
from dashboard.picture import draw, written


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.125, "percentunit", "12.5 %"),
        (3 * 1e6, "bytes", "3 MB"),
        (12.0, "reqps", "12 /s"),
        (0.0451, "s", "45.1 ms"),
        (90.0, "s", "90 s"),
        (-20 * 86400.0, "dtdurations", "-20 days"),
        (1000.0 * (1000 - 600), "dateTimeFromNow", "10 min ago"),
        (40.0, "short", "40"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: str, text: str) -> None:
    assert written(value, unit, now=1000.0) == text


def shown(type_: str, *series: Series, unit: str = "short", **panel: Any) -> Shown:
    defaults = {
        "unit": unit,
        "thresholds": {"steps": [{"color": "green", "value": None}, {"color": "red", "value": 2}]},
    }
    grid = {"x": 0, "y": 0, "w": 12, "h": 8}
    return Shown(
        {"type": type_, "title": "Calls <&>", "gridPos": grid, "fieldConfig": {"defaults": defaults}, **panel},
        list(series),
    )


def texts(picture: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314  # ours


def test_lines_have_a_scale_a_time_and_a_legend() -> None:
    line = Series("GET", {}, [(float(at), at / 2) for at in range(21)])
    picture = draw([shown("timeseries", line)], title="T", now=20.0)
    assert texts(picture) == ["Calls <&>", "0", "5", "10", "00:00:00", "00:00:20", "GET"]
    (points,) = re.findall(r'points="([^"]+)"', picture)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert len(places) == 21
    for (x, y), (later, higher) in pairwise(places):
        assert later - x == pytest.approx((places[-1][0] - places[0][0]) / 20, abs=0.11)
        assert higher < y


def test_a_line_is_cut_where_it_has_no_values() -> None:
    points = [(float(at), 1.0) for at in (*range(20), *range(60, 80))]
    assert draw([shown("timeseries", Series("a", {}, points))], title="T", now=0).count("<polyline") == 2


def test_a_line_of_few_points_is_whole() -> None:
    points = [(float(at), 1.0) for at in (0, 2, 4)]
    assert draw([shown("timeseries", Series("a", {}, points))], title="T", now=0).count("<polyline") == 1


def test_a_number_has_the_colour_of_the_step_that_it_has_reached() -> None:
    for value, colour in ((1.0, "#73bf69"), (2.0, "#f2495c")):
        picture = draw([shown("stat", Series("value", {}, [(0.0, value)]))], title="T", now=0)
        assert re.search(rf'fill="{colour}">{value:.0f}<', picture)


def test_a_table_has_the_columns_that_are_shown() -> None:
    organize = [{"options": {"renameByName": {"name": "Name", "reason": "Reason"}}}]
    rows = [Series("v", {"name": name, "reason": "Initiating", "other": "x"}, [(0.0, 1.0)]) for name in ("b", "a")]
    picture = draw([shown("table", *rows, transformations=organize)], title="T", now=0)
    assert texts(picture)[1:] == ["Name", "Reason", "a", "Initiating", "b", "Initiating"]


def test_a_panel_without_answers_says_so_and_a_row_has_its_title_only() -> None:
    assert texts(draw([shown("timeseries")], title="T", now=0)) == ["Calls <&>", "nothing"]
    assert texts(draw([shown("row")], title="T", now=0)) == ["Calls <&>"]


def test_of_many_lines_as_many_are_named_as_there_is_room_for() -> None:
    lines = [Series(f"a line with the number {n:02}", {}, [(0.0, 1.0), (1.0, 1.0)]) for n in range(20)]
    names = texts(draw([shown("timeseries", *lines)], title="T", now=0))[6:]
    assert names[:-1] == [line.name for line in lines[: len(names) - 1]]
    assert 4 < len(names) < 10
    assert names[-1] == f"and {20 - len(names) + 1} more"
