"""``atlas-endpoints status``: print what an on-call engineer needs first about one resource. It changes nothing.

It reads the API server only, and does not call Atlas.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic.alias_generators import to_camel, to_pascal

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.controller.cache import Body, Key, generation_of, is_deleting, key_of
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.reasons import CredentialsReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import project_id_in
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Status, StatusModel, find
from atlas_endpoints.settings import StatusSettings

LONGEST_LINE = 2000
"""Characters of a line."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource.

    Attributes:
        others: all resources of its kind that the user may list, with this one.
        sees_all: whether these are of all namespaces.
    """

    kind: Kind[Any]
    body: Body
    others: Sequence[Body]
    sees_all: bool


async def run(
    settings: StatusSettings, kinds: Sequence[Kind[Any]], put: Callable[[str], object], say: Callable[[str], object]
) -> bool:
    """Print the status of each resource of a name, and return whether there is one.

    Args:
        put: prints a line of the report.
        say: prints an error.

    Raises:
        NoClusterError, OSError, ValueError: there is no cluster.
    """
    connection = await Connection.open()
    try:
        found = await look_up(settings, kinds, connection, say)
    finally:
        await connection.close()
    for each in found:
        for line in report(each, now=datetime.now(UTC)):
            put(line)
    return bool(found)


async def look_up(
    settings: StatusSettings, kinds: Sequence[Kind[Any]], connection: Connection, say: Callable[[str], object]
) -> list[Found]:
    """Return the resources of a name, and say what could not be read, or that there is none."""
    api = connection.fenced(lambda: False)  # no write can be sent
    found, failed, served = list[Found](), False, False
    for kind in kinds:
        key, writer = Key(kind.names.kind, *settings.namespace_and_name), ResourceWriter(api, kind.names)
        try:
            try:
                listing, sees_all = await writer.list(None), True
            except ClusterUnavailableError:  # the user may list their own namespace only
                listing, sees_all = await writer.list(key.namespace), False
        except ClusterUnavailableError as error:
            failed = True
            say(str(error))
            continue
        if listing is not None:
            served = True
            bodies = (each for each in listing.bodies if key_of(each) == key)
            found += [Found(kind, body, listing.bodies, sees_all) for body in bodies]
    names = " or ".join(kind.names.kind for kind in kinds)
    if not found and not failed:
        none = f"There is no {names} {settings.resource}."
        say(none if served else f"The API server does not serve {names}: install the CRD (kubectl apply -f crds/).")
    return found


def report(found: Found, *, now: datetime) -> Iterator[str]:
    """Yield the lines of a report."""
    kind, body = found.kind, found.body
    status = kind.resource.status_in(body)
    for line in (
        *_conditions(kind, body, status),
        *_atlas(status, now),
        *_users(found),
        *_next(kind, body, status),
    ):
        yield one_line(line, limit=LONGEST_LINE)


def _conditions(kind: Kind[Any], body: Body, status: Status) -> Iterator[str]:
    generation = generation_of(body)
    ready = find(status, "Ready")
    if ready is None:
        yield f"{key_of(body)}: no operator has handled this resource"
        return
    if status.observed_generation != generation:
        means = ", of an earlier generation"
    elif ready.reason == Reason.WAITING_FOR_CLOUD_ENDPOINT:
        means = ", waiting for you"
    elif find(status, "Stalled") is not None:
        means = ", action is required"
    elif (reason := _reason(kind, status)) is not None and reason.progress is Progress.GRACE:
        means = ", action is required if it lasts longer than STALL_GRACE of the operator (default: 2 minutes)"
    else:
        means = ", in progress or retried" if find(status, "Reconciling") is not None else ""
    yield f"{body['kind']} {key_of(body)}: Ready is {ready.status}, {ready.reason}{means}"
    yield f"Message: {ready.message}"
    if status.observed_generation != generation:
        yield (
            f"Edit: the spec has generation {generation}, and this report is about generation {status.observed_generation}. No"
            " operator has handled the last edit."
        )
    if is_deleting(body):
        yield f"Deletion: requested at {body['metadata']['deletionTimestamp']}; the finalizers are pending"
    for each in status.conditions:
        if each.type not in {"Ready", "Reconciling", "Stalled"}:
            yield f"{each.type}: {each.status}, {each.reason}: {each.message}"


def _atlas(status: Status, now: datetime) -> Iterator[str]:
    for name, value in status:
        if name not in Status.model_fields and isinstance(value, StatusModel):
            yield f"{to_pascal(name)}: {_fields(value, now)}"
    if (applied := status.applied) is not None:
        values = ", ".join(f"{field} '{value}'" for field, value in applied.values.items()) or "no managed field"
        yield f"Confirmed by Atlas, for generation {applied.generation}: {values}"
    for item in status.drift:
        yield f"Differs: {item.field} is '{item.actual or ''}' in Atlas and '{item.desired or ''}' in the spec"
    if (error := status.last_error) is not None:
        code = " ".join(str(each) for each in (error.http_status, error.error_code) if each is not None)
        answered = f" (HTTP {code})" if error.http_status is not None else f" ({code})" if code else ""
        yield f"Failure: {error.operation}{answered}, since {_ago(now - error.since)}: {error.detail or ''}"
    for entry in status.history[:1]:
        yield f"Last write: {', '.join(entry.fields)} ({entry.cause}), {_ago(now - entry.time)} ago: {entry.result}"


def namesakes(found: Found) -> list[Body]:
    """Return the other resources that name the same endpoint."""
    kind, mine = found.kind, found.kind.named_by(found.body)
    if mine.endpoint is None:
        return []
    exclusive = (mine.exclusive or "").casefold()
    named = (each for each in _beside(found) if (kind.named_by(each).exclusive or "").casefold() == exclusive)
    return sorted(named, key=key_of)


def _beside(found: Found) -> list[Body]:
    """Return the other resources of the same project."""
    project = project_id_in(found.body)
    return [each for each in found.others if project_id_in(each) == project and key_of(each) != key_of(found.body)]


def _users(found: Found) -> Iterator[str]:
    kind, body, sees_all = found.kind, found.body, found.sees_all
    mine = kind.named_by(body)
    users = sorted(str(key_of(each)) for each in _beside(found) if kind.named_by(each).shared == mine.shared)
    if mine.shared is not None and users:
        yield f"Shares {mine.shared} with: {', '.join(users)}"
    if mine.endpoint is None:
        return
    named = namesakes(found)
    for each in (body, *named):
        ready = find(kind.resource.status_in(each), "Ready")
        role = ", not the owner" if named or not sees_all else ""
        if is_owner(kind, each, mine.endpoint):
            role = ", the owner"
        yield f"Endpoint named by: {key_of(each)}{role}{f', {ready.reason}' if ready is not None else ''}"
    if not sees_all:
        yield "Endpoint named by: resources of other namespaces are not shown, because you may not list them."


def _next(kind: Kind[Any], body: Body, status: Status) -> Iterator[str]:
    try:
        resource = kind.resource.parse(body)
    except InvalidSpecError as error:
        yield from (f"Invalid: {problem}" for problem in error.problems)
        return
    if status.observed_generation != generation_of(body):
        what = "resource" if status.observed_generation == Status.NEVER_OBSERVED else "edit"
        yield (
            f"Next read of Atlas: when an operator handles this {what}. If it takes longer than seconds, verify that an operator"
            " runs and serves this namespace."
        )
    elif (reason := _reason(kind, status)) is Reason.INVALID_SPEC:
        yield "Next read of Atlas: none, until the spec is valid."
    elif resource.suspended_by:
        yield f"Next read of Atlas: none, because of {' and '.join(resource.suspended_by)}"
    else:
        interval, ready, credentials = (
            resource.spec.sync_interval,
            find(status, "Ready"),
            find(status, "CredentialsValid"),
        )
        time = (
            f"{interval.total_seconds():.0f} s" if interval else "SYNC_INTERVAL of the operator (default: 10 minutes)"
        )
        read = f"within {time}."
        if reason is not None and reason.progress is Progress.RECONCILING:
            read = f"within {time}, or sooner while Atlas is working."
        elif reason in {Reason.CREDENTIALS_INVALID, Reason.REFERENCE_NOT_READY, Reason.CONFLICT}:
            read = f"within {time}, or within a minute after what the message is about has changed."
        if (reason is not None and reason.retried) or is_forced(resource):
            read = (
                "at the next attempt, whose time is in no status. The operator tries again by itself. It waits longer after each"
                f" failure, up to 5 minutes, or as long as Atlas asks. It repeats a failed change within {time}."
            )
        does = "reconcile now"
        if resource.spec.management_policy == "Manage":
            does = "reconcile now, which also sends again what Atlas refused and makes again what is lost"
        if ready is not None and "force-sync" in ready.message:
            does = "do what the message says of force-sync"
        hint = (
            f" To {does}: kubectl -n {resource.key.namespace} annotate --overwrite {kind.names.kind.lower()}"
            f' {resource.key.name} atlas-endpoints.dev/force-sync="$(date +%s)"'
        )
        # No request ends the wait for a rate limit or with refused credentials, and an open one is being retried.
        is_refused = credentials is not None and credentials.reason == CredentialsReason.UNAUTHORIZED
        is_useless = is_refused or reason is Reason.RATE_LIMITED or is_forced(resource)
        yield f"Next read of Atlas: {read}{'' if is_useless else hint}"


def _reason(kind: Kind[Any], status: Status) -> ReadyReason | None:
    """Return the reason of ``Ready``; None: there is none that this version knows."""
    ready = find(status, "Ready")
    return None if ready is None else next((each for each in kind.reasons if each == ready.reason), None)


def _fields(model: StatusModel, now: datetime) -> str:
    return ", ".join(f"{to_camel(name)} {_shown(value, now)}" for name, value in model if value not in (None, ()))


def _shown(value: object, now: datetime) -> str:
    match value:
        case StatusModel():
            return f"({_fields(value, now)})"
        case datetime():
            return f"{_ago(now - value)} ago"
        case tuple():
            return ", ".join(f"'{each}'" for each in value)
        case str():
            return f"'{value}'"
        case _:
            return str(value)


def _ago(elapsed: timedelta) -> str:
    seconds = max(0, int(elapsed.total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
