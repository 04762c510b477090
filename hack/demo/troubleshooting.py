"""What docs/reasons.md says about a reason: its four parts, and the rows of the conditions beside `Ready`."""

from __future__ import annotations

import re

from support.documentation import DOCS, section

PAGE = "docs/reasons.md"
_FILE = DOCS / "reasons.md"


def parts(heading: str) -> dict[str, str]:
    """Read the parts under a heading: Means, Operator, You and Healed."""
    _, *found = re.split(r"^\*\*(\w+):\*\* ", section(_FILE, heading), flags=re.MULTILINE)
    return dict(zip(found[::2], map(_plain, found[1::2]), strict=True))


def row(condition: str, reason: str) -> str:
    """Read what the table of a condition says about one of its reasons."""
    (found,) = re.findall(rf"^\| `{reason}` \|[^|]*\|(.*)\|$", section(_FILE, condition), re.MULTILINE)
    return _plain(found)


def anchor(heading: str) -> str:
    """Return the address of a heading, as GitHub makes it."""
    return f"{PAGE}#{heading.lower().replace(' ', '-')}"


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text).strip()
