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


def program(folder: Path, name: str, code: int) -> None:
    """Write a program that says what it was asked for, and ends with a code."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{name} $*"\nexit {code}\n')
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("tag", "changelog", "said"),
    [
        ("v1.2.4", "## 1.2.3 (2026-11-25)", "The tag is v1.2.4, and pyproject.toml says 1.2.3"),
        ("v1.2.3", "", "CHANGELOG.md has no section of 1.2.3"),
        ("v1.2.3", "## 1.2.30 (2026-11-25)\n### 1.2.3 ", "CHANGELOG.md has no section of 1.2.3"),
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


def test_the_host_of_the_registry_is_its_only_setting() -> None:
    assert set(re.findall(r"\b(?:vars|secrets)\.\w+", WORKFLOW.read_text(encoding="utf-8"))) == {"vars.REGISTRY"}
