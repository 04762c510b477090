"""The commands that the page about the simulator shows, run one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from control_plane.ports import free_port
from support.atlas import COMMAND, Atlas
from support.deploy import DEPLOY
from support.documentation import DOCS, blocks_of, section

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane.process import ServerGroup
    from delivery.helm import Helm

PAGE = DOCS / "simulator.md"
IN_CI = section(PAGE, "In your own CI")
"""What is for a cluster, or a job of its own."""

PROJECT, ENDPOINT = "5f5f5f5f5f5f5f5f5f5f5f5f", "a1a1a1a1a1a1a1a1a1a1a1a1"
INSTANCES = [{"name": "aws-instance"}, {"name": "shop", "endpoints": [{"_id": ENDPOINT}]}]
SEED = {
    "projects": [{"id": PROJECT, "instances": INSTANCES}],
    "serviceAccounts": [{"clientId": "shown", "clientSecret": "not-a-secret", "roles": "*"}],
    "apiKeys": [{"publicKey": "cikey", "privateKey": "not-a-secret", "roles": "*"}],
}
"""What the page speaks about."""
VARIABLES = {
    "PROJECT": PROJECT,
    "CLIENT_ID": "shown",
    "CLIENT_SECRET": "not-a-secret",
    "PUBLIC_KEY": "cikey",
    "PRIVATE_KEY": "not-a-secret",
}
STRICT = '#!/bin/sh\nexec {curl} --fail-with-body --show-error "$@"\n'
"""A curl that fails when it is answered with an error."""


@pytest.fixture
def programs_of_the_page(tmp_path: Path) -> Path:
    """A folder with the programs that the page takes for granted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("curl", "jq"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} on this machine")
        (folder / name).write_text(STRICT.format(curl=found) if name == "curl" else f'#!/bin/sh\nexec {found} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def run(script: str, programs: Path, **variables: str) -> str:
    """Run commands in the folder that the programs are in; the first that fails is an error."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=programs.parent,
        env={"PATH": f"{programs}:{os.defpath}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_each_command_of_the_page_does_what_it_is_shown_for(
    group: ServerGroup, tmp_path: Path, programs_of_the_page: Path
) -> None:
    atlas = Atlas.start(group, tmp_path, SEED)
    blocks = [block.text for block in blocks_of(PAGE) if block.language == "bash" and block.text not in IN_CI]
    assert len(blocks) > 5

    assert ENDPOINT in run(
        "\n".join(blocks).replace("http://127.0.0.1:8090", atlas.url), programs_of_the_page, **VARIABLES
    )

    atlas.close()


def test_the_job_of_the_page_on_ci_plans_against_a_simulator(tmp_path: Path, programs_of_the_page: Path) -> None:
    port = free_port()
    job = next(block.text for block in blocks_of(PAGE) if block.language == "bash" and block.text in IN_CI)
    assert "simulate --seed" in job
    script = job.replace("simulate --seed", f"simulate --port {port} --seed").replace(":8090", f":{port}")
    (programs_of_the_page / "atlas-endpoints").symlink_to(COMMAND[-1])
    (tmp_path / "manifests").mkdir()
    shutil.copy(DEPLOY / "simulator" / "seed.json", tmp_path)
    shutil.copy(DEPLOY / "samples" / "aws-full.yaml", tmp_path / "manifests" / "orders.yaml")

    told = run(script, programs_of_the_page, PYTHONPATH=str(DOCS.parent / "operator"))

    assert "Plan: 1 would change, 0 would not." in told


def test_the_chart_takes_the_seed_as_the_page_on_ci_gives_it(helm: Helm) -> None:
    assert len([block.text for block in blocks_of(PAGE) if "--set-json" in block.text]) == 1
    seed = json.dumps(json.loads((DEPLOY / "simulator" / "seed.json").read_bytes()))
    rendered = helm.template("--set=simulator.enabled=true", f"--set-json=simulator.seed={seed}")
    assert "32b6e34b3d91647abb20e7b8" in rendered
    assert "name: atlas-endpoints-simulator" in rendered
