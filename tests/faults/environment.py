"""What a fault test stands on: a control plane, an Atlas, operators that reach them by ways that can be broken, and times."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from control_plane.process import PATIENCE
from faults.proxy import Proxy
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import new_namespace
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from faults.rules import Fault
    from support.atlas import Atlas, Place
    from support.observed import Recorder
    from support.operator_process import OperatorProcess

KIND = "/serverlessprivateendpoints"
"""What the paths of all resources hold."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How long the long tests take: scaled down in ``make test-all``, true times in ``make soak``.

    Attributes:
        soak: seconds that the soak goes on.
        rate: its edits a second.
        api_away: seconds that the API server is away.
        atlas_away: seconds that Atlas is away.
        interval: seconds between two comparisons of settled resources with it.
        settled: how many there are.
    """

    soak: float = 45.0
    rate: float = 25.0
    api_away: float = 45.0
    atlas_away: float = 12.0
    interval: float = 3.0
    settled: int = 60

    @classmethod
    def of(cls, minutes: float | None) -> Self:
        """Give the scale for a soak of some minutes; of ``None``: for ``make test-all``."""
        if minutes is None:
            return cls()
        return cls(soak=minutes * 60, rate=8.0, api_away=300.0, atlas_away=120.0, interval=30.0, settled=1000)


class StartBehind(Protocol):
    """Starts an operator that reaches the API server through a proxy; gives it and the kubeconfig that it reads."""

    def __call__(self, api: Proxy, *, label: str, atlas_url: str, **settings: Any) -> tuple[OperatorProcess, Path]: ...


@dataclass(frozen=True, slots=True)
class Env:
    """What a test stands on.

    Attributes:
        control_plane: of the worker.
        api: the way to its API server.
        atlas: the worker's simulated Atlas.
        way: the way to it.
        places: all that are free in it; take them by ``place``.
        start_behind: starts operators.
        group: ends all processes.
        made: the namespaces that tests have made.
    """

    control_plane: ControlPlane
    api: Proxy
    atlas: Atlas
    way: Proxy
    places: Iterator[Place]
    start_behind: StartBehind
    group: ServerGroup
    made: list[Resources] = field(default_factory=list)
    taking: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def apart(self) -> Iterator[Env]:
        """Give the same env with ways of its own, for what is not to be met by the faults of others."""
        with Proxy(self.control_plane.url, ca=self.control_plane.ca) as api, Proxy(self.atlas.url) as way:
            yield replace(self, api=api, way=way)

    def place(self) -> Place:
        """Take a place in Atlas that nobody else has; any thread may."""
        with self.taking:
            return next(self.places)

    def start(self, label: str, **settings: Any) -> OperatorProcess:
        """Start an operator that serves what has a label, and reaches all it needs through the proxies."""
        operator, _ = self.start_behind(self.api, label=label, atlas_url=self.way.url, **settings)
        return operator

    def kill_held(self, operator: OperatorProcess, held: Mapping[str, Fault]) -> None:
        """Kill an operator once all writes of these names are held, and let them go."""
        for name, fault in held.items():
            assert fault.happened.wait(PATIENCE), name
        operator.stop(kill=True)
        self.api.heal()
        self.way.heal()

    def resources(self, label: str, *, recorder: Recorder | None = None) -> Resources:
        """Make a namespace with working credentials, whose resources the operator with a label serves."""
        resources = Resources(
            self.control_plane, new_namespace(self.control_plane), {"served-by": label}, recorder=recorder
        )
        self.made.append(resources)
        resources.secret()
        return resources

    def create(self, resources: Resources, name: str, comment: str = "one", **fields: Any) -> Place:
        """Create a resource whose endpoint is as wanted already; give its place."""
        place = self.place()
        self.atlas.connect(place, comment)
        resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment, **fields))
        return place

    def settled(self, resources: Resources, name: str = "orders", **fields: Any) -> Place:
        """Have such a resource be ready."""
        place = self.create(resources, name, **fields)
        resources.wait_ready(name)
        return place


def alive(operator: OperatorProcess) -> None:
    """Check that an operator is the same process as before, and well."""
    operator.server.check()
    assert operator.get("livez").text == "ok"


Case: TypeAlias = "Callable[[Env, Scale], None]"
"""A test but for its name; the ways of its environment are its own."""


class AtOnce:
    """Long cases that mostly wait, under way at the same time, each in a thread of its own.

    Args:
        cases: by name.
        env: what they stand on, each with ways of its own.
        scale: of their times.
    """

    def __init__(self, cases: Mapping[str, Case], env: Env, scale: Scale) -> None:
        def run(case: Case) -> None:
            with env.apart() as own:
                case(own, scale)

        self._pool = ThreadPoolExecutor(max(1, len(cases)), thread_name_prefix="case")
        self._outcomes: dict[str, Future[None]] = {name: self._pool.submit(run, case) for name, case in cases.items()}

    def outcome(self, name: str) -> None:
        """Wait for the end of a case; it raises what the case raised."""
        self._outcomes[name].result()

    def close(self) -> None:
        """Wait until all have ended."""
        self._pool.shutdown(wait=True, cancel_futures=True)
