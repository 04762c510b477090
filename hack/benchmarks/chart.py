"""The plot: small panels of horizontal bars, as SVG. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.results import OURS, PEER, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.lines import Measured
    from benchmarks.results import Summary

WIDTH = 860
COLUMNS = 2
MARGIN = 20
PANEL_WIDTH = (WIDTH - (COLUMNS + 1) * MARGIN) // COLUMNS
LABEL_WIDTH = 120
VALUE_WIDTH = 70
BAR = 14
PAIR = 2 * BAR + 12
"""The height of the two bars of one label and the gap below them."""
TITLE = 26
COLOURS = {OURS: "#2b6cb0", PEER: "#a0aec0"}
TEXT = "#1a202c"
WHISKER = "#1a202c"


@dataclass(frozen=True, slots=True)
class Bars:
    """Two bars with one label: a row's figure, of ours and of the peer."""

    label: str
    row: str
    figure: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars of one unit."""

    title: str
    bars: Sequence[Bars]


PANELS = (
    Panel(
        "One edit, while nothing else goes on (ms; less is better)",
        (Bars("p50", "edit", "p50_ms"), Bars("p99", "edit", "p99_ms")),
    ),
    Panel(
        "One edit, while 5,000 resources resync (ms; less is better)",
        (Bars("p50", "resync", "p50_ms"), Bars("p99", "resync", "p99_ms")),
    ),
    Panel(
        "1,000 changes at once (a second; more is better)",
        (
            Bars("creates, 16 workers", "burst-16", "create_rate"),
            Bars("edits, 16 workers", "burst-16", "edit_rate"),
            Bars("creates, 64 workers", "burst-64", "create_rate"),
            Bars("edits, 64 workers", "burst-64", "edit_rate"),
        ),
    ),
    Panel(
        "Start, until all are compared with Atlas (s; less is better)",
        (Bars("5,000 settled", "start-5000", "compared_s"), Bars("20,000 settled", "start-20000", "compared_s")),
    ),
    Panel(
        "Resident memory (MB; less is better)",
        (Bars("5,000 settled", "start-5000", "resident_mb"), Bars("20,000 settled", "start-20000", "resident_mb")),
    ),
    Panel(
        "Processor time for each change (ms; less is better)",
        (Bars("create", "burst-16", "create_cpu_ms"), Bars("edit", "burst-16", "edit_cpu_ms")),
    ),
    Panel(
        "Atlas calls (less is better)",
        (Bars("an hour at rest", "rest", "atlas_calls_an_hour"),),
    ),
)


def draw(measured: Measured) -> str:
    """Draw all panels of which something was measured."""
    panels = [panel for panel in PANELS if any(bars.row in measured for bars in panel.bars)]
    parts: list[str] = []
    top = MARGIN + TITLE
    for start in range(0, len(panels), COLUMNS):
        line = panels[start : start + COLUMNS]
        for column, panel in enumerate(line):
            parts += _panel(panel, measured, MARGIN + column * (PANEL_WIDTH + MARGIN), top)
        top += max(_height(panel, measured) for panel in line) + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">',
            "<title>atlas-endpoints beside a peer in Go: medians, with the spread of the rounds</title>",
            f'<rect width="{WIDTH}" height="{top}" fill="white"/>',
            f'<g font-family="sans-serif" font-size="12" fill="{TEXT}">',
            *_legend(),
            *parts,
            "</g>",
            "</svg>\n",
        ]
    )


def _legend() -> Iterator[str]:
    for number, (contender, words) in enumerate(((OURS, "atlas-endpoints"), (PEER, "peer in Go"))):
        x = MARGIN + number * 140
        yield f'<rect x="{x}" y="{MARGIN - 8}" width="{BAR}" height="{BAR}" fill="{COLOURS[contender]}"/>'
        yield _text(x + BAR + 6, MARGIN + 3, words)


def _panel(panel: Panel, measured: Measured, x: int, y: int) -> Iterator[str]:
    yield _text(x, y + 12, panel.title, weight="bold")
    shown_bars = _shown(panel, measured)
    top = max(summary.high for _, pair in shown_bars for summary in pair.values())
    for number, (label, pair) in enumerate(shown_bars):
        y_pair = y + TITLE + number * PAIR
        yield _text(x, y_pair + BAR + 4, label)
        for place, contender in enumerate((OURS, PEER)):
            if contender in pair:
                yield from _bar(pair[contender], contender, top, x + LABEL_WIDTH, y_pair + place * BAR)


def _bar(summary: Summary, contender: str, top: float, x: int, y: int) -> Iterator[str]:
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH

    def at(value: float) -> float:
        return x + (room * value / top if top else 0.0)

    yield (
        f'<rect x="{x}" y="{y}" width="{at(summary.median) - x:.1f}" height="{BAR - 2}" fill="{COLOURS[contender]}"/>'
    )
    middle = y + (BAR - 2) / 2
    yield (f'<path d="M{at(summary.low):.1f} {middle}H{at(summary.high):.1f}" stroke="{WHISKER}" stroke-width="1.5"/>')
    yield _text(at(summary.high) + 5, y + BAR - 4, shown(summary.median))


def _shown(panel: Panel, measured: Measured) -> list[tuple[str, dict[str, Summary]]]:
    found = []
    for bars in panel.bars:
        result = measured.get(bars.row)
        summaries = {name: result.summary(name, bars.figure) for name in (OURS, PEER)} if result else {}
        pair = {name: summary for name, summary in summaries.items() if summary is not None}
        if pair:
            found.append((bars.label, pair))
    return found


def _height(panel: Panel, measured: Measured) -> int:
    return TITLE + PAIR * len(_shown(panel, measured))


def _text(x: float, y: float, words: str, *, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(words)}</text>'
