"""What the workflow of a release refuses before anything is published; tests/delivery/test_release.py plays all the rest."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from support.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOW = ROOT / ".github" / "workflows" / "release.yaml"
JOBS = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
ENVIRONMENT = {
    "REGISTRY": "registry.example.com",
    "GITHUB_REPOSITORY": "Example/atlas-endpoints",
}


def names(job: str) -> list[str]:
    return [step.get("name", step.get("uses", "")).partition("@")[0] for step in JOBS[job]["steps"]]


def run(job: str, name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the forge does, in a folder whose `bin` comes first among programs."""
    script = JOBS[job]["steps"][names(job).index(name)]["run"]
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    given = {**ENVIRONMENT, "PATH": path, "GITHUB_OUTPUT": str(folder / "output"), **environment}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, code: int, said: str = "") -> None:
    """Write a program that says something, else what it was asked for, and ends with a code."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{said or f"{name} $*"}"\nexit {code}\n')
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v1.2.4", "## 1.2.3 (2026-11-25)", "The tag is v1.2.4, and pyproject.toml says 1.2.3"),
        ("v1.2.3", "", "CHANGELOG.md has no section of 1.2.3"),
        ("v1.2.3", "## 1.2.30 (2026-11-25)\n### 1.2.3 ", "CHANGELOG.md has no section of 1.2.3"),
        ("v1.2.3", "## 1.2.3 (not released yet)", "CHANGELOG.md has no section of 1.2.3 with its date"),
        ("v1.2.3", "# Changes\n\n## 1.2.3 (2026-11-25)", None),
    ],
)
def test_a_tag_fits_the_version_and_the_changelog(tmp_path: Path, tag: str, changelog: str, said: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"{changelog}\n")
    program(tmp_path, "git", 0)

    done = run("image", "Check the tag and gather facts", tmp_path, VERSION_TAG=tag)

    assert (done.returncode == 0) == (said is None), done.stdout + done.stderr
    assert (said or "") in done.stdout
    assert (tmp_path / "output").exists() == (said is None)


@pytest.mark.parametrize(
    ("job", "refusal", "push"),
    [
        ("image", "Refuse to push over an image", "Build for all architectures and push"),
        ("chart", "Refuse to push over a chart", "Push and sign the chart"),
    ],
)
def test_the_registry_is_asked_after_signing_in_and_before_pushing(job: str, refusal: str, push: str) -> None:
    found = names(job)
    assert found.index("docker/login-action") < found.index(refusal) < found.index(push)


@pytest.mark.parametrize(
    ("job", "name", "asked"),
    [("image", "Refuse to push over an image", "oras"), ("chart", "Refuse to push over a chart", "helm")],
)
@pytest.mark.parametrize(
    ("code", "answer", "said"),
    [
        (0, "sha256:00", "exists, and people may have pulled it"),
        (1, "registry.example.com/atlas-endpoints:1.2.3: not found", None),
        (1, "response status code 403: denied", None),
        (1, "response status code 429: toomanyrequests", "does not say whether"),
        (1, "dial tcp: i/o timeout", "does not say whether"),
    ],
)
def test_only_a_registry_that_knows_no_such_version_is_pushed_to(
    tmp_path: Path, *, job: str, name: str, asked: str, code: int, answer: str, said: str | None
) -> None:
    program(tmp_path, asked, code, answer)

    done = run(job, name, tmp_path, IMAGE="registry.example.com/atlas-endpoints", VERSION="1.2.3")

    assert (done.returncode == 0) == (said is None), done.stdout + done.stderr
    assert (said or "") in done.stdout


def test_a_page_that_denies_the_release_holds_it_up(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("## 1.2.3 (2026-11-25)\n")
    (tmp_path / "SUPPORT.md").write_text("No release is published yet.\n")

    done = run("image", "Check the tag and gather facts", tmp_path, VERSION_TAG="v1.2.3")

    assert done.returncode == 1
    assert "SUPPORT.md" in done.stdout


def test_all_tests_have_the_newest_go_that_a_module_wants() -> None:
    def wanted(path: Path) -> tuple[int, ...]:
        (line,) = [each for each in path.read_text(encoding="utf-8").splitlines() if each.startswith("go ")]
        return tuple(int(part) for part in line.removeprefix("go ").split("."))

    nightly = yaml.safe_load((WORKFLOW.parent / "nightly.yaml").read_text(encoding="utf-8"))["jobs"]
    (steps,) = [job["steps"] for job in nightly.values() if {"run": "make test-all"} in job["steps"]]
    (file,) = [step["with"]["go-version-file"] for step in steps if "setup-go" in step.get("uses", "")]
    assert wanted(ROOT / file) == max(wanted(each) for each in (ROOT / "tests").rglob("go.mod"))


def test_the_host_of_the_registry_is_its_only_setting() -> None:
    assert set(re.findall(r"\b(?:vars|secrets)\.\w+", WORKFLOW.read_text(encoding="utf-8"))) == {"vars.REGISTRY"}
