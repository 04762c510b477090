"""What came of the rows, those that differ first, as Markdown for people and as JSON, with the traffic as recorded answers. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.commands.conform.life import FamilyLife
from atlas_endpoints.commands.conform.rows import Row, judge
from atlas_endpoints.kinds.conforming import CLOUD

DIFFERS, AS_ASSUMED, NOT_TRIED = "differs", "as assumed", "not tried"
_ORDER = (DIFFERS, AS_ASSUMED, NOT_TRIED)
FORMAT_VERSION = 1

ADVICE = (
    "Where Atlas differs, the operator may do something else than documented. Please open an issue with the output of the same command"
    " with `-o json --redact`, of which a test can be made."
)

LONGEST = 1000
"""Characters of a line with texts from Atlas."""

_IDS = {
    r"(?i)[0-9a-f]{24,}": "{24hex}",
    r"(?i)(vpce?-(?:svc-)?)[0-9a-f]{8,}": r"\1{17hex}",
    r"(?<!\d)\d{12}(?!\d)": "{12digits}",
}
"""What names something of a user, with what stands for it in recorded answers."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a row in the life of a family."""

    row: Row
    family: str
    result: str
    detail: str = ""


def results(rows: Iterable[Row], families: Iterable[str], lives: Mapping[str, FamilyLife]) -> list[Result]:
    """Return what came of each row of the chosen families, in the order in which users read it."""
    found = [_result(row, each, lives.get(each)) for row in rows for each in row.families if each in families]
    return sorted(found, key=lambda each: _ORDER.index(each.result))


def _result(row: Row, family: str, life: FamilyLife | None) -> Result:
    if row.reason or life is None:
        return Result(row, family, NOT_TRIED, row.reason or "the family was not reached")
    differs, missing = judge(row, life.kept.exchanges, life.values)
    if differs:
        return Result(row, family, DIFFERS, "; ".join(differs))
    if missing:
        if any(each.step == missing[0] for each in life.kept.exchanges):
            why = f"no usable answer to the step “{missing[0]}” has come"
        elif life.kept.end is None:
            why = "it has not come to its end: run the command again with the same record"
        else:
            why = life.kept.end or f"it was too late for the step “{missing[0]}”, or nothing led to it"
        return Result(row, family, NOT_TRIED, why)
    return Result(row, family, AS_ASSUMED)


def markdown(about: Mapping[str, str], found: Sequence[Result], left: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the report for people; ``about`` says where and when it was made."""
    counts = Counter(each.result for each in found)
    yield f"# Atlas in project {about['project']}\n"
    yield f"{'; '.join(f'{name}: {value}' for name, value in about.items() if name != 'project')}.\n"
    yield f"{', '.join(f'{each}: {counts[each]}' for each in _ORDER)}.\n"
    if counts[DIFFERS]:
        yield f"{ADVICE}\n"
    yield "| row | family | question | result |\n| --- | --- | --- | --- |"
    for each in found:
        result = one_line(": ".join(filter(None, (each.result, each.detail))), limit=LONGEST).replace("|", "/")
        tried = f" (tried: {each.row.tried})" if each.row.tried else ""
        yield f"| `{each.row.id}` | {each.family} | {each.row.question}{tried} | {result} |"
    if left:
        yield "\n".join(["\n## Not yet seen to be gone\n", *(f"- {one_line(each, limit=LONGEST)}" for each in left)])


def document(
    about: Mapping[str, str], found: Sequence[Result], left: Sequence[str], lives: Mapping[str, FamilyLife]
) -> Mapping[str, Any]:
    """Return the report for programs, with the traffic in the format of the recorded answers of the tests."""
    traffic = [
        {"name": f"{name}-{each.step}", "source": "atlas-endpoints conform", "provider": CLOUD, "family": name}
        | {key: value for key, value in asdict(each).items() if key != "step"}
        for name, life in lives.items()
        for each in life.kept.exchanges
    ]
    told = [
        {"row": each.row.id, "expected": each.row.simulator or each.row.assumes, "question": each.row.question}
        | {"tried": each.row.tried, "family": each.family, "result": each.result, "detail": each.detail}
        for each in found
    ]
    return {"formatVersion": FORMAT_VERSION, **about, "results": told, "left": left, "traffic": traffic}


def redact(told: Any, project: str) -> Any:
    """Return a report without the IDs of a user: a text, or what becomes JSON, whose escapes would hide where an ID begins."""
    if isinstance(told, Mapping):
        return {redact(name, project): redact(each, project) for name, each in told.items()}
    if isinstance(told, list | tuple):
        return [redact(each, project) for each in told]
    if not isinstance(told, str):
        return told
    told = told.replace(project, "{groupId}")
    for pattern, placeholder in _IDS.items():
        told = re.sub(pattern, placeholder, told)
    return told
