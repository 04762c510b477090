"""Write the status of one resource, line by line. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.controller.cache import Body, key_of
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.kinds.serverless_private_endpoint.resource import entry_of as endpoint_of
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import find

LONGEST = 2000
"""Characters of a line."""


def lines(body: Body, others: Iterable[Body], *, sees_all: bool, now: datetime) -> Iterator[str]:
    """Yield the lines of a report.

    Args:
        others: resources that may name the same endpoint; they may include this one.
        sees_all: whether these are of all namespaces.
    """
    for line in (*_state(body), *_atlas(body, now), *_users(body, others, sees_all=sees_all), *_next(body)):
        yield one_line(line, limit=LONGEST)


def _state(body: Body) -> Iterator[str]:
    status, generation = Status.parse(body.get("status")), int(body["metadata"].get("generation", 0))
    ready = find(status, "Ready")
    if ready is None:
        yield f"{key_of(body)}: no operator has handled it yet"
        return
    progress = next((name for name in ("Reconciling", "Stalled") if find(status, name) is not None), None)
    means = {"Reconciling": ", in progress or tried again", "Stalled": ", and a person must act", None: ""}[progress]
    if status.observed_generation != generation:
        means = ", of an earlier generation"
    elif ready.reason == Reason.WAITING_FOR_CLOUD_ENDPOINT:
        means = ", and waits for you"
    yield f"{key_of(body)}: Ready is {ready.status}, {ready.reason}{means}"
    yield f"Message: {ready.message}"
    if status.observed_generation != generation:
        yield (
            f"Edit: the spec is at generation {generation}, and all below is about generation {status.observed_generation}: no"
            " operator has handled the last edit yet."
        )
    if "deletionTimestamp" in body["metadata"]:
        yield f"Deletion: asked for at {body['metadata']['deletionTimestamp']}; the finalizers wait."
    for each in status.conditions:
        if each.type not in {"Ready", "Reconciling", "Stalled"}:
            yield f"{each.type}: {each.status}, {each.reason}: {each.message}"


def _atlas(body: Body, now: datetime) -> Iterator[str]:
    status = Status.parse(body.get("status"))
    endpoint, applied, error = status.endpoint, status.applied, status.last_error
    if endpoint is None:
        yield "Atlas: no endpoint was seen yet"
    else:
        since = f" for {_ago(now - endpoint.status_since)}" if endpoint.status_since else ""
        message = f": {endpoint.error_message}" if endpoint.error_message else ""
        yield f"Atlas: endpoint {endpoint.id} is {endpoint.status or 'without a status'}{since}{message}"
    if applied is not None:
        values = ", ".join(f"{field} '{value}'" for field, value in applied.values.items()) or "nothing that is managed"
        yield f"Confirmed by Atlas, for generation {applied.generation}: {values}"
    for item in status.drift:
        yield f"Differs: {item.field} is '{item.actual or ''}' in Atlas, and '{item.desired or ''}' in the spec"
    if error is not None:
        code = " ".join(str(each) for each in (error.http_status, error.error_code) if each is not None)
        answered = f" (HTTP {code})" if error.http_status is not None else f" ({code})" if code else ""
        yield f"Failure: {error.operation}{answered} since {_ago(now - error.since)}: {error.detail or ''}"
    for entry in status.history[:1]:
        yield f"Last sent: {', '.join(entry.fields)} ({entry.cause}), {_ago(now - entry.time)} ago: {entry.result}"


def _users(body: Body, others: Iterable[Body], *, sees_all: bool) -> Iterator[str]:
    endpoint_id = endpoint_of(body)
    if endpoint_id is None:
        return
    named = [each for each in others if endpoint_of(each) == endpoint_id and key_of(each) != key_of(body)]
    for each in (body, *sorted(named, key=key_of)):
        owner = is_owner(KIND, each, endpoint_id)
        ready = find(Status.parse(each.get("status")), "Ready")
        reason = "" if ready is None else f", {ready.reason}"
        role = ", which owns it" if owner else ", not its owner" if named or not sees_all else ""
        yield f"Endpoint named by: {key_of(each)}{role}{reason}"
    if not sees_all:
        yield "Endpoint named by: resources of other namespaces are not shown, since you may not list them."


def _next(body: Body) -> Iterator[str]:
    try:
        resource = ServerlessPrivateEndpoint.parse(body)
    except InvalidSpecError as error:
        yield from (f"Not valid: {problem}" for problem in error.problems)
        return
    observed = Status.parse(body.get("status")).observed_generation
    if observed != body["metadata"].get("generation"):
        what = "it" if observed == Status.NEVER_OBSERVED else "the edit"
        yield f"Next look at Atlas: none before an operator handles {what}. If that takes longer than seconds: is one running, and does it serve this namespace?"
        return
    if resource.suspended_by:
        yield f"Next look at Atlas: none, because of {' and '.join(resource.suspended_by)}"
        return
    interval = resource.spec.sync_interval
    paced = f"{interval.total_seconds():.0f} s" if interval else "SYNC_INTERVAL of the operator (10 minutes by default)"
    key = resource.key
    yield (
        f"Next look at Atlas: within {paced}; at once with kubectl -n {key.namespace} annotate --overwrite spe {key.name}"
        ' atlas-endpoints.dev/force-sync="$(date +%s)"'
    )


def _ago(elapsed: timedelta) -> str:
    seconds = max(0, int(elapsed.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
