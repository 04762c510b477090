"""Forecast what the operator would do about a manifest, in plain values. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from atlas_endpoints.atlas.errors import MAKE_ANEW, THEN_AGAIN, by_hand, one_line
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.decide import PROVIDER_ANEW
from atlas_endpoints.kinds.serverless_private_endpoint.resource import MARK, ManagedField, Spec, shown
from atlas_endpoints.planning.manifests import Conflict, Invalid, Manifest, Place
from atlas_endpoints.planning.offline_ports import SOURCE
from atlas_endpoints.reconcile.credentials import remedy_for_refused
from atlas_endpoints.reconcile.failures import NOTICED
from atlas_endpoints.reconcile.kind import State
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause, Plan


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
        spec: None if it could not be read.
        project_id: None if it is unknown.
        endpoint: as Atlas shows it, or None.
        changes: the differences, whether or not they are sent.
        body: of the PATCH or the POST, or None.
    """

    place: Place
    key: Key | None
    action: Action
    reason: Reason | None
    message: str
    spec: Spec | None = None
    project_id: str | None = None
    endpoint: Endpoint | None = None
    changes: tuple[Change, ...] = ()
    body: dict[str, Any] | None = None


def of_invalid(invalid: Invalid) -> Forecast:
    """Return the forecast for an invalid manifest."""
    return Forecast(invalid.place, invalid.key, Action.INVALID, Reason.INVALID_SPEC, "\n".join(invalid.problems))


def of_outcome(
    manifest: Manifest, outcome: Outcome, *, variables: str, clouds: Collection[str] = frozenset()
) -> Forecast:
    """Return the forecast from a reconcile without writes.

    Args:
        variables: the names of those that hold the credentials.
        clouds: of the instance's endpoints.
    """
    state, spec = outcome.state, manifest.resource.spec
    if state is None:
        raise ValueError("a reconcile of a resource without a status has something to say")
    action = _action(spec, outcome, state)
    message = state.message
    if action is Action.UPDATE:
        message = "This would be sent to Atlas."
    elif action is Action.RESERVE:
        message = "An endpoint would be reserved, and given what the manifest says as soon as Atlas takes it."
    elif action is Action.UNKNOWN:
        remedy = f"They are those of {variables} in the environment. Put valid ones there."
        message = message.replace(remedy_for_refused(SOURCE), remedy).replace(NOTICED, THEN_AGAIN)
        message = by_hand(message).replace(
            MAKE_ANEW, "correct the manifest, as a resource of its own: it never changes"
        )
    elif outcome.seen is not None:
        cloud = one_line(outcome.seen.provider_name or "", limit=100)
        message = message.replace(
            PROVIDER_ANEW.format(cloud),
            f"Correct providerName to {cloud}; if the resource is in the cluster already, delete it there first, since"
            " providerName cannot change.",
        )
    is_reservation = outcome.plan is not None and outcome.plan.reason is Cause.RESERVATION
    if is_reservation and len(clouds) == 1 and spec.provider_name not in clouds:
        message += (
            f" All endpoints of instance {spec.instance_name} are of {one_line(*clouds, limit=100)}; an instance is in one"
            " cloud, so the one that would be reserved will be, too: correct providerName."
        )
    return Forecast(
        manifest.place,
        manifest.resource.key,
        action,
        Reason(state.reason),
        message,
        spec=spec,
        project_id=spec.project_id or (outcome.resolved.project_id if outcome.resolved is not None else None),
        endpoint=outcome.seen,
        changes=tuple(Change(each.field, each.actual, each.desired) for each in state.differences or ()),
        body=_body(action, outcome.plan),
    )


def of_conflict(forecast: Forecast, conflicts: Iterable[Conflict]) -> Forecast:
    """Return the forecast for a resource that may conflict with another about its endpoint."""
    for each in conflicts:
        if forecast.place not in each.resources or forecast.key == each.owner:
            continue
        if each.owner is not None:
            message = f"{each.owner} owns the endpoint, so nothing would be sent for this one. Remove all but one."
            return replace(forecast, action=Action.REPORT, reason=Reason.CONFLICT, message=message, body=None)
        message = "The resource that is created first will own the endpoint, and nothing is sent for the others. Remove all but one."
        return replace(forecast, action=Action.UNKNOWN, reason=Reason.CONFLICT, message=message, body=None)
    return forecast


def unanswered(manifest: Manifest, message: str) -> Forecast:
    """Return the forecast for a manifest for which there was no time."""
    spec = manifest.resource.spec
    return Forecast(
        manifest.place, manifest.resource.key, Action.UNKNOWN, None, message, spec=spec, project_id=spec.project_id
    )


def asks_again_in(outcome: Outcome, attempts: int) -> float | None:
    """Return the seconds until the next attempt, or None.

    Args:
        attempts: the failed ones, including this reconcile.
    """
    failure = outcome.failure
    if failure is None or not failure.retryable:
        return None
    match outcome.requeue:
        case RequeueAfter(delay) if outcome.held:
            return delay
        case Backoff(at_least) if attempts < ATTEMPTS:
            # Longer than a LIST that failed speaks for others: 3 s, then 9 s.
            return max(at_least, 3.0**attempts)
        case _:
            return None


def sent_along(forecast: Forecast) -> tuple[Change, ...]:
    """Return the fields that the PATCH holds although they do not differ: those of a connection are sent together."""
    if forecast.body is None or forecast.endpoint is None:
        return ()
    changed = {each.field for each in forecast.changes}
    return tuple(
        Change(field.value, shown(forecast.endpoint)[field], forecast.body[field])
        for field in ManagedField
        if field in forecast.body and field not in changed
    )


def exit_code(forecasts: Iterable[Forecast]) -> int:
    """Return 0 if nothing would change, 3 if something would, 1 if that is unknown for some."""
    actions = {each.action for each in forecasts}
    if actions & FAILED:
        return 1
    return 3 if actions & CHANGING else 0


def count(forecasts: Sequence[Forecast]) -> dict[Action, int]:
    """Return the number of forecasts of each action that occurs, in the order of the actions."""
    actions = [each.action for each in forecasts]
    return {action: actions.count(action) for action in Action if action in actions}


def _action(spec: Spec, outcome: Outcome, state: State) -> Action:
    if state.reason is Reason.SUSPENDED:
        return Action.SUSPENDED
    if state.reason is Reason.INVALID_SPEC:
        return Action.INVALID
    if outcome.failure is not None:
        return Action.UNKNOWN
    if spec.management_policy != "Manage" and (state.differences or outcome.plan is not None):
        return Action.REPORT
    if outcome.plan is not None:
        return Action.RESERVE if outcome.plan.reason is Cause.RESERVATION else Action.UPDATE
    return Action.WAIT if state.differences and state.reason in BUSY else Action.NONE


def _body(action: Action, plan: Plan | None) -> dict[str, Any] | None:
    if action is Action.RESERVE:
        return {"comment": f"{MARK}<uid>"}  # of the resource, which has none before it is applied
    return dict(plan.body) if action is Action.UPDATE and plan is not None and plan.body is not None else None
