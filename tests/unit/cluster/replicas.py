"""Several replicas that compete for one Lease: each on a host of its own, with its own time, in one deterministic harness.

A host may sleep, be stopped, crash, or have a clock that runs too fast; its network may lose or delay what it likes. Every
host runs on an event loop of its own, so that one of them can stand still while the others go on.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Literal, NoReturn, TypeAlias, TypeVar

from typing_extensions import override

from atlas_endpoints.cluster.election import Elector, Terms
from atlas_endpoints.cluster.errors import ClusterUnavailableError, LeadershipLostError, LeaseConflictError
from atlas_endpoints.cluster.lease import Lease, LeaseApi, Record
from support.virtual_time import VirtualTimeLoop

T = TypeVar("T")

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)

Loss: TypeAlias = Literal["", "request", "answer", "connection", "connection after"]
"""What becomes of a call: nothing bad; no trace of the request, or of the answer, ever; an error, before or after it was
applied."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How one call fares.

    Attributes:
        there: seconds until the API server has it.
        back: seconds until the answer is here.
        loss: what goes wrong.
    """

    there: float = 0.01
    back: float = 0.01
    loss: Loss = ""


class LeaseServer:
    """The API server with its one Lease."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.refusal: Exception | None = None
        self.holders: list[str] = []
        """Everybody who has held the Lease, in order."""
        self._version = 100

    def read(self) -> Lease | None:
        self._check()
        return self.lease

    def create(self, record: Record) -> Lease:
        self._check()
        if self.lease is not None:
            raise LeaseConflictError
        return self.put(record)

    def replace(self, lease: Lease, record: Record) -> Lease:
        self._check()
        if self.lease is None or self.lease.version != lease.version:
            raise LeaseConflictError
        if self.lease.record == record:
            return self.lease  # a write that changes nothing is none
        return self.put(record)

    def put(self, record: Record) -> Lease:
        """Write the Lease, as anybody with the rights may."""
        self._version += 1
        self.lease = Lease(str(self._version), record)
        if record.holder and self.holders[-1:] != [record.holder]:
            self.holders.append(record.holder)
        return self.lease

    def touch(self) -> None:
        if self.lease is not None:
            self.put(self.lease.record)

    def delete(self) -> None:
        self.lease = None

    def _check(self) -> None:
        if self.refusal is not None:
            raise self.refusal


@dataclass
class Harness:
    """The hosts, the API server, and the time.

    Attributes:
        step: seconds in which the hosts run one after the other.
        time: seconds since the beginning, of which no host knows.
        starts_from: when hosts may start replicas again by themselves.
    """

    terms: Terms = Terms(45.0)  # noqa: RUF009  # it is frozen
    step: float = 0.25
    time: float = 0.0
    starts_from: float = 0.0
    server: LeaseServer = field(default_factory=LeaseServer)
    hosts: dict[str, "Host"] = field(default_factory=dict)
    _post: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def host(self, name: str, **facts: Any) -> "Host":
        self.hosts[name] = host = Host(self, name, **facts)
        host.start()
        return host

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._post, (self.time + seconds, next(self._numbers), act))

    def run_for(self, seconds: float, *, watch: Callable[[], None] = lambda: None) -> None:
        """Let time pass, and call ``watch`` after each step."""
        end = self.time + seconds
        while self.time < end - self.step / 2:
            for host in self.hosts.values():
                host.step()
            self.time += self.step
            while self._post and self._post[0][0] <= self.time:
                heapq.heappop(self._post)[2]()
            watch()

    def run_until(self, condition: Callable[[], bool], *, within: float) -> float:
        """Let time pass until something is so, and tell how long that took."""
        started = self.time
        while not condition():
            assert self.time - started < within, f"in vain for {within} s"
            self.run_for(self.step)
        return self.time - started

    def leaders(self) -> list[str]:
        return [name for name, host in self.hosts.items() if host.leads()]

    def close(self) -> None:
        for host in self.hosts.values():
            host.close()


class Host:
    """A host with one replica, which is started anew whenever it ends, as a kubelet does it.

    Args:
        rate: seconds that its clocks count in one of the harness.
        wall: what its wall clock shows at the beginning.
        passage: how a call fares; by default, well.
    """

    def __init__(
        self,
        harness: Harness,
        name: str,
        *,
        rate: float = 1.0,
        wall: datetime = NOON,
        passage: Callable[[], Passage] = Passage,
    ) -> None:
        self.harness = harness
        self.name = name
        self.rate = rate
        self.wall = wall
        self.passage = passage
        self.runs = True
        self.losses: list[str] = []
        """What its replicas have said when they lost the Lease."""
        self.lives = 0
        self.restarts = False
        """Whether the host is about to start a replica, since the last one has ended by itself."""
        self._loop = VirtualTimeLoop()
        self._step_began = 0.0
        self._slept = 0.0
        self._task: asyncio.Task[NoReturn] | None = None
        self.elector: Elector
        self.network: Network

    def start(self) -> None:
        self.lives += 1
        self.restarts = False
        self.network = Network(self)
        self.elector = Elector(
            self.network,
            own=f"{self.name}_{self.lives}",
            terms=self.harness.terms,
            clock=self.clock,
            now=self._now,
            random=Random(self.lives),  # noqa: S311  # jitter
        )
        self._task = self._loop.create_task(self.elector.run())

    def step(self) -> None:
        """Run for one step of the time of the harness."""
        self._step_began = self._loop.time()
        if not self.runs:
            self._slept += self.harness.step
            return
        self._loop.run_for(self.harness.step)
        self._step_began = self._loop.time()
        if self._task is not None and self._task.done():
            self.losses.append(str(self._task.exception()))
            assert isinstance(self._task.exception(), LeadershipLostError)
            self._task = None
            self.restarts = True
        if self.restarts and self.harness.time >= self.harness.starts_from:
            self.start()

    def clock(self) -> float:
        """Show what ``boottime`` shows: it goes on, whether this host runs or not."""
        return 1000.0 + self.rate * (self.harness.time + self._loop.time() - self._step_began)

    def leads(self) -> bool:
        return self._task is not None and self.elector.leads()

    def freeze(self) -> None:
        self.runs, self._slept = False, 0.0

    def resume(self, *, asleep: bool) -> None:
        """Let it go on: after sleep its timers have stood still, after a stop they are all late."""
        if not self.runs and not asleep:
            self._loop.skip(self._slept)
        self.runs = True

    def stop(self) -> None:
        """End the replica as SIGTERM does: it lets go of the Lease."""
        elector = self.elector
        self.crash()
        self._releasing = self._loop.create_task(elector.release())

    @property
    def alive(self) -> bool:
        return self._task is not None

    def close(self) -> None:
        self.crash()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_for(0)
        self._loop.close()

    def crash(self) -> None:
        """Kill the replica; the host starts none again by itself."""
        if self._task is not None:
            self._task.cancel()
            self._loop.run_for(0)
            self._task = None

    def _now(self) -> datetime:
        return self.wall + timedelta(seconds=self.clock())


class Network(LeaseApi):
    """What lies between a replica and the API server.

    Attributes:
        shows_a_lease: whether the last answer was a Lease.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._harness = host.harness
        self.shows_a_lease = False

    @override
    def __str__(self) -> str:
        return "ours/atlas-endpoints"

    @override
    async def read(self) -> Lease | None:
        lease = await self._call(self._harness.server.read)
        self.shows_a_lease = lease is not None
        return lease

    @override
    async def create(self, record: Record) -> Lease:
        lease = await self._call(lambda: self._harness.server.create(record))
        self.shows_a_lease = True
        return lease

    @override
    async def replace(self, lease: Lease, record: Record) -> Lease:
        return await self._call(lambda: self._harness.server.replace(lease, record))

    async def _call(self, act: Callable[[], T]) -> T:
        passage = self._host.passage()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            if passage.loss == "connection":
                outcome: T | Exception = ClusterUnavailableError("The connection broke off.")
            else:
                try:
                    outcome = act()
                except Exception as error:  # noqa: BLE001  # it is the answer
                    outcome = error
                if passage.loss == "connection after":
                    outcome = ClusterUnavailableError("The connection broke off.")
            if passage.loss != "answer":
                self._harness.later(passage.back, lambda: deliver(outcome))

        def deliver(outcome: T | Exception) -> None:
            if answer.done():
                return  # nobody waits for it any more
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

        if passage.loss != "request":
            self._harness.later(passage.there, arrive)
        return await answer


def held_by(harness: Harness, holder: str, **facts: Any) -> Lease:
    """Have somebody hold the Lease who is none of the hosts."""
    record = Record(holder, int(harness.terms.lease), "", "", 0)
    return harness.server.put(record._replace(**facts))
