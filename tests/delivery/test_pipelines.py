"""The shell steps of the jobs that comment a plan, with a forge that only keeps what it is told."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from support.atlas import COMMAND, Atlas
from support.deploy import DEPLOY
from support.documentation import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from control_plane.process import ServerGroup

PIPELINES = DEPLOY / "pipelines"
SEED = DEPLOY / "simulator" / "seed.json"

PROGRAMS = {
    # What follows the image is for its entry point.
    "docker": 'while [ "$1" != registry.example.com/team/atlas-endpoints:0.1.0 ]; do shift; done; shift; exec atlas-endpoints "$@"',
    # Each comment is a file, which is named after its author and its number.
    "gh": r"""
case "$*" in
*--jq*) login=$(expr "$*" : '.*user.login == "\([^"]*\)"') marker=$(expr "$*" : '.*contains("\([^"]*\)")')
  grep -ls -e "$marker" "$login".* | sed 's/.*[.]//' ;;
"api --silent --method PATCH repos/shop/orders/issues/comments/"*" --field body=@plan.md") cp plan.md "github-actions[bot].${5##*/}" ;;
"api --silent repos/shop/orders/issues/7/comments --field body=@plan.md") cp plan.md "github-actions[bot].3"; cp plan.md commented ;;
*) exit 1 ;;
esac""",
    "curl": 'case "$*" in *"--form body=<plan.md https://gitlab.example.com/api/v4/projects/3/merge_requests/7/notes") cp plan.md commented;; *) exit 1;; esac',
}


def steps(forge: str) -> list[str]:
    """Return the scripts of a forge's jobs, in their order."""
    job = yaml.safe_load((PIPELINES / f"{forge}.yaml").read_text(encoding="utf-8"))
    if forge == "gitlab":
        return ["\n".join(job[name]["script"]) for name in ("plan", "comment")]
    return [step["run"] for step in job["jobs"]["plan"]["steps"] if "run" in step]


def programs(folder: Path, scripts: Mapping[str, str]) -> None:
    """Put programs, and the operator's, where a step finds them."""
    (folder / "bin").mkdir()
    for name, script in scripts.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "bin" / "atlas-endpoints").symlink_to(COMMAND[-1])


def play(step: str, folder: Path, **environment: str) -> int:
    """Run a script as a forge does, and return its exit code."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}:{os.defpath}",
            "PYTHONPATH": str(ROOT / "operator"),
            "IMAGE": "registry.example.com/team/atlas-endpoints:0.1.0",
            "PULL_REQUEST": "7",
            "GITHUB_REPOSITORY": "shop/orders",
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "NOTES_TOKEN": "not-a-secret",
            "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
            "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "7",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    ).returncode


@pytest.mark.parametrize("forge", ["github", "gitlab"])
@pytest.mark.parametrize("expected", [("simulated", 0, "1 would change"), ("wrong", 1, "1 unknown")])
def test_a_job_comments_the_plan_and_fails_if_it_is_not_known(
    group: ServerGroup, tmp_path: Path, forge: str, expected: tuple[str, int, str]
) -> None:
    secret, code, says = expected
    atlas = Atlas.start(group, tmp_path, json.loads(SEED.read_bytes()))
    programs(tmp_path, PROGRAMS)
    (tmp_path / "manifests" / "shop").mkdir(parents=True)
    (tmp_path / "manifests" / "shop" / "orders.yaml").write_bytes((DEPLOY / "samples" / "aws-full.yaml").read_bytes())

    codes = [
        play(
            step,
            tmp_path,
            ATLAS_ENDPOINTS_ATLAS_URL=atlas.url,
            MONGODB_ATLAS_CLIENT_ID="mdb_sa_id_0123456789abcdef01234567",
            MONGODB_ATLAS_CLIENT_SECRET=f"mdb_sa_sk_{secret}",
        )
        for step in steps(forge)
    ]
    atlas.close()

    assert max(codes) == code
    comment = (tmp_path / "commented").read_text()
    assert comment.startswith("## Plan for MongoDB Atlas\n")
    assert says in comment


def test_on_github_a_job_edits_its_own_comment_and_no_other(tmp_path: Path) -> None:
    programs(tmp_path, PROGRAMS | {"docker": "cat planned"})
    others = {"github-actions[bot].1": "Coverage: 97 %", "orders-dev.2": "What is <!-- atlas-endpoints plan -->?"}
    for name, body in others.items():
        (tmp_path / name).write_text(body)

    for planned in ("1 would change", "1 would not"):
        (tmp_path / "planned").write_text(f"{planned}\n")
        assert [play(step, tmp_path) for step in steps("github")] == [0]
        comments = {each.name: each.read_text() for each in tmp_path.glob("*.[0-9]")}
        assert comments == others | {"github-actions[bot].3": f"{planned}\n<!-- atlas-endpoints plan -->\n"}
