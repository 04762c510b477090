"""The controller of one kind: from an event to a pass, from a pass to one status write.

Status is written once per pass, last, and only if it changed. A write that meets a changed object is rendered anew on
the fresh object; a write that fails is tried again by itself. Neither repeats what the pass did elsewhere.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from atlas_endpoints.engine.outcome import Again, Next, Rest
from atlas_endpoints.engine.store import Body, Key, News, Store, Trigger, key_of

logger = logging.getLogger(__name__)

Status: TypeAlias = Mapping[str, Any]
"""The ``status`` of an object, as JSON."""

O = TypeVar("O", bound="Outcome")  # noqa: E741  # the one thing that a kind's parts hand to each other

WRITE_ATTEMPTS = 3
"""How often one pass renders on a fresh object before it leaves the write to the loop's backoff."""


class Outcome(Protocol):
    """The end of a pass as a value."""

    @property
    def next(self) -> Next:
        """When to look again."""
        ...


class Kind(Protocol[O]):
    """What the engine needs to know of a kind."""

    async def reconcile(self, body: Body, previous: Status) -> O:
        """Make the world agree with an object, by at most one write; its failures are outcomes too."""
        ...

    def failed(self, body: Body, error: Exception) -> O:
        """Turn an error that no table knows (a bug) into an outcome."""
        ...

    def render(self, body: Body, previous: Status, outcome: O) -> Status:
        """Say in a status what a pass came to; pure."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone."""
        ...


class ConflictError(Exception):
    """The object has changed since it was read, or its name now belongs to another one."""


class GoneError(Exception):
    """The object is gone."""


class StatusWriter(Protocol):
    """How status reaches the API server."""

    async def write(self, body: Body, status: Status) -> Body:
        """Write the status of exactly this version of an object.

        Raises:
            ConflictError: the object is not at this version any more.
            GoneError: there is no such object.
            Exception: the API server could not be reached or refused.
        """
        ...

    async def read(self, key: Key) -> Body | None:
        """Read an object; ``None`` when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class _Unwritten(Generic[O]):
    """An outcome whose status has not reached the API server yet."""

    trigger: Trigger
    base: Status
    outcome: O
    status: Status


class Controller(Generic[O]):
    """Keeps one kind's objects reconciled.

    Args:
        kind: decides.
        store: the objects.
        writer: writes status.
        enqueue: asks for a pass: key, body, and whether it is news, so that old failures are forgotten.
        written: told of each status that was written: the body before, the status after.
    """

    def __init__(
        self,
        kind: Kind[O],
        store: Store,
        writer: StatusWriter,
        *,
        enqueue: Callable[[Key, Body], None],
        written: Callable[[Body, Status], None],
    ) -> None:
        self._kind = kind
        self._store = store
        self._writer = writer
        self._enqueue = enqueue
        self._written = written
        self._unwritten: dict[Key, _Unwritten[O]] = {}

    def seen(self, body: Body) -> None:
        """Take in an object from a watch event or a LIST."""
        if self._store.put(body) is News.CHANGED:
            self._enqueue(key_of(body), body)

    def gone(self, key: Key, uid: str) -> None:
        """Take in that an object was deleted."""
        if self._store.remove(key, uid):
            self._unwritten.pop(key, None)
            self._kind.forget(key)

    async def run(self, key: Key) -> Next:
        """Run one pass over an object and write its status.

        Raises:
            Exception: the status could not be written; the loop tries again.
        """
        body = self._store.get(key)
        if body is None:
            return Rest()
        unwritten = self._unwritten.get(key)
        if unwritten is None or unwritten.trigger.uid != body["metadata"]["uid"]:
            previous = body.get("status") or {}
        elif unwritten.trigger == self._store.trigger(body):
            return await self._record(body, unwritten.base, unwritten.outcome)
        else:
            previous = unwritten.status
        try:
            outcome = await self._kind.reconcile(body, previous)
        except Exception as error:
            logger.exception("A pass met an error that it does not know", extra={"key": str(key)})
            outcome = self._kind.failed(body, error)
        return await self._record(body, previous, outcome)

    async def _record(self, body: Body, previous: Status, outcome: O) -> Next:
        """Write what a pass came to, on the object as it is now."""
        key = key_of(body)
        status = self._kind.render(body, previous, outcome)
        # Whatever goes wrong from here on, what the pass came to must not be lost.
        self._unwritten[key] = _Unwritten(self._store.trigger(body), previous, outcome, status)
        for _ in range(WRITE_ATTEMPTS):
            if status == (body.get("status") or {}):
                break
            try:
                after = await self._writer.write(body, status)
            except GoneError:
                self.gone(key, body["metadata"]["uid"])
                return Rest()
            except ConflictError:
                fresh = await self._writer.read(key)
                if fresh is None or fresh["metadata"]["uid"] != body["metadata"]["uid"]:
                    self.gone(key, body["metadata"]["uid"])
                    if fresh is not None:
                        self.seen(fresh)
                    return Rest()
                self.seen(fresh)
                body = fresh
                status = self._kind.render(body, previous, outcome)
            else:
                self.seen(after)
                self._written(body, status)
                break
        else:
            return Again(0.1)  # somebody else is writing this object faster than we are
        self._unwritten.pop(key, None)
        return outcome.next
