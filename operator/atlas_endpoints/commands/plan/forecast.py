"""Forecast what the operator would do about a manifest, in plain values. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.manifests import Invalid, Manifest, Place
from atlas_endpoints.commands.pauses import pause
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile.decision import Difference, State
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import ReadyReason, Reason
from atlas_endpoints.reconcile.status import Cause, ShownEntry


class Action(StrEnum):
    """What the operator would do."""

    RESERVE = "Reserve"
    """It would reserve an endpoint by a POST, and continue with it."""
    CREATE = "Create"
    """It would create or register something by a POST, and continue with it."""
    UPDATE = "Update"
    """It would send a PATCH, or a POST that changes what is there."""
    REPLACE = "Replace"
    """It would send a DELETE, and then a POST, since Atlas cannot change the endpoint."""
    WAIT = "Wait"
    """It would send something as soon as Atlas takes it: the endpoint, or its service, is busy."""
    REPORT = "Report"
    """It would send nothing and report the differences: ``managementPolicy`` is Observe."""
    NONE = "None"
    """It would send nothing."""
    SUSPENDED = "Suspended"
    """It would not ask Atlas, since the manifest suspends it; neither did this command."""
    UNKNOWN = "Unknown"
    """It is unknown; the message has the reason."""
    INVALID = "Invalid"
    """The manifest could not be read, or contradicts what Atlas shows."""


CHANGING = frozenset({Action.RESERVE, Action.CREATE, Action.UPDATE, Action.REPLACE, Action.WAIT})
"""The actions that change Atlas."""

SENDING = CHANGING - {Action.WAIT}
"""The actions that begin with a request at once."""

FAILED = frozenset({Action.UNKNOWN, Action.INVALID})
"""The actions of which it is unknown whether they change Atlas."""

FAILED_CALLS = 3
"""Failed calls to Atlas before a forecast fails."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast for one manifest.

    Attributes:
        key: None if it could not be read.
        reason: of the condition ``Ready``; None if the reconcile did not end.
        message: for users.
        manifest: None if it could not be read.
        project_id: None if it is unknown.
        endpoint_id: None if there is none yet.
        shared: what it may share with others, see ``Named``.
        status: the word of Atlas for the state of the endpoint, or None.
        differences: whether or not they are sent.
        request: the write that would be sent first, or None.
        doubt: why Atlas may refuse it, see ``Write``.
    """

    place: Place
    key: Key | None
    action: Action
    reason: ReadyReason | None
    message: str
    manifest: Manifest | None = None
    project_id: str | None = None
    endpoint_id: str | None = None
    shared: str | None = None
    status: str | None = None
    differences: tuple[Difference, ...] = ()
    request: Request | None = None
    doubt: str = ""


def of_invalid(invalid: Invalid) -> Forecast:
    """Return the forecast for an invalid manifest."""
    return Forecast(invalid.place, invalid.key, Action.INVALID, Reason.INVALID_SPEC, "\n".join(invalid.problems))


def unanswered(manifest: Manifest, message: str) -> Forecast:
    """Return the forecast for a manifest for which there was no time."""
    return Forecast(
        manifest.place,
        manifest.key,
        Action.UNKNOWN,
        None,
        message,
        manifest,
        manifest.resource.spec.project_id,
        manifest.kind.named_by(manifest.body).endpoint,
    )


def of_outcome(manifest: Manifest, body: Body, outcome: Outcome, state: State, values: Collection[Any]) -> Forecast:
    """Return the forecast from a reconcile without writes.

    Args:
        body: the manifest with what the reconcile has stored in it, and what its references give.
        state: of the outcome.
        values: the entries in the scope of the resource.
    """
    kind, resource = manifest.kind, manifest.resource
    named = kind.named_by(body)
    action = _action(manifest, outcome, state, named)
    write = outcome.planned.write if outcome.planned is not None else None
    message, doubt = _message(manifest, outcome, state, action), ""
    if write is not None and write.request.method == "POST":
        # The operator sends it all the same, since a LIST does not show what is only left over.
        problem = kind.mismatch(resource, values)
        doubt = write.doubt if problem is None else f" {problem}"
        message += "" if doubt in message else doubt
    request = write.request if action in SENDING and write is not None else None
    return Forecast(
        manifest.place,
        manifest.key,
        action,
        state.reason,
        message,
        manifest,
        project_id=resource.spec.project_id or (outcome.resolved.project_id if outcome.resolved is not None else None),
        endpoint_id=named.endpoint,
        shared=named.shared,
        status=outcome.seen.status if isinstance(outcome.seen, ShownEntry) else None,
        differences=tuple(state.differences or ()),
        request=request,
        doubt=doubt,
    )


def _message(manifest: Manifest, outcome: Outcome, state: State, action: Action) -> str:
    decision = outcome.planned
    if manifest.resource.spec.management_policy != "Manage" or decision is None:
        return state.message
    if action is Action.RESERVE:
        return (
            "The operator would reserve an endpoint, and send the values of the manifest as soon as Atlas accepts them."
        )
    if action is Action.UPDATE and state.differences and decision.write is not None:
        unsent = [each.field for each in state.differences if each.field not in decision.write.fields]
        others = f" Not with it: {', '.join(unsent)}. {decision.state.message}" if unsent else ""
        return f"The operator would send this change to Atlas.{others}"
    planned = "" if decision.write is None else decision.write.planned
    return f"The operator {planned}." if planned else decision.state.message


def asks_again_in(outcome: Outcome, attempts: int) -> float | None:
    """Return the seconds until the next attempt, or None.

    Args:
        attempts: the failed ones, including this reconcile.
    """
    if outcome.state is None:  # nothing was sent: its turn is near, or another call probes Atlas
        return outcome.requeue.delay if isinstance(outcome.requeue, RequeueAfter) else 1.0
    failure = outcome.failure
    if failure is None or not failure.retryable:
        return None
    match outcome.requeue:
        case RequeueAfter(delay) if outcome.deferred:
            return delay
        case Backoff(at_least) if attempts < FAILED_CALLS:
            # Longer than a LIST that failed speaks for others: 3 s, then 9 s.
            return max(pause(outcome.reason, attempts, at_least), 3.0**attempts)
        case _:
            return None


def exit_code(forecasts: Iterable[Forecast]) -> int:
    """Return 0 if nothing would change, 3 if something would, 1 if that is unknown for some."""
    actions = {each.action for each in forecasts}
    if actions & FAILED:
        return 1
    return 3 if actions & CHANGING else 0


def _action(manifest: Manifest, outcome: Outcome, state: State, named: Named) -> Action:
    if state.reason is Reason.SUSPENDED:
        return Action.SUSPENDED
    if state.reason is Reason.INVALID_SPEC:
        return Action.INVALID
    if outcome.failure is not None and outcome.plan is None:
        return Action.UNKNOWN
    if manifest.resource.spec.management_policy != "Manage":
        return Action.REPORT if state.differences or outcome.plan is not None else Action.NONE
    if outcome.plan is not None:
        if outcome.plan.cause is Cause.RESERVATION:
            return Action.RESERVE
        # A POST that brings nothing into being changes what is there.
        return _BY_METHOD["PATCH" if not outcome.plan.planned else outcome.plan.request.method]
    kind = manifest.kind
    waits = state.differences if state.reason in kind.busy else state.reason in kind.preceding and named.endpoint
    return Action.WAIT if waits else Action.NONE


_BY_METHOD = {"POST": Action.CREATE, "PATCH": Action.UPDATE, "DELETE": Action.REPLACE}
