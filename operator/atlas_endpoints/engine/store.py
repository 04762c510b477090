"""The operator's memory of the objects in the cluster.

It is fed by watch events and by LISTs, which may come late, twice, out of order or from a stale API server, so it
decides what is news: an object never goes back in time, and only a change that can matter to a pass counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import override

Body: TypeAlias = Mapping[str, Any]
"""A Kubernetes object as the API server sends it."""


class Key(NamedTuple):
    """What names an object of one kind within a cluster."""

    namespace: str
    name: str

    @override
    def __str__(self) -> str:
        """The way in which kubectl and logs write it."""
        return f"{self.namespace}/{self.name}"


class Trigger(NamedTuple):
    """The part of an object whose change makes a pass due; labels, foreign annotations and status are not in it."""

    uid: str
    generation: int
    deleting: bool
    annotations: tuple[tuple[str, str], ...]


class News(Enum):
    """What an object that arrived means."""

    CHANGED = auto()
    """New, or changed in a way that makes a pass due."""
    NOISE = auto()
    """Kept, but nothing in it makes a pass due: a label, a foreign annotation, our own status."""
    STALE = auto()
    """Older than what is known; dropped."""


class Store:
    """The latest known body of each object.

    Args:
        watched: picks the annotations whose change makes a pass due.
    """

    def __init__(self, watched: Callable[[Body], Mapping[str, str]]) -> None:
        self._watched = watched
        self._bodies: dict[Key, Body] = {}

    def __iter__(self) -> Iterator[Key]:
        """Go over the keys of all objects."""
        return iter(self._bodies)

    def __len__(self) -> int:
        """Count the objects."""
        return len(self._bodies)

    def get(self, key: Key) -> Body | None:
        """Give the latest known body, or ``None`` when the object is not known or gone."""
        return self._bodies.get(key)

    def put(self, body: Body) -> News:
        """Take in an object and tell whether that makes a pass due."""
        key = key_of(body)
        known = self._bodies.get(key)
        if known is not None and _older(body, known):
            return News.STALE
        self._bodies[key] = body
        if known is None or self.trigger(known) != self.trigger(body):
            return News.CHANGED
        return News.NOISE

    def remove(self, key: Key, uid: str) -> bool:
        """Forget an object, unless another one has taken its name meanwhile; tell whether it was known."""
        known = self._bodies.get(key)
        if known is None or known["metadata"]["uid"] != uid:
            return False
        del self._bodies[key]
        return True

    def trigger(self, body: Body) -> Trigger:
        """Give the part of an object whose change makes a pass due."""
        metadata = body["metadata"]
        return Trigger(
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            deleting="deletionTimestamp" in metadata,
            annotations=tuple(sorted(self._watched(body).items())),
        )

    def identities(self) -> frozenset[tuple[Key, str]]:
        """Give key and uid of each known object, to be compared with a LIST that begins now."""
        return frozenset((key, body["metadata"]["uid"]) for key, body in self._bodies.items())


def vanished(before: Iterable[tuple[Key, str]], listed: Iterable[Body]) -> list[tuple[Key, str]]:
    """Tell which objects that were known before a LIST began are not in it: their deletion came as no event.

    What the watch brought while the LIST was under way is not in ``before`` and so is never taken for vanished.
    """
    present = {(key_of(body), body["metadata"]["uid"]) for body in listed}
    return [identity for identity in before if identity not in present]


def key_of(body: Body) -> Key:
    """Name an object."""
    metadata = body["metadata"]
    return Key(metadata["namespace"], metadata["name"])


def _older(body: Body, known: Body) -> bool:
    """Tell whether a body is an earlier state of the same object, as a stale API server may send it.

    Resource versions are compared as numbers, which Kubernetes guarantees to be ordered within one resource.
    """
    new, old = body["metadata"], known["metadata"]
    if new["uid"] != old["uid"]:
        return str(new.get("creationTimestamp", "")) < str(old.get("creationTimestamp", ""))
    if new.get("generation", 0) != old.get("generation", 0):
        return bool(new.get("generation", 0) < old.get("generation", 0))
    return int(new["resourceVersion"]) < int(old["resourceVersion"])
