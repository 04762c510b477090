"""What is said about a resource: a row among others, or all that an on-call engineer asks first. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from atlas_endpoints.controller.cache import Body, generation_of, key_of, spec_of
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.resource import project_id_in
from atlas_endpoints.reconcile.status import Condition, Status, find, rfc3339

STATES = ("ActionRequired", "NotHandled", "GracePeriod", "WaitingForYou", "InProgress", "Settled")
"""The states of a resource for a person, the most urgent first."""


@dataclass(frozen=True)
class Found:
    """A resource, and all of its kind that the user may list, with it; ``sees_all``: these are of all namespaces."""

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

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        if self.ready is None or self.status.observed_generation != generation_of(self.body):
            return "NotHandled"
        if self.ready.reason == Reason.WAITING_FOR_CLOUD_ENDPOINT:
            return "WaitingForYou"
        if find(self.status, "Stalled") is not None:
            return "ActionRequired"
        if any(each == self.ready.reason and each.progress is Progress.GRACE for each in self.kind.reasons):
            return "GracePeriod"
        return "InProgress" if find(self.status, "Reconciling") is not None else "Settled"


def row(found: Found) -> dict[str, str]:
    """Return what the table and the JSON have of a resource."""
    key, ready = key_of(found.body), found.ready
    names = {"namespace": key.namespace, "kind": found.kind.names.kind, "name": key.name, "state": found.state}
    if ready is None:
        return {**names, "ready": "Unknown", "reason": "", "since": "", "message": "No operator has handled it."}
    since = rfc3339(ready.last_transition_time)
    return {**names, "ready": ready.status, "reason": ready.reason, "since": since, "message": ready.message}


def in_short(row: Mapping[str, str]) -> str:
    """Return a row without its names, its time and its message."""
    return f"Ready is {', '.join(row[name] for name in ('ready', 'reason', 'state') if row[name])}"


def describe(found: Found) -> Iterator[str]:
    """Yield the lines about a resource."""
    of_ready, status = row(found), found.status
    yield f"{of_ready['kind']} {key_of(found.body)}: {in_short(of_ready)}"
    yield f"Message: {of_ready['message']}"
    for each in status.conditions:
        if each.type not in {"Ready", "Reconciling", "Stalled"}:
            yield f"{each.type}: {each.status}, {each.reason}: {each.message}"
    for name, value in status.to_json().items():
        if name != "conditions":
            yield f"{name}: {json.dumps(value, ensure_ascii=False)}"
    yield from _users(found)
    yield f"Next read of Atlas: {_next(found)}"


def _users(found: Found) -> Iterator[str]:
    kind, me = found.kind, key_of(found.body)
    # Those who read JSON expect statuses of the right form.
    bodies = [{**each, "status": kind.resource.status_in(each).to_json()} for each in sorted(found.listed, key=key_of)]
    body = next(each for each in bodies if key_of(each) == me)
    mine = kind.named_by(body)
    beside = [(each, kind.named_by(each)) for each in bodies if project_id_in(each) == project_id_in(body)]
    sharing = [str(key_of(each)) for each, its in beside if its.shared == mine.shared and each is not body]
    if mine.shared is not None and sharing:
        yield f"Shares {mine.shared} with: {', '.join(sharing)}"
    for each, its in beside:
        if mine.endpoint is not None and (its.exclusive or "").casefold() == (mine.exclusive or "").casefold():
            owner = ", the owner" if is_owner(kind, each, mine.endpoint) else ""
            yield f"Endpoint named by: {key_of(each)}{owner}, {in_short(row(replace(found, body=each)))}"


def _next(found: Found) -> str:
    key, ready = key_of(found.body), found.ready
    if ready is None or found.state == "NotHandled":
        return "when an operator handles this generation. If none does within seconds, verify that one serves this namespace."
    if ready.reason in {Reason.INVALID_SPEC, Reason.SUSPENDED}:
        return "none, until what the message is about has changed."
    interval = spec_of(found.body).get("syncInterval") or "SYNC_INTERVAL of the operator (default: 10 minutes)"
    read = f"within {interval}; earlier while Atlas is working, after a failed call, and when what the message is about changes."
    # No request ends the wait for a rate limit or for other credentials.
    if ready.reason in {Reason.RATE_LIMITED, Reason.CREDENTIALS_INVALID}:
        return read
    return (
        f"{read} To reconcile now: kubectl -n {key.namespace} annotate --overwrite {key.kind.lower()} {key.name}"
        ' atlas-endpoints.dev/force-sync="$(date +%s)"'
    )
