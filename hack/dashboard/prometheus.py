"""A real Prometheus that reads the metrics of one operator, and what it answers to the panels of a dashboard."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from control_plane.ports import free_port
from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from control_plane.process import Server, ServerGroup

SCRAPE = 2
"""Seconds between two scrapes: a story of minutes instead of hours."""


class NoPrometheusError(Exception):
    """There is no Prometheus on this machine."""


def find_program() -> str:
    """Find the program: what the variable ``PROMETHEUS`` names, or ``prometheus`` as Debian's package brings it."""
    program = shutil.which(os.environ.get("PROMETHEUS") or "prometheus")
    if program is None:
        raise NoPrometheusError(
            "The picture needs a Prometheus: install the package `prometheus`, or name the program with PROMETHEUS=."
        )
    return program


class Prometheus:
    """A running server."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self._http = httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=30)

    @classmethod
    def start(cls, program: str, group: ServerGroup, folder: Path, *, target: str) -> Prometheus:
        """Start it, and wait until it answers."""
        labels = {"namespace": "atlas-endpoints", "instance": "atlas-endpoints-0"}
        config = {
            "global": {"scrape_interval": f"{SCRAPE}s"},
            "scrape_configs": [
                {
                    "job_name": "atlas-endpoints-metrics",
                    "static_configs": [{"targets": [target], "labels": labels}],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        address = f"127.0.0.1:{free_port()}"
        arguments = {
            "config.file": folder / "prometheus.yaml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": address,
        }
        server = group.start(
            "prometheus", [program, *(f"--{name}={value}" for name, value in arguments.items())], folder=folder
        )
        started = cls(server, f"http://{address}")
        wait_until(started._answers, "Prometheus", servers=[server], timeout=60)
        return started

    def now(self, query: str) -> list[dict[str, Any]]:
        return self._ask("query", query=query)

    def over(self, query: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        return self._ask("query_range", query=query, start=str(start), end=str(end), step=str(step))

    def close(self) -> None:
        self._http.close()

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self._http.get(what, params=parameters).raise_for_status().json()
        return list(answer["data"]["result"])

    def _answers(self) -> bool:
        try:
            return self._http.get("status/buildinfo").is_success
        except httpx.TransportError:
            return False


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
