"""What may be done about each field that is not as desired, and what stands against it; pure.

``plan`` puts the answers together for the endpoint as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, EndpointStatus
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import CONNECTION, Difference, Fields, compare, same
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context
from atlas_endpoints.kinds.serverless_private_endpoint.model import HISTORY_LIMIT, ManagedField

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
    """What was found by comparing an endpoint with what is desired.

    Attributes:
        treated: the differences by what is to be done about them; every treatment is there.
        lagging: what Atlas has confirmed a moment ago and does not show yet. It is neither sent again nor told.
        lag_left: seconds after which that counts as a difference.
    """

    treated: Mapping[Treatment, tuple[Difference, ...]]
    lagging: tuple[Difference, ...]
    lag_left: float

    @classmethod
    def of(cls, desired: Fields, observed: Endpoint, context: Context) -> "Comparison":
        """Compare, and sort what differs."""
        differences = compare(desired, observed)
        lags = {each.field: left for each in differences if (left := _lag(each, context)) > 0}
        treated: dict[Treatment, tuple[Difference, ...]] = dict.fromkeys(Treatment, ())
        for each in differences:
            if each.field not in lags:
                treated[_treatment(each, desired, observed, context)] += (each,)
        treated[Treatment.SEND], treated[Treatment.SEND_ANEW] = _by_refusal(treated[Treatment.SEND], context)
        lagging = tuple(each for each in differences if each.field in lags)
        return cls(treated, lagging, max(lags.values(), default=0.0))

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All that differ, in the order of ``ManagedField``."""
        order = list(ManagedField)
        differing = [each for group in self.treated.values() for each in group]
        return tuple(sorted(differing, key=lambda each: order.index(each.field)))

    @property
    def chosen(self) -> tuple[Difference, ...]:
        """What is to be sent now: what Atlas has refused only when there is nothing else, so that other edits get through."""
        return self.treated[Treatment.SEND] or self.treated[Treatment.SEND_ANEW]


def is_edit(difference: Difference, context: Context) -> bool:
    """Tell whether a difference comes from the resource (always sent) or from Atlas (drift, by policy).

    It is the resource's when Atlas has never confirmed this value. It counts as the resource's, too, when an earlier write
    may be the cause: one whose answer was lost, or one for a generation whose status was never written.
    """
    if context.confirmed is None or context.in_doubt or context.generation > context.seen_generation + 1:
        return True
    confirmed = context.confirmed.get(difference.field)
    return confirmed is None or not same(difference.field, confirmed, difference.desired)


def _lag(difference: Difference, context: Context) -> float:
    """Tell for how many more seconds a difference may be nothing but Atlas showing what was there before a PATCH.

    A person who asks by force has seen what Atlas shows: no excuse then.
    """
    patched = context.patched.get(difference.field)
    if patched is None or context.forced or is_edit(difference, context):
        return 0.0
    return (patched + SETTLE - context.now).total_seconds()


def _treatment(difference: Difference, desired: Fields, observed: Endpoint, context: Context) -> Treatment:
    """Tell what is to be done about a difference that is no lag.

    What a person asks for by force goes over everything but what Atlas cannot take and what the resource itself forbids.
    """
    if not _is_taken(difference.field, desired, observed):
        return Treatment.WAIT
    if _is_stored_otherwise(difference, context) and not context.forced:
        return Treatment.SETTLE if _is_recent(context) else Treatment.STORED_OTHERWISE
    if not is_edit(difference, context):
        if not context.correct_drift:
            return Treatment.REPORT
        if _is_contested(difference.field, context) and not context.forced:
            return Treatment.LEAVE_TO_OTHERS
    return Treatment.SEND


def _by_refusal(due: tuple[Difference, ...], context: Context) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Part what was never refused from what was.

    A connection was refused when all of it was: as soon as one of its fields is another, it is another connection.
    """
    connection = tuple(each for each in due if each.field in CONNECTION)
    parts = (connection, *((each,) for each in due if each not in connection))
    refused = [each for part in parts if all(_is_refused(one, context) for one in part) for each in part]
    return tuple(each for each in due if each not in refused), tuple(refused)


def _is_taken(field: ManagedField, desired: Fields, observed: Endpoint) -> bool:
    """Tell whether Atlas takes a change of this field in the present status."""
    match observed.status:
        case EndpointStatus.AVAILABLE:
            return True
        case EndpointStatus.RESERVED:
            # An address alone connects nothing.
            return field not in CONNECTION or ManagedField.CLOUD_PROVIDER_ENDPOINT_ID in desired
        case EndpointStatus.FAILED:
            return bool(observed.endpoint_service_name)
        case EndpointStatus.INITIATING:
            return field not in CONNECTION
        case _:
            return False


def _is_stored_otherwise(difference: Difference, context: Context) -> bool:
    confirmed = (context.confirmed or {}).get(difference.field)
    return (
        context.confirmed_generation == context.generation
        and confirmed is not None
        and not same(difference.field, confirmed, difference.desired)
        and not context.in_doubt
    )


def _is_recent(context: Context) -> bool:
    return context.confirmed_at is not None and context.now < context.confirmed_at + SETTLE


def _is_refused(difference: Difference, context: Context) -> bool:
    value = context.refusal.fields.get(difference.field) if context.refusal else None
    return value is not None and same(difference.field, value, difference.desired)


def _is_contested(field: ManagedField, context: Context) -> bool:
    """Tell whether somebody else keeps changing a field back, and its hour of rest is not over.

    A fight is seen by corrections in a row, and goes on as long as each hourly one is followed by another.
    """
    times = [each.time for each in context.corrections if field in each.fields]
    # Half an interval more than that many, since rounds are jittered.
    burst = context.sync_interval * (FLAPS + 0.5)
    # The first ones may have followed others that are forgotten by now.
    contested = len(times) == HISTORY_LIMIT
    for number in range(FLAPS - 1, len(times)):
        in_a_row = times[number] - times[number - FLAPS + 1] <= burst
        hourly = FLAP_PAUSE <= times[number] - times[number - 1] <= FLAP_PAUSE + burst
        contested = in_a_row or (contested and hourly)
    return contested and context.now < times[-1] + FLAP_PAUSE
