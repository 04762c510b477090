"""Whether a resource can stay at rest: what a resync finds by the cached observations, without a reconcile."""

from datetime import datetime
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.observations import View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Body, key_of, uid_of
from atlas_endpoints.controller.requeue import Backoff
from atlas_endpoints.reconcile import summarize
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.outcome import Outcome, status_unchanged
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Resolved


class AtRest:
    """Compares resources with what a resync has shown."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._kind, self._ports = gatherer.kind, gatherer.ports

    def finds_work(self, body: Body, scope: Scope, failure: AtlasError | None) -> bool:
        """Return whether the resync of a scope found work, or a new status, for a resource."""
        memory, now, view = (
            self._gatherer.memories[key_of(body)],
            self._ports.clock.now(),
            self._ports.atlas.view(scope),
        )
        entry = self._kind.entry_of(body)
        seen = None if failure is not None or entry is None else view.value(entry)
        is_listed = entry is None or self._kind.parent_of(entry) is None
        created = view.labelled.get(self._kind.resource.created_as_of(uid_of(body)), ())
        compared = (seen, created, *_announced(view, now))
        if seen is not None:
            if is_listed:
                memory.failing_since = None
            known, before = memory.in_sync or (None, ())
            if known is body and before == compared:
                # Keep the newest equal value, which the observation cache shares, so that the older one is freed.
                memory.in_sync = body, compared
                return False
        try:
            # Times in the future stay as they are: only a reconcile can correct them.
            resource = self._kind.resource.parse(body)
        except InvalidSpecError:
            # Its own reconcile has reported that, unless the watch missed the event.
            return not self._gatherer.attempt(body, now).is_reported(Reason.INVALID_SPEC)
        if (resource.refers or resource.has_outputs) and seen is not None:
            return True  # only a reconcile reads references and outputs
        status = resource.status
        facts = self._gatherer.facts(resource, now, scope, status.resolved or Resolved())
        outcome = self._outcome(facts, failure)
        if outcome is None or summarize.render(facts.attempt, outcome) != status:
            return True
        # Without differences, and Available, the decision does not depend on the time; that about a part depends on its parent.
        if (
            seen is not None
            and outcome.reason is Reason.AVAILABLE
            and is_listed
            and not compare(resource, resource.spec.desired, seen)
        ):
            memory.in_sync = body, compared
        return False

    def _outcome(self, facts: Facts[Any], failure: AtlasError | None) -> Outcome | None:
        """Return the outcome that a reconcile would have without a call to Atlas; None: it would act."""
        if failure is not None:
            return self._gatherer.observation_failed(facts, failure)
        decision = self._gatherer.decide(facts)
        writes = decision.write is not None and facts.policy == "Manage"
        if decision.absent is not None:
            is_reported = facts.attempt.is_reported(Reason.ENDPOINT_NOT_FOUND)
            return status_unchanged(Backoff()) if is_reported and not writes else None
        if any(get.entry not in facts.view.entries for get in decision.gets):
            return None
        if decision.seen is not None and (claim := self._gatherer.claim(facts)) is not None:
            return summarize.of_contention(self._kind, facts, decision, claim)
        return None if writes else summarize.of_decision(self._kind, facts, decision)


def _announced(view: View[Any], now: datetime) -> tuple[object, bool]:
    """Return the announced end of the Atlas API, and whether it is past."""
    sunset = view.deprecation.sunset if view.deprecation is not None else None
    return view.deprecation, sunset is not None and sunset <= now
