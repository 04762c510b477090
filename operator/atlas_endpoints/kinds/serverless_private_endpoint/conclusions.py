"""What a pass came to: from what Atlas answered to an outcome; pure.

A pass ends in one of six ways: it came through without a write, or its write was only planned, was confirmed, was refused,
failed without having been applied, or had its answer lost. (A look at the endpoint that fails is the seventh.)
"""

from collections.abc import Collection
from dataclasses import replace

from atlas_endpoints.atlas.errors import AtlasError, UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, update_body
from atlas_endpoints.engine.outcome import Again
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.claims import Owner, Undecided
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import (
    Difference,
    Fields,
    compare,
    same,
    shown,
)
from atlas_endpoints.kinds.serverless_private_endpoint.context import (
    applied_of,
    confirmed_before,
    status_since,
)
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    ManagedField,
    Plan,
    PlanBody,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.plan import POLL_FIRST, judge, propose, report
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import ContendedReason, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import failing_since
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import (
    APPLIED,
    Action,
    Failure,
    Finding,
    Outcome,
    Send,
    Sent,
    Verdict,
)

CONTENDED_LOOK = 15.0
"""Seconds after which a resource looks whether its endpoint is still another one's; no call to Atlas."""


def confirmed_so_far(resource: ServerlessPrivateEndpoint, previous: Status) -> Applied | None:
    """Give what counts as confirmed when a status is written and nothing new was confirmed.

    A value that the spec has left is void: the new one may have been sent, by a process that ended before it could tell. If
    the spec returns to the old one later, that has to count as an edit, and not as drift.
    """
    generation = resource.metadata.generation
    kept = confirmed_before(previous, resource.spec.desired, generation)
    if kept is None or kept == previous.applied:
        return previous.applied
    nothing_missed = generation <= previous.observed_generation + 1
    return applied_of(generation, kept.values) if nothing_missed else None


def came_through(pass_: Pass, verdict: Verdict, endpoint: Endpoint) -> Outcome:
    """The endpoint was seen and nothing is to be sent."""
    return seen(pass_, verdict, endpoint, applied=confirmed_so_far(pass_.resource, pass_.previous))


def without_writing(pass_: Pass, action: Action, observed: Endpoint) -> Outcome:
    """The pass writes nothing to Atlas, whatever its plan was."""
    if pass_.policy == "Observe":
        verdict = report(pass_.desired, observed, pass_.context(observed))
        return replace(came_through(pass_, verdict, observed), observing=True)
    if isinstance(action, Send):
        return planned(pass_, action, observed)
    return came_through(pass_, action, observed)


def planned(pass_: Pass, send: Send, endpoint: Endpoint) -> Outcome:
    """Something is to be sent, and nothing may be: show the whole request.

    A person's request for a fresh attempt stays open, since the attempt is still to be made.
    """
    verdict = propose(send, pass_.desired, endpoint, pass_.context(endpoint), why=why_nothing_is_sent(pass_))
    body = update_body(pass_.resource.spec.provider_name, {field.value: value for field, value in send.fields.items()})
    plan = Plan(method="PATCH", body=PlanBody.model_validate(body), reason=send.cause)
    return replace(came_through(pass_, verdict, endpoint), plan=plan, handled=None)


def confirmed(pass_: Pass, send: Send, before: Endpoint, answer: Endpoint) -> Outcome:
    """Atlas took the PATCH, and its answer is the whole truth: it may hold something else than what was sent."""
    context = pass_.context(before)
    kept = {field: value for field, value in (context.confirmed or {}).items() if field in pass_.desired}
    values = {**kept, **{field: shown(answer, field) or "" for field in send.fields}}
    after = replace(
        pass_.context(answer),
        confirmed=values,
        confirmed_generation=pass_.generation,
        confirmed_at=None if _contradicts(values, pass_.desired, before) else pass_.now,
        seen_generation=pass_.generation,
        in_doubt=False,
        forced=False,
    )
    verdict = judge(pass_.desired, answer, after)
    sent = Sent(tuple(send.fields), send.cause, APPLIED, confirmed=True)
    return seen(pass_, verdict, answer, applied=applied_of(pass_.generation, values), sent=sent)


def contended(pass_: Pass, claim: Owner | Undecided, endpoint: Endpoint) -> Outcome:
    """Another resource owns the endpoint, or may turn out to: that it is as this one wants it confirms nothing for this one."""
    differences = compare(pass_.desired, endpoint)
    if not isinstance(claim, Owner):
        message = (
            "Another resource names the same endpoint, and it is not known yet which of them owns it, so nothing is sent for"
            " this one meanwhile."
        )
        verdict, failure = Verdict(Reason.PENDING, message, Again(POLL_FIRST), differences), None
        finding = Finding("True", ContendedReason.PENDING, message)
    else:
        owner = claim.named_for(pass_.resource.metadata.namespace)
        message = (
            f"The endpoint belongs to {owner}, so nothing is sent for this one. Remove all but one, or name another endpoint"
            " here; when the owner goes, does not manage the endpoint any more, or lastingly cannot, one of those that wait"
            " takes over by itself."
        )
        verdict = Verdict(Reason.CONFLICT, message, Again(CONTENDED_LOOK), differences)
        finding = Finding("True", ContendedReason.CONFLICT, message)
        since = failing_since(pass_.previous, reason=Reason.CONFLICT, generation=pass_.generation, now=pass_.now)
        failure = Failure(since=since, operation="claim", retryable=False, detail=message)
    return replace(
        came_through(pass_, verdict, endpoint),
        applied=confirmed_so_far(pass_.resource, pass_.previous),
        failure=failure,
        contended=finding,
    )


def refused(pass_: Pass, send: Send, before: Endpoint, error: UpdateRejectedError) -> Outcome:
    """Atlas does not take the PATCH: remember which fields, so that the others go without them."""
    names = tuple(send.fields)
    objected = failures.refused_fields(error, names)
    sent = Sent(names, send.cause, f"Rejected: {error.error_code or error.http_status}", confirmed=False)
    outcome = failed(pass_, error, before=before, sent=sent, objected=objected)
    return outcome if set(objected) == set(names) else replace(outcome, next=Again(0.0))


def not_applied(pass_: Pass, before: Endpoint, error: AtlasError) -> Outcome:
    """The PATCH failed and has surely changed nothing."""
    return failed(pass_, error, before=before)


def lost(pass_: Pass, send: Send, error: AtlasError) -> Outcome:
    """The PATCH may have been applied, or may still be: nothing counts as confirmed any more."""
    sent = Sent(tuple(send.fields), send.cause, f"Unknown: {error.reason}", confirmed=False)
    return replace(failed(pass_, error, sent=sent), applied=None)


def unseen(pass_: Pass, error: AtlasError) -> Outcome:
    """Looking at the endpoint failed."""
    return failed(pass_, error)


def why_nothing_is_sent(pass_: Pass) -> str:
    """Say why what is planned is not done, and until when."""
    if pass_.resource.spec.management_policy == "Plan":
        return "spec.managementPolicy is Plan, so nothing is sent to Atlas until it is Manage"
    return "WRITES is off, so nothing is sent to Atlas until whoever runs the operator sets ATLAS_ENDPOINTS_WRITES=on"


def seen(
    pass_: Pass, verdict: Verdict, endpoint: Endpoint, *, applied: Applied | None, sent: Sent | None = None
) -> Outcome:
    """Say what is true of an endpoint that was seen.

    Args:
        pass_: which has seen it.
        verdict: about it.
        endpoint: as it was seen.
        applied: what Atlas has confirmed, unless all is as desired.
        sent: the write that it answers to.
    """
    if not compare(pass_.desired, endpoint):
        applied = applied_of(pass_.generation, pass_.desired)
    return Outcome(
        next=verdict.next,
        generation=pass_.generation,
        verdict=verdict,
        applied=applied,
        endpoint=endpoint,
        status_since=status_since(pass_.previous, endpoint, pass_.now),
        resolved=pass_.resolved,
        credentials=failures.VERIFIED,
        sent=sent,
        failure=_still_refused(pass_, verdict, sent.fields if sent else ()),
        handled=pass_.resource.metadata.reconcile_request,
    )


def failed(
    pass_: Pass,
    error: AtlasError,
    *,
    before: Endpoint | None = None,
    sent: Sent | None = None,
    objected: tuple[ManagedField, ...] = (),
) -> Outcome:
    """Say what failed.

    Args:
        pass_: which failed.
        error: what with.
        before: the endpoint, if it was seen and has surely not changed since.
        sent: the write that failed.
        objected: the fields that Atlas refused.
    """
    differences: tuple[Difference, ...] = compare(pass_.desired, before) if before else ()
    outcome = failures.of_atlas(
        error,
        pass_.generation,
        pass_.previous,
        now=pass_.now,
        grace=pass_.grace,
        resolved=pass_.resolved,
        sent=sent,
        refused=objected,
        differences=differences,
        applied=confirmed_so_far(pass_.resource, pass_.previous),
    )
    if outcome.failure is not None and not outcome.failure.retryable:
        # What may heal by itself does so while a request stands; here a person has to ask anew.
        outcome = replace(outcome, handled=pass_.resource.metadata.reconcile_request)
    if outcome.verdict is not None and before is not None:
        outcome = replace(outcome, endpoint=before, status_since=status_since(pass_.previous, before, pass_.now))
    return outcome


def _contradicts(values: Fields, desired: Fields, before: Endpoint) -> bool:
    """Tell whether an answer holds a value that is neither the old nor the new one: that is not Atlas being slow."""
    return any(
        value and not same(field, value, desired[field]) and not same(field, value, shown(before, field))
        for field, value in values.items()
    )


def _still_refused(pass_: Pass, verdict: Verdict, taken: Collection[ManagedField]) -> Failure | None:
    """Keep Atlas's words about fields that it had refused before and has not taken since."""
    if verdict.reason is not Reason.UPDATE_REJECTED:
        return None
    differences = tuple(each for each in verdict.differences if each.field not in taken)
    return failures.still_refused(pass_.previous, replace(verdict, differences=differences))
