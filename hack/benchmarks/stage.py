"""What the benchmark happens on: a control plane, a stub of Atlas, and one contender at a time."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from benchmarks import atlas_stub, usage
from benchmarks.api_server import API, PLURAL, ApiServer, each, session, watching
from benchmarks.contenders import Conditions, Ours, Running
from benchmarks.populations import INSTANCES, NAMESPACES, Population, Resource, secret, selector, status_of, world
from control_plane import ControlPlane
from control_plane.process import ServerGroup, wait_until
from support import audit
from support.rbac import service_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from benchmarks.api_server import Watcher
    from benchmarks.contenders import Contender, GoPrograms
    from control_plane import Programs

ROOT = Path(__file__).resolve().parents[2]
CRD = ROOT / "crds" / "atlas-endpoints.dev_serverlessprivateendpoints.yaml"
OURS_PROGRAM = Path(sys.executable).with_name("atlas-endpoints")
NAMESPACE = "benchmark"
"""Where the contenders' accounts and Leases are."""
ACCOUNTS = ("ours", "peer")
"""The contenders' ServiceAccounts."""
SETTLED = "settled"
"""The comment of all endpoints and resources that are at rest from the beginning."""
WORKERS = 16
SYNC_INTERVAL = 600.0
WARM_UP_AT_ONCE = 4
REST_TIMEOUT = 120.0
"""Seconds until a change has to have come to rest."""


class Stage:
    """Everything that runs.

    Attributes:
        ours: The contender whose statuses settled resources have.
        api: The resources.
        atlas: The stub.
        tenants: How many pairs of credentials share the resources.
    """

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        group: ServerGroup,
        api: ApiServer,
        atlas: atlas_stub.AtlasStub,
        http: aiohttp.ClientSession,
        ours: Contender,
        tenants: int,
    ) -> None:
        self._control_plane = control_plane
        self._group = group
        self._http = http
        self._kubeconfigs: dict[str, Path] = {}
        self._settled: dict[str, Population] = {}
        self._settled_status: tuple[Resource, str] | None = None
        self.ours = ours
        self.api = api
        self.atlas = atlas
        self.tenants = tenants

    @property
    def warm(self) -> Population:
        """The resources that warm a contender up: one for each instance."""
        return Population("warm", INSTANCES, tenants=self.tenants)

    def population(self, name: str, size: int) -> Population:
        """Return a population that is measured, beside the one that warms up."""
        return Population(name, size, self.warm.after, self.tenants)

    def kubernetes_writes(self, running: Running, since: int) -> int:
        """Count the writes of a contender to Kubernetes since a `moment`, Events apart: the peer tells of nothing by them."""
        writes = audit.writes(self._control_plane, running.user, since=since)
        return sum(each.resource != "events" for each in writes)

    def moment(self) -> int:
        """Return the present end of the API server's audit log."""
        return audit.length(self._control_plane)

    def control_plane_cpu_seconds(self) -> float:
        """Return how much processor time the control plane has used."""
        return sum(usage.cpu_seconds(pid) for pid in self._control_plane.pids.values())

    @asynccontextmanager
    async def running(
        self,
        contender: Contender,
        populations: Sequence[Population],
        *,
        workers: int = WORKERS,
        sync_interval: float = SYNC_INTERVAL,
    ) -> AsyncIterator[Running]:
        """Run a contender over these populations, and nothing else beside it."""
        account = contender.name if contender.name in ACCOUNTS else "peer"
        launch = contender.launch(
            Conditions(
                kubeconfig=self._kubeconfig(account),
                atlas_url=self.atlas.url,
                selector=selector(populations),
                workers=workers,
                sync_interval=sync_interval,
            )
        )
        settings = [f"{name}={value}" for name, value in launch.environment.items()]
        server = self._group.start(
            f"contender-{account}", ["/usr/bin/env", *settings, *launch.command], folder=self._control_plane.directory
        )
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        running = Running(server, launch, self._http, user=user)
        try:
            yield running
        finally:
            await running.stop()

    @asynccontextmanager
    async def at_work(
        self,
        contender: Contender,
        measured: Population | None = None,
        *,
        background: Sequence[Population] = (),
        workers: int = WORKERS,
        sync_interval: float = SYNC_INTERVAL,
    ) -> AsyncIterator[tuple[Running, Watcher]]:
        """Run a contender that has been at work for a while: it has used its credentials, and knows each instance.

        Args:
            contender: Which.
            measured: A population that is created later.
            background: Populations that are at rest.
            workers: How many resources it works on at once.
            sync_interval: Seconds.
        """
        watched = [self.warm, *([measured] if measured else [])]
        # Resources whose status comes from the other contender would give this one something to do.
        await self.remove(watched)
        await self.replace_world([*watched, *background])
        async with (
            self.running(contender, [*watched, *background], workers=workers, sync_interval=sync_interval) as running,
            watching(self.api, selector(watched)) as watcher,
        ):
            await running.ready()
            for change in (self.create, self.edit):
                await self._warm_up(watcher, change)
            yield running, watcher
        await self.remove(watched)

    async def _warm_up(self, watcher: Watcher, change: Callable[[Resource, str], Awaitable[tuple[int, float]]]) -> None:
        async def act(resource: Resource) -> None:
            generation, _ = await change(resource, change.__name__)
            await watcher.rested(resource.name, generation, timeout=REST_TIMEOUT)

        await each(self.warm, act, at_once=WARM_UP_AT_ONCE)

    async def replace_world(self, populations: Sequence[Population]) -> None:
        """Have the stub hold what these resources want when they are at rest."""
        await self.atlas.replace_world(world(populations, SETTLED))

    async def remove(self, populations: Sequence[Population]) -> None:
        """Delete resources, if there are any; without finalizers they are gone at once."""
        await self.api.delete_all(NAMESPACES, selector(populations))

    async def create(self, resource: Resource, comment: str) -> tuple[int, float]:
        """Create a resource; give its generation and the moment at which the API server had accepted it."""
        body, accepted = await self.api.create(resource.manifest(comment))
        return body["metadata"]["generation"], accepted

    async def edit(self, resource: Resource, comment: str) -> tuple[int, float]:
        """Change a resource's comment; give its generation and the moment at which the API server had accepted it."""
        body, accepted = await self.api.edit(resource.namespace, resource.name, {"comment": comment})
        return body["metadata"]["generation"], accepted

    async def settle(self, sizes: Sequence[int]) -> list[Population]:
        """Have populations at rest, made without an operator where they are not there yet.

        Their status is that of a resource which ours has brought to rest. The peer finds nothing to change in it: it
        uses a part of it, in the same words.

        Args:
            sizes: Of all populations together: of the first, of the first two and so on.
        """
        populations, first = [], self.warm.after
        for size in sizes:
            population = Population(f"settled-{size}", size + self.warm.after - first, first, self.tenants)
            if self._settled.get(population.name) != population:
                await self._create_settled(population)
                self._settled[population.name] = population
            populations.append(population)
            first = population.after
        return populations

    async def _create_settled(self, population: Population) -> None:
        if self._settled_status is None:
            self._settled_status = await self._bring_one_to_rest()
        sample, status = self._settled_status

        async def create(resource: Resource) -> None:
            body, _ = await self.api.create(resource.manifest(SETTLED))
            await self.api.replace_status(body, json.loads(status_of(sample, status, resource)))

        await each(population, create)

    async def _bring_one_to_rest(self) -> tuple[Resource, str]:
        population = self.population("sample", 1)
        (sample,) = population
        await self.replace_world([population])
        async with (
            self.running(self.ours, [population]) as running,
            watching(self.api, selector([population])) as watcher,
        ):
            await running.ready()
            await self.api.create(sample.manifest(SETTLED))
            await watcher.rested(sample.name, 1, timeout=REST_TIMEOUT)
        status = json.dumps((await self.api.get(sample.namespace, sample.name))["status"])
        await self.remove([population])
        return sample, status

    def _kubeconfig(self, account: str) -> Path:
        if account not in self._kubeconfigs:
            self._kubeconfigs[account] = self._control_plane.kubeconfig_for(NAMESPACE, account)
        return self._kubeconfigs[account]


@asynccontextmanager
async def staged(programs: Programs, go_programs: GoPrograms, *, tenants: int) -> AsyncIterator[Stage]:
    """Set everything up, and take it down at the end."""
    group = ServerGroup(detached=False)
    try:
        with tempfile.TemporaryDirectory(prefix="atlas-endpoints-benchmark-") as folder:
            control_plane = ControlPlane(programs, directory=Path(folder) / "control-plane", audit_log=True)
            with control_plane:
                _install(control_plane, tenants)
                url = atlas_stub.launch(group, go_programs.stub, control_plane.directory)
                async with (
                    session(control_plane.url, control_plane.admin_token, control_plane.ca) as api_session,
                    aiohttp.ClientSession() as http,
                ):
                    yield Stage(
                        control_plane=control_plane,
                        group=group,
                        api=ApiServer(api_session),
                        atlas=atlas_stub.AtlasStub(http, url),
                        http=http,
                        ours=Ours(OURS_PROGRAM),
                        tenants=tenants,
                    )
    finally:
        group.close()


def _install(control_plane: ControlPlane, tenants: int) -> None:
    """Install the CRD, the namespaces, the accounts with the shipped rights, and the tenants' credentials everywhere."""
    control_plane.kubectl("apply", "--server-side", f"--filename={CRD}")
    control_plane.kubectl("create", "namespace", NAMESPACE)
    for account in ACCOUNTS:
        control_plane.kubectl("apply", "--filename=-", stdin=service_account(NAMESPACE, account))
    for namespace in NAMESPACES:
        control_plane.kubectl("create", "namespace", namespace)
        secrets = {"apiVersion": "v1", "kind": "List", "items": [secret(namespace, each) for each in range(tenants)]}
        control_plane.kubectl("create", "--filename=-", stdin=json.dumps(secrets))
    control_plane.wait_for_crds()
    with control_plane.client() as client:
        wait_until(lambda: client.get(f"{API}/{PLURAL}").is_success, "the API server to list the kind", timeout=30)
