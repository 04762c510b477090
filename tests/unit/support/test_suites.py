"""`make test-all` runs every suite and leaves the result in a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
MAKEFILE = """
green: ; @echo green ran
red: ; @echo red ran; exit 1
later: ; @echo later ran
looks: ; @test ! -e .cache/test-all.txt
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit with a few targets."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "Makefile")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message=a")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def run(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    """Run targets as `make test-all` does, but not as a part of the make that may run this test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        [sys.executable, "-m", "support.suites", *targets],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )


def result_in(folder: Path) -> list[str]:
    return (folder / ".cache" / "test-all.txt").read_text().splitlines()


def test_a_red_suite_keeps_no_other_from_running_and_is_named_at_the_end(checkout: Path) -> None:
    done = run(checkout, "green", "red", "later")

    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.endswith(" ran")] == ["green ran", "red ran", "later ran"]
    assert re.search(r" red \(red\) after \d+ s\n\Z", done.stdout)


def test_the_file_has_commit_date_and_result(checkout: Path) -> None:
    assert run(checkout, "green", "later").returncode == 0

    commit, date, result = result_in(checkout)
    assert commit == git(checkout, "rev-parse", "--short", "HEAD")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date)
    assert re.fullmatch(r"green after \d+ s", result)


def test_the_file_tells_of_files_that_are_not_in_the_commit(checkout: Path) -> None:
    (checkout / "new.py").touch()

    run(checkout, "red", "green", "red")

    commit, _, result = result_in(checkout)
    assert commit == f"{git(checkout, 'rev-parse', '--short', 'HEAD')}-dirty"
    assert re.fullmatch(r"red \(red, red\) after \d+ s", result)


def test_a_run_that_is_ended_leaves_no_result_of_an_earlier_one(checkout: Path) -> None:
    run(checkout, "green")

    run(checkout, "looks")

    assert result_in(checkout)[2].startswith("green ")
