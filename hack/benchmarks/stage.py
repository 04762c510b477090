"""What the benchmark happens on: a control plane, a stub of Atlas, and one contender at a time."""

from __future__ import annotations

import json
import tempfile
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks import atlas_stub, six_kinds, usage
from benchmarks.api_server import API, ApiServer, each, session, watching
from benchmarks.contenders import ENVIRONMENT, Conditions, Ours, Running
from benchmarks.populations import (
    NAMESPACES,
    PLACES,
    Dedicated,
    Fleet,
    Population,
    Resource,
    Serverless,
    secret,
    selector,
    status_of,
    world,
)
from control_plane import ControlPlane
from control_plane.process import ServerGroup, wait_until
from support import audit
from support.atlas import Atlas
from support.rbac import service_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    import httpx

    from benchmarks.api_server import Watcher
    from benchmarks.contenders import Contender, GoPrograms
    from control_plane import Programs

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT / "crds"
KINDS = (Serverless, Dedicated)
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
        atlas: The stub.
    """

    def __init__(
        self,
        *,
        control_plane: ControlPlane,
        group: ServerGroup,
        api_session: aiohttp.ClientSession,
        atlas: atlas_stub.AtlasStub,
        http: aiohttp.ClientSession,
        ours: Ours,
    ) -> None:
        self._control_plane = control_plane
        self._group = group
        self._http = http
        self._api_session = api_session
        self._kubeconfigs: dict[str, Path] = {}
        self._settled: dict[str, Population] = {}
        self._settled_statuses: dict[Fleet, tuple[Resource, str]] = {}
        self._apis: dict[type[Resource], ApiServer] = {each: ApiServer(api_session, each.plural) for each in KINDS}
        self.ours = ours
        self.atlas = atlas

    def api(self, kind: type[Resource]) -> ApiServer:
        """Return the resources of a kind."""
        return self._apis[kind]

    def objects(self, plural: str) -> ApiServer:
        """Return the resources of a kind that no fleet has."""
        return ApiServer(self._api_session, plural)

    @contextmanager
    def simulated(self, seed: dict[str, Any]) -> Iterator[Atlas]:
        """Run the simulator, which knows all families, beside the stub."""
        with tempfile.TemporaryDirectory(dir=self._control_plane.directory) as folder:
            atlas = Atlas.start(self._group, Path(folder), seed)
            try:
                yield atlas
            finally:
                atlas.close()

    def kubernetes_writes(self, running: Running, since: audit.Mark) -> int:
        """Count the writes of a contender to Kubernetes since a `moment`, Events apart: the peer tells of nothing by them."""
        writes = audit.writes(self._control_plane, running.user, since=since)
        return sum(each.resource != "events" for each in writes)

    def moment(self) -> audit.Mark:
        """Return this moment in the API server's audit log."""
        return audit.mark(self._control_plane)

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
        atlas_url: str | None = None,
        labels: str | None = None,
    ) -> AsyncIterator[Running]:
        """Run a contender over these populations, and nothing else beside it.

        Args:
            contender: Which.
            populations: What it serves.
            workers: How many resources it works on at once.
            sync_interval: Seconds.
            atlas_url: Of another Atlas than the stub.
            labels: Of resources that are no population.
        """
        account = contender.name if contender.name in ACCOUNTS else "peer"
        launch = contender.launch(
            Conditions(
                kubeconfig=self._kubeconfig(account),
                atlas_url=atlas_url or self.atlas.url,
                selector=labels or selector(populations),
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
        fleet: Fleet,
        measured: Population | None = None,
        *,
        background: Sequence[Population] = (),
        workers: int = WORKERS,
        sync_interval: float = SYNC_INTERVAL,
    ) -> AsyncIterator[tuple[Running, Watcher]]:
        """Run a contender that has been at work for a while: it has used its credentials, and knows each instance.

        Args:
            contender: Which.
            fleet: What warms it up.
            measured: A population that is created later.
            background: Populations that are at rest.
            workers: How many resources it works on at once.
            sync_interval: Seconds.
        """
        watched = [warm_of(fleet), *([measured] if measured else [])]
        # Resources whose status comes from the other contender would give this one something to do.
        await self.remove(watched)
        await self.replace_world(background, to_create=watched)
        async with (
            self.running(contender, [*watched, *background], workers=workers, sync_interval=sync_interval) as running,
            watching(self.api(fleet.kind), selector(watched)) as watcher,
        ):
            await running.ready()
            for change in (self.create, self.edit):
                await self._warm_up(watcher, fleet, change)
            yield running, watcher
        await self.remove(watched)

    async def _warm_up(
        self, watcher: Watcher, fleet: Fleet, change: Callable[[Resource, str], Awaitable[tuple[int, float]]]
    ) -> None:
        async def act(resource: Resource) -> None:
            generation, _ = await change(resource, change.__name__)
            await watcher.rested(resource.name, generation, timeout=REST_TIMEOUT)

        await each(warm_of(fleet), act, at_once=WARM_UP_AT_ONCE)

    async def replace_world(self, settled: Sequence[Population], *, to_create: Sequence[Population] = ()) -> None:
        """Have the stub hold what these resources want when they are at rest, and what others need to get there."""
        await self.atlas.replace_world(world(settled, to_create, SETTLED))

    async def remove(self, populations: Sequence[Population]) -> None:
        """Delete resources, if there are any; without finalizers they are gone at once."""
        for kind in {population.fleet.kind for population in populations}:
            await self.api(kind).delete_all(NAMESPACES, selector(populations))

    async def create(self, resource: Resource, words: str) -> tuple[int, float]:
        """Create a resource; give its generation and the moment at which the API server had accepted it."""
        body, accepted = await self.api(type(resource)).create(resource.manifest(words))
        return body["metadata"]["generation"], accepted

    async def edit(self, resource: Resource, words: str) -> tuple[int, float]:
        """Edit a resource; give its generation and the moment at which the API server had accepted it."""
        body, accepted = await self.api(type(resource)).edit(resource.namespace, resource.name, resource.edit(words))
        return body["metadata"]["generation"], accepted

    async def settle(self, fleet: Fleet, sizes: Sequence[int]) -> list[Population]:
        """Have populations at rest, made without an operator where they are not there yet.

        Their status is that of a resource which ours has brought to rest. The peer finds nothing to change in it: it
        uses a part of it, in the same words.

        Args:
            fleet: What they are.
            sizes: Of all populations together: of the first, of the first two and so on.
        """
        populations, first = [], warm_of(fleet).after
        for size in sizes:
            population = fleet.population(f"settled-{size}", size + warm_of(fleet).after - first, first)
            if self._settled.get(population.name) != population:
                await self._create_settled(population)
                self._settled[population.name] = population
            populations.append(population)
            first = population.after
        return populations

    async def _create_settled(self, population: Population) -> None:
        fleet = population.fleet
        if fleet not in self._settled_statuses:
            self._settled_statuses[fleet] = await self._bring_one_to_rest(fleet)
        (sample, status), api = self._settled_statuses[fleet], self.api(fleet.kind)

        async def create(resource: Resource) -> None:
            body, _ = await api.create(resource.manifest(SETTLED))
            await api.replace_status(body, json.loads(status_of(sample, status, resource)))

        await each(population, create)

    async def _bring_one_to_rest(self, fleet: Fleet) -> tuple[Resource, str]:
        population, api = measured_of(fleet, "sample", 1), self.api(fleet.kind)
        (sample,) = population
        await self.replace_world([], to_create=[population])
        async with (
            self.running(self.ours, [population]) as running,
            watching(api, selector([population])) as watcher,
        ):
            await running.ready()
            await api.create(sample.manifest(SETTLED))
            await watcher.rested(sample.name, 1, timeout=REST_TIMEOUT)
        status = json.dumps((await api.get(sample.namespace, sample.name))["status"])
        await self.remove([population])
        return sample, status

    def _kubeconfig(self, account: str) -> Path:
        if account not in self._kubeconfigs:
            self._kubeconfigs[account] = self._control_plane.kubeconfig_for(NAMESPACE, account)
        return self._kubeconfigs[account]


def warm_of(fleet: Fleet) -> Population:
    """Return the resources that warm a contender up, each in another place."""
    return fleet.population("warm", PLACES)


def measured_of(fleet: Fleet, name: str, size: int) -> Population:
    """Return a population that is measured, beside the one that warms up."""
    return fleet.population(name, size, warm_of(fleet).after)


@asynccontextmanager
async def staged(programs: Programs, go_programs: GoPrograms, fleets: Iterable[Fleet]) -> AsyncIterator[Stage]:
    """Set everything up that these resources need, and take it down at the end."""
    group = ServerGroup(detached=False)
    try:
        with tempfile.TemporaryDirectory(prefix="atlas-endpoints-benchmark-") as folder:
            control_plane = ControlPlane(programs, directory=Path(folder) / "control-plane", audit_log=True)
            with control_plane:
                _install(control_plane, fleets)
                url = atlas_stub.launch(group, go_programs.stub, control_plane.directory)
                async with (
                    session(control_plane.url, control_plane.admin_token, control_plane.ca) as api_session,
                    aiohttp.ClientSession() as http,
                ):
                    yield Stage(
                        control_plane=control_plane,
                        group=group,
                        api_session=api_session,
                        atlas=atlas_stub.AtlasStub(http, url),
                        http=http,
                        ours=Ours(ENVIRONMENT / "bin" / "atlas-endpoints"),
                    )
    finally:
        group.close()


def _install(control_plane: ControlPlane, fleets: Iterable[Fleet]) -> None:
    """Install the CRDs, the namespaces, the accounts with the shipped rights, and the tenants' credentials."""
    control_plane.kubectl("apply", "--server-side", f"--filename={CRDS}")
    control_plane.kubectl("create", "namespace", NAMESPACE)
    for account in ACCOUNTS:
        control_plane.kubectl("apply", "--filename=-", stdin=service_account(NAMESPACE, account))
    for namespace in NAMESPACES:
        control_plane.kubectl("create", "namespace", namespace)
    secrets = [secret(*place) for place in sorted({place for fleet in fleets for place in fleet.secrets()})]
    manifests = {"apiVersion": "v1", "kind": "List", "items": secrets}
    control_plane.kubectl("create", "--filename=-", stdin=json.dumps(manifests))
    control_plane.wait_for_crds()
    with control_plane.client() as client:
        for url in (f"{API}/{kind.plural}" for kind in six_kinds.KINDS):
            wait_until(partial(_is_listed, client, url), "the API server to list the kinds", timeout=30)


def _is_listed(client: httpx.Client, url: str) -> bool:
    return client.get(url).is_success
