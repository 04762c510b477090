"""The running control plane."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx

from control_plane.access import Access
from control_plane.arguments import (
    Files,
    admission_configuration,
    apiserver_arguments,
    audit_policy,
    controller_manager_arguments,
    etcd_arguments,
)
from control_plane.ports import free_port
from control_plane.process import Server, ServerExitedError, ServerGroup, wait_until
from control_plane.programs import CONTROLLER_MANAGER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from control_plane.arguments import PodSecurityLevel
    from control_plane.programs import Programs

START_TIMEOUT = 60.0
"""Seconds until a server has to be ready: a few on an idle machine, many more on a busy one."""

PROBE_TIMEOUT = 3.0
"""Seconds until a question about readiness is asked anew; what answers may be a stranger who says nothing."""


KUBECTL_TIMEOUT = 120.0


class ControlPlaneError(Exception):
    """The control plane was used in a way it does not work."""


class KubectlError(Exception):
    """kubectl failed; the message holds the command and what it said.

    Attributes:
        stderr: What it said.
    """

    def __init__(self, command: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"`kubectl {' '.join(command)}` ended with code {code}: {stderr.strip()}")
        self.stderr = stderr


class ControlPlane:
    """A control plane of one etcd, one API server and, where asked for, one controller manager, on loopback.

    Its servers die with this process, however it ends, unless they are detached. Methods block; from a coroutine, call
    them by `asyncio.to_thread`.

        with ControlPlane(provide_programs()) as control_plane:
            control_plane.kubectl("get", "namespaces")

    Attributes:
        directory: Where it keeps its data and logs (`etcd.log`, `kube-apiserver.log`, `kube-controller-manager.log`).
    """

    def __init__(
        self,
        programs: Programs,
        *,
        directory: Path | None = None,
        audit_log: bool = False,
        pod_security: PodSecurityLevel | None = None,
        detached: bool = False,
    ) -> None:
        """Prepare a control plane; `start` starts it.

        Args:
            programs: What it is made of.
            directory: Where to keep data and logs, and to leave them for a look afterwards; made if needed, and has to
                be empty. None: in a temporary folder, removed at the end.
            audit_log: Whether to log each request's metadata.
            pod_security: What Pods have to obey in namespaces whose labels do not say. None: nothing.
            detached: Whether the servers outlive this process.
        """
        self._programs = programs
        self._temporary = directory is None
        self.directory = (directory or Path(tempfile.gettempdir()) / f"control-plane-{secrets.token_hex(8)}").absolute()
        self._files = Files(self.directory)
        self._access = Access(files=self._files)
        self._audit_log = audit_log
        self._pod_security = pod_security
        self._detached = detached
        self._port = free_port()
        self._group: ServerGroup | None = None
        self._servers: dict[str, Server] = {}
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def admin_token(self) -> str:
        """A bearer token of the group `system:masters`, which may do everything."""
        return self._access.admin_token

    @property
    def kubeconfig(self) -> Path:
        return self._files.admin_kubeconfig

    @property
    def ca(self) -> Path:
        """The certificate that signed the API server's, as PEM."""
        return self._files.ca

    @property
    def audit_log(self) -> Path | None:
        """The audit log, an `audit.k8s.io/v1` Event as JSON a line; None if there is none."""
        return self._files.audit_log if self._audit_log else None

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of the servers that run, by program."""
        return {name: server.process.pid for name, server in self._servers.items()}

    def start(self) -> None:
        """Start all servers, and return when objects can be created and the controllers, if any, work."""
        if self._servers:
            raise ControlPlaneError("this control plane runs already")
        self._group = ServerGroup(detached=self._detached)
        try:
            self._write_configuration()
            self.start_etcd()
            self._start_apiserver_on_a_free_port()
            self._access.write_kubeconfigs(self.url)
            if self._programs.kube_controller_manager is not None:
                self.start_controller_manager(self._programs.kube_controller_manager)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all servers and forget their data. Stopping what does not run is no error."""
        for client in self._clients:
            client.close()
        self._clients.clear()
        for server in self._servers.values():
            server.stop(kill=True)
        self._servers.clear()
        if self._group is not None:
            self._group.close()
            self._group = None
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def start_etcd(self) -> None:
        self._files.etcd_socket.unlink(missing_ok=True)  # a killed etcd leaves it
        etcd = self._start("etcd", self._programs.etcd, etcd_arguments(self._files))
        wait_until(self._files.etcd_socket.is_socket, "etcd to listen", servers=[etcd], timeout=START_TIMEOUT)
        if "kube-apiserver" in self._servers:
            self._wait_for_apiserver()

    def stop_etcd(self, *, kill: bool = False) -> None:
        """Stop etcd alone: by SIGTERM, on which it waits 7 seconds for the API server to let go, or as a crash would."""
        self._stop("etcd", kill=kill)

    def restart_etcd(self, *, kill: bool = False) -> None:
        """Stop and start etcd with the same data, and return when the API server is ready again."""
        self.stop_etcd(kill=kill)
        self.start_etcd()

    def start_apiserver(self) -> None:
        """Start the API server on the port it had, and return when it is ready."""
        self._start(
            "kube-apiserver",
            self._programs.kube_apiserver,
            apiserver_arguments(
                self._files,
                port=self._port,
                audit_log=self._audit_log,
                pod_security=self._pod_security is not None,
            ),
        )
        self._wait_for_apiserver()

    def stop_apiserver(self, *, kill: bool = False) -> None:
        """Stop the API server alone: by SIGTERM, or as a crash would."""
        self._stop("kube-apiserver", kill=kill)

    def restart_apiserver(self, *, kill: bool = False) -> None:
        """Stop and start the API server with the same data, and return when it is ready again."""
        self.stop_apiserver(kill=kill)
        self.start_apiserver()

    def start_controller_manager(self, program: Path) -> None:
        """Start the controller manager, unless it runs, and return when its controllers work."""
        if CONTROLLER_MANAGER in self._servers:
            return
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        with self.client() as client:
            client.delete(account)  # of an earlier run; that it returns proves that the controllers work
            server = self._start(CONTROLLER_MANAGER, program, controller_manager_arguments(self._files))
            wait_until(lambda: _succeeds(client, account), "the controllers", servers=[server], timeout=START_TIMEOUT)

    def stop_controller_manager(self) -> None:
        """Stop the controller manager alone, as a crash would."""
        self._stop(CONTROLLER_MANAGER, kill=True)

    def client(self, token: str | None = None) -> httpx.Client:
        """Make an HTTP client of the API server; what is not closed after use, as when a test fails, is when all stops."""
        client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token or self.admin_token}"},
            verify=ssl.create_default_context(cafile=self.ca),
            trust_env=False,  # a proxy of the environment is not for loopback
            timeout=120,  # a LIST of thousands on a machine that is busy with everything else
        )
        self._clients.append(client)
        return client

    @contextmanager
    def etcd_client(self) -> Iterator[httpx.Client]:
        """Return an HTTP client of etcd, which speaks JSON as well: https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/."""
        with tempfile.TemporaryDirectory() as short:
            # A socket's path may have some 100 bytes only, and the folder's own may be longer.
            folder = Path(short) / "control-plane"
            folder.symlink_to(self.directory)
            transport = httpx.HTTPTransport(uds=str(folder / self._files.etcd_socket.name))
            with httpx.Client(base_url="http://etcd", transport=transport, timeout=30) as client:
                yield client

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator.

        Args:
            args: Its arguments; a second `--kubeconfig` among them wins.
            stdin: What it reads from `-f -`.
            check: Whether a failure is an error.
        """
        # Its own cache: another API server may have had this port before.
        cache = self.directory / "kubectl-cache"
        done = subprocess.run(
            [self._programs.kubectl, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}", *args],
            input=stdin,
            # No aliases and defaults of the user; a process this short collects its garbage by ending.
            env=os.environ | {"KUBERC": "off", "GOGC": "off"},
            capture_output=True,
            text=True,
            timeout=KUBECTL_TIMEOUT,
            check=False,
        )
        if check and done.returncode != 0:
            raise KubectlError(args, done.returncode, done.stderr)
        return done

    def wait_for_crds(self, *names: str) -> None:
        """Wait until CRDs are established; none named: all that there are.

        `kubectl wait` alone fails on one that was created just now and has no conditions yet.
        """
        command = ("wait", "--for=condition=Established", "--timeout=5s", "crd", *(names or ("--all",)))
        wait_until(lambda: self.kubectl(*command, check=False).returncode == 0, f"the CRDs {' '.join(names)}")

    def kubeconfig_for(
        self, namespace: str, service_account: str, *, lifetime: timedelta = timedelta(hours=24)
    ) -> Path:
        """Write a kubeconfig with a fresh token of a ServiceAccount that exists, and return its path.

        Args:
            namespace: Where the ServiceAccount is; commands act there too when they name none.
            service_account: Its name.
            lifetime: How long the token is good for, 10 minutes at least.
        """
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}"
        with self.client() as http:
            answer = http.post(f"{account}/token", json={"spec": {"expirationSeconds": int(lifetime.total_seconds())}})
        token = answer.raise_for_status().json()["status"]["token"]
        path = self.directory / f"{namespace}.{service_account}.kubeconfig"
        self._access.write_kubeconfig(path, self.url, user=service_account, token=token, namespace=namespace)
        return path

    def _write_configuration(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        if any(self.directory.iterdir()):
            raise ControlPlaneError(f"{self.directory} is not empty")
        self._access.write_for_apiserver()
        if self._audit_log:
            self._files.audit_policy.write_text(audit_policy())
        if self._pod_security is not None:
            self._files.admission.write_text(admission_configuration(self._pod_security))

    def _start_apiserver_on_a_free_port(self) -> None:
        for _ in range(3):
            try:
                self.start_apiserver()
            except ServerExitedError as error:
                if "address already in use" not in error.log:
                    raise
                # Somebody took the port after it had been found free.
                del self._servers["kube-apiserver"]
                self._port = free_port()
            else:
                return
        raise ControlPlaneError("three ports in a row were taken by others before the API server could listen there")

    def _wait_for_apiserver(self) -> None:
        servers = list(self._servers.values())
        if not self.ca.exists():
            wait_until(self._access.keep_ca, "the API server's certificate", servers=servers, timeout=START_TIMEOUT)
        with self.client() as client:
            # /readyz alone would do after a start, but it may still hold what it knew of etcd before that was restarted.
            wait_until(
                lambda: _succeeds(client, "/readyz") and _succeeds(client, "/api/v1/namespaces/default"),
                "the API server",
                servers=servers,
                timeout=START_TIMEOUT,
            )

    def _start(self, name: str, program: Path, arguments: list[str]) -> Server:
        if self._group is None:
            raise ControlPlaneError(f"start the control plane before {name} alone")
        if name in self._servers:
            raise ControlPlaneError(f"{name} runs already")
        server = self._group.start(name, [str(program), *arguments], folder=self.directory)
        self._servers[name] = server
        return server

    def _stop(self, name: str, *, kill: bool) -> None:
        if name not in self._servers:
            raise ControlPlaneError(f"{name} does not run")
        self._servers.pop(name).stop(kill=kill)


def _succeeds(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path, timeout=PROBE_TIMEOUT).is_success
    except httpx.TransportError:
        return False
