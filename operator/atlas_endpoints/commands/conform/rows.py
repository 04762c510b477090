"""What is not known of Atlas, and what the traffic of a life says about it. Pure but for the reading of the rows."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import yaml

from atlas_endpoints.kinds.conforming import Exchange

FILE = files("atlas_endpoints.simulator") / "unconfirmed.yaml"

Expected: TypeAlias = str | Mapping[str, str | None]
"""Of an answer: a pattern that the status, the error code and its detail begin with; or patterns of fields (None: absent or null)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour, as a row of ``simulator/unconfirmed.yaml``, which explains the fields; one of ``reason`` and ``expect`` is there."""

    id: str
    families: Sequence[str]
    question: str
    simulator: str = ""
    assumes: str = ""
    source: str = ""
    reason: str = ""
    expect: Mapping[str, Expected] | None = None
    tried: str = ""
    switch: Mapping[str, Any] | None = None


@cache
def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document


def families() -> Mapping[str, Mapping[str, str]]:
    """Return what each family needs, makes and takes, for people."""
    found: Mapping[str, Mapping[str, str]] = _document()["families"]
    return found


def rows() -> Sequence[Row]:
    """Return all rows in the order of the documentation."""
    reasons = _document()["reasons"] | {"": ""}
    return [
        Row(**each | {"families": table["families"], "reason": reasons[each.get("reason", "")]})
        for table in _document()["tables"]
        for each in table["rows"]
    ]


def judge(row: Row, exchanges: Sequence[Exchange], values: Mapping[str, str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return what differs from what a row expects, and the steps that were not answered.

    Args:
        values: what stands for names in braces in the patterns.
    """
    answered = {each.step: each for each in exchanges if each.is_answered}
    expected = (row.expect or {}).items()
    differs = [_difference(answered[step], each, values) for step, each in expected if step in answered]
    return [each for each in differs if each], [step for step, _ in expected if step not in answered]


def _difference(found: Exchange, expected: Expected, values: Mapping[str, str]) -> str:
    """Return how an answer differs; "": it does not."""
    if isinstance(expected, str):
        is_same = re.match(expected, f"{found.summary} {found.body.get('detail', '')}")
        return "" if is_same else f"{found.step}: {found.summary}"
    if not found.is_success:
        return f"{found.step}: {found.summary}"
    shown = {**found.body, "body": json.dumps(found.response and found.response["body"])}
    wrong = [
        f"{name} {shown.get(name)}"
        for name, pattern in expected.items()
        if not _fits(shown.get(name), pattern and pattern.format_map(values))
    ]
    return f"{found.step}: {', '.join(wrong)}" if wrong else ""


def _fits(value: Any, pattern: str | None) -> bool:
    return value is None if pattern is None else value is not None and bool(re.search(pattern, str(value)))
