"""Show how long tests took: `python -m support.times [FILE...]`, by default all of the last runs."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

FOLDER = Path(__file__).parents[2] / ".cache" / "test-times"
"""Where `make test` and `make test-all` keep pytest's reports, one of each suite."""
SLOWEST = 10


def table(report: Path) -> list[str]:
    """Return the seconds of a suite, of its files and of its slowest tests, the longest first."""
    files: dict[str, float] = defaultdict(float)
    tests: dict[str, float] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest's own report
        file, seconds = case.get("classname", ""), float(case.get("time", 0))
        files[file] += seconds
        tests[f"{file}::{case.get('name')}"] = seconds
    slowest = sorted(tests.items(), key=lambda row: -row[1])[:SLOWEST]
    rows = [(f"{report.stem}: {len(tests)} tests", sum(files.values())), *_ordered(files), *slowest]
    return [f"{seconds:8.1f} s  {name}" for name, seconds in rows]


def _ordered(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda row: -row[1])[:SLOWEST]


if __name__ == "__main__":
    reports = [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.xml"))
    if not reports:
        sys.exit("No report yet: run make test or make test-all.")
    for path in reports:
        sys.stdout.write("\n".join(table(path)) + "\n\n")
