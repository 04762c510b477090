"""The rules of Grafana's dashboard-linter, under its names, for dashboards of one Prometheus.

Its own program is no versioned module of Go. What each rule asks for follows its pages
(https://github.com/grafana/dashboard-linter/blob/main/docs/index.md) and its messages; queries are taken apart by their
selectors, and that they are PromQL is left to promtool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Dashboard: TypeAlias = dict[str, Any]
Rule: TypeAlias = "Callable[[Dashboard], Iterator[str]]"

SHOWN = frozenset({"stat", "timeseries", "table", "gauge", "barchart", "bargauge", "heatmap", "histogram", "piechart"})
"""The kinds of panels that show something; others are rows and text."""

UNITS = frozenset(
    {"bytes", "dateTimeFromNow", "dtdurations", "none", "ops", "percent", "percentunit", "reqps", "s", "short"}
)
"""Those of Grafana's units that are used here; a misspelt one is shown as nothing, or as itself."""

SELECTOR = re.compile(r"\b((?:atlas_endpoints|process)_\w+)(\{[^}]*\})?(\[[^\]]*\])?")
"""A name, its matchers, and its range."""


def lint(dashboard: Dashboard) -> list[str]:
    """Say what is wrong with a dashboard, each with the name of the rule."""
    return [f"{name}: {problem}" for name, rule in RULES.items() for problem in rule(dashboard)]


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    """Return the panels that show something, those in rows that are folded away too."""
    every = [each for panel in dashboard["panels"] for each in (panel, *panel.get("panels", ()))]
    return [panel for panel in every if panel["type"] in SHOWN]


def queries(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Give title of the panel and text of each query."""
    for panel in panels(dashboard):
        yield from ((panel.get("title", ""), target["expr"]) for target in panel.get("targets", ()))


def variables(dashboard: Dashboard, type_: str) -> list[dict[str, Any]]:
    return [each for each in dashboard["templating"]["list"] if each["type"] == type_]


def _template_datasource(dashboard: Dashboard) -> Iterator[str]:
    found = [(each["name"], each["label"], each["query"]) for each in variables(dashboard, "datasource")]
    if found != [("datasource", "Data source", "prometheus")]:
        yield f"there must be one variable `datasource`, labelled `Data source`, of prometheus, and not {found}"


def _template(name: str) -> Rule:
    def rule(dashboard: Dashboard) -> Iterator[str]:
        found = next((each for each in variables(dashboard, "query") if each["name"] == name), None)
        if found is None:
            yield f"there is no variable {name}"
            return
        if not _is_templated(found.get("datasource")):
            yield "it must use the data source of the variable"
        if found["label"] != name.title():
            yield f"it must be labelled {name.title()}"
        if not found.get("multi") or found.get("allValue") != ".+":
            yield "it must take several values, and .+ for all"

    return rule


def _template_label_promql(dashboard: Dashboard) -> Iterator[str]:
    for each in variables(dashboard, "query"):
        text = each["query"]["query"]
        if not re.fullmatch(r"label_values\(\w+(\{(\w+=~\"\$\w+\"(, )?)+\})?, \w+\)", text):
            yield f"{each['name']} is no query for labels: {text}"


def _template_on_time_change_reload(dashboard: Dashboard) -> Iterator[str]:
    for each in variables(dashboard, "query"):
        if each.get("refresh") != 2:
            yield f"{each['name']} must be asked for again when the time changes"


def _uneditable(dashboard: Dashboard) -> Iterator[str]:
    if dashboard.get("editable"):
        yield "it comes from a ConfigMap, where no edit would last"


def _panel_datasource(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        sources = (panel.get("datasource"), *(target.get("datasource") for target in panel.get("targets", ())))
        if not all(_is_templated(source) for source in sources):
            yield f"{panel['title']} must use the data source of the variable"


def _panel_title_description(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"{panel['id']} has no title or no description"


def _panel_units(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{panel['title']} has no unit that is known"


def _panel_no_targets(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel.get("targets"):
            yield f"{panel['title']} asks for nothing"


def _target_rate_interval(dashboard: Dashboard) -> Iterator[str]:
    for title, query in queries(dashboard):
        if any(range_ not in {"", "[$__rate_interval]"} for _, _, range_ in SELECTOR.findall(query)):
            yield f"{title} should use $__rate_interval"


def _target_matcher(label: str) -> Rule:
    def rule(dashboard: Dashboard) -> Iterator[str]:
        for title, query in queries(dashboard):
            if any(f'{label}=~"${label}"' not in matchers for _, matchers, _ in SELECTOR.findall(query)):
                yield f"{title} must choose by ${label}"

    return rule


def _target_counter_agg(dashboard: Dashboard) -> Iterator[str]:
    for title, query in queries(dashboard):
        for found in SELECTOR.finditer(query):
            is_counter = re.search(r"_(total|bucket|count|sum)$", found[1])
            if is_counter and not re.search(r"\b(rate|irate|increase)\($", query[: found.start()]):
                yield f"{title} must ask for the rate or the increase of {found[1]}"


def _target_histogram(dashboard: Dashboard) -> Iterator[str]:
    for title, query in queries(dashboard):
        by = re.findall(r"histogram_quantile\([\d.]+, sum by \(([^)]*)\) \(rate\(", query)
        if "_bucket{" in query and not (by and all("le" in each.split(", ") for each in by)):
            yield f"{title} must take quantiles from rates that are summed by le"


def _is_templated(source: object) -> bool:
    return source == {"type": "prometheus", "uid": "${datasource}"}


RULES: dict[str, Rule] = {
    "template-datasource-rule": _template_datasource,
    "template-job-rule": _template("job"),
    "template-instance-rule": _template("instance"),
    "template-label-promql-rule": _template_label_promql,
    "template-on-time-change-reload-rule": _template_on_time_change_reload,
    "template-uneditable-rule": _uneditable,
    "panel-datasource-rule": _panel_datasource,
    "panel-title-description-rule": _panel_title_description,
    "panel-units-rule": _panel_units,
    "panel-no-targets-rule": _panel_no_targets,
    "target-rate-interval-rule": _target_rate_interval,
    "target-job-rule": _target_matcher("job"),
    "target-instance-rule": _target_matcher("instance"),
    "target-counter-agg-rule": _target_counter_agg,
    "target-histogram-rule": _target_histogram,
}
"""All but ``target-promql-rule``, which is promtool's, and those for Loki."""
