"""What Prometheus answers to the panels of a dashboard; pure but for the asking."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.prometheus import Prometheus

RATE_INTERVAL = "20s"
"""What Grafana would put in for ``$__rate_interval``: some scrapes."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a panel, or a number.

    Attributes:
        name: For the legend.
        labels: As Prometheus has them.
        points: Seconds and values; one only for a number.
    """

    name: str
    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel with what it shows.

    Attributes:
        panel: As the dashboard has it.
        series: In the order of its queries.
    """

    panel: Mapping[str, Any]
    series: Sequence[Series] = field(default_factory=list)


def fill(query: str) -> str:
    """Put in what Grafana would: every value of each variable, and the interval for rates."""
    return re.sub(r"\$__rate_interval", RATE_INTERVAL, re.sub(r'"\$\w+"', '".+"', query))


def name_of(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip() or "value"


def read(legend: str, result: Mapping[str, Any]) -> Series:
    """Read a series of an answer; what is no number has no place in it."""
    pairs = result.get("values") or [result["value"]]
    points = [(float(at), float(value)) for at, value in pairs if value not in {"NaN", "+Inf", "-Inf"}]
    return Series(name_of(legend, result["metric"]), result["metric"], points)


def ask(prometheus: Prometheus, panel: Mapping[str, Any], *, start: float, end: float, step: float) -> Shown:
    found: list[Series] = []
    for target in panel.get("targets", ()):
        query = fill(target["expr"])
        if target.get("instant"):
            answer = prometheus.now(query)
        else:
            answer = prometheus.over(query, start=start, end=end, step=step)
        found += [read(target["legendFormat"], each) for each in answer]
    return Shown(panel, [each for each in found if each.points])
