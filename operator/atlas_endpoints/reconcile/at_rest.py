"""Whether a resource can stay at rest: what a resync finds by the cached observations, without a reconcile."""

from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
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


def finds_work(gatherer: Gatherer, body: Body, scope: Scope, failure: AtlasError | None) -> bool:
    """Return whether the resync of a scope found work, or a new status, for a resource."""
    kind, now, view = gatherer.kind, gatherer.ports.clock.now(), gatherer.ports.atlas.view(scope)
    memory = gatherer.memories[key_of(body)]
    entry = kind.entry_of(body)
    seen = None if failure is not None or entry is None else view.value(entry)
    is_listed = entry is None or kind.parent_of(entry) is None
    created = view.labelled.get(kind.resource.created_as_of(uid_of(body)), ())
    alike = () if seen is None else view.labelled.get(kind.label(seen) or "", ())
    sunset = None if view.deprecation is None else view.deprecation.sunset
    compared = (seen, created, alike, view.deprecation, sunset is not None and sunset <= now)
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
        resource = kind.resource.parse(body)
    except InvalidSpecError:
        # Its own reconcile has reported that, unless the watch missed the event.
        return not gatherer.attempt(body, now).is_reported(Reason.INVALID_SPEC)
    if (resource.refers or kind.outputs(resource, {})) and seen is not None:
        return True  # only a reconcile reads references and outputs
    status = resource.status
    facts = gatherer.facts(resource, now, scope, status.resolved or Resolved())
    outcome = _outcome(gatherer, facts, failure)
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


def _outcome(gatherer: Gatherer, facts: Facts[Any], failure: AtlasError | None) -> Outcome | None:
    """Return the outcome that a reconcile would have without a call to Atlas, in the order of ``live``; None: it would act."""
    if failure is not None:
        return gatherer.observation_failed(facts, failure)
    decision = gatherer.decide(facts)
    writes = decision.write is not None and facts.policy == "Manage"
    if decision.absent is not None:
        is_told = decision.seen is None and facts.attempt.is_reported(Reason.ENDPOINT_NOT_FOUND)
        return status_unchanged(Backoff()) if is_told and not writes else None
    if any(get.entry not in facts.view.entries for get in decision.gets):
        return None
    if decision.seen is not None and (claim := gatherer.claim(facts, decision)) is not None:
        return summarize.of_contention(gatherer.kind, facts, decision, claim)
    return None if writes else summarize.of_decision(gatherer.kind, facts, decision)
