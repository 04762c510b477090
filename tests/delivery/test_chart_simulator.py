"""The simulated Atlas that the chart can run beside the operator: who finds whom, and that it starts with its seed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from atlas_endpoints.cli import Commands
from atlas_endpoints.settings import OperatorSettings
from delivery.helm import rendered
from support.atlas import Atlas

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from control_plane.process import ServerGroup
    from delivery.helm import Helm

NAME = "atlas-endpoints-simulator"


def with_it(helm: Helm) -> dict[tuple[str, str], dict[str, Any]]:
    """All objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in rendered(helm, "simulator")}


def container_of(deployment: dict[str, Any]) -> dict[str, Any]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_the_operator_talks_to_the_simulator_and_to_no_other_atlas(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = with_it(helm)
    simulator, operator = objects["Deployment", NAME], objects["Deployment", "atlas-endpoints"]
    service, metrics = objects["Service", NAME], objects["Service", "atlas-endpoints-metrics"]
    for each in container_of(operator)["env"]:
        monkeypatch.setenv(each["name"], each["value"])
    settings = OperatorSettings()
    assert settings.allow_plain_http
    address = urlsplit(settings.atlas_url)
    (port,) = service["spec"]["ports"]
    assert (address.hostname, address.port) == (f"{NAME}.{service['metadata']['namespace']}", port["port"])
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


def test_without_it_nothing_of_it_is_there(helm: Helm) -> None:
    assert "simulator" not in helm.template()


def test_it_starts_with_its_seed(helm: Helm, group: ServerGroup, tmp_path: Path) -> None:
    objects = with_it(helm)
    container = container_of(objects["Deployment", NAME])
    (mount,) = container["volumeMounts"]
    (seed,) = objects["ConfigMap", NAME]["data"]
    assert f"--seed={mount['mountPath']}/{seed}" in container["args"]
    Commands(_cli_parse_args=container["args"])  # pyright: ignore[reportCallIssue]  # from the base class

    atlas = Atlas.start(group, tmp_path, json.loads(objects["ConfigMap", NAME]["data"][seed]))

    httpx.get(atlas.url + container["readinessProbe"]["httpGet"]["path"], trust_env=False).raise_for_status()
    assert [endpoint["_id"] for endpoint in atlas.endpoints()] == ["a1a1a1a1a1a1a1a1a1a1a1a1"]
    atlas.close()
