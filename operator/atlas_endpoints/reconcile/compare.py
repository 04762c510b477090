"""What differs between a resource and what Atlas shows, and what may be done about each difference. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from atlas_endpoints.reconcile.decision import Difference, Fields
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import HISTORY_LIMIT, Cause

SETTLE = timedelta(seconds=30)
"""For how long after a confirmed PATCH Atlas may still show older values, before that counts as a difference."""

FLAPS = 3
"""A field that was corrected this often within as many intervals is being fought over."""

FLAP_PAUSE = timedelta(hours=1)
"""How long a field that is being fought over is left alone between corrections."""


class Treatment(Enum):
    """What is to be done about a difference; all but the first two leave it as it is."""

    SEND = auto()
    """Send it now."""
    SEND_ANEW = auto()
    """Atlas has refused this very value: send it again, but only when nothing else is to be sent."""
    WAIT = auto()
    """In its present status the endpoint does not take a change of this field."""
    SETTLE = auto()
    """Atlas has just taken the change and may show it in a moment."""
    STORED_OTHERWISE = auto()
    """Atlas has taken the change, for this very generation, and stored something else."""
    LEAVE_TO_OTHERS = auto()
    """Somebody else keeps changing the field back, and its rest between two corrections is not over."""
    REPORT = auto()
    """The resource wants drift to be reported only."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found by comparing an entry with what is desired.

    Attributes:
        differences: all that differ and do not lag, in the order of what is desired.
        treated: the same by what is to be done about them; every treatment is there.
        lagging: what Atlas has confirmed a moment ago and does not show yet. It is neither sent again nor told.
        lag_left: seconds after which that counts as a difference.
    """

    differences: tuple[Difference, ...]
    treated: Mapping[Treatment, tuple[Difference, ...]]
    lagging: tuple[Difference, ...]
    lag_left: float

    @classmethod
    def of(cls, facts: Facts[Any], value: object, takes: Callable[[str], bool]) -> "Comparison":
        """Compare, and sort what differs.

        Args:
            facts: with what is desired.
            value: the entry as Atlas shows it.
            takes: returns whether Atlas takes a change of a field in the entry's present status.
        """
        differences = compare(facts.resource, facts.desired, value)
        lags = {each.field: left for each in differences if (left := _lag(each, facts)) > 0}
        treated: dict[Treatment, tuple[Difference, ...]] = dict.fromkeys(Treatment, ())
        for each in differences:
            if each.field not in lags:
                treated[_treatment(each, facts, takes)] += (each,)
        treated[Treatment.SEND], treated[Treatment.SEND_ANEW] = _by_refusal(treated[Treatment.SEND], facts)
        lagging = tuple(each for each in differences if each.field in lags)
        others = tuple(each for each in differences if each.field not in lags)
        return cls(others, treated, lagging, max(lags.values(), default=0.0))

    @property
    def chosen(self) -> tuple[Difference, ...]:
        """What is to be sent now: what Atlas has refused only when there is nothing else, so that other edits get through."""
        return self.treated[Treatment.SEND] or self.treated[Treatment.SEND_ANEW]


def compare(resource: Resource, wanted: Fields, value: object) -> tuple[Difference, ...]:
    """Return the fields that Atlas does not show as they are wanted."""
    shown = resource.shown(value)
    return tuple(
        Difference(name, text, shown.get(name))
        for name, text in wanted.items()
        if not resource.same(name, text, shown.get(name))
    )


def cause_of(chosen: tuple[Difference, ...], facts: Facts[Any], value: object, takes: Callable[[str], bool]) -> Cause:
    """Return why differences are sent."""
    if not facts.baseline.contacted:
        return Cause.FIRST_CONTACT
    if facts.forced and not Comparison.of(replace(facts, forced=False), value, takes).chosen:
        return Cause.FORCED
    return Cause.EDIT if any(is_edit(each, facts) for each in chosen) else Cause.DRIFT


def is_edit(difference: Difference, facts: Facts[Any]) -> bool:
    """Return whether a difference comes from the resource (always sent) or from Atlas (drift, by policy).

    It is the resource's when Atlas has never confirmed this value. It counts as the resource's, too, when an earlier write
    may be the cause: one whose answer was lost, or one for a generation whose status was never written.
    """
    baseline = facts.baseline
    if baseline.confirmed is None or facts.uncertain or facts.generation > baseline.seen_generation + 1:
        return True
    confirmed = baseline.confirmed.get(difference.field)
    return confirmed is None or not facts.resource.same(difference.field, confirmed, difference.desired)


def _lag(difference: Difference, facts: Facts[Any]) -> float:
    """Return for how many more seconds a difference may be nothing but Atlas showing what was there before a write.

    A person who asks by force has seen what Atlas shows: no excuse then.
    """
    patched = facts.baseline.patched.get(difference.field)
    if patched is None or facts.forced or is_edit(difference, facts):
        return 0.0
    return (patched + SETTLE - facts.now).total_seconds()


def _treatment(difference: Difference, facts: Facts[Any], takes: Callable[[str], bool]) -> Treatment:
    """Return what is to be done about a difference that is no lag.

    What a person asks for by force goes over everything but what Atlas cannot take and what the resource itself forbids.
    """
    if not takes(difference.field):
        return Treatment.WAIT
    if _is_stored_otherwise(difference, facts) and not facts.forced:
        return Treatment.SETTLE if _is_recent(facts) else Treatment.STORED_OTHERWISE
    if not is_edit(difference, facts):
        if facts.resource.spec.drift_policy != "Correct":
            return Treatment.REPORT
        if _is_contested(difference.field, facts) and not facts.forced:
            return Treatment.LEAVE_TO_OTHERS
    return Treatment.SEND


def _by_refusal(
    due: tuple[Difference, ...], facts: Facts[Any]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Part what was never refused from what was.

    A connection was refused when all of it was: as soon as one of its fields is another, it is another connection.
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


def _is_recent(facts: Facts[Any]) -> bool:
    confirmed_at = facts.baseline.confirmed_at
    return confirmed_at is not None and facts.now < confirmed_at + SETTLE


def _is_refused(difference: Difference, facts: Facts[Any]) -> bool:
    refusal = facts.baseline.refusal
    value = refusal.fields.get(difference.field) if refusal else None
    return value is not None and facts.resource.same(difference.field, value, difference.desired)


def _is_contested(name: str, facts: Facts[Any]) -> bool:
    """Return whether somebody else keeps changing a field back, and its hour of rest is not over.

    A fight is seen by corrections in a row, and goes on as long as each hourly one is followed by another.
    """
    times = [each.time for each in facts.baseline.corrections if name in each.fields]
    # Half an interval more than that many, since resyncs are jittered.
    burst = facts.interval * (FLAPS + 0.5)
    # The first ones may have followed others that are forgotten by now.
    contested = len(times) == HISTORY_LIMIT
    for number in range(FLAPS - 1, len(times)):
        in_a_row = times[number] - times[number - FLAPS + 1] <= burst
        hourly = FLAP_PAUSE <= times[number] - times[number - 1] <= FLAP_PAUSE + burst
        contested = in_a_row or (contested and hourly)
    return contested and facts.now < times[-1] + FLAP_PAUSE
