"""The controller of one kind: from an event to a reconcile, from a reconcile to one status write.

Status is written once per reconcile, last, after what the reconcile wants in the metadata, and only what has changed. A write that
meets a changed object is rendered anew on the fresh object; a write that fails is tried again by itself. Neither repeats what
the reconcile did elsewhere, and what a reconcile came to is not lost before it is written: until then it is what the next reconcile builds
on. That the metadata may not be written is told in the status meanwhile, and reconciles go on.

While a reconcile waits for answers, the watch goes on: the object may be edited, deleted, or replaced by a namesake. So after
each answer the cache is asked anew, and an answer never brings back what the watch has told to be gone.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from atlas_endpoints.controller.cache import Body, Cache, Key, News, Trigger, key_of
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue

logger = logging.getLogger(__name__)

Status: TypeAlias = Mapping[str, Any]
"""The ``status`` of an object, as JSON."""

O = TypeVar("O", bound="Outcome")  # noqa: E741  # the one thing that a kind's parts hand to each other

WRITE_ATTEMPTS = 4
"""How often one reconcile tries to write, its metadata too, before it leaves that to the loop's backoff."""


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """What is to be written into the metadata of an object.

    Attributes:
        finalizers: by their names, whether each is to be there; all others stay as they are.
        annotations: by their names; all others stay as they are.
    """

    finalizers: Mapping[str, bool] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def needed_by(self, body: Body) -> bool:
        """Tell whether an object is not like this yet."""
        return any((name in finalizers_of(body)) is not wanted for name, wanted in self.finalizers.items()) or any(
            annotations_of(body).get(name) != value for name, value in self.annotations.items()
        )


class Outcome(Protocol):
    """The end of a reconcile as a value."""

    @property
    def requeue(self) -> Requeue:
        """When to look again."""
        ...

    @property
    def metadata(self) -> MetadataChange | None:
        """What is to be written into the object's metadata, before its status; ``None``: nothing."""
        ...


class Kind(Protocol[O]):
    """What the controller needs to know of a kind.

    Each body is shown with the newest status that is known, also where that has not reached the API server yet; where a
    status is given beside it, it is the same one.
    """

    async def reconcile(self, body: Body, previous: Status) -> O:
        """Make the world agree with an object, by at most one write; its failures are outcomes too."""
        ...

    def failed(self, body: Body, error: Exception) -> O:
        """Turn an error that no table knows (a bug) into an outcome."""
        ...

    def refused(self, body: Body, outcome: O, why: str) -> O:
        """Say beside what a reconcile came to that what it wants in the metadata may not be written."""
        ...

    def render(self, body: Body, previous: Status, outcome: O) -> Status:
        """Say in a status what a reconcile came to; pure. The status as it was before means that there is nothing to say."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of an object that is gone."""
        ...


class ConflictError(Exception):
    """The object has changed since it was read, or its name now belongs to another one."""


class GoneError(Exception):
    """The object is gone."""


class RefusedError(Exception):
    """The API server does not let it be written until somebody changes something; the text repeats its words."""


class Writer(Protocol):
    """How what a reconcile came to reaches the API server."""

    async def write(self, body: Body, status: Status) -> Body:
        """Write the status of exactly this version of an object.

        Raises:
            ConflictError: the object is not at this version any more.
            GoneError: there is no such object.
            Exception: the API server could not be reached or refused.
        """
        ...

    async def change(self, body: Body, change: MetadataChange) -> Body:
        """Write into the metadata of exactly this version of an object.

        Returns:
            The object afterwards; with its last finalizer taken away, a deleted one is gone.

        Raises:
            ConflictError: the object is not at this version any more.
            GoneError: there is no such object.
            RefusedError: the operator's rights, or somebody's policy, forbid it.
            Exception: the API server could not be reached or refused.
        """
        ...

    async def read(self, key: Key) -> Body | None:
        """Read an object; ``None`` when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class _Unwritten(Generic[O]):
    """What a reconcile came to, as long as it has not reached the API server.

    Attributes:
        trigger: what the object was like that the reconcile was over.
        base: the status that the reconcile built on.
        outcome: of the reconcile.
        status: what is to be written.
        refusal: why its metadata may not be written, as far as that was told.
    """

    trigger: Trigger
    base: Status
    outcome: O
    status: Status
    refusal: str = ""


class Controller(Generic[O]):
    """Keeps one kind's objects reconciled.

    Args:
        kind: decides.
        store: the objects.
        writer: writes metadata and status.
        enqueue: asks for a reconcile of an object that is new or has changed; what it failed with before is history.
        written: told of each status that was written: the body before, the status after.
        concluded: told of what each reconcile came to.
    """

    def __init__(
        self,
        kind: Kind[O],
        cache: Cache,
        writer: Writer,
        *,
        enqueue: Callable[[Key, Body], None],
        written: Callable[[Body, Status], None],
        concluded: Callable[[O], None] = lambda _: None,
    ) -> None:
        self._kind = kind
        self._cache = cache
        self._writer = writer
        self._enqueue = enqueue
        self._written = written
        self._concluded = concluded
        self._unwritten: dict[Key, _Unwritten[O]] = {}

    def seen(self, body: Body) -> None:
        """Take in an object from a watch event or a LIST."""
        key = key_of(body)
        before = self._cache.get(key)
        if self._cache.put(body) is not News.CHANGED:
            return
        if before is not None and not self._cache.holds(key, _uid(before)):
            self._forget(key)  # another object has taken the name, and no event told that the old one is gone
        self._enqueue(key, body)

    def gone(self, key: Key, uid: str) -> bool:
        """Take in that an object was deleted.

        Returns:
            Whether it was known. If not, nothing is to be forgotten: a namesake may be waiting for its reconcile already.
        """
        if not self._cache.remove(key, uid):
            return False
        self._forget(key)
        return True

    async def run(self, key: Key) -> Requeue:
        """Run one reconcile of an object and write its status.

        Raises:
            Exception: the status could not be written; the loop tries again.
        """
        body = self._cache.get(key)
        if body is None:
            return NoRequeue()
        try:
            return await self._run(key, body)
        finally:
            if not self._cache.holds(key, _uid(body)):
                self._forget(key)  # it went while the reconcile ran, which may have remembered things of it since

    async def _run(self, key: Key, body: Body) -> Requeue:
        unwritten = self._unwritten.get(key)
        trigger = self._cache.trigger(body)
        # Refusals may last: an object that lives is looked at all the same. One that was let go has only to be let go.
        goes_on = unwritten is not None and bool(unwritten.refusal) and not trigger.deleting
        if unwritten is not None and unwritten.trigger == trigger and not goes_on:
            return await self._write(key, unwritten)
        if unwritten is not None and unwritten.status == _status(body):
            self._arrived(key, body)
            unwritten = None
        previous = unwritten.status if unwritten is not None else _status(body)
        outcome = await self._reconcile(_with_status(body, previous), previous)
        self._concluded(outcome)
        status = self._kind.render(_with_status(body, previous), previous, outcome)
        change = outcome.metadata
        if unwritten is None and status == previous and not (change is not None and change.needed_by(body)):
            return outcome.requeue
        return await self._write(key, _Unwritten(trigger, previous, outcome, status))

    async def _reconcile(self, body: Body, previous: Status) -> O:
        try:
            return await self._kind.reconcile(body, previous)
        except Exception as error:
            logger.exception("A reconcile met an error that it does not know", extra=LogFields(key=str(key_of(body))))
            return self._kind.failed(body, error)

    async def _write(self, key: Key, unwritten: _Unwritten[O]) -> Requeue:
        """Write what a reconcile came to, on the object as it is now."""
        uid = unwritten.trigger.uid
        for _ in range(WRITE_ATTEMPTS):
            body = self._cache.get(key)
            if body is None or _uid(body) != uid:
                return NoRequeue()
            change = self._still_due(unwritten, body)
            if unwritten.status == _status(body) and change is None:
                self._arrived(key, body)
                return unwritten.outcome.requeue
            # Whatever goes wrong from here on, what the reconcile came to must not be lost.
            self._unwritten[key] = unwritten
            try:
                if change is not None:
                    self._answered(key, uid, await self._writer.change(body, change))
                    continue
                after = await self._writer.write(body, unwritten.status)
            except GoneError:
                self.gone(key, uid)
                return NoRequeue()
            except RefusedError as error:
                await self._tell_refusal(key, body, unwritten, str(error))
                return Backoff()
            except ConflictError:
                fresh = await self._writer.read(key)
                if fresh is None:
                    self.gone(key, uid)
                    return NoRequeue()
                self._answered(key, uid, fresh)
                if unwritten.status != _status(fresh):
                    base = unwritten.base
                    status = self._kind.render(_with_status(fresh, base), base, unwritten.outcome)
                    unwritten = replace(unwritten, status=status)
            else:
                self._unwritten.pop(key, None)
                self._answered(key, uid, after)
                self._written(body, unwritten.status)
                return unwritten.outcome.requeue
        logger.warning("Somebody else keeps changing an object; its status has to wait", extra=LogFields(key=str(key)))
        return Backoff()

    async def _tell_refusal(self, key: Key, body: Body, unwritten: _Unwritten[O], why: str) -> None:
        """Say in the status that the metadata may not be written; what the reconcile came to is still to be written as a whole."""
        if unwritten.refusal == why:
            return
        # To a reconcile that has something to say the words are added, so they are rendered on what that was.
        says = unwritten.status != unwritten.base
        previous = unwritten.base if says else _status(body)
        outcome = self._kind.refused(_with_status(body, previous), unwritten.outcome, why)
        status = self._kind.render(_with_status(body, previous), previous, outcome)
        if status != _status(body):
            try:
                after = await self._writer.write(body, status)
            except (ConflictError, GoneError):
                return  # it is tried again with all the rest
            self._answered(key, unwritten.trigger.uid, after)
            self._written(body, status)
        if key in self._unwritten:
            self._unwritten[key] = replace(unwritten, refusal=why)

    def _still_due(self, unwritten: _Unwritten[O], body: Body) -> MetadataChange | None:
        """Give the change of the metadata that is still to be made; none of an object that has become another since.

        What was decided for it as it was, such as to take a finalizer away, may be wrong by now; the next reconcile decides anew.
        """
        change = unwritten.outcome.metadata
        is_due = change is not None and self._cache.trigger(body) == unwritten.trigger and change.needed_by(body)
        return change if is_due else None

    def _arrived(self, key: Key, body: Body) -> None:
        """Tell of a write that was tried and turns out to be done: only its answer was lost."""
        tried = self._unwritten.pop(key, None)
        if tried is not None and tried.status == _status(body):
            self._written(_with_status(body, tried.base), tried.status)

    def _answered(self, key: Key, uid: str, body: Body) -> None:
        """Take in the API server's answer about an object, unless the watch has told meanwhile that it is gone."""
        if self._cache.holds(key, uid):
            self.seen(body)

    def _forget(self, key: Key) -> None:
        self._unwritten.pop(key, None)
        self._kind.forget(key)


def finalizers_of(body: Body) -> Sequence[str]:
    """Give the finalizers of an object."""
    return body["metadata"].get("finalizers") or ()


def annotations_of(body: Body) -> Mapping[str, str]:
    """Give the annotations of an object."""
    return body["metadata"].get("annotations") or {}


def _uid(body: Body) -> str:
    uid: str = body["metadata"]["uid"]
    return uid


def _status(body: Body) -> Status:
    return body.get("status") or {}


def _with_status(body: Body, status: Status) -> Body:
    return {**body, "status": status}
