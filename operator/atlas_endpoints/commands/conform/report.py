"""What came of the rows, as Markdown for people and as JSON, with the traffic as recorded answers. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_endpoints.commands.conform.life import Life
from atlas_endpoints.commands.conform.probes import PROBES, NotAnsweredError, Traffic
from atlas_endpoints.commands.conform.rows import Row

AS_ASSUMED, DIFFERS, NOT_TRIED = "as assumed", "differs", "not tried"
FORMAT_VERSION = 1

_IDS = {
    r"\b[0-9a-f]{24}\b": "{24hex}",
    r"\bvpce-(svc-)?[0-9a-f]{17}\b": r"vpce-\1{17hex}",
    r"\b[0-9]{12}\b": "{12digits}",
}
"""What names something of a user, with what stands for it in recorded answers."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a row in the life of a family."""

    row: Row
    family: str
    result: str
    detail: str = ""

    @property
    def text(self) -> str:
        """The result and its detail."""
        link = {AS_ASSUMED: "", DIFFERS: ": ", NOT_TRIED: " because "}[self.result]
        return f"{self.result}{link}{self.detail}"


def results(rows: Sequence[Row], families: Sequence[str], lives: Mapping[str, Life]) -> list[Result]:
    """Return what came of each row of the chosen families."""
    return [result_of(row, family, lives.get(family)) for row in rows for family in row.families if family in families]


def result_of(row: Row, family: str, life: Life | None) -> Result:
    """Return what came of a row; without a life, it was not tried."""
    if row.reason or life is None:
        return Result(row, family, NOT_TRIED, row.reason or "the family was not reached")
    try:
        found = PROBES[row.id](Traffic(life.exchanges))
    except NotAnsweredError as error:
        going_on = "Atlas is still at work: run the command again with the same record"
        return Result(row, family, NOT_TRIED, going_on if life.end is None else life.end or str(error))
    return Result(row, family, DIFFERS if found else AS_ASSUMED, found)


def markdown(project: str, found: Sequence[Result], left: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the report for people."""
    counts = Counter(each.result for each in found)
    yield f"# Atlas in project {project}"
    yield ""
    yield f"{', '.join(f'{counts[each]} {each}' for each in (AS_ASSUMED, DIFFERS, NOT_TRIED))}."
    yield ""
    yield from ("| row | family | question | result |", "| --- | --- | --- | --- |")
    for each in found:
        yield f"| `{each.row.id}` | {each.family} | {each.row.question} | {each.text.replace('|', '/')} |"
    if left:
        yield from ("", "## Left in Atlas", "", *(f"- {each}" for each in left))


def document(
    project: str, found: Sequence[Result], left: Sequence[str], lives: Mapping[str, Life]
) -> Mapping[str, Any]:
    """Return the report for programs, with the traffic in the format of the recorded answers of the tests."""
    return {
        "formatVersion": FORMAT_VERSION,
        "project": project,
        "results": [
            {
                "row": each.row.id,
                "family": each.family,
                "question": each.row.question,
                "expected": each.row.simulator or each.row.assumes,
                "result": each.result,
                "detail": each.detail,
            }
            for each in found
        ],
        "left": list(left),
        "traffic": [
            each.document(f"{name}-{each.step.replace(' ', '-')}")
            for name, life in lives.items()
            for each in life.exchanges
        ],
    }


def as_json(value: Mapping[str, Any]) -> str:
    """Return a document as text."""
    return json.dumps(value, indent=1, ensure_ascii=False)


def redact(text: str, project: str) -> str:
    """Return a report without the IDs of a user."""
    text = text.replace(project, "{groupId}")
    for pattern, placeholder in _IDS.items():
        text = re.sub(pattern, placeholder, text)
    return text
