"""Compare a resource with what Atlas shows: what to do about each difference, and the state that follows. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.decision import Difference, Fields, State
from atlas_endpoints.reconcile.facts import APPLIED, Facts
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE, Resource
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.tunings import PATCH_LAGS, POLL_FIRST

VANISHED, VANISHED_WITHIN = 3, timedelta(hours=3)
"""So often within this time is created again what vanishes: each creation may leave something in the cloud that costs."""

KEEPS_VANISHING = "The operator creates it at most three times within three hours. Find out who removes it."


class Treatment(Enum):
    """What to do about a difference; all but the first two leave it as it is."""

    SEND = auto()
    """Send it now."""
    REFUSED = auto()
    """Atlas has refused this value: send it again only if there is nothing else to send."""
    WAIT = auto()
    """Atlas does not accept a change of this field in the endpoint's status."""
    SETTLE = auto()
    """Atlas has just accepted the change and may show it in a moment."""
    STORED_OTHERWISE = auto()
    """Atlas accepted the change, for this generation, and stored another value."""
    REPORT = auto()
    """The drift policy is Report."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between an entry and the desired values.

    Attributes:
        differences: all that do not lag, in the order of the desired values.
        lagging: what Atlas has just confirmed and does not show yet; it is neither sent again nor reported.
        lag_left: seconds after which that counts as a difference.
    """

    differences: tuple[Difference, ...]
    by_treatment: Mapping[Treatment, tuple[Difference, ...]]
    lagging: tuple[Difference, ...]
    lag_left: float

    @classmethod
    def of(cls, facts: Facts[Any], value: object, takes: Callable[[str], bool]) -> "Comparison":
        """Compare an entry, as Atlas shows it, with the desired values."""
        differences = compare(facts.resource, facts.desired, value)
        lags = {each.field: left for each in differences if (left := _lag(each, facts)) > 0}
        by_treatment: dict[Treatment, tuple[Difference, ...]] = dict.fromkeys(Treatment, ())
        for each in differences:
            if each.field not in lags:
                by_treatment[_treatment(each, facts, takes)] += (each,)
        by_treatment[Treatment.SEND], by_treatment[Treatment.REFUSED] = _by_refusal(by_treatment[Treatment.SEND], facts)
        lagging = tuple(each for each in differences if each.field in lags)
        others = tuple(each for each in differences if each.field not in lags)
        return cls(others, by_treatment, lagging, max(lags.values(), default=0.0))

    @property
    def chosen(self) -> tuple[Difference, ...]:
        """What to send now: refused values only if there is nothing else, so that they do not block other edits."""
        return self.by_treatment[Treatment.SEND] or self.by_treatment[Treatment.REFUSED]


def compare(resource: Resource, wanted: Fields, value: object) -> tuple[Difference, ...]:
    """Return the fields whose value in Atlas is not the wanted one."""
    shown = resource.shown(value)
    return tuple(
        Difference(name, text, shown.get(name))
        for name, text in wanted.items()
        if not resource.same(name, text, shown.get(name))
    )


def cause_of(chosen: tuple[Difference, ...], facts: Facts[Any], value: object, takes: Callable[[str], bool]) -> Cause:
    """Return the reason to send differences."""
    if not facts.baseline.contacted:
        return Cause.FIRST_CONTACT
    if facts.forced and not Comparison.of(replace(facts, forced=False), value, takes).chosen:
        return Cause.FORCED
    return Cause.EDIT if any(is_edit(each, facts) for each in chosen) else Cause.DRIFT


def cause_of_loss(facts: Facts[Any], *, is_lost: bool, otherwise: Cause) -> Cause:
    """Return the reason to create or add something, which Atlas may have shown before."""
    if facts.forced:
        return Cause.FORCED
    return Cause.DRIFT if is_lost else otherwise


def keeps_vanishing(name: str, facts: Facts[Any]) -> bool:
    """Return whether what the history calls by this name was created again so often that the next one would be lost, too."""
    again = [each for each in facts.previous.history if each.cause is Cause.DRIFT and each.result == APPLIED]
    lately = [each for each in again if name in each.fields and each.time > facts.now - VANISHED_WITHIN]
    return len(lately) >= VANISHED and not facts.forced


def is_edit(difference: Difference, facts: Facts[Any]) -> bool:
    """Return whether a difference comes from the resource (always sent) or from Atlas (drift, by policy).

    It is an edit if Atlas has never confirmed the value. It also counts as an edit if an earlier write may be its
    cause: one whose answer was lost, or one for a generation whose status was never written.
    """
    baseline = facts.baseline
    if baseline.confirmed is None or facts.uncertain or not baseline.nothing_missed:
        return True
    confirmed = baseline.confirmed.get(difference.field)
    return confirmed is None or not facts.resource.same(difference.field, confirmed, difference.desired)


def _lag(difference: Difference, facts: Facts[Any]) -> float:
    """Return for how many more seconds Atlas may show the value from before a write; a forced sync does not wait."""
    patched = facts.baseline.patched.get(difference.field)
    if patched is None or facts.forced or is_edit(difference, facts):
        return 0.0
    return (patched + PATCH_LAGS - facts.now).total_seconds()


def _treatment(difference: Difference, facts: Facts[Any], takes: Callable[[str], bool]) -> Treatment:
    """Return what to do about a difference that does not lag.

    A forced sync overrides all but what Atlas cannot accept and what the spec forbids.
    """
    if not takes(difference.field):
        return Treatment.WAIT
    if _is_stored_otherwise(difference, facts) and not facts.forced:
        confirmed_at = facts.baseline.confirmed_at
        is_recent = confirmed_at is not None and facts.now < confirmed_at + PATCH_LAGS
        return Treatment.SETTLE if is_recent else Treatment.STORED_OTHERWISE
    if facts.resource.spec.drift_policy != "Correct" and not is_edit(difference, facts):
        return Treatment.REPORT
    return Treatment.SEND


def _by_refusal(
    due: tuple[Difference, ...], facts: Facts[Any]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Return the differences that were never refused, and those that were.

    A connection counts as refused only as a whole: if one of its fields has changed, it is another connection.
    """
    connection = tuple(each for each in due if each.field in facts.resource.connection)
    parts = (connection, *((each,) for each in due if each not in connection))
    refused = [each for part in parts if all(_is_refused(one, facts) for one in part) for each in part]
    return tuple(each for each in due if each not in refused), tuple(refused)


def _is_stored_otherwise(difference: Difference, facts: Facts[Any]) -> bool:
    baseline = facts.baseline
    confirmed = (baseline.confirmed or {}).get(difference.field)
    return (
        baseline.confirmed_generation == facts.generation
        and confirmed is not None
        and not facts.resource.same(difference.field, confirmed, difference.desired)
        and not facts.uncertain
    )


def _is_refused(difference: Difference, facts: Facts[Any]) -> bool:
    refusal = facts.baseline.refusal
    value = refusal.fields.get(difference.field) if refusal else None
    return value is not None and facts.resource.same(difference.field, value, difference.desired)


def described(differences: Iterable[Difference]) -> str:
    """Return a text of the differences."""
    return "; ".join(f"{each.field} is {quoted(each.actual)}, not {quoted(each.desired)}" for each in differences)


def quoted(value: str | None) -> str:
    """Return a text of a value."""
    return f"'{value}'" if value else "empty"


def available(found: Comparison, facts: Facts[Any]) -> State:
    """Return the state of an endpoint that works."""
    if found.differences:
        return not_as_desired(found, facts)
    if found.lagging and facts.desired.keys() - (facts.baseline.confirmed or {}).keys():
        # Not all of the spec has been confirmed, and what Atlas shows now confirms nothing.
        return _not_shown_yet(found.lagging, found)
    message = f"The {facts.resource.noun} is available and matches the spec."
    return State(Reason.AVAILABLE, message, catch_up(found), found.differences)


def not_as_desired(found: Comparison, facts: Facts[Any]) -> State:
    """Return why there are differences and none is sent; of several reasons, the one that a person can do most about."""
    differences, refusal = found.differences, facts.baseline.refusal
    if found.by_treatment[Treatment.REFUSED] and refusal is not None:
        return State(Reason.UPDATE_REJECTED, refusal.message, NoRequeue(), differences)
    if settling := found.by_treatment[Treatment.SETTLE]:
        return _not_shown_yet(settling, found)
    if stored := found.by_treatment[Treatment.STORED_OTHERWISE]:
        return State(
            Reason.UPDATE_REJECTED,
            f"Atlas accepted the change but stored another value: {described(stored)}. Change the spec, or {FORCE} to send the value"
            " again.",
            NoRequeue(),
            differences,
        )
    return State(
        Reason.DRIFTED,
        f"The {facts.resource.noun} was changed in Atlas, and spec.driftPolicy is Report: {described(differences)}. Copy the value to the spec, or"
        " set spec.driftPolicy to Correct to restore the value of the spec.",
        NoRequeue(),
        differences,
    )


def sends_next(found: Comparison) -> State | None:
    """Return the state if a change follows; None: none does."""
    if not (new := found.by_treatment[Treatment.SEND]):
        return None
    message = f"The operator sends a change next: {_names(new)}."
    return State(Reason.PENDING, message, RequeueAfter(POLL_FIRST), found.differences)


def catch_up(found: Comparison) -> Requeue:
    """Requeue only to see whether Atlas has caught up."""
    return RequeueAfter(found.lag_left) if found.lagging else NoRequeue()


def _not_shown_yet(settling: Iterable[Difference], found: Comparison) -> State:
    message = f"Atlas accepted the change and does not show it yet: {_names(settling)}."
    return State(Reason.PENDING, message, RequeueAfter(POLL_FIRST), found.differences)


def _names(differences: Iterable[Difference]) -> str:
    return ", ".join(each.field for each in differences)
