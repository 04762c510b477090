"""What pages of the documentation say, and the metrics that they speak about."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import MagicMock

from prometheus_client import Histogram, ProcessCollector

from atlas_endpoints import instruments
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_endpoints.telemetry.resources import ResourceMetrics

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "atlas_endpoints"
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / folder / "README.md" for folder in ("changelog.d", "charts/atlas-endpoints", "operator")),
    ]
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """Give the blocks of a page that say what they are written in."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2))


def prose(page: Path) -> str:
    """Give a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def section(page: Path, title: str) -> str:
    """Give the text between a heading of the second level and the next."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def exported_metrics() -> dict[str, tuple[str, frozenset[str]]]:
    """Give type and labels of each metric that the operator can export, whatever it is asked to tell of resources."""
    metrics, of_resources = _all_metrics()
    described = metrics.described | of_resources.described
    found = {name: (type_, frozenset(labels)) for name, (type_, labels) in described.items()}
    return found | {name: (type_, frozenset()) for name, type_ in OF_EVERY_PROCESS.items()}


def told_of_metrics() -> dict[str, str]:
    """Give what a scrape tells of each metric beside its numbers."""
    metrics, of_resources = _all_metrics()
    families = [
        family
        for collector in metrics.registry._collector_to_names
        if not isinstance(collector, ProcessCollector)  # which differs between systems
        for family in collector.describe()  # type: ignore[attr-defined]
    ]
    told = {
        family.name + ("_total" if family.type == "counter" else ""): family.documentation for family in families
    } | dict.fromkeys(OF_EVERY_PROCESS, "Of the process, as Prometheus's libraries have it in each language.")
    scraped = asyncio.run(of_resources.exposition()).decode()
    return told | dict(re.findall(r"^# HELP (\w+) (.*)$", scraped, re.MULTILINE))


def buckets_of_metrics() -> dict[str, tuple[float, ...]]:
    """Give the bounds of each histogram's buckets, but for the infinite one."""
    metrics, _ = _all_metrics()
    return {
        collector._name: tuple(collector._upper_bounds[:-1])
        for collector in metrics.registry._collector_to_names
        if isinstance(collector, Histogram)
    }


def _all_metrics() -> tuple[Metrics, ResourceMetrics]:
    metrics, anything = Metrics("0"), MagicMock()
    instruments.watch(
        metrics,
        anything,
        client=anything,
        connection=anything,
        leads=bool,
        clock=anything,
        settings=OperatorSettings(),
    )
    return metrics, instruments.of_resources(anything, leads=bool, detail="ids")


OF_EVERY_PROCESS = {
    "process_cpu_seconds_total": "counter",
    "process_max_fds": "gauge",
    "process_open_fds": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge",
    "process_virtual_memory_bytes": "gauge",
}
"""What Prometheus's libraries export for any process, under the same names in each language."""


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
