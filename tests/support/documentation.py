"""What pages of the documentation say, and the metrics that they speak about."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from atlas_endpoints.telemetry.metrics import PREFIX, Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Give type and labels of each metric that the operator exports."""
    metrics = Metrics("0")
    watched = [
        call.args[0].value
        for call in ast.walk(parsed(PACKAGE / "app.py"))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "watch"
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ]
    found = {f"{PREFIX}_{name}": ("gauge", frozenset[str]()) for name in watched}
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames"):
            found |= described(collector)
    (build_info,) = [family for family in metrics.registry.collect() if family.name.endswith("_build_info")]
    return found | {build_info.name: (build_info.type, frozenset(build_info.samples[0].labels))}


def described(collector: Any) -> dict[str, tuple[str, frozenset[str]]]:
    (family,) = collector.describe()
    suffix = "_total" if family.type == "counter" else ""
    return {family.name + suffix: (family.type, frozenset(collector._labelnames))}


def anchors(page: Path) -> set[str]:
    """Give the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
