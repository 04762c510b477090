"""The report of a check: its findings, as text line by line, or as one JSON document at the end. Pure."""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line

FORMAT_VERSION = 1
"""Grows when a program that reads the document would have to change; fields are only added within a version."""

LONGEST_FINDING = 1500
"""Characters of a finding: the longest message of an error, and the words around it."""


class Level(StrEnum):
    """What a finding means, and the first word of its line."""

    OK = "ok"
    SKIPPED = "skipped"
    """It was not examined; the text has the reason."""
    WARNING = "warning"
    """The operator works all the same."""
    FAILED = "failed"
    """The operator cannot work there until somebody acts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.level:<8} {self.line}"

    @property
    def line(self) -> str:
        """Return the text as one printable line."""
        return one_line(self.text, limit=LONGEST_FINDING)


ok = partial(Finding, Level.OK)
skipped = partial(Finding, Level.SKIPPED)
warning = partial(Finding, Level.WARNING)
failed = partial(Finding, Level.FAILED)


def named(names: Iterable[str], *, most: int = 3) -> str:
    """Return at most so many names, and how many more there are."""
    first, rest = (listed := list(names))[:most], len(listed) - most
    if rest > 0:
        return f"{', '.join(first)} and {rest} more"
    return " and ".join(filter(None, (", ".join(first[:-1]), *first[-1:])))


class Report(logging.Handler):
    """Prints findings under headings, and keeps them. As a log handler, it adds warnings and errors of the operator.

    Args:
        put: prints a line.
        as_document: print nothing but one JSON document at the end.
    """

    def __init__(self, put: Callable[[str], object], *, as_document: bool = False) -> None:
        super().__init__(logging.WARNING)
        self._put = put
        self._as_document = as_document
        self._sections: list[tuple[str, list[Finding]]] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.add(warning(record.getMessage()))

    def section(self, title: str, *findings: Finding) -> None:
        """Begin a section."""
        self._put_line(f"\n{title}" if self._sections else title)
        self._sections.append((title, []))
        self.add(*findings)

    def add(self, *findings: Finding) -> None:
        """Add findings to the section."""
        if not self._sections:
            self._sections.append(("", []))
        self._sections[-1][1].extend(findings)
        for finding in findings:
            self._put_line(str(finding))

    @property
    def passed(self) -> bool:
        """Whether nothing has failed so far."""
        return Level.FAILED not in self._levels()

    def end(self, seconds: float) -> None:
        """Print the summary, or the document."""
        if self._as_document:
            document = {
                "formatVersion": FORMAT_VERSION,
                "passed": self.passed,
                "seconds": round(seconds, 1),
                "sections": [
                    {"title": title, "findings": [{"level": str(each.level), "text": each.line} for each in findings]}
                    for title, findings in self._sections
                ],
            }
            self._put(json.dumps(document, indent=2, ensure_ascii=False))
            return
        levels = self._levels()
        counts = ", ".join(f"{levels.count(level)} {level}" for level in Level if level in levels)
        result = "nothing failed" if self.passed else "action is required"
        self._put_line(f"\nResult: {result} ({counts}; {seconds:.1f} s).")

    def _levels(self) -> list[Level]:
        return [finding.level for _, findings in self._sections for finding in findings]

    def _put_line(self, line: str) -> None:
        if not self._as_document:
            self._put(line)
