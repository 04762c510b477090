"""Forecast what the operator would do about a manifest, in plain values. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.manifests import Invalid, Manifest
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.reconcile.decision import Difference, State
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import ReadyReason, Reason
from atlas_endpoints.reconcile.status import Cause, ShownEntry


class Action(StrEnum):
    """What the operator would do; see ``TITLES``."""

    RESERVE = "Reserve"
    CREATE = "Create"
    UPDATE = "Update"
    REPLACE = "Replace"
    WAIT = "Wait"
    REPORT = "Report"
    NONE = "None"
    SUSPENDED = "Suspended"
    UNKNOWN = "Unknown"
    INVALID = "Invalid"


TITLES: Mapping[Action, str] = {
    Action.RESERVE: "an endpoint would be reserved in Atlas",
    Action.CREATE: "would be created in Atlas",
    Action.UPDATE: "would be changed in Atlas",
    Action.REPLACE: "would be deleted in Atlas and created again",
    Action.WAIT: "would be changed in Atlas when Atlas accepts changes again",
    Action.REPORT: "differs, and nothing would be sent",
    Action.NONE: "nothing would be sent",
    Action.SUSPENDED: "suspended, so Atlas was not read",
    Action.UNKNOWN: "the result is unknown",
    Action.INVALID: "is invalid",
}
"""What an action means, for people."""

CHANGING = frozenset({Action.RESERVE, Action.CREATE, Action.UPDATE, Action.REPLACE, Action.WAIT})
"""The actions that change Atlas."""

SENDING = CHANGING - {Action.WAIT}
"""The actions that begin with a request at once."""

FAILED = frozenset({Action.UNKNOWN, Action.INVALID})
"""The actions of which it is unknown whether they change Atlas."""

_BY_METHOD = {"POST": Action.CREATE, "PATCH": Action.UPDATE, "DELETE": Action.REPLACE}


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast for one manifest.

    Attributes:
        document: with the place, and the key, if it could be read.
        reason: of the condition ``Ready``; None if the reconcile did not end.
        message: for users.
        project_id: None if it is unknown.
        endpoint_id: None if there is none yet.
        status: the word of Atlas for the state of the endpoint, or None.
        differences: whether or not they are sent.
        request: the write that would be sent first, or None.
        doubt: why Atlas may refuse it, see ``Write``.
    """

    document: Manifest | Invalid
    action: Action
    reason: ReadyReason | None
    message: str
    project_id: str | None = None
    endpoint_id: str | None = None
    status: str | None = None
    differences: tuple[Difference, ...] = ()
    request: Request | None = None
    doubt: str = ""

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, if it is valid."""
        return self.document if isinstance(self.document, Manifest) else None


def unanswered(document: Manifest | Invalid, message: str) -> Forecast:
    """Return the forecast for a document about which Atlas was not asked; the message is for a valid one."""
    if isinstance(document, Invalid):
        return Forecast(document, Action.INVALID, Reason.INVALID_SPEC, "\n".join(document.problems))
    endpoint_id = document.kind.named_by(document.body).endpoint
    return Forecast(document, Action.UNKNOWN, None, message, document.resource.spec.project_id, endpoint_id)


def forecast_of(manifest: Manifest, body: Body, outcome: Outcome, state: State, values: Collection[Any]) -> Forecast:
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
    if write is not None and write.request.method != "DELETE":
        # The operator sends a POST all the same, since a LIST does not show what is only left over.
        problem = kind.mismatch(resource, values) if write.request.method == "POST" else None
        doubt = write.doubt if problem is None else f" {problem}"
        message += "" if doubt in message else doubt
    return Forecast(
        manifest,
        action,
        state.reason,
        message,
        project_id=resource.spec.project_id or (outcome.resolved.project_id if outcome.resolved is not None else None),
        endpoint_id=named.endpoint,
        status=outcome.seen.status if isinstance(outcome.seen, ShownEntry) else None,
        differences=tuple(state.differences or ()),
        request=write.request if action in SENDING and write is not None else None,
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
