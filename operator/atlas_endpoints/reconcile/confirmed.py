"""What Atlas has confirmed of the values that a resource wants: before a reconcile, after a write, and in the status. Pure."""

from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.observations import Seen
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Decision, Done, Fields, WriteResult
from atlas_endpoints.reconcile.facts import APPLIED, Baseline, Facts, Refusal
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Applied, Status, find, has_reason


def baseline_of(resource: Resource) -> Baseline:
    """Return the baseline of a resource that has its references replaced by their values."""
    previous, applied = resource.status, confirmed_before(resource)
    is_rejected = has_reason(previous, reason=Reason.UPDATE_REJECTED, generation=resource.generation)
    return Baseline(
        confirmed=applied.values if applied else None,
        confirmed_generation=applied.generation if applied else Status.NEVER_OBSERVED,
        confirmed_at=None if is_rejected else previous.last_applied_time,
        patched={
            name: entry.time for entry in reversed(previous.history) if entry.result == APPLIED for name in entry.fields
        },
        nothing_missed=previous.covers_all_before(resource.generation),
        refusal=_refusal(previous),
        contacted=applied is not None or any(entry.result == APPLIED for entry in previous.history),
    )


def after(facts: Facts[Any], done: Done, *, entry: str | None = None) -> Facts[Any]:
    """Return the facts after a write; ``entry`` is the id in its answer, or the one that was deleted."""
    if done.result is not WriteResult.CONFIRMED:
        return replace(facts, done=done)
    view = facts.view
    if entry is not None:
        seen = None if done.answer is None else Seen(done.answer, view.began)
        view = view.showing(entry, seen)
    if not done.write.fields:
        return replace(facts, done=done, view=view, forced=False)
    kept = {name: value for name, value in (facts.baseline.confirmed or {}).items() if name in facts.desired}
    shown = facts.resource.shown(done.answer)  # Atlas may have stored other values than were sent
    confirmed = {**kept, **{name: shown.get(name) or "" for name in done.write.fields}}
    baseline = replace(
        facts.baseline,
        confirmed=confirmed,
        confirmed_generation=facts.generation,
        confirmed_at=None if _contradicts(confirmed, done, facts) else facts.now,
        nothing_missed=True,
    )
    return replace(facts, done=done, view=view, baseline=baseline, uncertain=False, forced=False)


def confirmed_so_far(resource: Resource) -> Applied | None:
    """Return what counts as confirmed if nothing new was confirmed.

    A confirmed value that the spec no longer wants is void: a process that ended before it wrote the status may have sent the
    new one. If the spec returns to the old value, that must count as an edit, not as drift.
    """
    generation, previous, kept = resource.generation, resource.status, confirmed_before(resource)
    if kept is None or kept == previous.applied:
        return previous.applied
    return Applied.of(generation, kept.values) if previous.covers_all_before(generation) else None


def confirmed_before(resource: Resource) -> Applied | None:
    """Return the confirmed values of its status that still count for what the spec wants now.

    A value that comes from another object may change while the generation stays. The new value is then an edit;
    ``Status.resolved`` shows which value was wanted before. (If the same value was wanted before, Atlas has stored another one.)
    """
    applied, resolved = resource.status.applied, resource.status.resolved
    desired, same = resource.spec.desired, resource.same
    if applied is not None and applied.values.keys() - set(resource.fields):
        # Fields that only a newer version of the operator knows do not count.
        known = {name: value for name, value in applied.values.items() if name in resource.fields}
        applied = Applied.of(applied.generation, known)
    if applied is not None and resolved is not None:
        replaced = {
            name
            for name in resource.connection
            if name in desired
            and not same(name, applied.values.get(name), desired[name])
            and not same(name, resolved.values.get(name), desired[name])
        }
        if replaced & applied.values.keys():
            kept = {name: value for name, value in applied.values.items() if name not in replaced}
            applied = Applied.of(applied.generation, kept)
    if applied is None or applied.generation == resource.metadata.generation:
        return applied
    # A newer spec with another value may have been sent without a status, if the operator was stopped. So the older
    # confirmation is void, even if the spec returns to the older value.
    kept = {name: value for name, value in applied.values.items() if same(name, value, desired.get(name, value))}
    return Applied.of(applied.generation, kept)


def _contradicts(confirmed: Fields, done: Done, facts: Facts[Any]) -> bool:
    """Return whether an answer has a value that is neither the old nor the new one; a slow Atlas does not explain that."""
    same, desired = facts.resource.same, facts.desired
    return any(
        value and not same(name, value, desired[name]) and not same(name, value, done.before.get(name))
        for name, value in confirmed.items()
    )


def _refusal(previous: Status) -> Refusal | None:
    """Return what Atlas refused: the fields of the last error, with the values of the drift."""
    ready = find(previous, "Ready")
    if previous.last_error is None or ready is None or ready.reason != Reason.UPDATE_REJECTED:
        return None
    fields = {
        each.field: each.desired
        for each in previous.drift
        if each.field in previous.last_error.fields and each.desired is not None
    }
    return Refusal(fields, ready.message) if fields else None


def applied_after(kind: Kind[Any], facts: Facts[Any], decision: Decision) -> Applied | None:
    """Return what counts as confirmed after an observation, and after the write before it."""
    resource, done = facts.resource, facts.done
    if done is not None and done.result is WriteResult.CONFIRMED and done.write.cause and done.write.deletes:
        return None  # what is deleted on request is created again, also where drift is only reported
    if decision.seen is None:
        return confirmed_so_far(resource) if kind.keeps_confirmed else None
    if decision.state.reason is Reason.DELETING:
        # What is going confirms nothing. If a request meets it, its own DELETE may be the cause, whose answer was lost.
        return None if facts.forced and facts.policy == "Manage" else confirmed_so_far(resource)
    if not compare(resource, facts.desired, decision.seen):
        return Applied.of(facts.generation, facts.desired)
    if done is not None and done.result is WriteResult.CONFIRMED and done.write.fields:
        return Applied.of(facts.generation, facts.baseline.confirmed or {})
    return None if resource.entry is None else confirmed_so_far(resource)


def with_connection(facts: Facts[Any], applied: Applied | None) -> Applied | None:
    """Return what counts as confirmed, with the values of a connection that is not managed while a reference is not ready.

    If the reference resolves to the same value later, a change that somebody made in Atlas meanwhile is drift, and no edit.
    """
    previous = facts.previous
    if (
        facts.problem is None
        or applied is None
        or previous.applied is None
        or not previous.covers_all_before(facts.generation)
    ):
        return applied
    known = {name: value for name, value in previous.applied.values.items() if name in facts.resource.connection}
    return Applied.of(applied.generation, {**known, **applied.values})


def applied_in(attempt: Attempt, applied: Applied | None) -> Applied | None:
    """Return what Atlas has confirmed, as far as that is known.

    If the operator was stopped, it may have sent generations for which no status was written. An older confirmation is void
    then: with it, an edit would count as drift.
    """
    previous = attempt.previous
    if applied is None or applied.generation == attempt.generation:
        return applied
    return applied if previous.covers_all_before(attempt.generation) and applied == previous.applied else None
