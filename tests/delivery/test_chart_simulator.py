"""The simulated Atlas that the chart can run beside the operator: who finds whom, and that it starts with its seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from control_plane.ports import free_port
from control_plane.process import wait_until
from delivery.helm import rendered
from support.atlas import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from control_plane.process import ServerGroup
    from delivery.helm import Helm

import httpx

from atlas_endpoints.settings import OperatorSettings

NAME = "atlas-endpoints-simulator"


def with_it(helm: Helm) -> dict[tuple[str, str], dict[str, Any]]:
    """All objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in rendered(helm, "simulator")}


def labels_of(deployment: dict[str, Any]) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"]["labels"])


def container_of(deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_the_operator_talks_to_the_simulator_and_to_no_other_atlas(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = with_it(helm)
    service, simulator = objects["Service", NAME], objects["Deployment", NAME]
    operator = objects["Deployment", "atlas-endpoints"]
    for each in container_of(operator)["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    settings = OperatorSettings()
    address = urlsplit(settings.atlas_url)
    (port,) = service["spec"]["ports"]
    assert address.hostname == f"{NAME}.{service['metadata']['namespace']}"
    assert address.port == port["port"]
    assert settings.allow_plain_http
    (listens,) = container_of(simulator)["ports"]
    assert listens["name"] == port["targetPort"]
    assert f"--port={listens['containerPort']}" in container_of(simulator)["args"]

    selector = service["spec"]["selector"].items()
    assert selector <= labels_of(simulator).items()
    assert not selector <= labels_of(operator).items()
    for found_by in (
        operator["spec"]["selector"]["matchLabels"],
        objects["Service", "atlas-endpoints-metrics"]["spec"]["selector"],
    ):
        assert not found_by.items() <= labels_of(simulator).items()
    allowed = [
        each["port"] for rule in objects["NetworkPolicy", "atlas-endpoints"]["spec"]["egress"] for each in rule["ports"]
    ]
    assert port["port"] in allowed


def test_without_it_nothing_of_it_is_there(helm: Helm) -> None:
    assert "simulator" not in helm.template()


def test_it_starts_with_its_seed(helm: Helm, group: ServerGroup, tmp_path: Path) -> None:
    objects = with_it(helm)
    seed = tmp_path / "seed.json"
    seed.write_text(objects["ConfigMap", NAME]["data"]["seed.json"])
    port = free_port()
    given: list[str] = container_of(objects["Deployment", NAME])["args"]
    assert "--seed=/etc/simulator/seed.json" in given
    replaced = {
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=8090": f"--port={port}",
        "--seed=/etc/simulator/seed.json": f"--seed={seed}",
    }
    server = group.start("simulator", [*COMMAND, *(replaced.get(each, each) for each in given)], folder=tmp_path)
    probe = container_of(objects["Deployment", NAME])["readinessProbe"]["httpGet"]["path"]

    def is_ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{probe}", trust_env=False).is_success
        except httpx.TransportError:
            return False

    wait_until(is_ready, "the simulator", servers=[server])
    state = httpx.get(f"http://127.0.0.1:{port}/_simulator/state", trust_env=False).json()
    told = {(project["id"], instance["name"]) for project in state["projects"] for instance in project["instances"]}
    assert told == {("5f5f5f5f5f5f5f5f5f5f5f5f", "shop")}
    credentials = objects["Secret", "atlas-credentials"]["stringData"]
    token = httpx.post(
        f"http://127.0.0.1:{port}/api/oauth/token",
        auth=(credentials["clientId"], credentials["clientSecret"]),
        data={"grant_type": "client_credentials"},
        trust_env=False,
    )
    server.stop(kill=True)
    assert "access_token" in json.loads(token.text)
