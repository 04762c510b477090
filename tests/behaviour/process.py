"""The operator's process on virtual time: the real core, and the watch of the API server in memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from support.cores import core_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.core import Core
    from atlas_endpoints.reconcile.kind import Kind
    from behaviour.api_server import Cluster


class Process:
    """Runs the core of one kind, until it is killed.

    Args:
        cluster: holds the resources.
        delay: returns the seconds that an event takes.
        told: is told of each event when the operator is.
        ended: is told why one of its tasks has ended by itself, which none should.
    """

    core: Core

    def __init__(
        self,
        cluster: Cluster,
        kind: Kind[Any],
        *,
        delay: Callable[[], float] = lambda: 0.0,
        told: Callable[[Body], None] = lambda _: None,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._cluster, self._kind = cluster, kind
        self._delay, self._told, self._ended = delay, told, ended
        self.tasks: list[asyncio.Task[Any]] = []

    def boot(self, **ports: Any) -> None:
        """Start the operator, with these ports of its core."""
        core = self.core = core_of(self._cluster, kind=self._kind, **ports)
        events: asyncio.Queue[tuple[str, Body]] = asyncio.Queue()
        self._cluster.watcher = lambda type_, body: events.put_nowait((type_, body))

        async def watch() -> None:
            while True:
                type_, body = await events.get()
                await asyncio.sleep(self._delay())
                (core.deleted if type_ == "DELETED" else core.seen)(body)
                self._told(body)

        for each in (core.kinds[self._kind.names.kind].relister.keep(), core.work(), watch()):
            task = asyncio.create_task(each)
            task.add_done_callback(self._done)
            self.tasks.append(task)

    def kill(self) -> None:
        """Kill the operator."""
        for task in self.tasks:
            task.cancel()
        self.tasks.clear()
        self._cluster.watcher = None

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            with suppress(asyncio.CancelledError):
                self._ended(f"a task has ended: {task.exception()!r}")
