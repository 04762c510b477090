"""How ours and the peer are built and started, and what a running one tells."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import aiohttp

from benchmarks import usage
from benchmarks.results import OURS, PEER
from control_plane.go_build import CACHE, GoModule, ensure_built
from control_plane.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from benchmarks.usage import Memory
    from control_plane.process import Server

OPERATOR = Path(__file__).resolve().parents[2] / "operator"
"""The operator of this very checkout, also where several share one environment."""
ENVIRONMENT = CACHE / "benchmark" / "environment"
"""As users have it: without what development needs, on an interpreter that is optimised as the image's is."""
START_TIMEOUT = 120.0
"""Seconds until a contender has to know all resources."""
POLL = 0.02
"""Seconds between two questions to a contender that starts."""
READ_EVERY = 1.0
"""Seconds between two readings of its metrics: with 20,000 resources, ours takes a third of a second of processor time for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under which conditions a contender runs.

    Attributes:
        kubeconfig: Whom it is.
        atlas_url: Its Atlas.
        selector: The labels of its resources.
        workers: How many resources it works on at once.
        sync_interval: Seconds after which it compares settled resources with Atlas again.
    """

    kubeconfig: Path
    atlas_url: str
    selector: str
    workers: int
    sync_interval: float


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line, the settings in its environment, and where it will serve what.

    Attributes:
        metric: The counter of its reconciles of resources.
    """

    command: list[str]
    environment: dict[str, str]
    ready_url: str
    metrics_url: str
    metric: str


class Contender(Protocol):
    """An operator that can be started."""

    @property
    def name(self) -> str: ...

    def launch(self, conditions: Conditions) -> Launch: ...


@dataclass(frozen=True, slots=True)
class Ours:
    """atlas-endpoints.

    Attributes:
        counts: The file for callgrind's counts of its instructions; None: it runs as users run it.
    """

    program: Path
    name: str = OURS
    counts: Path | None = None

    def launch(self, conditions: Conditions) -> Launch:
        address = f"127.0.0.1:{free_port()}"
        flags = {
            "atlas-url": conditions.atlas_url,
            "label-selector": conditions.selector,
            "sync-interval": f"{conditions.sync_interval:g}s",
            "concurrency": conditions.workers,
            "http-address": address,
            "leader-elect": "false",  # the peer has no rival either, and a killed one leaves no Lease to wait for
        }
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.counts}"]
        prefix = [*callgrind, str(self.program.with_name("python"))] if self.counts else []
        return Launch(
            command=[*prefix, str(self.program), "run", *(f"--{name}={value}" for name, value in flags.items())],
            environment={"KUBECONFIG": str(conditions.kubeconfig), "PYTHONPATH": str(OPERATOR)},
            ready_url=f"http://{address}/readyz",
            metrics_url=f"http://{address}/metrics",
            metric="atlas_endpoints_reconcile_total",
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """The operator in Go."""

    program: Path
    name: str = PEER

    def launch(self, conditions: Conditions) -> Launch:
        metrics, probes = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        flags = {
            "atlas-url": conditions.atlas_url,
            "label-selector": conditions.selector,
            "sync-interval": f"{conditions.sync_interval:g}s",
            "max-concurrent-reconciles": conditions.workers,
            "metrics-bind-address": metrics,
            "health-probe-bind-address": probes,
        }
        return Launch(
            command=[str(self.program), *(f"--{name}={value}" for name, value in flags.items())],
            environment={"KUBECONFIG": str(conditions.kubeconfig), "ATLAS_TOKEN": "for-the-benchmark"},
            ready_url=f"http://{probes}/readyz",
            metrics_url=f"http://{metrics}/metrics",
            metric="controller_runtime_reconcile_total",
        )


class Running:
    """A running contender.

    Attributes:
        user: Its name at the API server.
        started: The moment (`time.time`) at which it was started.
    """

    def __init__(self, server: Server, launch: Launch, http: aiohttp.ClientSession, *, user: str) -> None:
        self._server = server
        self._launch = launch
        self._http = http
        self.user = user
        self.started = time.time()

    async def ready(self) -> float:
        """Wait until it knows all resources, and give the seconds from its start."""
        while not await self._is_ready():
            self._check(START_TIMEOUT, "to be ready")
            await asyncio.sleep(POLL)
        return time.time() - self.started

    async def passes(self, count: int, *, timeout: float) -> float:  # noqa: ASYNC109  the loop has to look at the process
        """Wait until it has made so many reconciles of resources since its start, and give the seconds from its start."""
        while await self.passes_made() < count:
            self._check(timeout, f"to have made {count} passes")
            await asyncio.sleep(READ_EVERY)
        return time.time() - self.started

    async def passes_made(self) -> float:
        """Return how many reconciles of resources it has made."""
        async with self._http.get(self._launch.metrics_url) as answer:
            return total(await answer.text(), self._launch.metric)

    def cpu_seconds(self) -> float:
        return usage.cpu_seconds(self._server.process.pid)

    def memory(self) -> Memory:
        return usage.memory(self._server.process.pid)

    async def instructions(self, work: Awaitable[object], counts: Path) -> dict[str, int]:
        """Return how many instructions each layer executes while work is done; callgrind counts them into this file."""
        await self._callgrind("--instr=on")
        await work
        await self._callgrind("--dump")
        await self._callgrind("--instr=off")
        return counted_in(counts.with_name(f"{counts.name}.1").read_text(encoding="utf-8"))

    async def _callgrind(self, order: str) -> None:
        command = ["callgrind_control", order, str(self._server.process.pid)]
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.stop, kill=False)

    async def _is_ready(self) -> bool:
        try:
            async with self._http.get(self._launch.ready_url) as answer:
                return answer.ok
        except aiohttp.ClientConnectionError:
            return False

    def _check(self, timeout: float, what: str) -> None:
        self._server.check()
        if time.time() - self.started > timeout:
            raise TimeoutError(f"waited {timeout:.0f} s in vain for {self._server.name} {what}; see {self._server.log}")


LAYERS = {
    "pydantic": ("_pydantic_core",),
    "tls": ("/libssl", "/libcrypto", "/_ssl."),
    "c_library": ("/libc.", "/libc-", "/ld-linux"),
    "http": ("/uvloop/", "/aiohttp/", "/multidict/", "/yarl/", "/frozenlist/", "/propcache/", "/orjson/"),
    "python": ("/python",),  # the last one, since libraries lie below it
}
"""Of which programs and libraries each layer is; ``other`` has the rest."""


def counted_in(callgrind: str) -> dict[str, int]:
    """Return the instructions in callgrind's dump by layer, and of all.

    A line of costs is ``<position> <instructions>``; the one after ``calls=`` repeats what the called function has. A name has
    a number, and stands beside it only the first time, which may be where one is called from it (``cob=``).
    """
    objects: dict[str, str] = {}
    counts = dict.fromkeys([*LAYERS, "other", "all"], 0)
    layer, inclusive = "other", False
    for line in callgrind.splitlines():
        if line.startswith(("ob=", "cob=")):
            kind, _, named = line.partition("=")
            number, _, path = named.partition(" ")
            path = objects.setdefault(number, path)
            if kind == "cob":
                continue
            layer = next((name for name, parts in LAYERS.items() if any(part in path for part in parts)), "other")
        elif line.startswith("calls="):
            inclusive = True
        elif line[:1] in set("0123456789+-*") and (costs := line.split()[1:]):
            if not inclusive:
                counts[layer] += int(costs[0])
                counts["all"] += int(costs[0])
            inclusive = False
    return counts


def total(exposition: str, name: str) -> float:
    """Sum up a metric over all its series; 0 when there is none."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in exposition.splitlines()
        if line.startswith(name) and line[len(name) : len(name) + 1] in {"{", " "}
    )


MODULE = Path(__file__).resolve().parent / "peer"
PACKAGES = {"peer": "./cmd/peer", "stub": "./cmd/stub"}


@dataclass(frozen=True, slots=True)
class GoPrograms:
    """The executables."""

    peer: Path
    stub: Path


def provide_go_programs(target: Path = CACHE / "benchmark" / "bin") -> GoPrograms:
    """Build the programs, unless they are there and up to date."""
    module = GoModule(
        title="the benchmark's peer and stub",
        folder=MODULE,
        programs=PACKAGES,
        links={},
        flags=["-ldflags", "-s -w"],
        patience="2 to 4 minutes on 2 cores",
    )
    folder = ensure_built(module, target)
    return GoPrograms(peer=folder / "peer", stub=folder / "stub")


def controller_runtime_version(go_mod: str) -> str:
    """Read which controller-runtime the peer is made of from the text of its go.mod."""
    found = re.search(r"^\s*sigs\.k8s\.io/controller-runtime (v\S+)$", go_mod, re.MULTILINE)
    return found[1] if found else "unknown"
