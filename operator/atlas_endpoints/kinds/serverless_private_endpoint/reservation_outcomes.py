"""What a pass came to for a resource that has no endpoint yet, or has lost it; pure."""

from dataclasses import replace

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_private_endpoints import CREATE, Endpoint
from atlas_endpoints.engine.outcome import Again
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement, EventReason, tell
from atlas_endpoints.kinds.serverless_private_endpoint.conclusions import failed, seen, why_nothing_is_sent
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause, Plan, PlanBody, Reservation
from atlas_endpoints.kinds.serverless_private_endpoint.plan import judge
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import find
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import APPLIED, Failure, Outcome, Sent, Verdict


def planned_reservation(pass_: Pass) -> Outcome:
    """An endpoint is to be reserved, and nothing may be written."""
    verdict = Verdict(
        Reason.PLANNED,
        f"{why_nothing_is_sent(pass_)}. Then an endpoint is reserved, as status.plan shows it.",
        Again(pass_.interval.total_seconds()),
    )
    plan = Plan(method="POST", body=PlanBody(comment=pass_.resource.mark), reason=Cause.RESERVATION)
    return replace(_without_endpoint(pass_, verdict), plan=plan, handled=None)


def intending(pass_: Pass, reservation: Reservation) -> Outcome:
    """An endpoint is about to be reserved, which the status has to tell before it is.

    That an attempt before was refused stands until another one has gone better: to try again is no news.
    """
    ready, last = find(pass_.previous, "Ready"), pass_.previous.last_error
    if (
        ready is not None
        and last is not None
        and last.operation == CREATE
        and ready.observed_generation == pass_.generation
    ):
        verdict = Verdict(Reason(ready.reason), ready.message, Again(0.0))
        outcome = replace(_without_endpoint(pass_, verdict), credentials=None, failure=Failure.of(last))
        return replace(outcome, reservation=reservation)
    verdict = Verdict(Reason.RESERVATION_REQUESTED, "An endpoint is about to be reserved.", Again(0.0))
    return replace(_without_endpoint(pass_, verdict), reservation=reservation)


def looking_for_reservation(pass_: Pass, following: Again) -> Outcome:
    """An endpoint may have been reserved before, or one too many: look again before another is."""
    message = "An endpoint may have been reserved already, and is looked for in Atlas before another one is reserved."
    return _without_endpoint(pass_, Verdict(Reason.RESERVATION_REQUESTED, message, following))


def lost_reservation(pass_: Pass, error: AtlasError, reservation: Reservation) -> Outcome:
    """Nobody knows whether Atlas has reserved an endpoint, or still will."""
    sent = Sent((), Cause.RESERVATION, f"Unknown: {error.reason}", confirmed=False)
    return replace(failed(pass_, error, sent=sent), applied=None, reservation=reservation)


def refused_reservation(pass_: Pass, error: AtlasError) -> Outcome:
    """Atlas has surely reserved nothing: there is no more to look for, and an endpoint may be named instead."""
    record = pass_.resource.metadata.endpoint_record
    replaces = record is not None and record.uid == pass_.resource.metadata.uid
    return replace(failed(pass_, error), forgets_reservation=not replaces)


def lost_endpoint(pass_: Pass, following: Again) -> Outcome:
    """The endpoint that was reserved is gone; another one is reserved when it is time."""
    message = (
        "The endpoint that was reserved is gone from Atlas: it has expired or was deleted. Another one is reserved by itself, the"
        " later the sooner the ones before were lost."
    )
    return _without_endpoint(pass_, Verdict(Reason.RESERVATION_REQUESTED, message, following))


def adopting(pass_: Pass, endpoint_id: str) -> Outcome:
    """The resource was made from a copy of one that had this endpoint, and nobody stands for it any more."""
    message = "The annotation of an earlier resource tells which endpoint is to be taken over."
    verdict = Verdict(Reason.PENDING, message, Again(0.0))
    reservation = Reservation(requested_at=pass_.now, endpoint_id=endpoint_id, adopted=True)
    return replace(_without_endpoint(pass_, verdict), reservation=reservation, handled=None)  # nothing was looked at


def yielding(pass_: Pass) -> Outcome:
    """Of several resources that were made from one copy, another one has its endpoint: this one gets its own."""
    message = "Another resource has the endpoint that the annotation tells of; one of its own is reserved."
    outcome = _without_endpoint(pass_, Verdict(Reason.RESERVATION_REQUESTED, message, Again(0.0)))
    return replace(outcome, forgets_reservation=True)


def discarded(endpoint_id: str) -> Announcement:
    """Tell of an endpoint that was one too many."""
    note = (
        f"Endpoint {endpoint_id} was deleted: it was reserved for this resource by a call that Atlas took late, when the"
        " resource had another one already."
    )
    return tell(EventReason.ENDPOINT_DISCARDED, note, action="Delete")


def left_connected(endpoint_id: str) -> Announcement:
    """Tell of an endpoint that is one too many, and that somebody has connected."""
    note = (
        f"Endpoint {endpoint_id} stays in Atlas as it is: it was reserved for this resource, which has another one, and somebody"
        " has connected it."
    )
    return tell(EventReason.ENDPOINT_RETAINED, note, action="Create")


def reserved(pass_: Pass, endpoint: Endpoint, *, new: bool = False) -> Outcome:
    """Atlas has an endpoint for the resource: take note of it before anything else is done with it.

    Args:
        pass_: which learned of it.
        endpoint: as Atlas shows it.
        new: whether this very pass has had it reserved.
    """
    verdict = judge(pass_.desired, endpoint, pass_.context(endpoint))
    before = pass_.previous.reservation
    reservation = Reservation(
        requested_at=before.requested_at if before is not None else pass_.now,
        endpoint_id=endpoint.id,
        attempt=before.attempt if before is not None else 1,
    )
    sent = Sent((), Cause.RESERVATION, APPLIED, confirmed=True) if new else None
    outcome = seen(pass_, replace(verdict, next=Again(0.0)), endpoint, applied=None, sent=sent)
    return replace(outcome, reservation=reservation)


def _without_endpoint(pass_: Pass, verdict: Verdict) -> Outcome:
    """Speak about a resource that has no endpoint (yet), with credentials that have let us look for one."""
    return Outcome(
        next=verdict.next,
        generation=pass_.generation,
        verdict=verdict,
        resolved=pass_.resolved,
        credentials=failures.VERIFIED,
        handled=pass_.resource.metadata.reconcile_request,
    )
