"""What the demo happens on: a control plane, a simulated Atlas and an operator, certain to end with this process."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import httpx
import yaml

from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from control_plane import ControlPlane, ControlPlaneError, KubectlError, Programs, ProgramsError, provide_programs
from control_plane.go_build import BuildError
from control_plane.ports import free_port
from control_plane.process import Server, ServerExitedError, ServerGroup, wait_until
from control_plane.toolchain import ToolchainError
from demo.terminal import Terminal
from support.atlas import COMMAND, Atlas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType, TracebackType


ROOT = Path(__file__).resolve().parents[2]
SAMPLES = Path("deploy", "samples")
"""Relative to the root, where the demo's commands run."""
OPERATOR = "atlas-endpoints"
"""The operator's namespace and ServiceAccount; see deploy/base."""

ENDPOINTS = "/privateEndpoint/"
"""What the paths of the endpoints of all kinds have in common."""

START_TIMEOUT = 30.0
"""Seconds until the operator has to answer: two on an idle machine."""

KUBECTL_TIMEOUT = 90.0
"""Seconds that a command may take; those that wait give up by themselves before."""

TRANSITION = 2
"""Seconds that the simulated Atlas takes for each change of an endpoint's state; the real one takes a minute or two."""


class UnexpectedError(Exception):
    """Something happened otherwise than the story says."""


class Stage:
    """Everything that runs, as a context manager.

    Attributes:
        terminal: Where the story is told.
        control_plane: The Kubernetes control plane.
        kubectl_program: The kubectl that belongs to it.
        atlas: The simulated Atlas, once it is started.
        client_id: Of the service account that the simulated Atlas knows.
        client_secret: Of that service account; made up anew for each run.
    """

    def __init__(self, terminal: Terminal, programs: Programs) -> None:
        self.terminal = terminal
        self.kubectl_program = programs.kubectl
        self.control_plane = ControlPlane(programs)
        self.client_id = f"mdb_sa_id_{secrets.token_hex(12)}"
        self.client_secret = f"mdb_sa_sk_{secrets.token_hex(16)}"
        self._probes = f"127.0.0.1:{free_port()}"
        self._operator: Server | None = None
        self._cleanup = ExitStack()
        self._servers: list[Server] = []
        self._commands = itertools.count()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="atlas-endpoints-demo-")))
            stack.callback(self.control_plane.stop)
            self._group = ServerGroup(detached=False)
            stack.callback(self._group.close)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def operator_url(self) -> str:
        """Where the operator serves /livez, /readyz and /metrics."""
        return f"http://{self._probes}"

    @property
    def operator_log(self) -> Path:
        return self._folder / "operator.log"

    def start_atlas(self) -> None:
        """Start the simulated Atlas, with the endpoints that the samples name."""
        self.atlas = Atlas.start(self._group, self._folder, self._seed(), transition=TRANSITION)
        self._cleanup.callback(self.atlas.close)
        self._servers.append(self.atlas.server)

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the answered requests to the endpoints, from a number of requests on, without those for a token."""
        found = self.atlas.requests()[since:]
        return [each for each in found if ENDPOINTS in each["path"] and each["answered"] is not None]

    def endpoint(self, endpoint_id: str) -> Mapping[str, Any]:
        """Return an endpoint as Atlas holds it; empty: there is none."""
        return next((each for each in self.atlas.endpoints() if each["_id"] == endpoint_id), {})

    def start_operator(self) -> None:
        """Start the operator under the ServiceAccount that it has in a cluster, so with no more rights than there."""
        kubeconfig = self.control_plane.kubeconfig_for(OPERATOR, OPERATOR)
        arguments = ["run", "--atlas-url", self.atlas.url, "--http-address", self._probes, "--outputs", "on"]
        self.terminal.command(["atlas-endpoints", *arguments])
        # Its environment is empty but for this, so that no setting of the user's gets in.
        environment = ["env", f"KUBECONFIG={kubeconfig}", "ATLAS_ENDPOINTS_LOG_FORMAT=text"]
        self._operator = self._start("operator", [*environment, *COMMAND, *arguments])
        self.wait(self._is_ready, "the operator to be ready", timeout=START_TIMEOUT)

    def stop_operator(self) -> None:
        """Ask the operator to end, and expect that it does so with code 0."""
        if self._operator is not None:
            self._servers.remove(self._operator)
            self._operator.stop(kill=False)
            if self._operator.process.returncode != 0:
                raise UnexpectedError(f"the operator ended with code {self._operator.process.returncode}, not 0")

    def kubectl(self, *words: str, hide: str | None = None) -> str:
        """Run kubectl before everybody's eyes.

        Args:
            words: Its arguments.
            hide: A secret among them that is not shown.

        Returns:
            What it printed.
        """
        self.terminal.command(["kubectl", *(word.replace(hide, "***") if hide else word for word in words)])
        # In the group of the servers, so that it ends with this process, too; `wait` may go on for a minute.
        kubectl = self._group.start(
            f"kubectl-{next(self._commands)}",
            [
                *("/bin/sh", "-c", 'cd "$0" && exec "$@"', str(ROOT)),
                *(str(self.kubectl_program), f"--kubeconfig={self.control_plane.kubeconfig}", *words),
            ],
            folder=self._folder,
        )
        kubectl.process.wait(KUBECTL_TIMEOUT)
        output = kubectl.log.read_text()
        kubectl.log.unlink()
        self.terminal.output(output)
        if kubectl.process.returncode != 0:
            raise UnexpectedError(f"kubectl ended with code {kubectl.process.returncode}; see above")
        return output

    def wait(self, is_met: Callable[[], bool], what: str, *, timeout: float) -> None:
        """Wait for something that is expected soon, while all servers run.

        Args:
            is_met: Whether it is so by now.
            what: What is waited for, in words that follow "in vain for".
            timeout: Seconds to wait at most.
        """
        wait_until(is_met, what, servers=self._servers, timeout=timeout)

    def check(self) -> None:
        for server in self._servers:
            server.check()

    def last_words(self) -> str:
        """Return the end of the operator's log, if there is one."""
        log = self.operator_log
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""

    def _start(self, name: str, command: list[str]) -> Server:
        server = self._group.start(name, command, folder=self._folder)
        self._servers.append(server)
        return server

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.operator_url}/readyz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _seed(self) -> dict[str, Any]:
        """Make the Atlas that the samples speak about: the endpoint on AWS is RESERVED, that on Azure AVAILABLE."""
        aws, azure = spec_of("aws-full"), spec_of("azure-full")
        endpoint = {"_id": azure["endpointId"], "status": "AVAILABLE"} | managed(azure)
        instances = [
            _instance(aws, "US_EAST_1", {"_id": aws["endpointId"], "status": "RESERVED"}),
            _instance(azure, "US_EAST_2", endpoint),
        ]
        vault = {
            "subscriptionID": "4e133d35-e734-4385-a565-c0945567ae34",
            "resourceGroupName": "keys",
            "keyVaultName": "orders",
        }
        keys = {"azureKeyVault": {"enabled": True, "requirePrivateNetworking": True, **vault}}
        project = {
            "id": aws["projectId"],
            "instances": instances,
            "federatedDatabases": ["lake"],
            "encryptionAtRest": keys,
        }
        account = {"clientId": self.client_id, "clientSecret": self.client_secret, "roles": "*"}
        return {"projects": [project], "serviceAccounts": [account]}


def spec_of(sample: str) -> Mapping[str, Any]:
    """Return the spec of the first resource of a sample."""
    first = next(yaml.safe_load_all((ROOT / SAMPLES / f"{sample}.yaml").read_text(encoding="utf-8")))
    spec: Mapping[str, Any] = first["spec"]
    return spec


def managed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a spec that are sent to Atlas."""
    return {name: spec[name] for name in ServerlessPrivateEndpoint.fields if name in spec}


def _instance(spec: Mapping[str, Any], region: str, endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": spec["instanceName"],
        "providerName": spec["providerName"],
        "regionName": region,
        "endpoints": [endpoint],
    }


INTERRUPTED = 128 + signal.SIGINT

FAILURES = (
    UnexpectedError,
    KubectlError,
    ControlPlaneError,
    ServerExitedError,
    TimeoutError,
    subprocess.TimeoutExpired,
    httpx.HTTPError,
    ToolchainError,
    BuildError,
    ProgramsError,
)


def perform(tell: Callable[[Stage], None]) -> int:
    """Tell something on a stage of its own.

    Args:
        tell: What happens; it raises one of `FAILURES` when something happens otherwise.

    Returns:
        0 done; 1 something happened otherwise; 130 interrupted.
    """
    os.chdir(ROOT)
    terminal = Terminal(sys.stdout)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)  # so that everything is cleaned up
    try:
        with Stage(terminal, provide_programs()) as stage:
            try:
                tell(stage)
            except FAILURES:
                terminal.heading("The end of the operator's log")
                terminal.output(stage.last_words() or "(nothing)")
                raise
    except FAILURES as error:
        terminal.bad(f"\nFAILED: {error}")
        return 1
    except KeyboardInterrupt:
        terminal.say("\nStopped; everything is cleaned up.")
        return INTERRUPTED
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
