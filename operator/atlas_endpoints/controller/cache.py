"""The operator's memory of the objects in the cluster.

It is fed by watch events and by LISTs, which may come late, twice, out of order or from a stale API server, so it
decides what is news: an object never goes back in time, and only a change that can matter to a reconcile counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import override

Body: TypeAlias = Mapping[str, Any]
"""A Kubernetes object as the API server sends it."""


class Key(NamedTuple):
    """What names an object within a cluster."""

    kind: str
    namespace: str
    name: str

    @override
    def __str__(self) -> str:
        """The way in which kubectl and logs write an object whose kind is clear."""
        return f"{self.namespace}/{self.name}"


class Listing(NamedTuple):
    """The answer to a LIST.

    Attributes:
        bodies: the objects.
        version: the resource version at which they were like this.
    """

    bodies: Sequence[Body]
    version: int


class Trigger(NamedTuple):
    """The part of an object whose change makes a reconcile due; labels, foreign annotations and status are not in it."""

    uid: str
    generation: int
    deleting: bool
    annotations: tuple[tuple[str, str], ...]


class News(Enum):
    """What an object that arrived means."""

    CHANGED = auto()
    """New, or changed in a way that makes a reconcile due."""
    NOISE = auto()
    """Kept, but nothing in it makes a reconcile due: a label, a foreign annotation, our own status."""
    STALE = auto()
    """Older than what is known; dropped."""


class Comparison:
    """A LIST that is under way: what was known when it began, and what has gone since.

    Watch and LIST are not in step, so both kinds of difference are ambiguous: what the LIST does not hold may be newer than
    the LIST, and what only the LIST holds may have been deleted since.

    Args:
        known: each object as it was known when the LIST began.
        newest: how far the cluster was known to be by then.
    """

    def __init__(self, known: Iterable[Body], newest: int) -> None:
        self._known = {body["metadata"]["uid"]: body for body in known}
        self._newest = newest
        self._gone_since: set[str] = set()

    def gone(self, uid: str) -> None:
        """Take in that an object was deleted while the LIST was under way."""
        self._gone_since.add(uid)

    def vanished(self, listed: Iterable[Body]) -> list[tuple[Key, str]]:
        """Tell which objects are known though the LIST does not hold them: their deletion came as no event.

        What the watch has brought since the LIST began is never taken for vanished, nor is what it has taken away.
        """
        present = {(key_of(body), body["metadata"]["uid"]) for body in listed}
        known = ((key_of(body), uid) for uid, body in self._known.items())
        return [(key, uid) for key, uid in known if (key, uid) not in present and uid not in self._gone_since]

    def is_of_the_past(self, listing: Listing) -> bool:
        """Tell whether a LIST is older than what was known when it began, as a whole or in one of its objects."""
        return listing.version < self._newest or bool(self.older(listing.bodies))

    def older(self, listed: Iterable[Body]) -> list[Body]:
        """Give what the LIST shows in an earlier state than was known when it began."""
        known = ((body, self._known.get(body["metadata"]["uid"])) for body in listed)
        return [body for body, before in known if before is not None and version_of(body) < version_of(before)]

    def newer_than(self, listing: Listing) -> list[Body]:
        """Give what was known when the LIST began, is not in it and is newer, the newest first; if it is there now, the LIST lags.

        That it belongs to another namespace than the LIST does not matter: versions are those of the whole kind.
        """
        shown = {body["metadata"]["uid"] for body in listing.bodies} | self._gone_since
        missing = (body for uid, body in self._known.items() if uid not in shown)
        return sorted((body for body in missing if version_of(body) > listing.version), key=version_of, reverse=True)

    def standing(self, listed: Iterable[Body]) -> list[Body]:
        """Give what the LIST holds and what has not gone since: only the past brings that back."""
        return [body for body in listed if body["metadata"]["uid"] not in self._gone_since]


class Cache:
    """The latest known body of each object.

    Args:
        watched: picks the annotations whose change makes a reconcile due.
        index: gives what an object is found by beside its name, if it is.
    """

    def __init__(
        self, watched: Callable[[Body], Mapping[str, str]], index: Callable[[Body], str | None] = lambda _: None
    ) -> None:
        self._watched = watched
        self._index = index
        self._indexed: dict[str, set[Key]] = {}
        self._bodies: dict[Key, Body] = {}
        self._comparisons: set[Comparison] = set()
        self.newest = 0
        """The highest resource version that any object has come with: the cluster has been that far."""

    def __iter__(self) -> Iterator[Key]:
        """Go over the keys of all objects."""
        return iter(self._bodies)

    def __len__(self) -> int:
        """Count the objects."""
        return len(self._bodies)

    def get(self, key: Key) -> Body | None:
        """Give the latest known body, or ``None`` when the object is not known or gone."""
        return self._bodies.get(key)

    def found_by(self, value: str) -> list[Body]:
        """Give the objects for which ``index`` gives a value."""
        return [self._bodies[key] for key in self._indexed.get(value, ())]

    def is_still(self, key: Key, trigger: Trigger) -> bool:
        """Tell whether an object is still what a reconcile of it was begun for."""
        known = self._bodies.get(key)
        return known is not None and self.trigger(known) == trigger

    def holds(self, key: Key, uid: str) -> bool:
        """Tell whether exactly this object is known, not only one of its name."""
        known = self._bodies.get(key)
        return known is not None and bool(known["metadata"]["uid"] == uid)

    def knows_later(self, body: Body) -> bool:
        """Tell whether a later state of this very object is known."""
        known = self._bodies.get(key_of(body))
        return (
            known is not None
            and bool(known["metadata"]["uid"] == body["metadata"]["uid"])
            and version_of(body) < version_of(known)
        )

    def put(self, body: Body) -> News:
        """Take in an object and tell whether that makes a reconcile due."""
        key = key_of(body)
        known = self._bodies.get(key)
        if known is not None and is_older(body, known):
            return News.STALE
        if body == known:
            # What watch, LIST and writes bring again is not kept in its place: who knows it by identity need not look anew.
            # Its version alone does not tell: a watch that is older than the CRD hides the fields that came since.
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
        """Forget an object, unless another one has taken its name meanwhile; tell whether it was known."""
        self._gone(uid)
        if not self.holds(key, uid):
            return False
        self._keep(key, None)
        return True

    @contextmanager
    def comparing(self) -> Iterator[Comparison]:
        """Have a LIST compared with what is known; it is to be made and answered within the context."""
        comparison = Comparison(self._bodies.values(), self.newest)
        self._comparisons.add(comparison)
        try:
            yield comparison
        finally:
            self._comparisons.discard(comparison)

    def trigger(self, body: Body) -> Trigger:
        """Give the part of an object whose change makes a reconcile due."""
        metadata = body["metadata"]
        return Trigger(
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            deleting="deletionTimestamp" in metadata,
            annotations=tuple(sorted(self._watched(body).items())),
        )

    def _keep(self, key: Key, body: Body | None) -> None:
        """Put an object in the place of the one that was known, or none."""
        known = self._bodies.get(key)
        before = None if known is None else self._index(known)
        after = None if body is None else self._index(body)
        if before is not None and before != after:
            self._indexed[before].discard(key)
            if not self._indexed[before]:
                del self._indexed[before]
        if body is not None:
            self._bodies[key] = body
        elif known is not None:
            del self._bodies[key]
        if after is not None:
            self._indexed.setdefault(after, set()).add(key)

    def _gone(self, uid: str) -> None:
        for comparison in self._comparisons:
            comparison.gone(uid)


def key_of(body: Body) -> Key:
    """Name an object."""
    metadata = body["metadata"]
    return Key(body["kind"], metadata["namespace"], metadata["name"])


def is_older(body: Body, known: Body) -> bool:
    """Tell whether a body is an earlier state of an object, or of its name, as a stale API server may send it.

    Resource versions are numbers, ordered within one kind of resource (Kubernetes guarantees it), and a name is not taken
    anew before its former object is gone: so they order namesakes too. Times of creation do not: they have whole seconds,
    and the clock of whichever API server made the object.
    """
    new, old = body["metadata"], known["metadata"]
    if new["uid"] == old["uid"] and new.get("generation", 0) < old.get("generation", 0):
        return True
    return version_of(body) < version_of(known)


def version_of(body: Body) -> int:
    """Give the resource version of an object: a number, which only grows within one kind of resource."""
    return int(body["metadata"]["resourceVersion"])
