"""The control plane itself: what the other integration tests take for granted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from control_plane import ControlPlane, ControlPlaneError, KubectlError, PodSecurityLevel, detached, provide_programs
from control_plane.detached import command_of
from control_plane.ports import free_port
from control_plane.process import wait_until
from control_plane.programs import ASSETS_VARIABLE, MODULE, kubernetes_version

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 30.0
PYTHON_ENVIRONMENT = os.environ | {"PYTHONPATH": str(MODULE.parent)}

built_here = pytest.mark.skipif(ASSETS_VARIABLE in os.environ, reason=f"{ASSETS_VARIABLE} brings a release of its own")


@pytest.fixture(scope="module")
def own_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One whose servers may be stopped without harm to other tests."""
    with ControlPlane(
        provide_programs(),
        directory=tmp_path_factory.mktemp("own-control-plane"),
        pod_security=PodSecurityLevel.RESTRICTED,
    ) as running:
        yield running


def run_python(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python_command(script, *args), env=PYTHON_ENVIRONMENT, capture_output=True, text=True, check=True
    )


def python_command(script: str, *args: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(script), *args]


@built_here
def test_servers_and_kubectl_are_of_the_release_in_go_mod(control_plane: ControlPlane) -> None:
    expected = kubernetes_version((MODULE / "go.mod").read_text())
    versions = json.loads(control_plane.kubectl("version", "--output=json").stdout)
    assert expected == "v1.37.2"
    assert versions["serverVersion"]["gitVersion"] == expected
    assert versions["clientVersion"]["gitVersion"] == expected


def test_its_certificate_is_trusted_through_the_kubeconfig_alone(control_plane: ControlPlane) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{control_plane.url}/readyz", trust_env=False)
    with control_plane.client() as client:
        assert client.get("/readyz").text == "ok"


def test_kubeconfigs_are_readable_by_their_owner_alone(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.kubectl("create", "serviceaccount", "guest", f"--namespace={namespace}")
    for path in (control_plane.kubeconfig, control_plane.kubeconfig_for(namespace, "guest")):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_service_account_gets_a_token_and_rbac_decides_what_it_may_do(
    control_plane: ControlPlane, namespace: str
) -> None:
    kubectl = control_plane.kubectl
    kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    kubeconfig = control_plane.kubeconfig_for(namespace, "reader")
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    secrets = f"/api/v1/namespaces/{namespace}/secrets"

    with control_plane.client(token) as client:
        assert client.get(secrets).status_code == httpx.codes.FORBIDDEN
    with control_plane.client("nobody's token") as client:
        assert client.get(secrets).status_code == httpx.codes.UNAUTHORIZED

    here = f"--namespace={namespace}"
    kubectl("create", "role", "reader", "--verb=list", "--resource=secrets", here)
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader", here)
    me = kubectl(f"--kubeconfig={kubeconfig}", "auth", "whoami", "--output=jsonpath={.status.userInfo.username}")
    assert me.stdout == f"system:serviceaccount:{namespace}:reader"
    assert kubectl(f"--kubeconfig={kubeconfig}", "get", "secrets", "--output=jsonpath={.items}").stdout == "[]"


def test_pod_security_holds_where_labels_say_nothing(own_control_plane: ControlPlane) -> None:
    own_control_plane.kubectl("create", "serviceaccount", "default")  # no Pod is admitted without one
    with pytest.raises(KubectlError, match='violates PodSecurity "restricted:latest"'):
        own_control_plane.kubectl("run", "root", "--image=example.com/never-pulled", "--privileged")


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "crashed"])
def test_the_api_server_comes_back_with_its_data(own_control_plane: ControlPlane, kill: bool) -> None:
    name = f"survives-{kill}".lower()
    own_control_plane.kubectl("create", "configmap", name)

    own_control_plane.stop_apiserver(kill=kill)
    with own_control_plane.client() as client, pytest.raises(httpx.ConnectError):
        client.get("/readyz")
    own_control_plane.start_apiserver()

    own_control_plane.kubectl("get", "configmap", name)


def test_etcd_comes_back_with_its_data_after_a_crash(own_control_plane: ControlPlane) -> None:
    own_control_plane.kubectl("create", "configmap", "survives-etcd")

    own_control_plane.stop_etcd(kill=True)
    with own_control_plane.client() as client:
        wait_until(lambda: client.get("/readyz").is_server_error, "the API server to miss etcd", timeout=SOON)
    own_control_plane.start_etcd()

    own_control_plane.kubectl("get", "configmap", "survives-etcd")


def test_the_controllers_outlive_what_they_depend_on(own_control_plane: ControlPlane, controller_manager: Path) -> None:
    own_control_plane.start_controller_manager(controller_manager)
    controllers = own_control_plane.pids["kube-controller-manager"]
    own_control_plane.restart_apiserver(kill=True)
    own_control_plane.restart_etcd(kill=True)

    own_control_plane.kubectl("create", "namespace", "controlled")

    def has_default_account() -> bool:
        found = own_control_plane.kubectl("get", "serviceaccount", "default", "--namespace=controlled", check=False)
        return found.returncode == 0

    wait_until(has_default_account, "the ServiceAccount that a controller makes", timeout=SOON)
    assert own_control_plane.pids["kube-controller-manager"] == controllers


def test_servers_are_started_and_stopped_once(own_control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match="etcd runs already"):
        own_control_plane.start_etcd()
    with pytest.raises(ControlPlaneError, match="this control plane runs already"):
        own_control_plane.start()


def test_a_port_that_was_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        ports = iter([taken, free_port()])
        monkeypatch.setattr("control_plane.cluster.free_port", lambda: next(ports))
        with ControlPlane(provide_programs()) as control_plane:
            assert control_plane.url != f"https://127.0.0.1:{taken}"
            assert control_plane.kubectl("get", "--raw=/readyz").stdout == "ok"
            directory = control_plane.directory
    assert not directory.exists()


def test_no_server_outlives_a_killed_parent(tmp_path: Path) -> None:
    directory = tmp_path / "control-plane"
    script = """
        import json, sys, time
        from pathlib import Path
        from control_plane import ControlPlane, provide_programs
        control_plane = ControlPlane(provide_programs(), directory=Path(sys.argv[1]))
        control_plane.start()
        print(json.dumps(control_plane.pids), flush=True)
        sys.stdin.read()
    """
    parent = subprocess.Popen(
        python_command(script, str(directory)),
        env=PYTHON_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pids: list[int] = list(json.loads(parent.stdout.readline()).values())

        def running() -> list[int]:
            return [pid for pid in pids if str(directory) in command_of(pid)]

        assert running() == pids
        parent.send_signal(signal.SIGKILL)

        wait_until(lambda: not running(), "the servers to die with their parent", timeout=SOON)


def test_up_starts_one_that_stays_and_down_stops_it(tmp_path: Path) -> None:
    programs = provide_programs()
    kubeconfig = tmp_path / detached.KUBECONFIG

    def up() -> str:
        script = """
            import sys
            from pathlib import Path
            from control_plane import provide_programs
            from control_plane.detached import up
            record, started = up(provide_programs(), Path(sys.argv[1]))
            print("started" if started else "running already", end="")
        """
        return run_python(script, str(tmp_path)).stdout

    try:
        assert up() == "started"
        record = detached.Record.read(tmp_path)
        assert record is not None
        assert record.running() == record.pids
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
        asked = subprocess.run(
            [programs.kubectl, f"--kubeconfig={kubeconfig}", "get", "--raw=/readyz"], capture_output=True, check=True
        )
        assert asked.stdout == b"ok"

        assert up() == "running already"
        assert detached.Record.read(tmp_path) == record
    finally:
        stopped = detached.down(tmp_path)

    assert stopped == record
    assert record.running() == {}
    assert not kubeconfig.exists()
    assert not Path(record.directory).exists()
    assert detached.down(tmp_path) is None
