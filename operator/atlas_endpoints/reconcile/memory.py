"""What reconciles of one resource hand on to each other in this process: one record, which goes with the resource.

A restart forgets all of it, which costs calls and time, and perhaps an Event that comes twice. What several resources
share is kept where it is shared: calls that create, drift, resyncs, outputs; a status that is not written yet and the count of failures, in the controller.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeAlias

from atlas_endpoints.controller.cache import Body, Key, Trigger
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.outcome import Ending, Outcome
from atlas_endpoints.reconcile.status import Creation


@dataclass(frozen=True, slots=True)
class Failure:
    """The outcome of a failure that other objects, or a change in Atlas, may fix, and everything that it depends on.

    Attributes:
        awaits_credentials: whether the resource is requeued only to read its Secret again.
    """

    inputs: tuple[object, ...]
    outcome: Outcome
    awaits_credentials: bool


CreatedThing: TypeAlias = tuple[Hashable, str]
"""The place of a thing in Atlas, and its name."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A creation whose call was not made yet, what it creates, and when it began, in monotonic seconds."""

    intent: Creation
    thing: CreatedThing
    began: float


@dataclass(slots=True)
class Memory:
    """What is remembered of one resource. Times are monotonic seconds.

    Attributes:
        changed_at: when its newest change was seen, which may be a force-sync request.
        failure: is replayed until something that it depends on changes.
        failing_since: since when calls have failed or been held, and the status does not show it.
        in_sync: the object, and what it was compared with, when a resync found nothing to do.
        unfinished_since: when an observation began that the next reconcile goes on with.
        pending: a creation that the status announces, and whose call was not made.
        reconciled: the generation and a digest of the status after a reconcile.
        refused_credentials: those that may not delete the entry, and until when they are not tried again.
        unchangeable_since: since when its metadata could not be changed, since the API server did not answer.
        changed: the newest change of its metadata, and when it was made.
        is_unlisted: whether nobody knows who else exists in the namespace of a deleted resource.
        waiting_since: since when a deletion waits for others.
        given: the key of what its unbound reference gave before a deletion.
        ending: how its deletion has ended, for which state of the object.
    """

    changed_at: float = -math.inf
    failure: Failure | None = None
    failing_since: float | None = None
    in_sync: tuple[Body, tuple[object, ...]] | None = None
    unfinished_since: float | None = None
    pending: Pending | None = None
    reconciled: tuple[int, bytes] | None = None
    refused_credentials: tuple[Access, float] | None = None
    unchangeable_since: float | None = None
    changed: tuple[MetadataChange, float] | None = None
    is_unlisted: bool = False
    waiting_since: float | None = None
    given: str | None = None
    ending: tuple[Trigger, Ending] | None = None

    def drop_failures(self) -> None:
        """Drop what only a resource has that Atlas is asked for."""
        self.failure = self.in_sync = self.failing_since = None


class Memories(dict[Key, Memory]):
    """The records of a kind's resources, each made when it is first asked for."""

    def __missing__(self, key: Key) -> Memory:
        memory = self[key] = Memory()
        return memory
