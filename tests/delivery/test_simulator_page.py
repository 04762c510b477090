"""The commands that the pages about the simulator show, run one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from atlas_endpoints.cli import Commands
from control_plane.ports import free_port
from support.atlas import COMMAND, Atlas
from support.deploy import DEPLOY
from support.documentation import DOCS, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup

PROJECT = "5f5f5f5f5f5f5f5f5f5f5f5f"
SEED = {
    "projects": [
        {
            "id": PROJECT,
            "instances": [
                {"name": "aws-instance"},
                {"name": "shop", "endpoints": [{"_id": "a1a1a1a1a1a1a1a1a1a1a1a1"}]},
            ],
        }
    ],
    "serviceAccounts": [{"clientId": "shown", "clientSecret": "not-a-secret", "roles": "*"}],
    "apiKeys": [{"publicKey": "cikey", "privateKey": "not-a-secret", "roles": "*"}],
}
"""What the page speaks about."""

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


def test_each_command_of_the_page_does_what_it_is_shown_for(
    group: ServerGroup, tmp_path: Path, programs_of_the_page: Path
) -> None:
    atlas = Atlas.start(group, tmp_path, SEED)
    blocks = [block.text for block in blocks_of(DOCS / "simulator.md") if block.language == "bash"]
    script = "\n".join(blocks).replace("http://127.0.0.1:8090", atlas.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={
            "PATH": f"{programs_of_the_page}:{os.defpath}",
            "PROJECT": PROJECT,
            "CLIENT_ID": "shown",
            "CLIENT_SECRET": "not-a-secret",
            "PUBLIC_KEY": "cikey",
            "PRIVATE_KEY": "not-a-secret",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    atlas.close()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(blocks) > 5
    assert "a1a1a1a1a1a1a1a1a1a1a1a1" in done.stdout


IN_CI = DOCS / "simulator-in-ci.md"


def test_the_job_of_the_page_on_ci_plans_against_a_simulator(tmp_path: Path, programs_of_the_page: Path) -> None:
    port = free_port()
    job = next(block.text for block in blocks_of(IN_CI) if block.language == "bash")
    assert "simulate --seed" in job
    script = job.replace("simulate --seed", f"simulate --port {port} --seed").replace(":8090", f":{port}")
    (programs_of_the_page / "atlas-endpoints").symlink_to(COMMAND[-1])
    (tmp_path / "seed.json").write_bytes((DEPLOY / "samples" / "simulator-seed.json").read_bytes())
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "orders.yaml").write_bytes((DEPLOY / "samples" / "aws-full.yaml").read_bytes())

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{programs_of_the_page}:{os.defpath}", "PYTHONPATH": str(DOCS.parent / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Plan: 1 would change, 0 would not." in done.stdout


def test_the_manifest_of_the_page_on_ci_is_taken_by_a_namespace_that_restricts_pods(
    control_plane: ControlPlane,
) -> None:
    manifest = next(block.text for block in blocks_of(IN_CI) if block.language == "yaml")
    metadata = {"generateName": "ci-", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    namespace = control_plane.kubectl(
        *("create", "--filename=-", "--output=jsonpath={.metadata.name}"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
    ).stdout
    applied = control_plane.kubectl(
        *("apply", "--filename=-", "--validate=strict", f"--namespace={namespace}"), stdin=manifest
    )
    deployment, _ = yaml.safe_load_all(manifest)
    pod = {"apiVersion": "v1", "kind": "Pod", **deployment["spec"]["template"]}
    pod["metadata"] = {**pod["metadata"], "name": "atlas"}
    told = control_plane.kubectl(
        *("apply", "--filename=-", "--dry-run=server", f"--namespace={namespace}"), stdin=json.dumps(pod), check=False
    )

    assert applied.stderr == ""
    assert told.returncode == 0 or "serviceaccount" in told.stderr, told.stderr
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    settings = Commands(_cli_parse_args=container["args"]).simulate  # pyright: ignore[reportCallIssue]
    assert settings is not None
    assert settings.host == "0.0.0.0"  # noqa: S104  # a Pod's own
