"""The dashboard passes Grafana's linter, and shows every metric that the operator exports and none that it does not."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from delivery.helm import CHART
from support.dashboard_linter import RULES, lint
from support.documentation import DOCS, exported_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))


def test_the_linter_finds_nothing() -> None:
    assert lint(DASHBOARD) == []


def variable(dashboard: dict[str, Any], name: str) -> Any:
    return next(each for each in dashboard["templating"]["list"] if each["name"] == name)


def panel(dashboard: dict[str, Any], type_: str = "timeseries") -> Any:
    return next(each for each in dashboard["panels"] if each["type"] == type_)


def asks(dashboard: dict[str, Any], expr: str) -> None:
    panel(dashboard)["targets"][0]["expr"] = expr


ALL = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"'
TOTAL = "atlas_endpoints_reconcile_total"
BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "template-datasource-rule": lambda it: variable(it, "datasource").update(label="Source"),
    "template-job-rule": lambda it: variable(it, "job").update(allValue=".*"),
    "template-instance-rule": lambda it: variable(it, "instance").update(multi=False),
    "template-label-promql-rule": lambda it: variable(it, "job").update(query={"query": "up{job}"}),
    "template-on-time-change-reload-rule": lambda it: variable(it, "job").update(refresh=1),
    "template-uneditable-rule": lambda it: it.update(editable=True),
    "panel-datasource-rule": lambda it: panel(it).update(datasource={"type": "prometheus", "uid": "mine"}),
    "panel-title-description-rule": lambda it: panel(it).update(description=""),
    "panel-units-rule": lambda it: panel(it, "stat")["fieldConfig"]["defaults"].update(unit="seconds"),
    "panel-no-targets-rule": lambda it: panel(it, "table").update(targets=[]),
    "target-rate-interval-rule": lambda it: asks(it, f"sum(rate({TOTAL}{{{ALL}}}[5m]))"),
    "target-job-rule": lambda it: asks(it, 'atlas_endpoints_leader{instance=~"$instance"}'),
    "target-instance-rule": lambda it: asks(it, 'atlas_endpoints_leader{job=~"$job"}'),
    "target-counter-agg-rule": lambda it: asks(it, f"sum({TOTAL}{{{ALL}}})"),
    "target-histogram-rule": lambda it: asks(
        it, f"sum(rate(atlas_endpoints_reconcile_duration_seconds_bucket{{{ALL}}}[$__rate_interval]))"
    ),
}


def test_each_rule_is_broken_by_something() -> None:
    assert BROKEN.keys() == RULES.keys()


@pytest.mark.parametrize("rule", BROKEN)
def test_the_linter_finds_what_breaks_a_rule(rule: str) -> None:
    broken = copy.deepcopy(DASHBOARD)
    BROKEN[rule](broken)
    assert {problem.partition(":")[0] for problem in lint(broken)} == {rule}


def expressions(node: Any) -> Iterator[str]:
    """Give all that a dashboard asks of Prometheus."""
    if isinstance(node, dict):
        yield from (node[key] for key in ("expr", "definition") if isinstance(node.get(key), str))
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from expressions(child)


def test_it_shows_every_metric_and_none_that_does_not_exist() -> None:
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for text in expressions(DASHBOARD)
        for name in re.findall(r"\b(?:atlas_endpoints|process)_\w+", text)
    }
    assert shown == exported_metrics().keys()


def test_it_chooses_and_sums_by_labels_that_exist() -> None:
    known = {
        "namespace",
        "job",
        "instance",
        "le",
        *(label for _, labels in exported_metrics().values() for label in labels),
    }
    for text in expressions(DASHBOARD):
        for name, selector in re.findall(r"\b(atlas_endpoints_\w+)\{(.*?)\}", text):
            metric = re.sub(r"_(bucket|sum|count)$", "", name)
            assert (
                set(re.findall(r"(\w+)[=!]", selector)) - {"namespace", "job", "instance"}
                <= exported_metrics()[metric][1]
            )
        for labels in re.findall(r"(?:by|on|group_left) \(([^)]*)\)", text):
            assert set(labels.split(", ")) <= known


def test_legends_name_labels_that_their_query_keeps() -> None:
    for each in DASHBOARD["panels"]:
        for target in each.get("targets", ()):
            kept = {label for labels in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in labels.split(", ")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, each["title"]


def test_panels_lie_beside_each_other() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [cell for panel in panels for cell in cells_of(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def cells_of(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_its_picture_shows_the_panels_that_it_has() -> None:
    """If not, `make dashboard-picture` draws it anew."""
    picture = ET.parse(DOCS / "pictures" / "dashboard.svg")  # noqa: S314  # ours
    texts = [each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")]
    titles = [each["title"] for each in DASHBOARD["panels"]]
    assert [text for text in texts if text in titles] == titles
