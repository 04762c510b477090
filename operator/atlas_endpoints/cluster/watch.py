"""kopf watches; each object that it sees goes to the cache. It is started again when it ends by itself.

kopf 1.45 lives on when a connection breaks, when a watch ends, and after most refusals. It ends for good after a 410 or a 404
as an HTTP status, after an error other than 410 in a stream, and after an answer that is no JSON or no HTTP.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import kopf

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.kopf_ends import cause_of, end_of, is_passing
from atlas_endpoints.cluster.kopf_settings import Forever, settings
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.controller.cache import Body

logger = logging.getLogger(__name__)

RELOGIN = 1.0
"""Seconds before kopf is given another session after a 401, so that one that stays does not become a hot loop."""

LASTED = 30.0
"""Seconds after which a run of kopf counts as good: the next restart waits the shortest delay again."""

LOOK = 5.0
"""Seconds between two looks whether all of kopf's watchers are there. After two that miss one, kopf is started again."""


class Receiver(Protocol):
    """Takes what the watch brings."""

    def seen(self, body: Body) -> None:
        """An object is there, in this state."""
        ...

    def deleted(self, body: Body) -> None:
        """An object is gone; this was its last state."""
        ...

    def relisted(self, kind: str) -> None:
        """A LIST of a kind has arrived, perhaps with nothing in it: what had gone before comes as no event."""
        ...


async def run(
    connection: Connection,
    receiver: Receiver,
    kinds: Sequence[Names],
    *,
    namespaces: tuple[str, ...],
    label_selector: str,
    served: Callable[[Names], bool],
    started: Callable[[], None],
    ended: Callable[[], None],
) -> None:
    """Watch until cancelled.

    Args:
        connection: to the API server.
        receiver: takes the objects.
        kinds: of the objects, by their names.
        namespaces: to watch; all when empty. With namespaces, kopf finds a CRD at its start only.
        label_selector: of the objects to watch; all when empty.
        served: whether the API server is there and serves a kind, so that a missing watcher is a fault.
        started: called each time kopf has set itself up (its signal handlers included).
        ended: called each time kopf has ended for an error, and not for want of a watcher.
    """
    connection.kopf_calls.relisted = {names.plural: partial(receiver.relisted, names.kind) for names in kinds}
    now, delays, told = asyncio.get_running_loop().time, iter(Forever()), ""
    while True:
        began = now()
        tasks = await kopf.spawn_tasks(
            registry=_registry(connection, receiver, kinds),
            settings=settings(kinds, label_selector, namespaced=bool(namespaces)),
            clusterwide=not namespaces,
            namespaces=namespaces,
            # Without it kopf asks for the name of the user, which a Pod's user id need not have.
            identity="atlas-endpoints",  # type: ignore[arg-type]  # a NewType that kopf does not export
        )
        # Not in ``on.startup``: kopf installs its signal handlers, which stop it at once, after that.
        started()
        error = await end_of({*tasks, asyncio.create_task(_unwatched(kinds, namespaces, served), name="watchdog")})
        if error is not None:
            ended()
        if now() - began > LASTED:
            delays, told = iter(Forever()), ""
        words = cause_of(error)
        level = logging.DEBUG if words == told or is_passing(error) else logging.WARNING
        logger.log(level, "kopf has ended (%s); it is started again", words)
        told = words
        await asyncio.sleep(next(delays))


def _registry(connection: Connection, receiver: Receiver, kinds: Sequence[Names]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    logins = itertools.count()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        if next(logins) > 0:
            await asyncio.sleep(RELOGIN)
        return connection.kopf_session()

    async def event(event: kopf.RawEvent, **_: Any) -> None:
        body = lean(dict(event["object"]))
        if event["type"] == "DELETED":
            receiver.deleted(body)
        else:
            receiver.seen(body)

    for names in kinds:
        kopf.on.event(names.group, names.version, names.plural, registry=registry)(event)
    return registry


async def _unwatched(kinds: Sequence[Names], namespaces: tuple[str, ...], served: Callable[[Names], bool]) -> None:
    """Wait until a watcher of a kind has been missing for a while: one was cancelled, or kopf has found no CRD."""
    missing = 0
    while missing < 2:  # noqa: PLR2004  # looks
        await asyncio.sleep(LOOK)
        is_missing = any(served(names) and not watching(names, namespaces) for names in kinds)
        missing = missing + 1 if is_missing else 0


def watching(names: Names, namespaces: tuple[str, ...]) -> bool:
    """Return whether all of kopf's watchers of a kind are alive, one for each namespace; kopf itself does not notice if one is not."""
    watchers = [task for task in asyncio.all_tasks() if task.get_name().startswith(f"watcher for {names.plural}.")]
    return len(watchers) >= max(1, len(namespaces))
