"""What a fault test stands on: a control plane, an Atlas, and operators that reach them by ways that can be broken."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from faults.proxy import Proxy
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.observed import Recorder
    from support.operator_process import OperatorProcess


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

    def resources(self, label: str, *, recorder: Recorder | None = None) -> Resources:
        """Make a namespace with working credentials, whose resources the operator with a label serves."""
        with self.control_plane.client() as http:
            answer = http.post("/api/v1/namespaces", json={"metadata": {"generateName": "faults-"}})
        name = str(answer.raise_for_status().json()["metadata"]["name"])
        resources = Resources(self.control_plane, name, {"served-by": label}, recorder=recorder)
        self.made.append(resources)
        resources.secret()
        return resources
