"""What pages of the documentation say, and the metrics that they speak about."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import MagicMock

from prometheus_client.metrics import MetricWrapperBase

from atlas_endpoints.process import runtime_metrics
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.telemetry.metrics import Metrics, Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_endpoints.process.runtime_metrics import ResourceMetrics

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "atlas_endpoints"
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(
            ROOT / folder / "README.md"
            for folder in ("changelog.d", "charts/atlas-endpoints", "operator", "tests/data")
        ),
    ]
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    """Return the blocks of a page that say what they are written in."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2))


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def section(page: Path, title: str) -> str:
    """Return the text from a heading to the next of the same or a higher level."""
    ((level, found),) = re.findall(
        rf"^(##+) {title}\n(.*?)(?=^## |\Z)", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return re.split(rf"^#{{2,{len(level)}}} ", found, maxsplit=1, flags=re.MULTILINE)[0]


def exported_metrics() -> dict[str, tuple[str, frozenset[str]]]:
    """Give type and labels of each metric that the operator can export, whatever it is asked to tell of resources."""
    metrics, of_resources = _all_metrics()
    found = {name: (type_, frozenset(labels)) for name, (type_, labels) in of_resources.described.items()}
    for each in metrics.registry._collector_to_names:  # noqa: SLF001  # the library shows them nowhere else
        if isinstance(each, MetricWrapperBase):
            total = "_total" if each._type == "counter" else ""  # noqa: SLF001  # the library shows them nowhere else
            found[f"{each._name}{total}"] = str(each._type), frozenset(each._labelnames)  # noqa: SLF001  # the library shows them nowhere else
        elif isinstance(each, Watched):
            found[each.name] = "gauge", frozenset(each.labels)
    return found | {name: (type_, frozenset()) for name, type_ in OF_EVERY_PROCESS.items()}


def told_of_metrics() -> dict[str, str]:
    """Return what a scrape tells of each metric beside its numbers."""
    told = dict(re.findall(r"^# HELP (\w+) (.*)$", _scrape(), re.MULTILINE))
    of_every_process = "Of the process, as Prometheus's libraries have it in each language."
    own = {name: text for name, text in told.items() if not name.startswith("process_")}  # they differ between systems
    return own | dict.fromkeys(OF_EVERY_PROCESS, of_every_process)


def buckets_of_metrics() -> dict[str, tuple[float, ...]]:
    """Return the bounds of each histogram's buckets, but for the infinite one."""
    found: dict[str, dict[float, None]] = {}
    for name, bound in re.findall(r'^(\w+)_bucket\{.*\ble="([\d.]+)"', _scrape(), re.MULTILINE):
        found.setdefault(name, {})[float(bound)] = None
    return {name: tuple(bounds) for name, bounds in found.items()}


def _scrape() -> str:
    """Return what Prometheus reads, with a series of each histogram."""

    async def scrape() -> bytes:
        metrics, of_resources = _all_metrics()
        metrics.queue_waits("routine")
        metrics.atlas_request_seconds("")
        metrics.asked_kubernetes("", None, 0.0)
        return metrics.exposition() + await of_resources.exposition()

    return asyncio.run(scrape()).decode()


def _all_metrics() -> tuple[Metrics, ResourceMetrics]:
    metrics, anything = Metrics("0"), MagicMock()
    anything.settings = OperatorSettings()
    runtime_metrics.watch(metrics, anything, client=anything, connection=anything, leads=bool)
    return metrics, runtime_metrics.ResourceMetrics(anything, leads=bool)


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
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
