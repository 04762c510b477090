"""Run kopf as a watcher: its settings, its one handler, and its restarts.

kopf 1.45 survives broken connections, the end of a watch, and most refusals. It ends for good after a 410 or a 404 as
an HTTP status, after an error other than 410 in a stream, and after an answer that is no JSON or no HTTP. Then it is
started again.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import kopf
from typing_extensions import override

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.reachability import kind_of
from atlas_endpoints.cluster.writer import lean
from atlas_endpoints.controller.cache import Body

logger = logging.getLogger(__name__)

KOPF = str(Path(kopf.__file__).parent)
"""The folder of kopf's code, which identifies its tasks."""

RELOGIN = 1.0
"""Seconds before kopf gets another session after a 401, so that a lasting 401 causes no hot loop."""

LASTED = 30.0
"""Seconds after which a run of kopf counts as good: the next restart has the shortest delay again."""

CANCEL_AGAIN = 0.5
"""Seconds after which a task that has not ended is cancelled again."""

CHECK_INTERVAL = 10.0
"""Seconds between two checks that all of kopf's watchers exist, more than kopf takes to start one. Else it is started again."""


class Receiver(Protocol):
    """Receives what the watch brings."""

    def seen(self, body: Body) -> None: ...

    def deleted(self, body: Body) -> None: ...

    def relisted(self, kind: str) -> None:
        """Note that a LIST of a kind has arrived. Deletions before it come as no event."""


async def run(
    connection: Connection,
    receiver: Receiver,
    kinds: Sequence[Names],
    *,
    namespaces: tuple[str, ...],
    label_selector: str,
    served: Callable[[Names], bool],
    started: Callable[[], None],
) -> None:
    """Watch until cancelled.

    Args:
        namespaces: all when empty. With namespaces, kopf finds a CRD at its start only.
        label_selector: all objects when empty.
        served: whether the API server is there and serves a kind, so that a missing watcher is a fault.
        started: called each time kopf has set itself up (its signal handlers included).
    """
    connection.kopf_calls.relisted = {names.plural: partial(receiver.relisted, names.kind) for names in kinds}
    now, delays, logged = asyncio.get_running_loop().time, iter(EndlessDelays()), ""
    while True:
        began = now()
        tasks = await kopf.spawn_tasks(
            registry=_registry(connection, receiver, kinds),
            settings=kopf_settings(kinds, label_selector, namespaced=bool(namespaces)),
            clusterwide=not namespaces,
            namespaces=namespaces,
            # Without it kopf asks for the name of the user, which a Pod's user id need not have.
            identity="atlas-endpoints",  # type: ignore[arg-type]  # a NewType that kopf does not export
        )
        # Not in ``on.startup``: kopf installs its signal handlers, which stop it at once, after that.
        started()
        error = await _end({*tasks, asyncio.create_task(_watcher_missing(kinds, namespaces, served), name="watchdog")})
        if error is None:
            for names in kinds:
                receiver.relisted(names.kind)  # perhaps its CRD was deleted, and there is nothing to watch
        if now() - began > LASTED:
            delays, logged = iter(EndlessDelays()), ""
        cause = _cause(error)
        # A 404 or 410 is normal: a CRD was replaced, or the version is too old.
        is_normal = getattr(error, "status", None) in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
        level = logging.DEBUG if cause == logged or is_normal else logging.WARNING
        logger.log(level, "kopf has ended (%s); it is restarted", cause)
        logged = cause
        await asyncio.sleep(next(delays))


def watching(names: Names, namespaces: tuple[str, ...]) -> bool:
    """Return whether all of kopf's watchers of a kind are alive, one for each namespace."""
    watchers = [task for task in asyncio.all_tasks() if task.get_name().startswith(f"watcher for {names.plural}.")]
    return len(watchers) >= max(1, len(namespaces))


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


async def _watcher_missing(
    kinds: Sequence[Names], namespaces: tuple[str, ...], served: Callable[[Names], bool]
) -> None:
    """Return when a watcher of a served kind is missing: one was cancelled, or kopf has found no CRD."""
    while True:
        await asyncio.sleep(CHECK_INTERVAL)
        if any(served(names) and not watching(names, namespaces) for names in kinds):
            return


async def _end(tasks: Collection[asyncio.Task[None]]) -> BaseException | None:
    """Wait until one of kopf's root tasks ends, end the others, and return the error; None when a watcher is missing.

    ``kopf.operator`` does so too, and then waits 5 s for all other tasks of the loop and cancels them: the operator's
    own.
    """
    try:
        done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)  # each ends the tasks that it has started, except for those of a failed discovery
        await _cancel([task for task in asyncio.all_tasks() if _is_kopf(task)])
    # Retrieve the exception of each task, else asyncio logs "exception was never retrieved".
    errors = [task.exception() for task in (*done, *rest) if not task.cancelled()]
    return next((error for error in errors if error is not None), None)


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until all have ended: kopf swallows a cancellation while it waits for the headers of a watch."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)


def _is_kopf(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_filename.startswith(KOPF)


def _cause(error: BaseException | None) -> str:
    """Return the call that was refused, or the class of the error; nothing of the answer."""
    if error is None:
        return "a watcher is missing"
    refusal = error.__cause__
    if not isinstance(refusal, aiohttp.ClientResponseError):
        return type(error).__name__
    request = refusal.request_info
    kind = kind_of(request.method, request.url.path, watch="watch" in request.url.query)
    return f"{kind}: HTTP {refusal.status}"


class EndlessDelays:
    """Jittered delays between retries that never end, so that no outage of the API server ends the operator.

    They stop growing near 4 s: the operator may sleep for the longest of them after the server is back.
    """

    def __iter__(self) -> Iterator[float]:
        delay = 0.25
        while True:
            yield delay * random.uniform(0.5, 1.5)  # noqa: S311  # jitter
            delay = min(delay * 2, 4.0)


class NoDiffBase(kopf.DiffBaseStorage):
    """Disables kopf's diff of each event against the last state, which no handler needs."""

    @override
    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    @override
    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return kopf.BodyEssence()

    @override
    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


def kopf_settings(kinds: Sequence[Names], label_selector: str, *, namespaced: bool) -> kopf.OperatorSettings:
    """Return kopf's settings, each value with its reason; found by experiment with kopf 1.45.

    Args:
        namespaced: whether only some namespaces are watched.
    """
    result = kopf.OperatorSettings()
    result.networking.error_backoffs = EndlessDelays()  # an end would cost a restart and its backoff
    result.networking.request_timeout = 30  # longer than our session waits for an answer, and pauses before a watch
    result.networking.connect_timeout = 5
    result.watching.inactivity_timeout = 1e8  # off: it may cancel the watcher for good, without a trace
    result.watching.server_timeout = 60  # the cure for silently dead streams; an integer, as Kubernetes parses it
    result.watching.client_timeout = 70  # a little longer, for streams that the server does not end
    result.watching.connect_timeout = 5
    result.watching.reconnect_backoff = 0.5
    result.watching.chunk_size = (
        100  # all at once take memory that is not returned, and many on a page hold up the event loop
    )
    result.watching.initial_streaming = False  # loses objects when it is interrupted
    # A scan of namespaces needs the right to list them all, which a user who names a few does not need.
    result.scanning.disabled = namespaced
    # A CRD may come late, go and come back, so kopf watches CRDs. RBAC allows a LIST of named objects only if a selector
    # names a single one. kopf looks for all kinds of the group when that one changes, so it is the one that kubectl and
    # Helm apply last.
    if kinds:
        result.watching.field_selectors["customresourcedefinitions.v1.apiextensions.k8s.io"] = (
            f"metadata.name={max(f'{names.plural}.{names.group}' for names in kinds)}"
        )
    if label_selector:
        for names in kinds:
            result.watching.label_selectors[f"{names.plural}.{names.version}.{names.group}"] = label_selector
    result.queueing.worker_limit = None  # with a limit, idle workers keep their slots: a few objects a second
    # kopf has a worker of 15 kB for each object with recent events. A new worker costs no more than a waiting one.
    result.queueing.idle_timeout = 0.05
    result.queueing.exit_timeout = 0.5  # no handler runs longer when kopf is stopped
    result.queueing.error_delays = (1, 2, 5, 10, 30)
    result.posting.loggers = False  # the operator posts its own Events
    result.process.ultimate_exiting_timeout = None  # else kopf kills the process ten minutes after it has ended
    result.persistence.diffbase_storage = NoDiffBase()
    # Unused, but kopf searches the object of every event for its data: this storage has one place only.
    result.persistence.progress_storage = kopf.StatusProgressStorage()
    result.peering.standalone = True  # peering is no mutual exclusion
    # kopf removes a finalizer of this name from every object as soon as no handler needs it: never that of our own.
    result.persistence.finalizer = "atlas-endpoints.dev/kopf"
    return result
