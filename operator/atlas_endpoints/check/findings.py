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

LONGEST = 1500
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
        return one_line(self.text, limit=LONGEST)


ok = partial(Finding, Level.OK)
skipped = partial(Finding, Level.SKIPPED)
warning = partial(Finding, Level.WARNING)
failed = partial(Finding, Level.FAILED)


def passed(findings: Iterable[Finding]) -> bool:
    """Return whether nothing has failed."""
    return all(each.level is not Level.FAILED for each in findings)


def summary(findings: Iterable[Finding], seconds: float) -> str:
    """Return the last line of the report."""
    levels = [each.level for each in findings]
    counts = ", ".join(f"{levels.count(level)} {level}" for level in Level if level in levels)
    result = "something has to be done" if Level.FAILED in levels else "nothing failed"
    return f"Result: {result} ({counts}; {seconds:.1f} s)."


def took(seconds: float) -> str:
    """Return a duration as text."""
    return f"{seconds * 1000:.0f} ms"


def named(names: Iterable[str], *, most: int = 3) -> str:
    """Return at most so many names, and how many more there are."""
    first, rest = (listed := list(names))[:most], len(listed) - most
    if rest > 0:
        return f"{', '.join(first)} and {rest} more"
    return " and ".join(filter(None, (", ".join(first[:-1]), *first[-1:])))


class Report:
    """Prints findings under headings, and keeps them.

    Args:
        put: prints a line.
        as_document: print nothing but one JSON document at the end.
    """

    def __init__(self, put: Callable[[str], object], *, as_document: bool = False) -> None:
        self._put = put
        self._put_line = (lambda _: None) if as_document else put
        self._as_document = as_document
        self._sections: list[tuple[str, list[Finding]]] = []

    @property
    def findings(self) -> list[Finding]:
        """Return all findings so far."""
        return [finding for _, findings in self._sections for finding in findings]

    def section(self, title: str, findings: Iterable[Finding] = ()) -> None:
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

    def end(self, seconds: float) -> None:
        """Print the summary, or the document."""
        if not self._as_document:
            self._put_line(f"\n{summary(self.findings, seconds)}")
            return
        document = {
            "formatVersion": FORMAT_VERSION,
            "passed": passed(self.findings),
            "seconds": round(seconds, 1),
            "sections": [
                {"title": title, "findings": [{"level": str(each.level), "text": each.line} for each in findings]}
                for title, findings in self._sections
            ],
        }
        self._put(json.dumps(document, indent=2, ensure_ascii=False))


class LogToReport(logging.Handler):
    """Adds the operator's log of warnings and errors to the report."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._report.add(warning(record.getMessage()))
