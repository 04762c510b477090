"""Forecast what the operator would do about a manifest, in plain values. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.commands.manifests import Invalid, Manifest, Place
from atlas_endpoints.commands.plan.overlaps import Conflict
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile.kind import State
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import ReadyReason, Reason
from atlas_endpoints.reconcile.status import Cause


class Action(StrEnum):
    """What the operator would do."""

    RESERVE = "Reserve"
    """It would reserve an endpoint by a POST, and continue with it."""
    UPDATE = "Update"
    """It would send a PATCH."""
    WAIT = "Wait"
    """It would send a PATCH as soon as Atlas takes one: the endpoint is busy."""
    REPORT = "Report"
    """It would send nothing and report the differences: ``managementPolicy`` is Observe or Plan."""
    NONE = "None"
    """It would send nothing."""
    SUSPENDED = "Suspended"
    """It would not ask Atlas, since the manifest suspends it; neither did this command."""
    UNKNOWN = "Unknown"
    """It is unknown; the message has the reason."""
    INVALID = "Invalid"
    """The manifest could not be read, or contradicts what Atlas shows."""


CHANGING = frozenset({Action.RESERVE, Action.UPDATE, Action.WAIT})
"""The actions that change Atlas."""

FAILED = frozenset({Action.UNKNOWN, Action.INVALID})
"""The actions of which it is unknown whether they change Atlas."""

ATTEMPTS = 3
"""Failed calls to Atlas before a forecast fails."""

BUSY = frozenset({Reason.RESERVATION_REQUESTED, Reason.INITIATING, Reason.PENDING, Reason.PROVISIONING_TIMEOUT})
"""The reasons for which a PATCH has to wait."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field that Atlas does not hold as the manifest has it.

    Attributes:
        before: the value in Atlas, or None.
        after: the value in the manifest.
    """

    field: str
    before: str | None
    after: str


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
        status: the word of Atlas for the state of the endpoint, or None.
        changes: the differences, whether or not they are sent.
        sent_along: the fields that the PATCH contains although they do not differ: those of a connection go together.
        request: the PATCH or the POST, or None.
    """

    place: Place
    key: Key | None
    action: Action
    reason: ReadyReason | None
    message: str
    manifest: Manifest | None = None
    project_id: str | None = None
    endpoint_id: str | None = None
    status: str | None = None
    changes: tuple[Change, ...] = ()
    sent_along: Mapping[str, str] = field(default_factory=dict)
    request: Request | None = None


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
        manifest.kind.entry_of(manifest.body),
    )


def of_outcome(manifest: Manifest, body: Body, outcome: Outcome, values: Collection[Any]) -> Forecast:
    """Return the forecast from a reconcile without writes.

    Args:
        body: the manifest with what the reconcile has stored in it.
        values: the entries in the scope of the resource.
    """
    kind, resource, state = manifest.kind, manifest.resource, outcome.state
    if state is None:
        raise ValueError("a reconcile of a resource without a status has something to say")
    action, message = _action(manifest, outcome, state), state.message
    if action is Action.UPDATE:
        message = "The operator would send this change to Atlas."
    elif action is Action.RESERVE:
        message = (
            "The operator would reserve an endpoint, and send the values of the manifest as soon as Atlas accepts them."
        )
    creates = outcome.plan is not None and outcome.plan.reason is Cause.RESERVATION
    if creates and (problem := kind.misfit(resource, values)) is not None:
        message = f"{message} {problem}"
    project_id = resource.spec.project_id or (outcome.resolved.project_id if outcome.resolved is not None else None)
    entry = kind.entry_of(body)
    changes = tuple(Change(each.field, each.actual, each.desired) for each in state.differences or ())
    sent: Mapping[str, str] = (outcome.plan.body or {}) if action is Action.UPDATE and outcome.plan is not None else {}
    changed = {each.field for each in changes}
    request = None
    if action in {Action.UPDATE, Action.RESERVE} and outcome.plan is not None and project_id is not None:
        scope = Scope("", project_id, kind.names.kind, resource.scope_name)
        at = kind.list_request(scope) if creates or entry is None else kind.get_request(scope, entry)
        request = replace(at, method=outcome.plan.method, body=outcome.plan.body)
    return Forecast(
        manifest.place,
        manifest.key,
        action,
        state.reason,
        message,
        manifest,
        project_id,
        entry,
        None if outcome.seen is None else kind.state_of(outcome.seen),
        changes,
        {name: sent[name] for name in resource.fields if name in sent and name not in changed},
        request,
    )


def of_conflict(forecast: Forecast, conflicts: Iterable[Conflict]) -> Forecast:
    """Return the forecast for a resource that may conflict with another about its endpoint."""
    for each in conflicts:
        if forecast.place not in each.resources or forecast.key == each.owner:
            continue
        if each.owner is not None:
            action, owner = (
                Action.REPORT,
                f"{each.owner} owns the endpoint, so nothing would be sent for this resource.",
            )
        else:
            action = Action.UNKNOWN
            owner = "The resource that is created first will own the endpoint, and nothing is sent for the others."
        message = f"{owner} Remove all but one."
        return replace(forecast, action=action, reason=Reason.CONFLICT, message=message, sent_along={}, request=None)
    return forecast


def asks_again_in(outcome: Outcome, attempts: int) -> float | None:
    """Return the seconds until the next attempt, or None.

    Args:
        attempts: the failed ones, including this reconcile.
    """
    failure = outcome.failure
    if failure is None or not failure.retryable:
        return None
    match outcome.requeue:
        case RequeueAfter(delay) if outcome.deferred:
            return delay
        case Backoff(at_least) if attempts < ATTEMPTS:
            # Longer than a LIST that failed speaks for others: 3 s, then 9 s.
            return max(at_least, 3.0**attempts)
        case _:
            return None


def exit_code(forecasts: Iterable[Forecast]) -> int:
    """Return 0 if nothing would change, 3 if something would, 1 if that is unknown for some."""
    actions = {each.action for each in forecasts}
    if actions & FAILED:
        return 1
    return 3 if actions & CHANGING else 0


def _action(manifest: Manifest, outcome: Outcome, state: State) -> Action:
    if state.reason is Reason.SUSPENDED:
        return Action.SUSPENDED
    if state.reason is Reason.INVALID_SPEC:
        return Action.INVALID
    if outcome.failure is not None:
        return Action.UNKNOWN
    if manifest.resource.spec.management_policy != "Manage" and (state.differences or outcome.plan is not None):
        return Action.REPORT
    if outcome.plan is not None:
        return Action.RESERVE if outcome.plan.reason is Cause.RESERVATION else Action.UPDATE
    return Action.WAIT if state.differences and state.reason in BUSY else Action.NONE
