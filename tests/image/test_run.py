"""The image as it runs in a Pod: its user, its root file system read-only, the token of its ServiceAccount, and nothing else."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from control_plane.ports import free_port
from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.container import command
from support.deploy import DEPLOY
from support.operator_process import OperatorProcess
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace

USER, OF_OPENSHIFT = "65532:65532", "1000680000:0"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/atlas-endpoints/leases/atlas-endpoints"


def environment(configuration: dict[str, Any]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in configuration["Env"])


@pytest.fixture(name="installed")
def as_users_install_it(control_plane: ControlPlane) -> ControlPlane:
    """A cluster with all that `deploy/` ships; of the Deployment no Pod comes to be, for there is no node."""
    control_plane.kubectl("apply", "--server-side", "--kustomize", str(DEPLOY))
    control_plane.wait_for_crds()
    return control_plane


@pytest.fixture(name="secrets")
def service_account_volume(installed: ControlPlane, tmp_path: Path) -> Path:
    """What the kubelet projects into the Pod, readable for its user alone through the Pod's fsGroup or by all."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    token = installed.kubectl("create", "token", "atlas-endpoints", "--namespace=atlas-endpoints").stdout.strip()
    for name, content in {"token": token, "ca.crt": installed.ca.read_text(), "namespace": "atlas-endpoints"}.items():
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def operator(  # noqa: PLR0917  # pytest passes fixtures by name
    root: Path,
    configuration: dict[str, Any],
    installed: ControlPlane,
    secrets: Path,
    atlas: Atlas,
    group: ServerGroup,
    tmp_path: Path,
) -> Iterator[OperatorProcess]:
    """The image as the Deployment runs it, but for its Atlas and the port of its probes."""
    port = free_port()
    host, _, port_of_apiserver = installed.url.removeprefix("https://").partition(":")
    variables = environment(configuration) | {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port_of_apiserver,
        "ATLAS_ENDPOINTS_ATLAS_URL": atlas.url,
        "ATLAS_ENDPOINTS_HTTP_ADDRESS": f"127.0.0.1:{port}",
    }
    arguments = [*configuration["Entrypoint"], *configuration["Cmd"]]
    in_the_image = command(root, arguments, user=USER, environment=variables, secrets=secrets)
    running = OperatorProcess(group.start("image", in_the_image, folder=tmp_path), f"http://127.0.0.1:{port}")
    wait_until(lambda: answers(running), "the operator to be ready", servers=[running.server], timeout=60)
    yield running
    running.server.stop(kill=True)


def answers(operator: OperatorProcess) -> bool:
    try:
        return operator.ready()
    except httpx.TransportError:
        return False


def test_it_serves_resources_and_lets_go_of_the_lease_at_the_end(
    operator: OperatorProcess, installed: ControlPlane, atlas: Atlas, place: Place, make_namespace: MakeNamespace
) -> None:
    resources = Resources(installed, make_namespace(), {})
    resources.secret()
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    resources.edit("orders", comment="two")
    resources.wait_ready("orders")
    resources.close()
    assert atlas.endpoint(place)["comment"] == "two"
    with installed.client() as client:
        assert client.get(LEASE).raise_for_status().json()["spec"]["holderIdentity"]
        assert operator.stop() == 0
        assert not client.get(LEASE).raise_for_status().json()["spec"].get("holderIdentity")
    assert "Traceback" not in operator.log


@pytest.mark.parametrize("user", [USER, OF_OPENSHIFT])
def test_it_starts_as_a_user_without_a_name(root: Path, configuration: dict[str, Any], user: str) -> None:
    arguments = [*configuration["Entrypoint"], "--version"]
    ran = subprocess.run(
        command(root, arguments, user=user, environment=environment(configuration)),
        capture_output=True,
        text=True,
        check=False,
    )
    label = configuration["Labels"]["org.opencontainers.image.version"]
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"atlas-endpoints {label}\n", "")


@pytest.mark.parametrize("path", ["/tmp/x", "/opt/atlas-endpoints/x"])  # noqa: S108  # the image's own
def test_nothing_can_be_written(root: Path, configuration: dict[str, Any], path: str) -> None:
    program = ["python3", "-c", f"open({path!r}, 'w')"]
    ran = subprocess.run(
        command(root, program, user="0:0", environment=environment(configuration)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Read-only file system" in ran.stderr
