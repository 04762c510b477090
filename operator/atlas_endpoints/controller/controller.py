"""The controller of one kind: an event leads to a reconcile, and a reconcile to at most one status write.

The status is written last, after the metadata, and only when it has changed. A write that meets a changed object is rendered again
on the fresh object; a failed write is retried alone. Neither repeats the reconcile, and the next reconcile builds on its unwritten
result. While the metadata may not be written, the status shows it, and reconciles go on.

During each call the object may be edited, deleted, or replaced by another one of its name. So the cache is read again after each
answer, and an answer never restores an object that the watch has removed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

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
)
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue

logger = logging.getLogger(__name__)

Status: TypeAlias = Mapping[str, Any]
"""The ``status`` of an object, as JSON."""

O = TypeVar("O", bound="Outcome")  # noqa: E741  # the name of the type in Kind

WRITE_ATTEMPTS = 4
"""Writes of one reconcile, its metadata included, before the loop's backoff."""


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """A change of the metadata of an object: whether each named finalizer is to be there, and annotations."""

    finalizers: Mapping[str, bool] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def needed_by(self, body: Body) -> bool:
        """Return whether it would change the object."""
        return any((name in finalizers_of(body)) is not wanted for name, wanted in self.finalizers.items()) or any(
            annotations_of(body).get(name) != value for name, value in self.annotations.items()
        )


class Outcome(Protocol):
    """The result of a reconcile."""

    @property
    def requeue(self) -> Requeue:
        """When to reconcile again."""
        ...

    @property
    def metadata(self) -> MetadataChange | None:
        """The change to write before the status, or None."""
        ...


class Kind(Protocol[O]):
    """The part of the controller that differs by kind.

    Each body has the newest known status, also one that is not written yet; a ``previous`` status beside it is the same.
    """

    async def reconcile(self, body: Body, previous: Status) -> O:
        """Reconcile an object with at most one external write; a failure is an outcome too."""
        ...

    def failed(self, body: Body, error: Exception) -> O:
        """Return the outcome for an unexpected error (a bug)."""
        ...

    def refused(self, body: Body, outcome: O, why: str) -> O:
        """Return the outcome with the addition that its metadata may not be written."""
        ...

    def render(self, body: Body, previous: Status, outcome: O) -> Status:
        """Return the status for an outcome, or the previous one when nothing has changed; pure."""
        ...

    def forget(self, key: Key) -> None:
        """Drop the state of a deleted object."""


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


@dataclass(frozen=True, slots=True)
class _Unwritten(Generic[O]):
    """The result of a reconcile that the API server does not have yet.

    Attributes:
        trigger: of the object at the beginning of the reconcile.
        base: the status before the reconcile.
        refusal: why its metadata may not be written, if the status shows it.
    """

    trigger: Trigger
    base: Status
    outcome: O
    status: Status
    refusal: str = ""


@dataclass(eq=False, repr=False)
class Controller(Generic[O]):
    """Reconciles the objects of one kind.

    Attributes:
        enqueue: called with each new or changed object, whose earlier failures no longer count.
        written: called with the body before and the status after each status write.
        concluded: called with the outcome of each reconcile.
    """

    kind: Kind[O]
    cache: Cache
    writer: Writer
    _: KW_ONLY
    enqueue: Callable[[Key, Body], None]
    written: Callable[[Body, Status], None]
    concluded: Callable[[O], None] = lambda _: None
    _unwritten: dict[Key, _Unwritten[O]] = field(init=False, default_factory=dict)

    def seen(self, body: Body) -> None:
        """Record an object from a watch event or a LIST."""
        key = key_of(body)
        before = self.cache.get(key)
        if self.cache.put(body) is not News.CHANGED:
            return
        if before is not None and not self.cache.holds(key, uid_of(before)):
            self._forget(key)  # another object has the name, and no event came for the deletion of the old one
        self.enqueue(key, body)

    def gone(self, key: Key, uid: str) -> bool:
        """Record a deletion; return whether the object was cached. If not, another object of its name may wait for its reconcile."""
        if not self.cache.remove(key, uid):
            return False
        self._forget(key)
        return True

    async def run(self, key: Key) -> Requeue:
        """Reconcile an object and write its status; raises if that fails, so that the loop retries."""
        body = self.cache.get(key)
        if body is None:
            return NoRequeue()
        try:
            return await self._run(key, body)
        finally:
            if not self.cache.holds(key, uid_of(body)):
                self._forget(key)  # it was deleted during the reconcile, which may have recorded state for it since

    async def _run(self, key: Key, body: Body) -> Requeue:
        unwritten = self._unwritten.get(key)
        trigger = self.cache.trigger(body)
        # A refusal may last, so a live object is still reconciled; a deleted one needs only its finalizer removed.
        reconciles = unwritten is not None and bool(unwritten.refusal) and not trigger.deleting
        if unwritten is not None and unwritten.trigger == trigger and not reconciles:
            return await self._write(key, unwritten)
        if unwritten is not None and unwritten.status == status_of(body):
            self._report_lost_answer(key, body)
            unwritten = None
        previous = unwritten.status if unwritten is not None else status_of(body)
        outcome = await self._reconcile(_with_status(body, previous), previous)
        self.concluded(outcome)
        status = self.kind.render(_with_status(body, previous), previous, outcome)
        change = outcome.metadata
        if unwritten is None and status == previous and not (change is not None and change.needed_by(body)):
            return outcome.requeue
        return await self._write(key, _Unwritten(trigger, previous, outcome, status))

    async def _reconcile(self, body: Body, previous: Status) -> O:
        try:
            return await self.kind.reconcile(body, previous)
        except Exception as error:
            logger.exception("A reconcile failed with an unexpected error", extra=LogFields(key=str(key_of(body))))
            return self.kind.failed(body, error)

    async def _write(self, key: Key, unwritten: _Unwritten[O]) -> Requeue:
        """Write the result of a reconcile to the current object."""
        uid = unwritten.trigger.uid
        for _ in range(WRITE_ATTEMPTS):
            body = self.cache.get(key)
            if body is None or uid_of(body) != uid:
                return NoRequeue()
            change = self._needed_change(unwritten, body)
            if unwritten.status == status_of(body) and change is None:
                self._report_lost_answer(key, body)
                return unwritten.outcome.requeue
            self._unwritten[key] = unwritten  # no failure from here on may lose it
            try:
                if change is not None:
                    self._observe_answer(key, uid, await self.writer.change(body, change))
                    continue
                after = await self.writer.write(body, unwritten.status)
            except GoneError:
                self.gone(key, uid)
                return NoRequeue()
            except RefusedError as error:
                await self._show_refusal(key, body, unwritten, str(error))
                return Backoff()
            except ConflictError:
                fresh = await self.writer.read(key)
                if fresh is None:
                    self.gone(key, uid)
                    return NoRequeue()
                self._observe_answer(key, uid, fresh)
                if unwritten.status != status_of(fresh):
                    base = unwritten.base
                    status = self.kind.render(_with_status(fresh, base), base, unwritten.outcome)
                    unwritten = replace(unwritten, status=status)
            else:
                self._unwritten.pop(key, None)
                self._observe_answer(key, uid, after)
                self.written(body, unwritten.status)
                return unwritten.outcome.requeue
        logger.warning("An object keeps changing; its status write will be retried", extra=LogFields(key=str(key)))
        return Backoff()

    async def _show_refusal(self, key: Key, body: Body, unwritten: _Unwritten[O], why: str) -> None:
        """Write a status that shows why the metadata may not be written; the whole result remains unwritten."""
        if unwritten.refusal == why:
            return
        # A changed status gets the refusal added, so it is rendered on the same base.
        previous = unwritten.base if unwritten.status != unwritten.base else status_of(body)
        outcome = self.kind.refused(_with_status(body, previous), unwritten.outcome, why)
        status = self.kind.render(_with_status(body, previous), previous, outcome)
        if status != status_of(body):
            try:
                after = await self.writer.write(body, status)
            except (ConflictError, GoneError):
                return  # the whole result is retried
            self._observe_answer(key, unwritten.trigger.uid, after)
            self.written(body, status)
        if key in self._unwritten:
            self._unwritten[key] = replace(unwritten, refusal=why)

    def _needed_change(self, unwritten: _Unwritten[O], body: Body) -> MetadataChange | None:
        """Return the metadata change that is still needed; None for an object that has changed since.

        A decision for its former state, such as to remove a finalizer, may be wrong; the next reconcile decides again.
        """
        change = unwritten.outcome.metadata
        is_due = change is not None and self.cache.trigger(body) == unwritten.trigger and change.needed_by(body)
        return change if is_due else None

    def _report_lost_answer(self, key: Key, body: Body) -> None:
        """Report a status write that has succeeded although its answer was lost."""
        tried = self._unwritten.pop(key, None)
        if tried is not None and tried.status == status_of(body):
            self.written(_with_status(body, tried.base), tried.status)

    def _observe_answer(self, key: Key, uid: str, body: Body) -> None:
        """Record an object in an answer, unless the watch has removed it meanwhile."""
        if self.cache.holds(key, uid):
            self.seen(body)

    def _forget(self, key: Key) -> None:
        self._unwritten.pop(key, None)
        self.kind.forget(key)


def _with_status(body: Body, status: Status) -> Body:
    return {**body, "status": status}
