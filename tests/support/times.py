"""Show how long tests took: `python -m support.times [--tests]`: the suites of the last run, and the slowest files or tests."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

FOLDER = Path(__file__).parents[2] / ".cache" / "test-times"
"""Where `make test` and `make test-all` keep pytest's reports, one of each suite."""
SLOWEST = 5


def table(report: Path, *, tests: bool) -> list[str]:
    """Return a line of a suite, and the seconds of its slowest files or tests, which workers spend beside each other."""
    suite = ET.parse(report).find("testsuite")  # noqa: S314  # pytest's own report
    assert suite is not None
    seconds: dict[str, float] = defaultdict(float)
    for case in suite.iter("testcase"):
        file = case.get("classname", "")
        seconds[f"{file}::{case.get('name')}" if tests else file] += float(case.get("time", 0))
    slowest = sorted(seconds.items(), key=lambda row: -row[1])[: SLOWEST * (4 if tests else 1)]
    head = f"{report.stem}: {suite.get('tests')} tests in {float(suite.get('time', 0)):.0f} s, of which"
    return [head, *(f"{each:8.1f} s  {name}" for name, each in slowest)]


if __name__ == "__main__":
    reports = sorted(FOLDER.glob("*.xml"))
    if not reports:
        sys.exit("No report yet: run make test or make test-all.")
    for path in reports:
        sys.stdout.write("\n".join(table(path, tests="--tests" in sys.argv)) + "\n\n")
