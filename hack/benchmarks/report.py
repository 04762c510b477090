"""The table, and the page that holds it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.lines import LINES, cell
from benchmarks.results import OURS, PEER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.lines import Line, Measured

BEGIN = "<!-- begin of what `make bench` writes -->"
END = "<!-- end of what `make bench` writes -->"

HEADER = "| | ours | peer | ours / peer | goal | met |\n| --- | --- | --- | --- | --- | --- |"


def table(measured: Measured) -> str:
    """Make the table of all lines whose row was measured, in Markdown."""
    return "\n".join([HEADER, *(_line(line, measured) for line in LINES if line.row in measured)]) + "\n"


def update(page: str, measured: Measured) -> str:
    """Put the figures into the page, between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has to hold the lines {BEGIN!r} and {END!r}, between which the figures stand")
    return f"{before}{begin}\n\n{table(measured)}\n{_conditions(measured)}\n{end}{after}"


def _line(line: Line, measured: Measured) -> str:
    ratio = line.ratio(measured)
    met = line.goal.is_met(line, measured) if line.goal else None
    cells = (
        line.title,
        cell(line.summary(measured, OURS), line.unit),
        cell(line.summary(measured, PEER), line.unit) or line.no_peer,
        "" if ratio is None else f"{ratio:.2f}",
        line.goal.text if line.goal else "",
        {True: "yes", False: "**no**", None: ""}[met],
    )
    return f"| {' | '.join(cells)} |"


def _conditions(measured: Measured) -> str:
    """Tell on what the rows were measured; rows of one run share a paragraph."""
    rows: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, result in measured.items():
        rows.setdefault((("date", result.date), *result.machine.items()), []).append(f"{name} ({result.count})")
    return "".join(f"{paragraph}\n" for facts, names in rows.items() for paragraph in _paragraph(dict(facts), names))


def _paragraph(facts: dict[str, str], names: list[str]) -> Iterator[str]:
    yield f"Measured on {facts.pop('date')}; rows, with the number of their rounds: {', '.join(names)}."
    yield f"{'; '.join(f'{topic}: {words}' for topic, words in facts.items())}.\n"
