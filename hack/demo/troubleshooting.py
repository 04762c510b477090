"""What docs/reasons.md says about a reason: its four parts, and the rows of the conditions beside `Ready`; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

PAGE = "docs/reasons.md"
PARTS = ("Means", "Operator", "You", "Healed")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What the page says under a heading.

    Attributes:
        means: What the reason means.
        operator: What the operator does by itself.
        you: What is left for people.
        healed: How they see that it is healed.
    """

    means: str
    operator: str
    you: str
    healed: str


def paragraph(page: str, heading: str) -> Paragraph:
    """Read the four parts under a heading."""
    found = re.search(rf"^###? {re.escape(heading)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{PAGE} has no heading {heading}")
    _, *parts = re.split(r"^\*\*(\w+):\*\* ", found[1], flags=re.MULTILINE)
    if tuple(parts[::2]) != PARTS:
        raise LookupError(f"{PAGE} has not the four parts under {heading}: {parts[::2]}")
    return Paragraph(*(_plain(text) for text in parts[1::2]))


def row(page: str, condition: str, reason: str) -> str:
    """Read what the table of a condition says about one of its reasons."""
    section = re.search(rf"^## {condition}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    found = section and re.search(rf"^\| `{reason}` \|[^|]*\|(.*)\|$", section[1], re.MULTILINE)
    if not found:
        raise LookupError(f"{PAGE} has no row {reason} under {condition}")
    return _plain(found[1])


def anchor(heading: str) -> str:
    """Return the address of a heading, as GitHub makes it."""
    return f"{PAGE}#{heading.lower().replace(' ', '-')}"


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).strip()
