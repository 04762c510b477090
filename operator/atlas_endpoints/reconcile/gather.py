"""Gathers everything that a decision about a resource depends on, and observes Atlas for it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, OutOfTimeError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body, Key, generation_of, key_of, uid_of
from atlas_endpoints.reconcile import failures, ownership, summarize
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.confirmed import baseline_of
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.facts import Facts, is_forced
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.memory import Memories
from atlas_endpoints.reconcile.observe import observe
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.ownership import Claim, Owner
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.status import Resolved
from atlas_endpoints.tunings import ARRIVES, MIN_READY, PROVISIONING_TIMEOUT, SHARED_FOR, UNFINISHED


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Gathers facts about the resources of a kind, and observes Atlas for them."""

    kind: Kind[Any]
    ports: Ports
    memories: Memories = field(default_factory=Memories)

    def scope(self, resource: Resource, project_id: str, credentials: str) -> Scope:
        return Scope(credentials, project_id, self.kind.names.kind, resource.scope_name)

    def attempt(self, body: Body, now: datetime) -> Attempt:
        """Return the reconcile of an object, whether or not its spec is valid."""
        return Attempt(generation_of(body), self.kind.resource.status_in(body, now=now), now, self.ports.grace)

    def facts(self, resource: Resource, now: datetime, scope: Scope, resolved: Resolved) -> Facts[Any]:
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
            baseline=baseline_of(resource),
        )

    def leave(self, key: Key) -> None:
        """Drop what is held for a resource that is suspended, invalid or deleted: Atlas is not asked for it."""
        ports = self.ports
        ports.resync.leave(key)
        self.memories[key].drop_failures()

    def decide(self, facts: Facts[Any]) -> Decision:
        """Return the decision of the kind; where nothing may be written, a force-sync request only asks for a new observation."""
        return self.kind.decide(replace(facts, forced=facts.forced and facts.policy == "Manage"))

    def observation_failed(self, facts: Facts[Any], error: AtlasError) -> Outcome:
        """Return that observing the entry failed; nothing, if the resource is settled and the failure may pass soon."""
        is_settled, outcome = facts.attempt.is_settled, summarize.of_failed_call(self.kind, facts, error)
        if outcome.unreported is None and not (failures.may_pass(error) and is_settled):
            return outcome
        memory, now = self.memories[facts.resource.key], self.ports.clock.monotonic()
        memory.failing_since = now if memory.failing_since is None else memory.failing_since
        if not is_settled or facts.held_for >= max(3 * facts.interval, MIN_READY).total_seconds():
            return outcome
        return status_unchanged(outcome.requeue, unreported=error.reason)

    async def observe(
        self,
        facts: Facts[Any],
        decide: Callable[[Facts[Any]], Decision],
        *,
        began: float | None = None,
        is_claimed: Callable[[Facts[Any]], bool] = lambda _: False,
    ) -> tuple[Facts[Any], Decision]:
        """Observe Atlas for a reconcile, as ``observe.observe`` does; no LIST counts that began before a force-sync request was seen.

        Args:
            began: no more is read for what was read since then, unless that is long ago; None: the last reconcile's observation goes
                on, if it has taken too long.
        """
        memory, atlas = self.memories[facts.resource.key], self.ports.atlas
        now = atlas.moment()
        asked_at = memory.changed_at if facts.forced else -math.inf
        since, memory.unfinished_since = memory.unfinished_since if began is None else began, None
        if since is None or since < max(asked_at, now - UNFINISHED):
            since = now
        max_age = min(SHARED_FOR, max(0.0, since - asked_at))
        try:
            return await observe(atlas, facts, decide, max_age=max_age, began=since, is_claimed=is_claimed)
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
        return resource.spec.sync_interval or self.ports.sync_interval

    def naming(self, resource: Resource, key: str, project_id: str | None) -> Sequence[Body]:
        """Return the resources that name what has this key, with or without the resource itself."""
        values = ownership.found_by(key, project_id=project_id, namespace=resource.metadata.namespace)
        return [body for value in values for body in self.ports.resources.found_by(value)]

    def unbound(self, resource: Resource, thing: Thing, project_id: str | None) -> Sequence[Body]:
        """Return the resources that may name a thing by a reference whose value is not known yet."""
        return self.naming(resource, f"{thing.shared or None} {ownership.UNBOUND}", project_id)

    def known_protector(self, resource: Resource) -> Owner | None:
        """Return another resource that protects the endpoint of a resource, as far as that is known without a call."""
        if (thing := resource.thing) is None:
            return None
        others = self.naming(resource, thing.key, resource.known_project_id)
        found = ownership.protectors(self.kind, resource, thing, others)
        return Owner.of(found[0]) if found else None

    def claim(self, facts: Facts[Any], decision: Decision | None = None) -> Claim:
        """Return who owns the entry instead of a resource that has observed it, or is about to; None: nobody.

        Args:
            decision: None: not made yet.
        """
        resource, thing = facts.resource, facts.resource.thing
        if thing is None:
            return None
        others = self.naming(resource, thing.key, facts.scope.project_id)
        changes = decision is not None and _changes_what_exists(facts, decision)
        may_miss = self.ports.may_miss_resources
        return ownership.owner_before(self.kind, resource, others, changes=changes, may_miss=may_miss)


def _changes_what_exists(facts: Facts[Any], decision: Decision) -> bool:
    """Return whether an entry that Atlas shows is not as desired, also if nothing is sent now."""
    if decision.seen is None:
        return False
    writes = decision.write is not None and decision.write.request.method != "POST"
    return writes or bool(compare(facts.resource, facts.desired, decision.seen))
