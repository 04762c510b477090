"""kopf as a shell: login, LIST and WATCH. It hands every object on and decides and writes nothing itself."""

import asyncio
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

import kopf
from typing_extensions import override

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.objects import lean
from atlas_endpoints.cluster.stream import Event
from atlas_endpoints.engine.store import Body

RELOGIN = 1.0
"""Seconds before kopf is given another session after a 401, so that one that stays does not become a hot loop."""


class Receiver(Protocol):
    """Who is told of objects."""

    def seen(self, body: Body) -> None:
        """An object is there, in this state."""
        ...

    def deleted(self, body: Body) -> None:
        """An object is gone; this was its last state."""
        ...

    def relisted(self, kind: str) -> None:
        """A LIST of a kind has arrived, perhaps with nothing in it: what had gone before comes as no event."""
        ...


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps kopf from working out what has changed in an object: it does so for every event, and nobody asks for it."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        """Find nothing in an object that could change."""
        return kopf.BodyEssence()

    @override
    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Know of no earlier state."""
        return kopf.BodyEssence()

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Keep nothing."""


class Forever:
    """Endless, jittered delays for kopf's retries, so that no outage of the API server ends the operator.

    They stop growing near 4 s: the longest of them is what the operator sleeps on after the server is back.
    """

    def __iter__(self) -> Iterator[float]:
        """Begin anew from the shortest delay."""
        delay = 0.25
        while True:
            yield delay * random.uniform(0.5, 1.5)  # noqa: S311  # jitter
            delay = min(delay * 2, 4.0)


async def run(
    connection: Connection,
    receiver: Receiver,
    names: Names,
    *,
    namespaces: tuple[str, ...],
    label_selector: str,
    stop: asyncio.Event,
    started: Callable[[], None],
) -> None:
    """Watch until told to stop.

    Args:
        connection: to the API server.
        receiver: is told of objects.
        names: of their kind.
        namespaces: to watch; all when empty. With namespaces, the CRD has to be there already.
        label_selector: of the objects to watch; all when empty.
        stop: ends the watching.
        started: is called when kopf has set itself up (its signal handlers included).

    Raises:
        Exception: kopf gave up; the process should end and be restarted.
    """
    registry = kopf.OperatorRegistry()
    logins = itertools.count()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        if next(logins) > 0:
            await asyncio.sleep(RELOGIN)
        return connection.kopf_session(names.plural, take, partial(receiver.relisted, names.kind))

    # kopf watches what has a handler. Its session takes the objects before, and what it would miss gets here all the same.
    @kopf.on.event(names.group, names.version, names.plural, registry=registry)
    async def event(event: kopf.RawEvent, **_: Any) -> None:
        if event["type"] is None:
            receiver.relisted(names.kind)
        take({"type": event["type"], "object": dict(event["object"])})

    def take(event: Event) -> None:
        body = lean(event["object"])
        if event["type"] == "DELETED":
            receiver.deleted(body)
        else:
            receiver.seen(body)

    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings(names, label_selector, namespaced=bool(namespaces)),
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=stop,
        # Without it kopf asks for the name of the user, which a Pod's user id need not have.
        identity="atlas-endpoints",  # type: ignore[arg-type]  # a NewType that kopf does not export
    )
    # Not in ``on.startup``: kopf installs its signal handlers, which stop it at once, after that.
    started()
    await kopf.run_tasks(tasks, ignored=ours)


def settings(names: Names, label_selector: str, *, namespaced: bool) -> kopf.OperatorSettings:
    """Set kopf up, each value with its reason; found by experiment with kopf 1.45.

    Args:
        names: of the kind to watch.
        label_selector: of the objects to watch.
        namespaced: whether only some namespaces are watched.
    """
    result = kopf.OperatorSettings()
    result.networking.error_backoffs = Forever()  # ending for an outage would cost restarts and their backoff
    result.networking.request_timeout = 600  # for all pages of a LIST; our session bounds each of its answers
    result.networking.connect_timeout = 5
    result.watching.inactivity_timeout = 1e8  # off: it may cancel the watcher for good, and nothing notices
    result.watching.server_timeout = 60  # the cure for silently dead streams; an integer, as Kubernetes parses it
    result.watching.client_timeout = 70  # a little longer, for streams that the server does not end
    result.watching.connect_timeout = 5
    result.watching.reconnect_backoff = 0.5
    result.watching.chunk_size = None  # an expired continue token would end kopf
    result.watching.initial_streaming = False  # loses objects when it is interrupted
    # To scan namespaces takes a right to list them all, which nobody needs who names the few that he wants.
    result.scanning.disabled = namespaced
    # The CRD alone is watched among CRDs: it may come late, go and come back. Other CRDs are none of our business.
    result.watching.field_selectors["customresourcedefinitions.v1.apiextensions.k8s.io"] = (
        f"metadata.name={names.plural}.{names.group}"
    )
    if label_selector:
        result.watching.label_selectors[f"{names.plural}.{names.version}.{names.group}"] = label_selector
    result.queueing.worker_limit = None  # with a limit, idle workers hold their slots: a few objects a second
    result.queueing.idle_timeout = 1
    result.queueing.error_delays = (1, 2, 5, 10, 30)
    result.posting.loggers = False  # Events are ours to post
    result.persistence.diffbase_storage = NoDiffBase()
    # It is never used; to look for its traces in an object, for every event, costs least where it has one place only.
    result.persistence.progress_storage = kopf.StatusProgressStorage()
    result.peering.standalone = True  # peering is no mutual exclusion
    # kopf removes a finalizer of this name from every object as soon as no handler needs it: never that of our own.
    result.persistence.finalizer = "atlas-endpoints.dev/kopf"
    return result


def watching(names: Names, namespaces: tuple[str, ...]) -> bool:
    """Tell whether all of kopf's watchers are alive, one for each namespace, which kopf itself does not notice."""
    watchers = [task for task in asyncio.all_tasks() if task.get_name().startswith(f"watcher for {names.plural}.")]
    return len(watchers) >= max(1, len(namespaces))
