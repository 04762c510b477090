"""The simulated Atlas as users run it: by the commands of its page, one after the other, and by the chart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from atlas_endpoints.cli import Commands
from atlas_endpoints.settings import OperatorSettings
from control_plane.ports import free_port
from delivery.helm import rendered
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
    pages = [*blocks_of(PAGE), *blocks_of(DOCS / "simulator-control.md")]
    blocks = [block.text for block in pages if block.language == "bash" and block.text not in IN_CI]
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


def test_the_chart_takes_the_seed_as_the_page_on_ci_gives_it_and_has_no_simulator_without_being_told(
    helm: Helm,
) -> None:
    assert len([block.text for block in blocks_of(PAGE) if "--set-json" in block.text]) == 1
    seed = json.dumps(json.loads((DEPLOY / "simulator" / "seed.json").read_bytes()))
    assert "32b6e34b3d91647abb20e7b8" in helm.template(
        "--set=simulator.enabled=true", f"--set-json=simulator.seed={seed}"
    )
    assert "simulator" not in helm.template()


SIMULATOR = "atlas-endpoints-simulator"


def with_it(helm: Helm) -> dict[tuple[str, str], dict[str, Any]]:
    """All objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in rendered(helm, "simulator")}


def container_of(deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_the_operator_talks_to_the_simulator_and_to_no_other_atlas(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = with_it(helm)
    simulator, operator = objects["Deployment", SIMULATOR], objects["Deployment", "atlas-endpoints"]
    service, metrics = objects["Service", SIMULATOR], objects["Service", "atlas-endpoints-metrics"]
    for each in container_of(operator)["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    settings = OperatorSettings()
    assert settings.allow_plain_http
    address = urlsplit(settings.atlas_url)
    (port,) = service["spec"]["ports"]
    assert (address.hostname, address.port) == (f"{SIMULATOR}.{service['metadata']['namespace']}", port["port"])
    (listens,) = container_of(simulator)["ports"]
    assert listens["name"] == port["targetPort"]
    assert f"--port={listens['containerPort']}" in container_of(simulator)["args"]

    labels, others = (each["spec"]["template"]["metadata"]["labels"].items() for each in (simulator, operator))
    assert service["spec"]["selector"].items() <= labels
    assert not service["spec"]["selector"].items() <= others
    assert not operator["spec"]["selector"]["matchLabels"].items() <= labels
    assert not metrics["spec"]["selector"].items() <= labels
    policy = objects["NetworkPolicy", "atlas-endpoints"]["spec"]
    assert port["port"] in [each["port"] for rule in policy["egress"] for each in rule["ports"]]


def test_it_starts_with_its_seed(helm: Helm, group: ServerGroup, tmp_path: Path) -> None:
    objects = with_it(helm)
    container = container_of(objects["Deployment", SIMULATOR])
    (mount,) = container["volumeMounts"]
    (seed,) = objects["ConfigMap", SIMULATOR]["data"]
    assert f"--seed={mount['mountPath']}/{seed}" in container["args"]
    Commands(_cli_parse_args=container["args"])  # pyright: ignore[reportCallIssue]  # from the base class

    atlas = Atlas.start(group, tmp_path, json.loads(objects["ConfigMap", SIMULATOR]["data"][seed]))

    httpx.get(atlas.url + container["readinessProbe"]["httpGet"]["path"], trust_env=False).raise_for_status()
    assert [endpoint["_id"] for endpoint in atlas.endpoints()] == ["a1a1a1a1a1a1a1a1a1a1a1a1"]
    atlas.close()
