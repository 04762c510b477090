"""Gathers everything that a decision about a resource depends on, and observes Atlas for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.errors import OutOfTimeError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, key_of, uid_of
from atlas_endpoints.controller.controller import MetadataChange, RefusedError, Store
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile import failures, ownership
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.creation import ARRIVES
from atlas_endpoints.reconcile.facts import PROVISIONING_TIMEOUT, Baseline, Facts, is_forced
from atlas_endpoints.reconcile.kind import Decision, Kind, Write
from atlas_endpoints.reconcile.memory import Memories
from atlas_endpoints.reconcile.observe import SHARED, observe
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.ownership import Claim
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.status import Resolved

KEPT_FOR = 30.0
"""Seconds after which a change of the metadata that did not last is made again."""

OVER = 300.0
"""Seconds: failures that are twice as far apart, and have lasted no longer, have nothing to do with each other."""

UNFINISHED = 120.0
"""Seconds after which an observation that ran out of time begins anew: its first calls show nothing that is new any more."""


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers facts about the resources of a kind, and observes Atlas for them."""

    kind: Kind[Any]
    ports: Ports
    memories: Memories = field(default_factory=Memories)

    def scope(self, resource: Resource, project_id: str, credentials: str) -> Scope:
        """Return the scope of a resource."""
        return Scope(credentials, project_id, self.kind.names.kind, resource.scope_name)

    def facts(  # all that is known
        self, resource: Resource, now: datetime, scope: Scope, resolved: Resolved
    ) -> Facts[Any]:
        """Return what is known of a resource."""
        spec, namespace = resource.spec, resource.metadata.namespace
        kind, ports, forced = self.kind, self.ports, is_forced(resource)

        def named_by(thing: Thing) -> Sequence[Body]:
            return self.naming(resource, thing.key, scope.project_id)

        def is_protected(thing: Thing) -> bool:
            others = [*named_by(thing)]
            if not forced:  # a request has the references read anew
                unbound = self.unbound(resource, thing, scope.project_id)
                others += [body for body in unbound if self.memories[key_of(body)].given == thing.key.casefold()]
            return bool(ownership.protectors(kind, resource, thing, others))

        since = self.memories[resource.key].failing_since
        return Facts(
            resource=resource,
            now=now,
            held_for=0.0 if since is None else ports.clock.monotonic() - since,
            policy="Manage" if spec.management_policy == "Manage" and ports.writes else "Observe",
            interval=self.interval(resource),
            provisioning_timeout=spec.provisioning_timeout or PROVISIONING_TIMEOUT,
            grace=ports.grace,
            scope=scope,
            view=ports.atlas.view(scope),
            is_claimed_by_other=lambda id_: any(
                ownership.counts(kind, body, id_, namespace)
                for body in named_by(Thing.endpoint(id_))
                if uid_of(body) != resource.metadata.uid
            ),
            is_protected=is_protected,
            sharers=lambda thing: ownership.sharers(kind, resource, thing, named_by(thing)),
            resolved=resolved,
            unknown_for=ports.atlas.unknown_for(scope, resource.written_as) or 0.0,
            uncertain=ports.atlas.unknown_for(scope, resource.written_as) is not None,
            forced=forced,
            arrives_for=max(0.0, ports.started() + ARRIVES - ports.clock.monotonic()),
            baseline=Baseline.of(resource),
        )

    def leave(self, key: Key) -> None:
        """Drop what is held for a resource that is suspended, invalid or deleted: Atlas is not asked for it."""
        ports = self.ports
        ports.resync.leave(key)
        ports.limiter.release(key)
        self.memories[key].settle()
        if ports.outputs is not None:
            ports.outputs.forget(key)

    async def changed(self, store: Store, change: MetadataChange, attempt: Attempt) -> Outcome | None:
        """Change the metadata of a resource; return the outcome if that is not possible (yet), or None.

        Raises:
            ClusterUnavailableError: for less than the grace.
        """
        memory, now = self.memories[key_of(store.body)], self.ports.clock.monotonic()
        is_needed, (made, at) = change.needed_by(store.body), memory.changed or (None, 0.0)
        if is_needed and made == change and (left := at + KEPT_FOR - now) > 0:
            return status_unchanged(attempt.generation, RequeueAfter(left))  # somebody takes it away each time
        try:
            if not await store.change(change):
                return status_unchanged(attempt.generation, Backoff())
        except RefusedError as error:
            why, memory.unchanged_since = str(error), None
        except ClusterUnavailableError as error:  # a webhook is down, perhaps, and the status can be written
            memory.unchanged_since = now if memory.unchanged_since is None else memory.unchanged_since
            if now - memory.unchanged_since < self.ports.grace.total_seconds():
                raise
            why = str(error)
        else:
            memory.unchanged_since = None
            memory.changed = (change, now) if is_needed else memory.changed
            return None
        return failures.of_refused_metadata(why, self.kind.names.plural, attempt)

    def decide(self, facts: Facts[Any]) -> Decision:
        """Return the decision of the kind; where nothing may be written, a force-sync request only asks for a new observation."""
        return self.kind.decide(replace(facts, forced=facts.forced and facts.policy == "Manage"))

    async def observe(
        self,
        facts: Facts[Any],
        decide: Callable[[Facts[Any]], Decision],
        *,
        max_age: float,
        is_claimed: Callable[[Facts[Any]], bool] = lambda _: False,
    ) -> tuple[Facts[Any], Decision]:
        """Observe Atlas for a reconcile, as ``observe.observe`` does; go on with an observation that has taken long."""
        memory, atlas = self.memories[facts.resource.key], self.ports.atlas
        now = atlas.moment()
        since, memory.unfinished_since = memory.unfinished_since, None
        since = now if since is None or now - since > UNFINISHED else since
        # A force-sync request, or an intent, needs observations that began later.
        began = since if max_age == SHARED else now
        try:
            return await observe(atlas, facts, decide, max_age=max_age, began=began, is_claimed=is_claimed)
        except OutOfTimeError:
            memory.unfinished_since = since
            raise

    async def observe_anew(
        self, facts: Facts[Any], decide: Callable[[Facts[Any]], Decision]
    ) -> tuple[Facts[Any], Decision]:
        """Observe Atlas after a write that was refused, as ``observe.observe`` does."""
        fresh = replace(facts, view=self.ports.atlas.view(facts.scope), done=None)
        return await observe(self.ports.atlas, fresh, decide, max_age=0.0)

    async def write(self, facts: Facts[Any], write: Write) -> tuple[str, Any]:
        """Make a write; return the id and the value of the entry in the answer (without one: of the entry that it touches).

        Raises:
            AtlasError: it failed, or its outcome is not known.
        """
        return await self.ports.atlas.write(
            facts.scope, write.request, parse=lambda answer: self.kind.written(write, answer), touches=write.touches
        )

    def interval(self, resource: Resource) -> timedelta:
        """Return the interval between resyncs of a resource."""
        return resource.spec.sync_interval or self.ports.sync_interval

    def refused_since(self, facts: Facts[Any]) -> datetime:
        """Return since when each call has failed that changes something for a resource; what failed long before this one is over."""
        memory, now = self.memories[facts.resource.key], self.ports.clock.monotonic()
        first, last = memory.refusals or (now, now)
        goes_on = now - last <= 2 * min(max(last - first, OVER), facts.interval.total_seconds())
        memory.refusals = (first if goes_on else now), now
        return facts.now - timedelta(seconds=now - memory.refusals[0])

    def naming(self, resource: Resource, key: str, project_id: str | None) -> Sequence[Body]:
        """Return the resources that name what has this key, with or without the resource itself."""
        values = ownership.found_by(key, project_id=project_id, namespace=resource.metadata.namespace)
        return [body for value in values for body in self.ports.resources.found_by(value)]

    def unbound(self, resource: Resource, thing: Thing, project_id: str | None) -> Sequence[Body]:
        """Return the resources that may name a thing by a reference whose value is not known yet."""
        return self.naming(resource, f"{thing.shared} {ownership.UNBOUND}", project_id) if thing.shared else ()

    def claim(self, facts: Facts[Any]) -> Claim:
        """Return who owns the entry instead of a resource that has observed it, or is about to; None: nobody."""
        resource, thing = facts.resource, facts.resource.thing
        if thing is None:
            return None
        others = self.naming(resource, thing.key, facts.scope.project_id)
        return ownership.owner_before(self.kind, resource, others, facts.now)
