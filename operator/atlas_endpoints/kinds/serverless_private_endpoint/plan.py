"""What to do about an endpoint: a pure function from what is desired and what was observed to one action.

An endpoint's life in Atlas: RESERVATION_REQUESTED, RESERVED, INITIATING (after the cloud's endpoint id was sent), AVAILABLE;
FAILED and DELETING from anywhere. Source: the Atlas Admin API, "Serverless Private Endpoints".
"""

from collections.abc import Sequence
from datetime import timedelta

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.outcome import Again, Next, Rest
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import (
    CONNECTION,
    Difference,
    Fields,
    compare,
    same,
)
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause, ManagedField
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Action, Send, Verdict

POLL_FIRST = 5.0
"""Seconds between looks at an endpoint that has just begun to change."""

POLL_LAST = 60.0
"""Seconds between looks at an endpoint that takes long."""

SETTLE = timedelta(seconds=30)
"""For how long after a confirmed PATCH Atlas may still show older values, before that counts as a difference."""

FLAPS = 3
"""A field that was corrected this often within as many intervals is being fought over."""

FLAP_PAUSE = timedelta(hours=1)
"""How long a field that is being fought over is left alone between corrections."""

AS_SPECIFIED = "The endpoint is available and as specified."


def plan(desired: Fields, observed: Endpoint, context: Context) -> Action:
    """Decide what to do about an endpoint.

    Args:
        desired: the managed fields.
        observed: what Atlas shows.
        context: everything else that matters.

    Returns:
        A ``Send`` with what is to be PATCHed now, else the ``Verdict``.
    """
    differences = compare(desired, observed)
    if context.forced and observed.status == "FAILED" and observed.endpoint_service_name:
        return Send(dict(desired), Cause.FORCED)
    send = _send(desired, differences, observed, context)
    return send if send is not None else judge(desired, observed, context)


def judge(desired: Fields, observed: Endpoint, context: Context) -> Verdict:
    """Say what is true of a resource when nothing is sent (any more) in this pass."""
    differences = compare(desired, observed)
    match observed.status:
        case "AVAILABLE" if not differences:
            return Verdict(Reason.AVAILABLE, AS_SPECIFIED, Rest())
        case "AVAILABLE":
            return _not_as_desired(differences, context)
        case "RESERVED" if ManagedField.CLOUD_PROVIDER_ENDPOINT_ID not in desired:
            if differences:
                return _not_as_desired(differences, context)
            return Verdict(
                Reason.WAITING_FOR_CLOUD_ENDPOINT,
                f"The endpoint is reserved. Create the cloud's private endpoint to {observed.endpoint_service_name}, then set"
                " spec.cloudProviderEndpointId.",
                Rest(),
            )
        case "RESERVED":
            if _connects(differences) and not _settling(context):
                return _not_as_desired(differences, context)
            return _waiting(
                Reason.INITIATING,
                "Atlas has taken the cloud's endpoint and not begun to connect it yet.",
                differences,
                context,
            )
        case "INITIATING":
            return _waiting(
                Reason.INITIATING, "Atlas is connecting the endpoint." + _pending(differences), differences, context
            )
        case "RESERVATION_REQUESTED":
            return _waiting(Reason.RESERVATION_REQUESTED, "Atlas is reserving the endpoint.", differences, context)
        case "DELETING":
            return _waiting(Reason.DELETING, "Atlas is deleting the endpoint.", differences, context)
        case "FAILED":
            return Verdict(
                Reason.ENDPOINT_FAILED,
                "Atlas reports that the endpoint failed. Mend the cause, then change spec.cloudProviderEndpointId, or set the"
                " annotation atlas-endpoints.dev/force-sync to send the present values again. Atlas:"
                f" {observed.error_message or 'no message'}",
                Rest(),
                differences,
            )
        case unknown:
            return _waiting(
                Reason.PENDING,
                f"Atlas reports the status {unknown!r}, which this version does not know; waiting for it to change.",
                differences,
                context,
            )


def is_edit(difference: Difference, context: Context) -> bool:
    """Tell whether a difference comes from the resource (always sent) or from Atlas (drift, by policy).

    It is the resource's when Atlas has never confirmed this value. It counts as the resource's, too, when an earlier write
    may be the cause: one whose answer was lost, or one for a generation whose status was never written.
    """
    if context.confirmed is None or context.in_doubt or context.generation > context.seen_generation + 1:
        return True
    confirmed = context.confirmed.get(difference.field)
    return confirmed is None or not same(difference.field, confirmed, difference.desired)


def _send(desired: Fields, differences: tuple[Difference, ...], observed: Endpoint, context: Context) -> Send | None:
    """Choose the fields to PATCH now, if any."""
    if _settling(context) and not context.forced:
        return None
    possible = [each for each in differences if _possible(each, desired, observed)]
    wanted = [each for each in possible if _wanted(each, context)]
    untried = [each for each in wanted if not _refused(each, context)]
    chosen = untried or wanted
    if not chosen:
        return None
    fields = {each.field: each.desired for each in chosen}
    if observed.status in {"RESERVED", "FAILED"} and CONNECTION & fields.keys():
        # Connecting takes everything at once: Azure's id and address belong together.
        fields = {**fields, **{field: desired[field] for field in CONNECTION if field in desired}}
    edits = [each for each in chosen if is_edit(each, context)]
    if not context.contacted:
        cause = Cause.FIRST_CONTACT
    elif edits:
        cause = Cause.EDIT
    else:
        cause = Cause.DRIFT
    return Send(fields, cause)


def _possible(difference: Difference, desired: Fields, observed: Endpoint) -> bool:
    """Tell whether Atlas takes a change of this field in the present status."""
    match observed.status:
        case "AVAILABLE":
            return True
        case "RESERVED":
            # An address alone connects nothing.
            return difference.field not in CONNECTION or ManagedField.CLOUD_PROVIDER_ENDPOINT_ID in desired
        case "FAILED":
            return bool(observed.endpoint_service_name)
        case "INITIATING":
            return difference.field is ManagedField.COMMENT
        case _:
            return False


def _wanted(difference: Difference, context: Context) -> bool:
    """Tell whether policy lets this difference be sent now."""
    if context.forced and is_edit(difference, context):
        return True
    if _stored_otherwise(difference, context):
        return False
    if is_edit(difference, context):
        return True
    return context.correct_drift and not _flapping(difference.field, context)


def _stored_otherwise(difference: Difference, context: Context) -> bool:
    """Tell whether Atlas has confirmed a PATCH of this very generation and stored something else."""
    confirmed = (context.confirmed or {}).get(difference.field)
    return (
        context.confirmed_generation == context.generation
        and confirmed is not None
        and not same(difference.field, confirmed, difference.desired)
        and not context.in_doubt
    )


def _refused(difference: Difference, context: Context) -> bool:
    if context.refusal is None:
        return False
    value = context.refusal.fields.get(difference.field)
    return value is not None and same(difference.field, value, difference.desired)


def _flapping(field: ManagedField, context: Context) -> bool:
    """Tell whether somebody else keeps changing a field back, and its hour of rest is not over."""
    times = [each.time for each in context.corrections if field in each.fields]
    # Half an interval more than that many, since rounds are jittered.
    burst = context.sync_interval * (FLAPS + 0.5)
    in_a_row = len(times) >= FLAPS and times[-1] - times[-FLAPS] <= burst
    hourly = len(times) > 1 and FLAP_PAUSE <= times[-1] - times[-2] <= FLAP_PAUSE + burst
    return (in_a_row or hourly) and context.now < times[-1] + FLAP_PAUSE


def _settling(context: Context) -> bool:
    """Tell whether a PATCH was confirmed so recently that Atlas may still show older values."""
    return (
        context.confirmed_at is not None
        and context.confirmed_generation == context.generation
        and not context.in_doubt
        and context.now < context.confirmed_at + SETTLE
    )


def _connects(differences: Sequence[Difference]) -> bool:
    return any(each.field in CONNECTION for each in differences)


def _not_as_desired(differences: tuple[Difference, ...], context: Context) -> Verdict:
    """Say why a difference is there and not sent."""
    if context.refusal is not None and any(_refused(each, context) for each in differences):
        return Verdict(Reason.UPDATE_REJECTED, context.refusal.message, Rest(), differences)
    if _settling(context):
        return _soon_as_desired(differences, context)
    stored = [each for each in differences if _stored_otherwise(each, context)]
    if stored:
        return Verdict(
            Reason.UPDATE_REJECTED,
            f"Atlas confirmed the change and stored something else: {_told(stored)}. Change the spec, or set the annotation"
            " atlas-endpoints.dev/force-sync to send it once more.",
            Rest(),
            differences,
        )
    edits = [each for each in differences if is_edit(each, context)]
    if edits:
        return Verdict(Reason.PENDING, f"A change waits to be sent ({_names(edits)}).", Again(POLL_FIRST), differences)
    if context.correct_drift:
        return Verdict(
            Reason.DRIFTED,
            f"Somebody keeps changing the endpoint back, so it is corrected once an hour only: {_told(differences)}.",
            Rest(),
            differences,
        )
    return Verdict(
        Reason.DRIFTED,
        f"Atlas no longer shows what it had confirmed, and spec.driftPolicy is Report: {_told(differences)}.",
        Rest(),
        differences,
    )


def _soon_as_desired(differences: tuple[Difference, ...], context: Context) -> Verdict:
    """Speak about differences that may be nothing but Atlas showing what was there before a PATCH."""
    remaining = ((context.confirmed_at or context.now) + SETTLE - context.now).total_seconds()
    edits = [each for each in differences if is_edit(each, context)]
    if edits:
        message = f"Atlas has confirmed the change and does not show it yet ({_names(edits)})."
        return Verdict(Reason.PENDING, message, Again(min(POLL_FIRST, remaining)), differences)
    return Verdict(Reason.AVAILABLE, AS_SPECIFIED, Again(remaining))


def _waiting(reason: Reason, message: str, differences: tuple[Difference, ...], context: Context) -> Verdict:
    """Wait for Atlas, first looking often, then seldom; after the time that the resource allows, call a person."""
    elapsed = context.now - context.status_since
    if elapsed >= context.provisioning_timeout:
        return Verdict(
            Reason.PROVISIONING_TIMEOUT,
            f"{message} It has taken longer than spec.provisioningTimeout; it is still looked at, and heals by itself when"
            " Atlas goes on. If it does not, ask MongoDB's support.",
            Rest(),
            differences,
        )
    return Verdict(reason, message, _poll(elapsed, context.provisioning_timeout), differences)


def _poll(elapsed: timedelta, timeout: timedelta) -> Next:
    delay = min(max(elapsed.total_seconds() / 4, POLL_FIRST), POLL_LAST)
    return Again(min(delay, max((timeout - elapsed).total_seconds(), 0.0)))


def _pending(differences: Sequence[Difference]) -> str:
    waiting = [each for each in differences if each.field in CONNECTION]
    if not waiting:
        return ""
    changes = " and ".join(f"{each.field} to {_quoted(each.desired)}" for each in waiting)
    return f" The change of {changes} waits until it has finished."


def _names(differences: Sequence[Difference]) -> str:
    return ", ".join(each.field for each in differences)


def _told(differences: Sequence[Difference]) -> str:
    return "; ".join(f"{each.field} is {_quoted(each.actual)}, not {_quoted(each.desired)}" for each in differences)


def _quoted(value: str | None) -> str:
    return "empty" if not value else f"'{value}'"
