"""What Prometheus is asked for a panel, and how its answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.answers import ask, fill, name_of, read

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_a_query_is_filled_in_as_grafana_does() -> None:
    query = 'sum by (status) (rate(calls_total{namespace=~"$namespace", job=~"$job"}[$__rate_interval]))'
    assert fill(query) == 'sum by (status) (rate(calls_total{namespace=~".+", job=~".+"}[20s]))'


def test_a_series_is_named_by_its_legend() -> None:
    labels = {"verb": "GET", "resource": "secrets"}
    assert name_of("{{verb}} {{resource}}", labels) == "GET secrets"
    assert name_of("95 %", labels) == "95 %"
    assert name_of("{{status}}", labels) == "value"


def test_what_is_no_number_has_no_place() -> None:
    series = read("all", {"metric": {}, "values": [[1, "2"], [3, "NaN"], [5, "+Inf"], [7, "0.5"]]})
    assert series.points == [(1.0, 2.0), (7.0, 0.5)]


class Prometheus:
    """Answers each query with a series that has its text."""

    def now(self, query: str) -> list[dict[str, Any]]:
        return [{"metric": {"asked": query}, "value": [9, "1"]}]

    def over(self, query: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        return [
            {"metric": {"asked": query}, "values": [[start, "1"], [end, "2"]]},
            {"metric": {}, "values": [[start, "NaN"]]},
        ]


def test_a_panel_asks_all_its_queries_and_leaves_out_what_shows_nothing() -> None:
    prometheus: Any = Prometheus()
    targets = [
        {"expr": "now", "legendFormat": "{{asked}}", "instant": True},
        {"expr": "over", "legendFormat": "{{asked}}"},
    ]
    panel: Mapping[str, Any] = {"type": "timeseries", "targets": targets}
    shown = ask(prometheus, panel, start=1, end=3, step=1)
    assert [(each.name, each.points) for each in shown.series] == [
        ("now", [(9.0, 1.0)]),
        ("over", [(1.0, 1.0), (3.0, 2.0)]),
    ]
    assert ask(prometheus, {"type": "row"}, start=1, end=3, step=1).series == []
