"""The dashboard passes Grafana's linter, and shows every metric that the operator exports and none that it does not."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from delivery.helm import CHART
from support.dashboard_linter import lint
from support.documentation import DOCS, exported_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARD = json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))


def test_the_linter_finds_nothing() -> None:
    assert lint(DASHBOARD) == []


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
