"""What a check finds, and how it is told. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line

LONGEST = 1500
"""Characters of a finding: the longest message of an error, and the words around it."""


class Level(StrEnum):
    """What a finding means, and the word that its line begins with."""

    OK = "ok"
    SKIPPED = "skipped"
    """It was not looked at, and the finding says why."""
    WARNING = "warning"
    """The operator works all the same, and somebody should know."""
    FAILED = "failed"
    """The operator cannot do its work there until somebody acts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        level: what it means.
        text: what was found, and for a failure what to do about it.
    """

    level: Level
    text: str

    @override
    def __str__(self) -> str:
        return f"{self.level:<8} {one_line(self.text, limit=LONGEST)}"


def ok(text: str) -> Finding:
    """All is well with something."""
    return Finding(Level.OK, text)


def skipped(text: str) -> Finding:
    """Something was not looked at."""
    return Finding(Level.SKIPPED, text)


def warning(text: str) -> Finding:
    """Something that somebody should know."""
    return Finding(Level.WARNING, text)


def failed(text: str) -> Finding:
    """Something does not work."""
    return Finding(Level.FAILED, text)


def passed(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing has failed."""
    return all(each.level is not Level.FAILED for each in findings)


def summary(findings: Iterable[Finding], seconds: float) -> str:
    """Sum up a whole report in one line.

    Args:
        findings: all of them.
        seconds: that it took.
    """
    levels = [each.level for each in findings]
    counts = ", ".join(f"{levels.count(level)} {level}" for level in Level if level in levels)
    verdict = "something has to be done" if Level.FAILED in levels else "nothing failed"
    return f"Result: {verdict} ({counts}; {seconds:.1f} s)."


def took(seconds: float) -> str:
    """Tell how long a call took."""
    return f"{seconds * 1000:.0f} ms"


def named(names: Iterable[str], *, most: int = 3) -> str:
    """Name some things, and how many more there are.

    Args:
        names: of all.
        most: how many are named.
    """
    first, rest = (listed := list(names))[:most], len(listed) - most
    if rest > 0:
        return f"{', '.join(first)} and {rest} more"
    return " and ".join(filter(None, (", ".join(first[:-1]), *first[-1:])))
