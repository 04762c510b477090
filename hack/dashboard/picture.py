"""The drawing of a dashboard: panels on Grafana's grid, as SVG. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dashboard.prometheus import Series, Shown

WIDTH, COLUMNS, UNIT, GAP = 1200, 24, 28, 4
"""Of the picture in pixels; columns of the grid; the height of a row of it; what is left between panels."""
BACKGROUND, PANEL, LINE, TEXT, FAINT = "#111217", "#181b1f", "#2c3235", "#d8d9da", "#8e9299"
COLOURS = ("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffb357", "#96d98d", "#ca95e5")
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
LEGEND, LETTER = 2, 6.2
"""Lines that a legend has room for; the width of a letter in pixels."""
SCALES = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))


class Box(NamedTuple):
    """Where a panel is, in pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(shown: Sequence[Shown], *, title: str, now: float) -> str:
    """Draw panels."""
    rows = max(each.panel["gridPos"]["y"] + each.panel["gridPos"]["h"] for each in shown)
    height = rows * UNIT + 2 * GAP
    parts = [part for each in shown for part in _panel(each, now)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="{BACKGROUND}"/>',
            f'<g font-family="sans-serif" font-size="10" fill="{TEXT}">',
            *parts,
            "</g>",
            "</svg>\n",
        ]
    )


def written(value: float, unit: str, *, now: float = 0.0) -> str:
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes":
            return f"{_scaled(value)}B"
        case "reqps" | "ops":
            return f"{_scaled(value)} /s"
        case "s" if 0 < abs(value) < 1:
            return f"{value * 1000:.3g} ms"
        case "s":
            return f"{value:.3g} s"
        case "dtdurations":
            return f"{value / 86400:.0f} days"
        case "dateTimeFromNow":
            return f"{(now - value / 1000) / 60:.0f} min ago"
        case _:
            return _scaled(value)


def _scaled(value: float) -> str:
    suffix, scale = next((each for each in reversed(SCALES) if abs(value) >= each[1]), SCALES[0])
    return f"{value / scale:.3g}{' ' if suffix else ''}{suffix}"


def _panel(shown: Shown, now: float) -> Iterator[str]:
    place, kind = shown.panel["gridPos"], shown.panel["type"]
    column = WIDTH / COLUMNS
    box = Box(
        place["x"] * column + GAP, place["y"] * UNIT + GAP, place["w"] * column - 2 * GAP, place["h"] * UNIT - GAP
    )
    title = escape(shown.panel["title"])
    if kind == "row":
        yield f'<text x="{box.x:.0f}" y="{box.y + 17:.0f}" font-size="13" font-weight="bold">{title}</text>'
        return
    sides = f'x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}"'
    yield f'<rect {sides} rx="2" fill="{PANEL}" stroke="{LINE}"/>'
    yield f'<text x="{box.x + 8:.0f}" y="{box.y + 15:.0f}" font-size="11" font-weight="bold">{title}</text>'
    if not shown.series:
        yield _text(box.x + box.width / 2, box.y + box.height / 2, "nothing", anchor="middle")
    elif kind == "stat":
        yield from _stat(shown, box, now)
    elif kind == "table":
        yield from _table(shown, box)
    else:
        yield from _lines(shown, box)


def _stat(shown: Shown, box: Box, now: float) -> Iterator[str]:
    defaults = shown.panel["fieldConfig"]["defaults"]
    first = shown.series[0]
    value = first.points[-1][1]
    text = written(value, defaults["unit"], now=now)
    for mapping in defaults.get("mappings", ()):
        text = mapping["options"].get(f"{value:g}", {}).get("text", text)
    if first.name != "value":
        text = first.name
    steps = defaults["thresholds"]["steps"]
    colour = next(step["color"] for step in reversed(steps) if step["value"] is None or value >= step["value"])
    place = f'x="{box.x + box.width / 2:.0f}" y="{box.y + box.height * 0.68:.0f}"'
    yield f'<text {place} text-anchor="middle" font-size="26" fill="{NAMED[colour]}">{escape(text)}</text>'


def _table(shown: Shown, box: Box) -> Iterator[str]:
    columns: Mapping[str, str] = shown.panel["transformations"][0]["options"]["renameByName"]
    rows = [[each.labels.get(label, "") for label in columns] for each in shown.series]
    room = int((box.height - 30) / 15)
    for number, cells in enumerate([list(columns.values()), *sorted(rows)][:room]):
        for column, cell in enumerate(cells):
            at = box.x + 8 + column * (box.width - 16) / len(columns)
            yield _text(at, box.y + 34 + number * 15, cell, fill=FAINT if number == 0 else TEXT)


def _lines(shown: Shown, box: Box) -> Iterator[str]:
    unit = shown.panel["fieldConfig"]["defaults"]["unit"]
    left, right, top, bottom = box.x + 52, box.x + box.width - 10, box.y + 26, box.y + box.height - 52
    times = [at for each in shown.series for at, _ in each.points]
    most = max(value for each in shown.series for _, value in each.points) or 1.0
    begin = min(times)
    end = max(*times, begin + 1)
    for share in (0.0, 0.5, 1.0):
        level = bottom - share * (bottom - top)
        yield f'<path d="M{left:.0f} {level:.1f}H{right:.0f}" stroke="{LINE}"/>'
        yield _text(left - 5, level + 3, written(share * most, unit), anchor="end")
    for at, place, anchor in ((begin, left, "start"), (end, right, "end")):
        yield _text(place, bottom + 12, f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}", anchor=anchor)
    for number, each in enumerate(shown.series):
        for piece in _pieces(each):
            path = " ".join(
                f"{left + (at - begin) / (end - begin) * (right - left):.1f},{bottom - value / most * (bottom - top):.1f}"
                for at, value in piece
            )
            colour = COLOURS[number % len(COLOURS)]
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.4"/>'
    yield from _legend(shown.series, Box(box.x + 8, box.y + box.height - 25, box.width - 16, 0))


def _text(x: float, y: float, text: str, *, anchor: str = "start", fill: str = FAINT) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>'


def _pieces(series: Series) -> Iterator[list[tuple[float, float]]]:
    """Cut a line where it has no values for a while: for longer than three of its steps."""
    step = min((later - at for (at, _), (later, _) in pairwise(series.points)), default=0.0)
    piece: list[tuple[float, float]] = []
    for point in series.points:
        if piece and point[0] - piece[-1][0] > 3 * step:
            yield piece
            piece = []
        piece.append(point)
    yield piece


def _legend(series: Sequence[Series], box: Box) -> Iterator[str]:
    """Name the lines, in as much room as there is, and count the others."""
    left, line = 0.0, 0
    for number, each in enumerate(series):
        width = len(each.name) * LETTER + 24
        rest = len(series) - number
        room = box.width - (60 if line == LEGEND - 1 and rest > 1 else 0)
        if left and left + width > room:
            if line == LEGEND - 1:
                yield _text(box.x + left, box.y + line * 13, f"and {rest} more")
                return
            left, line = 0.0, line + 1
        x, y = box.x + left, box.y + line * 13
        yield f'<rect x="{x:.0f}" y="{y - 6:.0f}" width="9" height="3" fill="{COLOURS[number % len(COLOURS)]}"/>'
        yield _text(x + 13, y, each.name)
        left += width
