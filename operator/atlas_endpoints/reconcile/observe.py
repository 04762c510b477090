"""Observes Atlas until the facts are fresh enough for the decision; one rule of freshness for every kind."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, Explanation, OutOfTimeError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.reconcile.decision import Create, Decision, Get
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.tunings import AT_REST, MEMORY, OBSERVES_FOR, SETTLED_PART

MAX_CALLS = 16
"""Calls that one decision may take: a LIST, a GET of an entry and of each part, a LIST that proves an absence, and some for
concurrent changes."""


async def observe(
    atlas: Gateway,
    facts: Facts[Any],
    decide: Callable[[Facts[Any]], Decision],
    *,
    max_age: float,
    began: float | None = None,
    is_claimed: Callable[[Facts[Any]], bool] = lambda _: False,
) -> tuple[Facts[Any], Decision]:
    """Decide; observe Atlas and decide again until the facts are fresh enough for the decision.

    Args:
        max_age: seconds; an older LIST is not fresh enough, unless the cache suffices.
        began: when the observation began that this one goes on with; None: it begins now.

    Raises:
        OutOfTimeError: the calls have taken long, or were many.
        AtlasError: a call failed.
    """
    now, listed = atlas.moment(), float("-inf")
    began = now if began is None else began
    for _ in range(MAX_CALLS):
        decision = decide(facts)
        call = _next_call(atlas, facts, decision, began=began, listed=listed, max_age=max_age, is_claimed=is_claimed)
        if call is None:
            _check_skipped(facts, decision)
            return facts, decision
        if atlas.moment() > now + OBSERVES_FOR:
            raise OutOfTimeError(operation="list")
        if isinstance(call, str):
            try:
                view = await read_entry(atlas, facts, call)
            except AtlasError:
                if Get(call, beside=True, optional=True) not in decision.gets:
                    raise
                view = facts.view.showing(call, Seen(None, atlas.moment()))
            facts = replace(facts, view=view)
        else:
            listed = call
            facts = replace(facts, view=await _list(atlas, facts, decision, since=call))
    raise OutOfTimeError(operation="list")  # others come and go so fast that nothing stays known


def _next_call(
    atlas: Gateway,
    facts: Facts[Any],
    decision: Decision,
    *,
    began: float,
    listed: float,
    max_age: float,
    is_claimed: Callable[[Facts[Any]], bool],
) -> float | str | None:
    """Return the call that a decision needs: the moment at which a LIST begins at the earliest, or the entry of a GET; None: no call.

    Args:
        listed: the moment of the last LIST of this observation.
    """
    since = _needed_since(atlas, facts, decision, began, max_age)
    if since > listed and not _memory_suffices(facts, decision, began, is_claimed):
        return since
    if decision.absent is not None:
        seen = facts.view.entries.get(decision.absent)
        # What only waits rests on the proof of the last interval.
        waits = (
            decision.write is None
            and facts.attempt.is_of_this_generation
            and not (facts.forced or decision.nothing_left)
        )
        oldest = began - SETTLED_PART * facts.interval.total_seconds() if waits else began
        if seen is None or (seen.value is None and seen.at < oldest):
            return decision.absent
        # The proof of an absence also takes a LIST that began after the GET; a request has had both of them made anew. While a
        # resource is not settled and only waits, the one before will do: the next look corrects what it has missed.
        is_recent = facts.view.began >= began - max_age
        is_enough = facts.forced or (waits and is_recent and not facts.attempt.is_settled)
        if seen.value is None and not is_enough and facts.view.began < seen.at:
            return atlas.moment()
    age = max_age if not is_claimed(facts) else SETTLED_PART * facts.interval.total_seconds()
    return next((each.entry for each in decision.gets if not is_observed(facts, each, began, age)), None)


def _check_skipped(facts: Facts[Any], decision: Decision) -> None:
    """Raise ``AtlasUnavailableError`` if a decision rests on that nothing was created, and a LIST does not show that."""
    creates = isinstance(decision.write, Create)
    rests_on_none = creates or (decision.nothing_left and decision.absent is None)
    if rests_on_none and facts.view.skipped and facts.resource.created_as:
        raise AtlasUnavailableError(
            Explanation(
                "Atlas shows endpoints without an ID. One of them may be the endpoint of this resource. {retry}"
            ),
            operation=decision.write.request.operation if decision.write is not None else "list",
        )


async def read_entry(atlas: Gateway, facts: Facts[Any], entry: str) -> View[Any]:
    """Return the observations after a GET; the cache drops a scope, and its LIST, as soon as no resource is in it any more."""
    view = await atlas.get(facts.scope, entry)
    return view if view.began >= facts.view.began else facts.view.showing(entry, view.entries.get(entry))


async def _list(atlas: Gateway, facts: Facts[Any], decision: Decision, *, since: float) -> View[Any]:
    """Return the observations of a LIST, with the GET that has proved an absence, which a dropped scope has lost."""
    view = await atlas.list(facts.scope, since=since)
    proof = None if decision.absent is None else facts.view.entries.get(decision.absent)
    if decision.absent is None or proof is None or decision.absent in view.entries:
        return view
    return view.showing(decision.absent, proof)


def is_observed(facts: Facts[Any], get: Get, began: float, max_age: float) -> bool:
    """Return whether the part of an entry that a decision needs was observed recently enough.

    Args:
        began: the moment when the observation began.
        max_age: seconds; in a settled state, most of an interval.
    """
    seen = facts.view.entries.get(get.entry)
    if get.settled and facts.attempt.is_settled and not facts.forced and not facts.uncertain:
        max_age = SETTLED_PART * facts.interval.total_seconds()
    if seen is None or (get.beyond_list and seen.at <= facts.view.began):
        return False
    return get.beyond_list or seen.at >= began - max_age


def _needed_since(atlas: Gateway, facts: Facts[Any], decision: Decision, began: float, max_age: float) -> float:
    """Return when the LIST for a decision must have begun."""
    if facts.uncertain:
        return max(began - max_age, atlas.needed_since(facts.scope, facts.resource.written_as))
    if decision.nothing_left and decision.absent is None:
        return began
    return began - max_age


def _memory_suffices(
    facts: Facts[Any], decision: Decision, began: float, is_claimed: Callable[[Facts[Any]], bool]
) -> bool:
    """Return whether a decision may rest on cached observations.

    They suffice for a write that the resource asks for, because its answer corrects them; if another resource owns the entry,
    because that does not depend on Atlas; unless the last LIST failed, to let a resource stay at rest; and where a GET shows what
    the decision rests on. Everything else is observed first.
    """
    write = decision.write
    # A GET shows an endpoint of a service; the LIST beside it is that of the last resync, unless the spec was edited.
    shows_parts = any(not each.beside for each in decision.gets)
    rests_on_a_get = shows_parts and write is None and not decision.nothing_left and facts.attempt.is_of_this_generation
    if rests_on_a_get and not (facts.uncertain or facts.forced or facts.view.failing):
        return facts.view.began >= began - 2 * facts.interval.total_seconds()
    entry = facts.resource.entry
    seen = None if entry is None else facts.view.entries.get(entry)
    if facts.uncertain or facts.forced or seen is None or seen.value is None:
        return False
    if is_claimed(facts):
        return seen.at >= began - 2 * facts.interval.total_seconds()
    if write is None and not facts.view.failing and facts.attempt.is_settled and decision.state.reason.ready == "True":
        return seen.at >= began - min(facts.interval, AT_REST).total_seconds()
    is_asked_for = write is not None and write.cause in {Cause.FIRST_CONTACT, Cause.EDIT} and facts.policy == "Manage"
    if write is None or entry not in write.touches:
        return False  # its answer corrects other entries
    return is_asked_for and seen.at >= began - min(facts.interval, MEMORY).total_seconds()


def absence(facts: Facts[Any], decision: Decision) -> AtlasError | None:
    """Return the error with which Atlas has answered that the entry is absent, if the decision rests on that."""
    error = None if decision.absent is None else facts.view.entries[decision.absent].error
    return None if error is None else error.with_traceback(None)
