"""The report of a check: printed line by line, as soon as something is known, or as one document at the end."""

import json
import logging
from collections.abc import Callable, Iterable

from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.check.findings import LONGEST, Finding, passed, summary, warning

FORMAT_VERSION = 1
"""Grows when a program that reads the document would have to change; fields are only added within a version."""


class Report:
    """Prints findings under headings, and keeps them.

    Args:
        put: prints a line.
        as_document: whether they are for programs: nothing is printed before the end.
    """

    def __init__(self, put: Callable[[str], object], *, as_document: bool = False) -> None:
        self._put = put
        self._say = (lambda _: None) if as_document else put
        self._as_document = as_document
        self._sections: list[tuple[str, list[Finding]]] = []

    @property
    def findings(self) -> list[Finding]:
        """All findings so far."""
        return [finding for _, findings in self._sections for finding in findings]

    def section(self, title: str, findings: Iterable[Finding] = ()) -> None:
        """Begin a section, perhaps with all that there is to say in it."""
        self._say(f"\n{title}" if self._sections else title)
        self._sections.append((title, []))
        self.tell(*findings)

    def tell(self, *findings: Finding) -> None:
        """Add findings to the section."""
        if not self._sections:
            self._sections.append(("", []))
        self._sections[-1][1].extend(findings)
        for finding in findings:
            self._say(str(finding))

    def end(self, seconds: float) -> None:
        """Sum up.

        Args:
            seconds: that the check took.
        """
        if not self._as_document:
            self._say(f"\n{summary(self.findings, seconds)}")
            return
        document = {
            "formatVersion": FORMAT_VERSION,
            "passed": passed(self.findings),
            "seconds": round(seconds, 1),
            "sections": [
                {
                    "title": title,
                    "findings": [
                        {"level": str(each.level), "text": one_line(each.text, limit=LONGEST)} for each in found
                    ],
                }
                for title, found in self._sections
            ],
        }
        self._put(json.dumps(document, indent=2, ensure_ascii=False))


class Overheard(logging.Handler):
    """Makes findings of what the parts of the operator would warn of in its log.

    Args:
        report: gets them.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Take in a line of the log."""
        self._report.tell(warning(record.getMessage()))
