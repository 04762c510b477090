"""What the workflows and Dependabot's configuration promise beside what zizmor and the schemas see (tests/delivery)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yaml"))}
ISSUER = "https://token.actions.githubusercontent.com"
"""The one address that no context of a run holds: who vouches for the identity that signs."""


def workflow(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))
    return loaded


def test_the_commit_of_an_action_is_the_same_everywhere_and_says_its_version() -> None:
    uses = [
        line
        for path in WORKFLOWS.values()
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses: " in line
    ]
    pins = {line.partition("uses: ")[2] for line in uses if "uses: $/" not in line}
    for pin in pins:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), pin
    names = [pin.partition("@")[0] for pin in pins]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_address_is_written_down(name: str) -> None:
    found = set(re.findall(r"\b[a-z]+://[\w.-]+", WORKFLOWS[name].read_text(encoding="utf-8")))
    assert found <= {ISSUER}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_right_is_given_to_one_job_and_says_what_for(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    rights = re.findall(r"^ +[a-z-]+: (?:read|write)\b(.*)$", WORKFLOWS[name].read_text(encoding="utf-8"), re.MULTILINE)
    assert rights
    assert all(reason.startswith(" # ") for reason in rights)


def test_nothing_is_published_that_was_not_tested() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["test"]["uses"] == "$/.github/workflows/nightly.yaml"

    def waits_for_the_tests(name: str) -> bool:
        needs = jobs[name].get("needs", [])
        return any(
            each == "test" or waits_for_the_tests(each) for each in ([needs] if isinstance(needs, str) else needs)
        )

    assert all(waits_for_the_tests(name) for name in jobs if name != "test")


def test_what_is_no_part_of_the_gate_runs_nightly() -> None:
    jobs = workflow("nightly")["jobs"].values()
    ran = " ".join(step.get("run", "") for job in jobs for step in job["steps"])
    for target in ("test-all", "explore", "soak", "test-oldest", "test-image", "bench"):
        assert f"make {target}" in ran


def test_everything_that_is_pinned_is_kept_fresh() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    watched = {
        (each["package-ecosystem"], folder)
        for each in updates
        for folder in each.get("directories", [each.get("directory")])
    }
    modules = {
        f"/{path.parent.relative_to(ROOT).as_posix()}"
        for folder in ("hack", "tests")
        for path in (ROOT / folder).rglob("go.mod")
    }
    assert watched == {
        ("uv", "/"),
        ("pip", "/requirements"),
        ("github-actions", "/"),
        *(("gomod", folder) for folder in modules),
    }


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.in")), ids=lambda path: path.stem)
def test_the_tools_are_locked_as_asked_for_with_hashes(path: Path) -> None:
    asked = set(re.findall(r"^([\w-]+==\S+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    locked = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert asked <= set(re.findall(r"^([\w-]+==\S+)", locked, re.MULTILINE))
    packages = re.split(r"^(?=[\w.-]+==)", locked, flags=re.MULTILINE)[1:]
    assert packages
    assert all("--hash=sha256:" in each for each in packages)
