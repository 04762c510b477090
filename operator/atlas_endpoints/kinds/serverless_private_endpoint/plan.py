"""What to do about an endpoint: a pure function from what is desired and what was observed to one action.

An endpoint's life in Atlas: RESERVATION_REQUESTED, RESERVED, INITIATING (after the cloud's endpoint id was sent), AVAILABLE;
FAILED and DELETING from anywhere. Source: the Atlas Admin API, "Serverless Private Endpoints".
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, EndpointStatus
from atlas_endpoints.engine.outcome import Again, Next, Rest
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import CONNECTION, Difference, Fields
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause, ManagedField
from atlas_endpoints.kinds.serverless_private_endpoint.policy import Comparison, Treatment, is_edit
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Action, Send, Verdict

POLL_FIRST = 5.0
"""Seconds between looks at an endpoint that has just begun to change."""

POLL_LAST = 60.0
"""Seconds between looks at an endpoint that takes long."""

DELETING = (
    "Atlas is deleting the endpoint, which nobody can stop, and nothing is sent any more. Delete this resource, and where the"
    " endpoint is needed, reserve another one and create a resource for it."
)

PROVIDER_ANEW = (
    "providerName cannot change: delete this resource, and create it anew with providerName {0}. Atlas keeps the endpoint, unless"
    " deletionPolicy is Delete; set that first only for an endpoint that this resource has reserved by mistake."
)
"""The remedy for another provider than Atlas shows, for those who need not have the resource yet to say it better."""

OBSERVES = "spec.managementPolicy is Observe, so nothing is sent"

FORCE = "set the annotation atlas-endpoints.dev/force-sync"


def plan(desired: Fields, observed: Endpoint, context: Context) -> Action:
    """Decide what to do about an endpoint.

    Args:
        desired: the managed fields.
        observed: what Atlas shows.
        context: everything else that matters.

    Returns:
        A ``Send`` with what is to be PATCHed now, else the ``Verdict``.
    """
    if _is_of_another_provider(observed, context):
        return judge(desired, observed, context)
    if context.forced and desired and observed.status == EndpointStatus.FAILED and observed.endpoint_service_name:
        return Send(dict(desired), Cause.FORCED)
    chosen = Comparison.of(desired, observed, context).chosen
    return _send(chosen, desired, observed, context) if chosen else judge(desired, observed, context)


def judge(desired: Fields, observed: Endpoint, context: Context) -> Verdict:
    """Say what is true of a resource when nothing is sent (any more) in this pass."""
    if _is_of_another_provider(observed, context):
        return Verdict(Reason.INVALID_SPEC, _another_provider(observed, context), Rest())
    found = Comparison.of(desired, observed, context)
    if new := found.treated[Treatment.SEND]:
        # An answer has brought up something new: the next pass sends it.
        message = f"A change waits to be sent ({_names(new)})."
        return Verdict(Reason.PENDING, message, Again(POLL_FIRST), found.differences)
    match observed.status:
        case EndpointStatus.RESERVATION_REQUESTED:
            return _waiting(Reason.RESERVATION_REQUESTED, "Atlas is reserving the endpoint.", found, context)
        case EndpointStatus.RESERVED if ManagedField.CLOUD_PROVIDER_ENDPOINT_ID in desired:
            return _reserved_and_connected(found, context)
        case EndpointStatus.RESERVED:
            return _reserved(observed, found, context)
        case EndpointStatus.INITIATING:
            message = "Atlas is connecting the endpoint." + _pending(found, context)
            return _waiting(Reason.INITIATING, message, found, context)
        case EndpointStatus.AVAILABLE | EndpointStatus.FAILED if _connects(found.lagging):
            return _waiting(Reason.INITIATING, "Atlas has taken the change and not begun to connect.", found, context)
        case EndpointStatus.AVAILABLE:
            return _available(desired, found, context)
        case EndpointStatus.FAILED:
            return Verdict(Reason.ENDPOINT_FAILED, _failure(observed), _rest(found), found.differences)
        case EndpointStatus.DELETING:
            return _waiting(Reason.DELETING, DELETING, found, context)
        case other:
            message = f"Atlas reports {_strange(other)}; waiting for it to change. If it stays, upgrade the operator."
            return _waiting(Reason.PENDING, message, found, context)


def hold(desired: Fields, observed: Endpoint, context: Context, wait: float) -> Verdict:
    """Say what is true of a resource whose drift would be corrected but for the emergency brake.

    Args:
        desired: the managed fields.
        observed: what Atlas shows.
        context: everything else that matters.
        wait: seconds until it is its turn; infinite when drift is not corrected at all, which only a person can change.
    """
    differences = Comparison.of(desired, observed, context).differences
    following = _unsent(observed, context)
    if math.isinf(wait):
        return Verdict(
            Reason.DRIFTED,
            "Atlas no longer shows what it had confirmed, and with MAX_CORRECTIONS=0 the operator corrects no drift. Whoever"
            f" runs it can allow that; {FORCE} to correct this one now. Drifted: {_told(differences)}.",
            following,
            differences,
        )
    return Verdict(
        Reason.CORRECTION_HELD,
        "Atlas no longer shows what it had confirmed, and that of more resources than MAX_CORRECTIONS lets be corrected at a"
        " time: this one waits for its turn. Find out who changes the endpoints; set ATLAS_ENDPOINTS_WRITES=off for the"
        f" operator to stop all corrections, or {FORCE} to make this one now. Drifted: {_told(differences)}.",
        Again(min(wait, following.delay) if isinstance(following, Again) else wait),
        differences,
    )


def propose(send: Send, desired: Fields, observed: Endpoint, context: Context, *, why: str) -> Verdict:
    """Say what is true of a resource for which something would be sent, if anything were.

    Args:
        send: what would be.
        desired: the managed fields.
        observed: what Atlas shows.
        context: everything else that matters.
        why: nothing is sent, and until when.
    """
    return Verdict(
        Reason.PLANNED,
        f"{why}. Then this is sent, {_because(send.cause)}, as status.plan shows it: {_changes(send.fields)}.",
        _unsent(observed, context),
        Comparison.of(desired, observed, context).differences,
    )


def report(desired: Fields, observed: Endpoint, context: Context) -> Verdict:
    """Say what is true of a resource that only observes: no difference is on its way, since nobody sends it."""
    if _is_of_another_provider(observed, context):
        return judge(desired, observed, context)
    found = Comparison.of(desired, observed, replace(context, forced=False))
    match observed.status:
        case EndpointStatus.FAILED:
            message = f"Atlas reports that the endpoint failed; {OBSERVES}. Atlas: {_words(observed)}"
            return Verdict(Reason.ENDPOINT_FAILED, message, Rest(), found.differences)
        case EndpointStatus.RESERVED | EndpointStatus.INITIATING | EndpointStatus.AVAILABLE if found.differences:
            return Verdict(
                Reason.DRIFTED,
                f"Atlas does not show what the spec says, and {OBSERVES}: {_told(found.differences)}. Correct the spec, or set"
                " managementPolicy to Manage to have Atlas changed.",
                _unsent(observed, context),
                found.differences,
            )
        case _:
            return judge(desired, observed, replace(context, forced=False))


def _is_of_another_provider(observed: Endpoint, context: Context) -> bool:
    """Return whether Atlas shows another provider than the spec names; some of its answers show none."""
    return observed.provider_name is not None and observed.provider_name != context.provider_name


def _another_provider(observed: Endpoint, context: Context) -> str:
    shown = one_line(observed.provider_name or "", limit=100)
    return (
        f"spec.providerName is {context.provider_name}, but Atlas shows that the endpoint is one of {shown}, so nothing is sent."
        f" {PROVIDER_ANEW.format(shown)}"
    )


def _send(chosen: Sequence[Difference], desired: Fields, observed: Endpoint, context: Context) -> Send:
    fields = {each.field for each in chosen}
    if observed.status in {EndpointStatus.RESERVED, EndpointStatus.FAILED} and CONNECTION & fields:
        # Connecting takes everything at once: Azure's id and address belong together.
        fields |= CONNECTION
    return Send(
        {field: value for field, value in desired.items() if field in fields},
        _cause(chosen, desired, observed, context),
    )


def _cause(chosen: Sequence[Difference], desired: Fields, observed: Endpoint, context: Context) -> Cause:
    if not context.contacted:
        return Cause.FIRST_CONTACT
    if not Comparison.of(desired, observed, replace(context, forced=False)).chosen:
        return Cause.FORCED
    return Cause.EDIT if any(is_edit(each, context) for each in chosen) else Cause.DRIFT


def _available(desired: Fields, found: Comparison, context: Context) -> Verdict:
    if found.differences:
        return _not_as_desired(found, context)
    if found.lagging and desired.keys() - (context.confirmed or {}).keys():
        # Not all of the spec has been confirmed, and what Atlas shows now confirms nothing.
        return _not_shown_yet(found.lagging, found)
    return Verdict(Reason.AVAILABLE, "The endpoint is available and as specified.", _rest(found))


def _reserved(observed: Endpoint, found: Comparison, context: Context) -> Verdict:
    """Speak about a reservation that waits for the user's side of the connection."""
    if any(each not in found.treated[Treatment.WAIT] for each in found.differences):
        return _not_as_desired(found, context)
    service, following = observed.endpoint_service_name, _rest(found)
    if not service:
        message = "The endpoint is reserved; Atlas has not named the service to connect to yet."
        following = Again(pace(context.now - context.status_since))
    elif observed.provider_name == "AZURE" or observed.private_link_service_resource_id:
        target = observed.private_link_service_resource_id or "the private link service of the endpoint"
        message = (
            f"The endpoint is reserved. In Azure, create a private endpoint with a manual connection named {service} to"
            f" {target}; then set spec.cloudProviderEndpointId and spec.privateEndpointIpAddress."
        )
    else:
        message = (
            f"The endpoint is reserved. In AWS, create an interface VPC endpoint to the service {service}; then set"
            " spec.cloudProviderEndpointId."
        )
    return Verdict(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, following, found.differences)


def _reserved_and_connected(found: Comparison, context: Context) -> Verdict:
    """Speak about a reservation whose other end is known and which Atlas has to move on."""
    if _connects(found.differences) and not _connects(found.treated[Treatment.SETTLE]):
        return _not_as_desired(found, context)
    # The reservation may be old: what takes time began when the cloud's endpoint id was sent.
    since = max(context.status_since, context.confirmed_at or context.status_since)
    message = "Atlas has taken the cloud's endpoint and not begun to connect it yet."
    return _waiting(Reason.INITIATING, message, found, context, since=since)


def _not_as_desired(found: Comparison, context: Context) -> Verdict:
    """Say why differences are there and not sent; of several reasons, what a person can do most about."""
    differences = found.differences
    if found.treated[Treatment.SEND_ANEW] and context.refusal is not None:
        return Verdict(Reason.UPDATE_REJECTED, context.refusal.message, Rest(), differences)
    if settling := found.treated[Treatment.SETTLE]:
        return _not_shown_yet(settling, found)
    if stored := found.treated[Treatment.STORED_OTHERWISE]:
        return Verdict(
            Reason.UPDATE_REJECTED,
            f"Atlas confirmed the change and stored something else: {_told(stored)}. Change the spec, or {FORCE} to send it"
            " once more.",
            Rest(),
            differences,
        )
    if contested := found.treated[Treatment.LEAVE_TO_OTHERS]:
        return Verdict(
            Reason.DRIFTED,
            "Somebody keeps changing the endpoint back, so it is corrected once an hour only:"
            f" {_told(contested)}. Find out who, or {FORCE} to correct it now.",
            Rest(),
            differences,
        )
    return Verdict(
        Reason.DRIFTED,
        f"Atlas no longer shows what it had confirmed, and spec.driftPolicy is Report: {_told(differences)}. Take the value into"
        " the spec, or set spec.driftPolicy to Correct to have Atlas changed back.",
        Rest(),
        differences,
    )


def _not_shown_yet(settling: Sequence[Difference], found: Comparison) -> Verdict:
    message = f"Atlas has confirmed the change and does not show it yet ({_names(settling)})."
    return Verdict(Reason.PENDING, message, Again(POLL_FIRST), found.differences)


def _words(observed: Endpoint) -> str:
    return one_line(observed.error_message or "", limit=500) or "no message"


def _failure(observed: Endpoint) -> str:
    words = _words(observed)
    if not observed.endpoint_service_name:
        return (
            "Atlas could not reserve the endpoint, so nothing can be connected to it. Reserve another one in Atlas, and name"
            f" it in a new resource. Atlas: {words}"
        )
    return (
        f"Atlas reports that the endpoint failed. Mend the cause; then change spec.cloudProviderEndpointId, or {FORCE} to"
        f" send the present values again. Atlas: {words}"
    )


def _waiting(
    reason: Reason, message: str, found: Comparison, context: Context, *, since: datetime | None = None
) -> Verdict:
    """Wait for Atlas, first looking often, then seldom; after the time that the resource allows, call a person."""
    elapsed = context.now - (since or context.status_since)
    left = context.provisioning_timeout - elapsed
    if left <= timedelta(0):
        return Verdict(
            Reason.PROVISIONING_TIMEOUT,
            f"{message} It has taken longer than spec.provisioningTimeout; it is still looked at, and heals by itself when"
            " Atlas goes on. If it does not, ask MongoDB's support.",
            Rest(),
            found.differences,
        )
    return Verdict(reason, message, Again(min(pace(elapsed), left.total_seconds())), found.differences)


def _strange(status: str | None) -> str:
    return f"the status {one_line(status, limit=100)!r}, which this operator does not know" if status else "no status"


def pace(elapsed: timedelta) -> float:
    """Tell in how many seconds to look again at something that began to change some time ago."""
    return min(max(elapsed.total_seconds() / 4, POLL_FIRST), POLL_LAST)


def _rest(found: Comparison) -> Next:
    """Come back by oneself only to see whether Atlas has caught up."""
    return Again(found.lag_left) if found.lagging else Rest()


def _connects(differences: Sequence[Difference]) -> bool:
    return any(each.field in CONNECTION for each in differences)


def _pending(found: Comparison, context: Context) -> str:
    """Name what will be sent as soon as the endpoint takes it."""
    waiting = [each for each in found.treated[Treatment.WAIT] if context.correct_drift or is_edit(each, context)]
    if not waiting:
        return ""
    changes = " and ".join(f"{each.field} to {_quoted(each.desired)}" for each in waiting)
    return f" The change of {changes} waits until it has finished."


def _unsent(observed: Endpoint, context: Context) -> Next:
    """Say when to look again though nothing is sent: Atlas may be at work all the same."""
    if observed.status == EndpointStatus.INITIATING:
        return Again(pace(context.now - context.status_since))
    return Rest()


def _because(cause: Cause) -> str:
    match cause:
        case Cause.FIRST_CONTACT:
            return "since the resource is new"
        case Cause.EDIT:
            return "since the spec has changed"
        case Cause.DRIFT:
            return "since Atlas no longer shows what it had confirmed"
        case Cause.FORCED:
            return "since an annotation asks for it"
        case Cause.RESERVATION:
            return "since the resource has no endpoint"


def _changes(fields: Fields) -> str:
    return "; ".join(f"{field} as {_quoted(value)}" for field, value in fields.items())


def _names(differences: Sequence[Difference]) -> str:
    return ", ".join(each.field for each in differences)


def _told(differences: Sequence[Difference]) -> str:
    return "; ".join(f"{each.field} is {_quoted(each.actual)}, not {_quoted(each.desired)}" for each in differences)


def _quoted(value: str | None) -> str:
    return "empty" if not value else f"'{value}'"
