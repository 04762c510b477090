"""What is not confirmed of Atlas, and how an answer differs from what is assumed."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import yaml

from conform.exchanges import Exchange

Expected: TypeAlias = str | Mapping[str, str | None]
"""Of an answer: "gone"; a pattern that its status, its error code and its detail begin with; or patterns of fields (None: none)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour, as a row of `simulator/unconfirmed.yaml`, which explains the fields; one of `reason` and `expect` is there."""

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
def rows() -> Sequence[Row]:
    """Return all rows in the order of the documentation."""
    document = yaml.safe_load((files("atlas_endpoints.simulator") / "unconfirmed.yaml").read_text(encoding="utf-8"))
    reasons = document["reasons"] | {"": ""}
    return [
        Row(**each | {"families": table["families"], "reason": reasons[each.get("reason", "")]})
        for table in document["tables"]
        for each in table["rows"]
    ]


def difference(found: Exchange, expected: Expected, values: Mapping[str, str]) -> str:
    """Return what differs from the expected answer, "" if nothing does; `values` stand for names in braces."""
    if expected == "gone":
        return "" if found.is_gone else found.summary
    if isinstance(expected, str):
        return "" if re.match(expected, f"{found.summary} {found.body.get('detail', '')}") else found.summary
    if not found.is_success:
        return found.summary
    shown = {**found.body, "body": json.dumps(found.response and found.response["body"])}
    return ", ".join(
        f"{name} {shown.get(name)}" for name, pattern in expected.items() if not _fits(shown.get(name), pattern, values)
    )


def _fits(value: Any, pattern: str | None, values: Mapping[str, str]) -> bool:
    if pattern is None or value is None:
        return value is pattern
    return bool(re.search(filled(pattern, values), str(value)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with values for the names in braces."""
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], text)
