"""What is said about a resource: a row among others, or all that an on-call engineer asks first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pydantic.alias_generators import to_camel, to_pascal

from atlas_endpoints.controller.cache import Body, generation_of, is_deleting, key_of
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import project_id_in
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Condition, Status, StatusModel, find, rfc3339

STATES: Mapping[str, str] = {
    "ActionRequired": ", action is required",
    "NotHandled": ", of an earlier generation",
    "GracePeriod": ", action is required if it lasts longer than STALL_GRACE of the operator (default: 2 minutes)",
    "WaitingForYou": ", waiting for you",
    "InProgress": ", in progress or retried",
    "Settled": "",
}
"""The states of a resource for a person, the most urgent first: the name for programs, and the words after the reason."""


@dataclass(frozen=True)
class Found:
    """A resource.

    Attributes:
        listed: all resources of its kind that the user may list, with this one.
        sees_all: whether these are of all namespaces.
    """

    kind: Kind[Any]
    body: Body
    listed: Sequence[Body]
    sees_all: bool

    @cached_property
    def status(self) -> Status:
        """What is readable of its status."""
        found: Status = self.kind.resource.status_in(self.body)
        return found

    @cached_property
    def ready(self) -> Condition | None:
        """The condition; None: no operator has handled the resource."""
        return find(self.status, "Ready")

    @cached_property
    def reason(self) -> ReadyReason | None:
        """The reason of ``Ready``; None: there is none that this version knows."""
        return next((each for each in self.kind.reasons if self.ready is not None and each == self.ready.reason), None)

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        if self.ready is None or self.status.observed_generation != generation_of(self.body):
            return "NotHandled"
        if self.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT:
            return "WaitingForYou"
        if find(self.status, "Stalled") is not None:
            return "ActionRequired"
        if self.reason is not None and self.reason.progress is Progress.GRACE:
            return "GracePeriod"
        return "InProgress" if find(self.status, "Reconciling") is not None else "Settled"


def row(found: Found) -> dict[str, str]:
    """Return what the table and the JSON have of a resource."""
    key, ready = key_of(found.body), found.ready
    names = {"namespace": key.namespace, "kind": key.kind, "name": key.name, "state": found.state}
    if ready is None:
        return {**names, "ready": "Unknown", "reason": "", "since": "", "message": "No operator has handled it."}
    since = rfc3339(ready.last_transition_time)
    return {**names, "ready": ready.status, "reason": ready.reason, "since": since, "message": ready.message}


def describe(found: Found, now: datetime) -> Iterator[str]:
    """Yield the lines about a resource."""
    key, ready = key_of(found.body), found.ready
    if ready is None:
        yield f"{key}: no operator has handled this resource"
    else:
        yield f"{key.kind} {key}: Ready is {ready.status}, {ready.reason}{STATES[found.state]}"
        yield f"Message: {ready.message}"
    if is_deleting(found.body):
        yield f"Deletion: requested at {found.body['metadata']['deletionTimestamp']}; the finalizers are pending"
    for each in found.status.conditions:
        if each.type not in {"Ready", "Reconciling", "Stalled"}:
            yield f"{each.type}: {each.status}, {each.reason}: {each.message}"
    yield from _atlas(found.status, now)
    yield from _users(found)
    yield from _next(found)


def _atlas(status: Status, now: datetime) -> Iterator[str]:
    for name, value in status:
        if name not in Status.model_fields and isinstance(value, StatusModel):
            yield f"{to_pascal(name)}: {_shown(value, now)[1:-1]}"
    if (applied := status.applied) is not None:
        values = ", ".join(f"{field} '{value}'" for field, value in applied.values.items()) or "no managed field"
        yield f"Confirmed by Atlas, for generation {applied.generation}: {values}"
    for item in status.drift:
        yield f"Differs: {item.field} is '{item.actual or ''}' in Atlas and '{item.desired or ''}' in the spec"
    if (error := status.last_error) is not None:
        code = " ".join(str(each) for each in (error.http_status, error.error_code) if each is not None)
        answered = f" (HTTP {code})" if error.http_status is not None else f" ({code})" if code else ""
        yield f"Failure: {error.operation}{answered}, since {ago(now - error.since)}: {error.detail or ''}"
    for entry in status.history[:1]:
        yield f"Last write: {', '.join(entry.fields)} ({entry.cause}), {ago(now - entry.time)} ago: {entry.result}"


def _users(found: Found) -> Iterator[str]:
    kind, me = found.kind, key_of(found.body)
    others = sorted((each for each in found.listed if key_of(each) != me), key=key_of)
    # Those who read JSON expect statuses of the right form.
    body, *readable = ({**each, "status": kind.resource.status_in(each).to_json()} for each in (found.body, *others))
    mine = kind.named_by(body)
    beside = [(each, kind.named_by(each)) for each in readable if project_id_in(each) == project_id_in(body)]
    if mine.shared is not None and (users := [str(key_of(each)) for each, its in beside if its.shared == mine.shared]):
        yield f"Shares {mine.shared} with: {', '.join(users)}"
    if mine.endpoint is None:
        return
    same = [each for each, its in beside if (its.exclusive or "").casefold() == (mine.exclusive or "").casefold()]
    for each in (body, *same):
        ready = find(kind.resource.status_in(each), "Ready")
        role = ", not the owner" if same or not found.sees_all else ""
        if is_owner(kind, each, mine.endpoint):
            role = ", the owner"
        yield f"Endpoint named by: {key_of(each)}{role}{f', {ready.reason}' if ready is not None else ''}"
    if not found.sees_all:
        yield "Endpoint named by: resources of other namespaces are not shown, because you may not list them."


def _next(found: Found) -> Iterator[str]:
    key, generation = key_of(found.body), generation_of(found.body)
    try:
        resource = found.kind.resource.parse(found.body)
    except InvalidSpecError as error:
        yield from (f"Invalid: {problem}" for problem in error.problems)
        return
    interval = resource.spec.sync_interval
    time = f"{interval.total_seconds():.0f} s" if interval else "SYNC_INTERVAL of the operator (default: 10 minutes)"
    read = f"within {time}; earlier while Atlas is working, after a failed call, and when what the message is about changes."
    if found.status.observed_generation != generation:
        read = (
            f"when an operator handles generation {generation} of the spec. If it takes longer than seconds, verify that one"
            " runs and serves this namespace."
        )
    elif found.reason is Reason.INVALID_SPEC:
        read = "none, until the spec is valid."
    elif resource.suspended_by:
        read = f"none, because of {' and '.join(resource.suspended_by)}"
    # No request ends the wait for a rate limit or for other credentials, and an open one is being retried.
    elif found.reason not in {Reason.RATE_LIMITED, Reason.CREDENTIALS_INVALID} and not is_forced(resource):
        read += (
            f" To reconcile now: kubectl -n {key.namespace} annotate --overwrite {key.kind.lower()} {key.name}"
            ' atlas-endpoints.dev/force-sync="$(date +%s)"'
        )
    yield f"Next read of Atlas: {read}"


def _shown(value: object, now: datetime) -> str:
    match value:
        case StatusModel():
            fields = ((name, each) for name, each in value if each not in (None, ()))
            return f"({', '.join(f'{to_camel(name)} {_shown(each, now)}' for name, each in fields)})"
        case datetime():
            return f"{ago(now - value)} ago"
        case tuple():
            return ", ".join(f"'{each}'" for each in value)
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def ago(elapsed: timedelta) -> str:
    """Return a duration as the largest unit of which it has two."""
    seconds = max(0, int(elapsed.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("min", 60))
    return next((f"{seconds // size} {unit}" for unit, size in units if seconds >= 2 * size), f"{seconds} s")
