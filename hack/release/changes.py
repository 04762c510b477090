"""The changes of a release as Artifact Hub reads them in Chart.yaml, made of CHANGELOG.md: `python3 -m release.changes 0.2.0`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The headings that towncrier writes, which are also the kinds that Artifact Hub knows."""


def annotation(changelog: str, version: str) -> str:
    """Return the lines that belong below `annotations`: each item in the section of a version, as plain text.

    An item below a heading of another name has no kind.
    """
    lines = ["  artifacthub.io/changes: |"]
    for heading, item in _items(changelog, version):
        lines += [f"    - kind: {heading.lower()}"] if heading in KINDS else []
        lines += [f"    {' ' if heading in KINDS else '-'} description: {json.dumps(_plain(item), ensure_ascii=False)}"]
    if not lines[1:]:
        raise ValueError(f"CHANGELOG.md has no changes of {version}")
    return "\n".join(lines) + "\n"


def _items(changelog: str, version: str) -> Iterator[tuple[str, str]]:
    section = re.search(rf"^## {re.escape(version)} .*?(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    for part in re.split(r"^### ", section[0] if section else "", flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        for item in re.findall(r"^- (.*(?:\n +\S.*)*)", text, re.MULTILINE):
            yield heading, " ".join(item.split())


def _plain(item: str) -> str:
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", item).replace("**", "")


if __name__ == "__main__":
    sys.stdout.write(annotation(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
