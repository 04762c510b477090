"""What one reconcile works with, and how it writes its object while it goes on; ``live`` and ``last`` are its two courses."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, generation_of, key_of
from atlas_endpoints.controller.controller import MetadataChange, RefusedError, Store
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile import failures, summarize
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.creation import Creations
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.protection import Protection
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.tunings import KEPT_FOR


@dataclass(frozen=True, slots=True)
class Shared:
    """What all reconciles of a kind share.

    Attributes:
        reading: the entries that a write in progress was read for.
    """

    gatherer: Gatherer
    protection: Protection
    creations: Creations
    reading: set[tuple[Hashable, str]] = field(default_factory=set)


class Pass:
    """One reconcile of a resource.

    Args:
        store: writes the object; each write counts only if the object is otherwise unchanged.
    """

    def __init__(self, shared: Shared, body: Body, store: Store) -> None:
        self.shared = shared
        self.gatherer = gatherer = shared.gatherer
        self.kind, self.ports = gatherer.kind, gatherer.ports
        self.store = store
        self.key = key_of(body)
        self.memory = gatherer.memories[self.key]
        self.now = self.ports.clock.now()
        self._parsed: tuple[Body, Resource] | None = None

    def parse(self) -> Resource:
        """Return the resource; raise ``InvalidSpecError`` as ``Resource.parse`` does."""
        body = self.store.body
        resource: Resource = self.kind.resource.parse(body, now=self.now)
        self._parsed = (body, resource)
        return resource

    def attempt(self, now: datetime | None = None) -> Attempt:
        """Return what the status of this reconcile follows from, also if the spec is invalid; ``now``: by default its begin."""
        now, body = now or self.now, self.store.body
        if self._parsed is not None and self._parsed[0] is body:
            return Attempt(generation_of(body), self._parsed[1].status, now, self.ports.grace)
        return self.gatherer.attempt(body, now)

    async def change(self, change: MetadataChange, attempt: Attempt) -> Outcome | None:
        """Change the metadata of the resource; return the outcome if that is not possible (yet), or None.

        Raises:
            ClusterUnavailableError: for less than the grace.
        """
        memory, now = self.memory, self.ports.clock.monotonic()
        is_needed, (made, at) = change.needed_by(self.store.body), memory.changed or (None, 0.0)
        if is_needed and made == change and (left := at + KEPT_FOR - now) > 0:
            return status_unchanged(RequeueAfter(left))  # somebody takes it away each time
        try:
            if not await self.store.change(change):
                return status_unchanged(Backoff())
        except RefusedError as error:
            why, memory.unchangeable_since = str(error), None
        except ClusterUnavailableError as error:  # a webhook is down, perhaps, and the status can be written
            memory.unchangeable_since = now if memory.unchangeable_since is None else memory.unchangeable_since
            if now - memory.unchangeable_since < self.ports.grace.total_seconds():
                raise
            why = str(error)
        else:
            memory.unchangeable_since = None
            memory.changed = (change, now) if is_needed else memory.changed
            return None
        return failures.of_refused_metadata(why, self.kind.names.plural, attempt)

    async def write_status(self, facts: Facts[Any], outcome: Outcome) -> Facts[Any] | None:
        """Write the status of an outcome, and return the facts with it; None: the resource has changed."""
        resource = facts.resource
        attempt = replace(facts.attempt, previous=resource.status_in(self.store.body))
        # A request is handled when the reconcile has ended.
        status = summarize.render(attempt, replace(outcome, handled=None)).to_json()
        if not await self.store.write_status(status):
            return None
        return replace(facts, resource=resource.model_copy(update={"status": resource.status_in(self.store.body)}))
