"""What this process remembers of each resource: one record, which goes with the resource.

A restart forgets all of it, which costs calls and time, and nothing else.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_endpoints.controller.cache import Body, Key, Trigger

if TYPE_CHECKING:
    from atlas_endpoints.controller.controller import MetadataChange
    from atlas_endpoints.reconcile.creation import Pending
    from atlas_endpoints.reconcile.credentials import Access
    from atlas_endpoints.reconcile.kind import Difference
    from atlas_endpoints.reconcile.outcome import Ending
    from atlas_endpoints.reconcile.pacing import Failure, Request


@dataclass(slots=True)
class Memory:
    """What is remembered of one resource. Times are monotonic seconds.

    Attributes:
        request: the open force-sync request.
        failure: is replayed until something that it depends on changes.
        failing_since: since when calls have failed or been held, and the status does not show it.
        in_sync: the object, and what it was compared with, when a resync found nothing to do.
        unfinished_since: when an observation began that the next reconcile goes on with.
        pending: a creation that the status announces, and whose call was not made.
        told: the differences that Events have told.
        reconciled: the generation and a digest of the status after a reconcile.
        refused: credentials that may not delete the entry, and until when they are not tried again.
        unchanged_since: since when its metadata could not be changed, since the API server did not answer.
        changed: the newest change of its metadata, and when it was made.
        unlisted_since: since when nobody knows who else exists in the namespace of a deleted resource.
        waiting_since: since when a deletion waits for others.
        given: the key of what its unbound reference gave before a deletion.
        ending: how its deletion has ended, for which state of the object.
        written: when its status was written since an edit, the last times.
        refusals: when the first and the last of the calls have failed that change something for it, since one has succeeded.
    """

    request: "Request | None" = None
    failure: "Failure | None" = None
    failing_since: float | None = None
    in_sync: tuple[Body, tuple[object, ...]] | None = None
    unfinished_since: float | None = None
    pending: "Pending | None" = None
    told: "frozenset[Difference]" = frozenset()
    reconciled: tuple[int, bytes] | None = None
    refused: "tuple[Access, float] | None" = None
    unchanged_since: float | None = None
    changed: "tuple[MetadataChange, float] | None" = None
    unlisted_since: float | None = None
    waiting_since: float | None = None
    given: str | None = None
    ending: "tuple[Trigger, Ending] | None" = None
    written: tuple[float, ...] = ()
    refusals: tuple[float, float] | None = None

    def settle(self) -> None:
        """Drop what only a resource has that Atlas is asked for."""
        self.failure = self.in_sync = self.failing_since = None


class Memories(dict[Key, Memory]):
    """The records of a kind's resources, each made when it is first asked for."""

    def __missing__(self, key: Key) -> Memory:
        memory = self[key] = Memory()
        return memory
