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
    from pathlib import Path

    from control_plane.process import ServerGroup

PIPELINES = DEPLOY / "pipelines"
SEED = DEPLOY / "simulator" / "seed.json"

PROGRAMS = {
    # What follows the image is for its entry point.
    "docker": 'while [ "$1" != registry.example.com/team/atlas-endpoints:0.1.0 ]; do shift; done; shift; exec atlas-endpoints "$@"',
    "gh": '[ "$1 $2 $3" = "pr comment 7" ] && while [ "$1" != --body-file ]; do shift; done && cp "$2" commented',
    "curl": 'case "$*" in *"--form body=<plan.md https://gitlab.example.com/api/v4/projects/3/merge_requests/7/notes") cp plan.md commented;; *) exit 1;; esac',
}


def steps(forge: str) -> list[str]:
    """Return the scripts of a forge's jobs, in their order."""
    job = yaml.safe_load((PIPELINES / f"{forge}.yaml").read_text(encoding="utf-8"))
    if forge == "gitlab":
        return ["\n".join(job[name]["script"]) for name in ("plan", "comment")]
    return [step["run"] for step in job["jobs"]["plan"]["steps"] if "run" in step]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
@pytest.mark.parametrize("expected", [("simulated", 0, "1 would change"), ("wrong", 1, "1 unknown")])
def test_a_job_comments_the_plan_and_fails_if_it_is_not_known(
    group: ServerGroup, tmp_path: Path, forge: str, expected: tuple[str, int, str]
) -> None:
    secret, code, says = expected
    atlas = Atlas.start(group, tmp_path, json.loads(SEED.read_bytes()))
    (tmp_path / "bin").mkdir()
    for name, script in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "bin" / "atlas-endpoints").symlink_to(COMMAND[-1])
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "orders.yaml").write_bytes((DEPLOY / "samples" / "aws-full.yaml").read_bytes())

    codes = [
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
            cwd=tmp_path,
            env={
                "PATH": f"{tmp_path / 'bin'}:{os.defpath}",
                "PYTHONPATH": str(ROOT / "operator"),
                "ATLAS_ENDPOINTS_ATLAS_URL": atlas.url,
                "MONGODB_ATLAS_CLIENT_ID": "mdb_sa_id_0123456789abcdef01234567",
                "MONGODB_ATLAS_CLIENT_SECRET": f"mdb_sa_sk_{secret}",
                "IMAGE": "registry.example.com/team/atlas-endpoints:0.1.0",
                "PULL_REQUEST": "7",
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                "NOTES_TOKEN": "not-a-secret",
                "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
                "CI_PROJECT_ID": "3",
                "CI_MERGE_REQUEST_IID": "7",
            },
            capture_output=True,
            text=True,
            check=False,
        ).returncode
        for step in steps(forge)
    ]
    atlas.close()

    assert max(codes) == code
    comment = (tmp_path / "commented").read_text()
    assert comment.startswith("## Plan for MongoDB Atlas\n")
    assert says in comment
