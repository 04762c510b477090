"""The cache of the cluster's objects, and what is read from their JSON.

Watch events and LISTs feed it. They may come late, twice, out of order or from a stale API server. So an object never goes back
in time, and only a change that matters to a reconcile counts as one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import override

Body: TypeAlias = Mapping[str, Any]
"""A Kubernetes object as the API server sends it."""


class Key(NamedTuple):
    """The name of an object within a cluster."""

    kind: str
    namespace: str
    name: str

    @override
    def __str__(self) -> str:  # as in kubectl and logs
        return f"{self.namespace}/{self.name}"


class ListedObjects(NamedTuple):
    """The objects in the answer to a LIST, and its resource version."""

    bodies: Sequence[Body]
    version: int


class Trigger(NamedTuple):
    """The part of an object whose change triggers a reconcile; it excludes labels, foreign annotations and status."""

    uid: str
    generation: int
    deleting: bool
    annotations: tuple[tuple[str, str], ...]


class News(Enum):
    """The effect of an observed object."""

    CHANGED = auto()
    """New, or changed in a way that triggers a reconcile."""
    NOISE = auto()
    """Cached, without a trigger: a label, a foreign annotation, our own status."""
    STALE = auto()
    """Older than the cached object; dropped."""


class RunningList:
    """A running LIST and the cached objects at its beginning, with the deletions since.

    Watch and LIST are not synchronous, so each difference is ambiguous: an object that is missing in the LIST may be newer than it,
    and an object that is missing in the cache may have been deleted since.
    """

    def __init__(self, known: Iterable[Body], newest: int) -> None:
        self._known = {uid_of(body): body for body in known}
        self._newest = newest
        self._gone_since: set[str] = set()

    def gone(self, uid: str) -> None:
        self._gone_since.add(uid)

    def vanished(self, listed: Iterable[Body]) -> list[tuple[Key, str]]:
        """Return the cached objects that the LIST does not hold: no event came for their deletion.

        It excludes objects that the watch has added or deleted since the LIST began.
        """
        present = {uid_of(body) for body in listed}
        return [
            (key_of(body), uid)
            for uid, body in self._known.items()
            if uid not in present and uid not in self._gone_since
        ]

    def is_stale(self, listing: ListedObjects) -> bool:
        """Return whether a LIST, or one of its objects, is older than the cache when it began."""
        known = ((body, self._known.get(uid_of(body))) for body in listing.bodies)
        return listing.version < self._newest or any(
            before is not None and is_older(body, before) for body, before in known
        )

    def stands(self, listed: Body) -> bool:
        """Return whether a listed object was not deleted since; only an old LIST restores one that was."""
        return uid_of(listed) not in self._gone_since


class Cache:
    """The latest known body of each object.

    Args:
        watched: returns the annotations whose change triggers a reconcile.
        index: returns the values by which :meth:`found_by` finds an object.
    """

    def __init__(
        self, watched: Callable[[Body], Mapping[str, str]], index: Callable[[Body], Collection[str]] = lambda _: ()
    ) -> None:
        self._watched = watched
        self._index = index
        self._indexed: dict[str, set[Key]] = {}
        self._bodies: dict[Key, Body] = {}
        self._running: set[RunningList] = set()
        self.newest = 0
        """The highest resource version of all observed objects."""

    def __iter__(self) -> Iterator[Key]:
        return iter(self._bodies)

    def __len__(self) -> int:
        return len(self._bodies)

    def get(self, key: Key) -> Body | None:
        return self._bodies.get(key)

    def found_by(self, value: str) -> list[Body]:
        """Return the objects with this value among those of ``index``, in any letter case."""
        return [self._bodies[key] for key in self._indexed.get(value.casefold(), ())]

    def known(self, body: Body) -> Body:
        """Return the cached object if it equals a body, else the body, so that a LIST of thousands keeps no second copy of each."""
        known = self._bodies.get(key_of(body))
        return known if known is not None and known == body else body

    def is_unchanged(self, key: Key, trigger: Trigger) -> bool:
        """Return whether an object is unchanged since a reconcile of it began."""
        known = self._bodies.get(key)
        return known is not None and self.trigger(known) == trigger

    def holds(self, key: Key, uid: str) -> bool:
        """Return whether exactly this object is cached, and not another one with its name."""
        known = self._bodies.get(key)
        return known is not None and uid_of(known) == uid

    def has_newer(self, body: Body) -> bool:
        """Return whether a later state of this object is cached."""
        known = self._bodies.get(key_of(body))
        return known is not None and uid_of(known) == uid_of(body) and version_of(body) < version_of(known)

    def put(self, body: Body) -> News:
        """Cache an object and return its effect."""
        key = key_of(body)
        known = self._bodies.get(key)
        if known is not None and is_older(body, known):
            return News.STALE
        if body == known:
            # The cached body stays, since others recognise it by identity. An equal version alone is not enough: a watch that
            # is older than the CRD hides newer fields.
            return News.NOISE
        self._keep(key, body)
        self.newest = max(self.newest, version_of(body))
        if known is None:
            return News.CHANGED
        before, after = self.trigger(known), self.trigger(body)
        if before.uid != after.uid:
            self._gone(before.uid)
        return News.NOISE if before == after else News.CHANGED

    def remove(self, key: Key, uid: str) -> bool:
        """Remove an object, unless another one has its name by now; return whether it was cached."""
        self._gone(uid)
        if not self.holds(key, uid):
            return False
        self._keep(key, None)
        return True

    @contextmanager
    def listing(self) -> Iterator[RunningList]:
        """Compare a LIST with the cache; the LIST must begin and end within the context."""
        running = RunningList(self._bodies.values(), self.newest)
        self._running.add(running)
        try:
            yield running
        finally:
            self._running.discard(running)

    def trigger(self, body: Body) -> Trigger:
        return Trigger(
            uid=uid_of(body),
            generation=generation_of(body),
            deleting=is_deleting(body),
            annotations=tuple(sorted(self._watched(body).items())),
        )

    def _keep(self, key: Key, body: Body | None) -> None:
        """Replace a cached object, or remove it (None)."""
        known = self._bodies.get(key)
        before = self._values(known)
        after = self._values(body)
        for value in before:
            if value not in after:
                self._indexed[value].discard(key)
                if not self._indexed[value]:
                    del self._indexed[value]
        if body is not None:
            self._bodies[key] = body
        elif known is not None:
            del self._bodies[key]
        for value in after:
            self._indexed.setdefault(value, set()).add(key)

    def _values(self, body: Body | None) -> Collection[str]:
        return () if body is None else {value.casefold() for value in self._index(body)}

    def _gone(self, uid: str) -> None:
        for running in self._running:
            running.gone(uid)


def key_of(body: Body) -> Key:
    """Return the key of an object."""
    metadata = body["metadata"]
    return Key(body["kind"], metadata["namespace"], metadata["name"])


def uid_of(body: Body) -> str:
    """Return the uid of an object."""
    uid: str = body["metadata"]["uid"]
    return uid


def generation_of(body: Body) -> int:
    """Return the generation of an object; 0: it has none."""
    return int(body["metadata"].get("generation", 0))


def is_deleting(body: Body) -> bool:
    """Return whether the deletion of an object was requested."""
    return "deletionTimestamp" in body["metadata"]


def finalizers_of(body: Body) -> Sequence[str]:
    """Return the finalizers of an object."""
    return body["metadata"].get("finalizers") or ()


def annotations_of(body: Body) -> Mapping[str, str]:
    """Return the annotations of an object."""
    return body["metadata"].get("annotations") or {}


def spec_of(body: Body) -> Mapping[str, Any]:
    """Return the spec of an object that the API server has validated."""
    return body.get("spec") or {}


def status_of(body: Body) -> Mapping[str, Any]:
    """Return the status of an object that the API server has validated; empty: it has none."""
    return body.get("status") or {}


def is_older(body: Body, known: Body) -> bool:
    """Return whether a body is an earlier state of an object, or of its name, as a stale API server may send it.

    Kubernetes guarantees that resource versions are numbers in order within one kind. A name becomes free only when its former
    object is gone, so they order objects of the same name too. Creation times do not: they have whole seconds, and the clock of one
    API server.
    """
    if uid_of(body) == uid_of(known) and generation_of(body) < generation_of(known):
        return True
    return version_of(body) < version_of(known)


def version_of(body: Body) -> int:
    """Return the resource version of an object: a number that only grows within one kind."""
    return int(body["metadata"]["resourceVersion"])
