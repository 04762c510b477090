"""The report of a check: printed line by line, as soon as something is known."""

import logging
from collections.abc import Callable, Iterable

from typing_extensions import override

from atlas_endpoints.check.findings import Finding, summary, warning


class Report:
    """Prints findings under headings, and keeps them.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._begun = False
        self.findings: list[Finding] = []

    def section(self, title: str, findings: Iterable[Finding] = ()) -> None:
        """Begin a section, perhaps with all that there is to say in it."""
        self._say(f"\n{title}" if self._begun else title)
        self._begun = True
        self.tell(*findings)

    def tell(self, *findings: Finding) -> None:
        """Add findings to the section."""
        self.findings += findings
        for finding in findings:
            self._say(str(finding))

    def end(self, seconds: float) -> None:
        """Sum up.

        Args:
            seconds: that the check took.
        """
        self._say(f"\n{summary(self.findings, seconds)}")


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
