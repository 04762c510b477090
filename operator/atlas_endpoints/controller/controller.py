"""The controller of one kind: an event leads to a reconcile, and a reconcile to at most one status write at its end.

A reconcile may change the metadata, and write a status, before it goes on (``Store``). The last status is written only when it has
changed; a write that meets a changed object, or fails, is retried alone. The next reconcile builds on an unwritten status.

During each call the object may be edited, deleted, or replaced by another one of its name. So the cache is read again after each
answer, and an answer never restores an object that the watch has removed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from atlas_endpoints.controller.cache import (
    Body,
    Cache,
    Key,
    News,
    Trigger,
    annotations_of,
    finalizers_of,
    key_of,
    status_of,
    uid_of,
    version_of,
)
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue

logger = logging.getLogger(__name__)

Status: TypeAlias = Mapping[str, Any]
"""The ``status`` of an object, as JSON."""

WRITE_ATTEMPTS = 4
"""Writes of one reconcile, its metadata included, before the loop's backoff."""


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """A change of the metadata of an object: whether each named finalizer is to be there, and annotations."""

    finalizers: Mapping[str, bool] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def needed_by(self, body: Body) -> bool:
        return any((name in finalizers_of(body)) is not wanted for name, wanted in self.finalizers.items()) or any(
            annotations_of(body).get(name) != value for name, value in self.annotations.items()
        )

    def made_to(self, body: Body) -> Body:
        kept = [name for name in finalizers_of(body) if self.finalizers.get(name, True)]
        added = [name for name, wanted in self.finalizers.items() if wanted and name not in kept]
        annotations = {**annotations_of(body), **self.annotations}
        return {**body, "metadata": {**body["metadata"], "finalizers": kept + added, "annotations": annotations}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a reconcile.

    Attributes:
        requeue: when to reconcile again.
        status: to write, if it differs.
        failure_reason: why the reconcile did not reach its goal, or None; for metrics.
    """

    requeue: Requeue
    status: Status
    failure_reason: str | None = None


class Reconciler(Protocol):
    """The part of the controller that differs by kind."""

    async def reconcile(self, body: Body, store: "Store") -> Result:
        """Reconcile an object with at most one external write; a failure is an outcome too."""
        ...

    def failed(self, body: Body, error: Exception) -> Result:
        """Return the outcome for a defect."""
        ...

    def forget(self, key: Key) -> None:
        """Drop the state of a deleted object."""


class Store(Protocol):
    """Writes the object of a reconcile while that goes on: only if it is the one that the reconcile has read.

    Each method returns whether it was written. If not, the object has changed, so another reconcile follows, or it conflicted again
    and again, and whoever calls asks for another one. It raises also when the API server cannot be reached.
    """

    @property
    def body(self) -> Body:
        """The object with all that was written."""
        ...

    async def change(self, change: MetadataChange) -> bool:
        """Change the metadata, as far as needed.

        Raises:
            RefusedError: the operator's rights, or a policy, forbid it.
        """
        ...

    async def write_status(self, status: Status) -> bool:
        """Write a status on which the rest of the reconcile builds."""
        ...


class ConflictError(Exception):
    """The object has changed since it was read, or another object has its name."""


class GoneError(Exception):
    """The object does not exist any more."""


class RefusedError(Exception):
    """The API server refuses the write until somebody changes something; the text has its words."""


class Writer(Protocol):
    """Writes to the API server; all methods raise also when it cannot be reached.

    A write raises ``ConflictError`` if the object has another version, and ``GoneError`` if there is no such object.
    """

    async def write(self, body: Body, status: Status) -> Body:
        """Write the status of exactly this version of an object."""
        ...

    async def change(self, body: Body, change: MetadataChange) -> Body:
        """Change the metadata of exactly this version of an object, and return the object.

        Raises:
            RefusedError: the operator's rights, or a policy, forbid it.
        """
        ...

    async def read(self, key: Key) -> Body | None:
        """Read an object; None when there is none."""
        ...


class _Unwritten(NamedTuple):
    """The status of a reconcile that could not be written, or whose answer was lost, and the status before."""

    trigger: Trigger
    before: Status
    status: Status
    requeue: Requeue


@dataclass(eq=False, repr=False)
class Controller:
    """Reconciles the objects of one kind.

    Attributes:
        enqueue: called with each new or changed object, whose earlier failures no longer count.
        written: called with the body before and the status after each status write whose answer has arrived.
        observed: called with an object before and after each news of it, also of its status.
        concluded: called with the outcome of each reconcile.
        left: called with each object that is gone, or is served no more.
    """

    reconciler: Reconciler
    cache: Cache
    writer: Writer
    _: KW_ONLY
    enqueue: Callable[[Key, Body], None]
    written: Callable[[Body, Status], None]
    observed: Callable[[Body | None, Body], None] = lambda _, __: None
    concluded: Callable[[Result], None] = lambda _: None
    left: Callable[[Body], None] = lambda _: None
    _unwritten: dict[Key, _Unwritten] = field(init=False, default_factory=dict)
    _changing: dict[Key, Trigger] = field(init=False, default_factory=dict)
    """What objects become by a change that is under way."""

    def seen(self, body: Body) -> None:
        """Record an object from a watch event or a LIST."""
        key = key_of(body)
        before = self.cache.get(key)
        news = self.cache.put(body)
        if news is not News.STALE:
            self.observed(before, body)
        if news is not News.CHANGED:
            return
        if before is not None and not self.cache.holds(key, uid_of(before)):
            # Another object has the name, and no event came for the end of the old one, which had no finalizer any more.
            self.left({**before, "metadata": {**before["metadata"], "finalizers": []}})
            self._forget(key)
        # Our own change causes no other reconcile.
        if before is None or self._changing.get(key) != self.cache.trigger(body):
            self.enqueue(key, body)

    def gone(self, key: Key, uid: str, last: Body | None = None) -> None:
        """Record a deletion, unless the object is not cached: another one of its name may wait for its reconcile.

        Args:
            last: the last state of the object, from the event of its deletion.
        """
        body = self.cache.get(key)
        if body is not None and self.cache.remove(key, uid):
            self.left(last or body)
            self._forget(key)

    async def run(self, key: Key) -> Requeue:
        """Reconcile an object and write its status; raises if that fails, so that the loop retries."""
        body = self.cache.get(key)
        if body is None:
            return NoRequeue()
        try:
            return await self._run(key, body)
        finally:
            if not self.cache.holds(key, uid_of(body)):
                # It was deleted during the reconcile, which may have recorded state for it since.
                self._forget(key)

    async def _run(self, key: Key, body: Body) -> Requeue:
        trigger, unwritten = self.cache.trigger(body), self._unwritten.get(key)
        if unwritten is not None and unwritten.trigger == trigger:
            return await self._write(key, unwritten)
        store = _Store(self, trigger, body if unwritten is None else _with_status(body, unwritten.status))
        try:
            result = await self.reconciler.reconcile(store.body, store)
        except Exception as error:
            logger.exception("A reconcile failed with an unexpected error", extra=LogFields(key=str(key)))
            result = self.reconciler.failed(store.body, error)
        self.concluded(result)
        if key not in self._unwritten and result.status == status_of(store.body):
            return result.requeue
        before = status_of(self.cache.get(key) or store.body)
        return await self._write(key, _Unwritten(store.trigger, before, result.status, result.requeue))

    async def _write(self, key: Key, unwritten: _Unwritten) -> Requeue:
        """Write the status of a reconcile to the current object."""
        for _ in range(WRITE_ATTEMPTS):
            body = self.cache.get(key)
            if body is None or uid_of(body) != unwritten.trigger.uid:
                return NoRequeue()
            if unwritten.status == status_of(body):
                if self._unwritten.pop(key, None) == unwritten:  # only the answer was lost
                    self.written(_with_status(body, unwritten.before), unwritten.status)
                return unwritten.requeue
            self._unwritten[key] = unwritten
            after = await self.sent(body, unwritten.status)
            if after is not None:
                self.stored(body, after)
                return unwritten.requeue
        logger.warning("An object keeps changing; its status write will be retried", extra=LogFields(key=str(key)))
        return Backoff()

    async def sent(self, body: Body, write: MetadataChange | Status) -> Body | None:
        """Write to an object, and return the answer; None: it has changed, or is gone, which the cache shows now."""
        key, uid = key_of(body), uid_of(body)
        try:
            if isinstance(write, MetadataChange):
                return await self.writer.change(body, write)
            return await self.writer.write(body, write)
        except GoneError:
            self.gone(key, uid)
        except ConflictError:
            fresh = await self.writer.read(key)
            if fresh is None:
                self.gone(key, uid)
                return None
            if isinstance(write, MetadataChange) and version_of(fresh) == version_of(body):
                raise RefusedError("it answers that the resource has changed, which it has not") from None
            self._observe_answer(key, uid, fresh)
        return None

    async def changed(self, body: Body, change: MetadataChange) -> Body | None:
        """Change the metadata of an object; return None if it has changed otherwise, or is gone."""
        key, uid = key_of(body), uid_of(body)
        self._changing[key] = self.cache.trigger(change.made_to(body))
        try:
            after = await self.sent(body, change)
            if after is not None:
                self._observe_answer(key, uid, after)
            return after
        finally:
            del self._changing[key]

    def stored(self, before: Body, after: Body) -> None:
        self._unwritten.pop(key_of(before), None)
        self._observe_answer(key_of(before), uid_of(before), after)
        self.written(before, status_of(after))

    def _forget(self, key: Key) -> None:
        self._unwritten.pop(key, None)
        self.reconciler.forget(key)

    def _observe_answer(self, key: Key, uid: str, body: Body) -> None:
        """Record an object in an answer, unless the watch has removed it meanwhile."""
        if self.cache.holds(key, uid):
            self.seen(body)


class _Store:
    """Writes the object of a reconcile; see ``Store``."""

    def __init__(self, controller: Controller, trigger: Trigger, body: Body) -> None:
        self._controller = controller
        self._key = key_of(body)
        self.trigger = trigger
        self.body = body

    async def change(self, change: MetadataChange) -> bool:
        controller, is_made = self._controller, False
        for _ in range(WRITE_ATTEMPTS):
            if (body := self._unchanged()) is None:
                return False
            if not change.needed_by(body):
                return True
            after = await controller.changed(body, change)
            if after is None:
                continue
            is_made = True
            if not change.needed_by(after):
                self.trigger = controller.cache.trigger(after)
                self.body = _with_status(after, status_of(self.body))
                return True
        if is_made:
            raise RefusedError("the resource does not keep it")
        return False

    async def write_status(self, status: Status) -> bool:
        controller = self._controller
        for _ in range(WRITE_ATTEMPTS):
            if (body := self._unchanged()) is None:
                return False
            if status == status_of(body):
                self.body = body
                return True
            after = await controller.sent(body, status)
            if after is not None:
                self.body = after
                controller.stored(body, after)
        return False

    def _unchanged(self) -> Body | None:
        """Return the newest state of the object, if it is otherwise unchanged."""
        cache = self._controller.cache
        return cache.get(self._key) if cache.is_unchanged(self._key, self.trigger) else None


def _with_status(body: Body, status: Status) -> Body:
    return {**body, "status": status}
