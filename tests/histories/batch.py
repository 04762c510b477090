"""An operator as a process, with an Atlas of its own and ways to both sides that break, before which histories are played."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from faults.proxy import Proxy
from histories.course import Side
from support.atlas import Atlas, project_id, seed
from support.operator_process import OperatorProcess
from support.rbac import grant

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from control_plane.process import Server
    from faults.environment import Env

TICK = 0.1
"""Seconds between two looks at what is due, and at what Atlas holds."""
INSTANCE = "shop"
KILLED = -9


class Batch:
    """One operator, its Atlas and its ways to both sides; use it as a context manager.

    Args:
        env: with the control plane.
        label: of the resources that the operator serves.
        folder: for logs and the kubeconfig.
        projects: as many as there are histories.

    Attributes:
        atlas: a simulator of its own, since some of its switches are for all projects.
        ways: to both sides.
        kills: how often the operator was killed.
        exits: the statuses with which it has ended by itself.
        reserved_for: by project, the uid of the resource that each endpoint was reserved for.
    """

    def __init__(self, env: Env, label: str, folder: Path, projects: int) -> None:
        self._ground = env
        self.label = label
        self._folder = folder
        self.atlas = Atlas.start(env.group, folder, seed(projects, endpoints=3), transition=1.0)
        control_plane = env.control_plane
        self.ways = {
            Side.API_SERVER: Proxy(control_plane.url, ca=control_plane.ca),
            Side.ATLAS: Proxy(self.atlas.url),
        }
        self.kills = 0
        self.exits: list[int] = []
        self.reserved_for: dict[str, dict[str, str]] = {project_id(number): {} for number in range(projects)}
        self._away = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {label}")

    def __enter__(self) -> Self:
        for way in self.ways.values():
            way.__enter__()
        control_plane, name = self._ground.control_plane, f"operator-{self.label}"
        grant(control_plane, "default", name)
        kubeconfig = self.ways[Side.API_SERVER].kubeconfig(
            control_plane.kubeconfig_for("default", name), self._folder / "kubeconfig"
        )
        self._command = OperatorProcess.command(
            kubeconfig=kubeconfig,
            atlas_url=self.ways[Side.ATLAS].url,
            label_selector=f"served-by={self.label}",
            sync_interval="10s",
            concurrency=16,
        )
        self._server = self._launch()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        self._server.stop(kill=True)
        for way in self.ways.values():
            way.__exit__()
        self.atlas.close()

    def kill(self) -> None:
        """Kill the operator, in whatever it is at."""
        with self._lock:
            if self._server.process.poll() is None:
                self.kills += 1
                self._server.process.kill()
                self._server.process.wait()

    def refuse(self) -> None:
        """Have the API server be away, for this history too."""
        with self._lock:
            self._away += 1
            if self._away == 1:
                self.ways[Side.API_SERVER].refuse()

    def listen(self) -> None:
        """Have the API server be back, as far as this history is concerned."""
        with self._lock:
            self._away -= 1
            if self._away == 0:
                self.ways[Side.API_SERVER].listen()

    def _launch(self) -> Server:
        return self._ground.group.start("operator", self._command, folder=self._folder)

    def _keep(self) -> None:
        """Keep the operator running, and take note of each endpoint that still has the mark of a resource."""
        while not self._over.wait(TICK):
            with self._lock:
                if (status := self._server.process.poll()) is not None:
                    if status != KILLED:
                        self.exits.append(status)
                    self._server = self._launch()
            for each in self.atlas.endpoints():
                mark, _, uid = (each.get("comment") or "").partition("/")
                if mark == "atlas-endpoints.dev":
                    self.reserved_for[each["projectId"]].setdefault(each["_id"], uid)
