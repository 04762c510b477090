"""``atlas-endpoints report``: print a support bundle about one resource, as Markdown for an issue. It changes nothing.

It reads the API server only, and there no Secret, no ConfigMap and no environment of a Pod.
"""

import json
import platform
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import yaml

from atlas_endpoints import __version__
from atlas_endpoints.atlas.redaction import HIDDEN, redacted
from atlas_endpoints.cluster import evidence
from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.commands import status
from atlas_endpoints.commands.status import Found, look_up, namesakes
from atlas_endpoints.controller.cache import Body, Key, annotations_of, key_of
from atlas_endpoints.controller.texts import printable, shorten
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.status import rfc3339
from atlas_endpoints.settings import ReportSettings

T = TypeVar("T")

LONGEST_LINE, MOST_LINES, MOST_OTHERS, MOST_PODS = 2000, 300, 20, 20
"""Characters of a line; Events, and lines of the log of a Pod, the newest ones; others that name the endpoint; Pods."""

ABOUT_ONE = ("namespace", "key", "project", "credentialsSource")
"""The fields of a line of the log about a resource or a scope."""

SECRETS = re.compile(
    r"(?i)(://)[^/\s@]+(?=@)|()\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|((?:secret|password|token|private_?(?:api_?)?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"
)
"""Credentials of others in Events and lines of a log: in addresses, as JSON web tokens, after a name of them."""

INTRODUCTION = """\
It contains no Secret, no ConfigMap and no annotation of other tools. It names projects, endpoints and namespaces, and \
contains the comments of endpoints: read it before you publish it."""


class Pod(NamedTuple):
    """A Pod of the operator.

    Attributes:
        container: the name of the operator's, beside which others may be injected.
        is_restarted: whether that container was.
        lines: about each container.
    """

    name: str
    container: str
    is_restarted: bool
    lines: Sequence[str]


async def run(
    settings: ReportSettings, kinds: Sequence[Kind[Any]], put: Callable[[str], object], say: Callable[[str], object]
) -> bool:
    """Print the bundle of each resource of a name, and return whether there is one.

    Args:
        put: prints a line of the bundle.
        say: prints an error.

    Raises:
        NoClusterError, OSError, ValueError: there is no cluster.
    """
    connection = await Connection.open()
    try:
        found = await look_up(settings, kinds, connection, say)
        for each in found:
            now = datetime.now(UTC)
            put(f"# {each.kind.names.kind} {key_of(each.body)}\n\nMade at {rfc3339(now)}. {INTRODUCTION}")
            async for heading, lines in _sections(each, connection, settings.operator_namespace, now):
                put(f"\n## {heading}\n")
                for line in lines:
                    # An indented block ends at no word of what is in it.
                    put(f"    {without_secrets(shorten(printable(line), LONGEST_LINE))}")
    finally:
        await connection.close()
    return bool(found)


async def _sections(
    found: Found, connection: Connection, namespace: str, now: datetime
) -> AsyncIterator[tuple[str, Iterable[str]]]:
    """Yield the headings and lines of a bundle.

    Args:
        namespace: of the operator.
    """
    api, key, others = connection.fenced(lambda: False), key_of(found.body), namesakes(found)[:MOST_OTHERS]
    items, unread = await _or_why_not(evidence.pods_of_the_operator(api, namespace), [])
    if not items and not unread:
        label = f"namespace {namespace} has no Pod with the label {evidence.OPERATOR}"
        unread = [f"no log: {label}. Name the namespace of the operator with --operator-namespace."]
    pods, odd_pods = _usable("Pods", items[:MOST_PODS], _pod)
    server, unknown = await _or_why_not(evidence.version(api), "unknown")
    items, no_events = await _or_why_not(evidence.events_about(api, key), [])
    events, odd_events = _usable("Events", items, _event)
    yield (
        "Versions",
        [
            f"this command: {__version__}, Python {platform.python_version()}",
            f"Kubernetes: {server}",
            *(line for pod in pods for line in pod.lines),
            *unknown,
            *unread,
            *odd_pods,
        ],
    )
    yield "Status", status.report(found, now=now)
    yield "Resource", _yaml(found.body)
    for each in others:
        yield (
            f"{key_of(each)} names the same endpoint",
            _yaml(each) if key_of(each).namespace == key.namespace else _outline(found.kind, each),
        )
    yield "Events", [*no_events, *odd_events, *sorted(events)[-MOST_LINES:]]
    for pod, previous in ((pod, previous) for pod in pods for previous in (True, False)):
        if previous and not pod.is_restarted:
            continue
        name = pod.name
        log, unread = await _or_why_not(evidence.log_of(api, namespace, name, pod.container, previous=previous), [])
        about = [line for line in log if concerns(line, [key, *map(key_of, others)])]
        yield f"Log of {name}{' before its restart' if previous else ''}", [*unread, *about[-MOST_LINES:]]


def without_secrets(line: str) -> str:
    """Return a line without what looks like a credential."""
    return SECRETS.sub(lambda found: f"{found[1] or found[3] or ''}{HIDDEN}", redacted(line, ()))


async def _or_why_not(reading: Awaitable[T], otherwise: T) -> tuple[T, list[str]]:
    """Return what is read, or something else and a line with the cause."""
    try:
        return await reading, []
    except ClusterUnavailableError as error:
        return otherwise, [f"not read: {error}"]


def _usable(what: str, items: Iterable[Any], read: Callable[[Any], T]) -> tuple[list[T], list[str]]:
    """Return what is read from items, and a line about those that have another form than the API server gives them."""
    found, odd = list[T](), 0
    for each in items:
        try:
            found.append(read(each))
        except (AttributeError, LookupError, TypeError):
            odd += 1
    return found, [f"not read: {odd} {what}, which are unreadable in the answer of the API server"] if odd else []


def _pod(item: Mapping[str, Any]) -> Pod:
    name, first = f"{item['metadata']['name']}", f"{item['spec']['containers'][0]['name']}"
    container = annotations_of(item).get("kubectl.kubernetes.io/default-container") or first
    statuses = [each for each in (item.get("status") or {}).get("containerStatuses") or () if each]
    lines = [
        f"Pod {name}, container {each.get('name')}: image {each.get('image')}, {each.get('imageID')},"
        f" ready: {each.get('ready')}, restarts: {each.get('restartCount')}"
        for each in statuses
    ]
    is_restarted = any(each.get("restartCount") for each in statuses if each.get("name") == container)
    return Pod(name, container, is_restarted, lines)


def _yaml(body: Body) -> list[str]:
    """Return the lines of an object without what others have written into its metadata."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in {"annotations", "managedFields"}}
    if ours := {name: value for name, value in annotations_of(body).items() if name.startswith(f"{GROUP}/")}:
        metadata["annotations"] = ours
    text: str = yaml.safe_dump({**body, "metadata": metadata}, sort_keys=False, allow_unicode=True, width=1000)
    return text.splitlines()


def _outline(kind: Kind[Any], body: Body) -> Iterator[str]:
    """Yield what the user needs to know of a resource of another namespace, and may publish."""
    yield f"endpoint: {kind.named_by(body).endpoint}"
    for each in kind.resource.status_in(body).conditions:
        yield f"{each.type}: {each.status}, {each.reason}"


def _event(event: Mapping[str, Any]) -> str:
    times = (event.get(name) for name in ("lastTimestamp", "eventTime", "firstTimestamp"))
    count = f" ({count} times)" if (count := event.get("count") or 1) > 1 else ""
    return f"{next(filter(None, times), '')} {event.get('type')} {event.get('reason')}{count}: {event.get('message')}"


def concerns(line: str, keys: Collection[Key]) -> bool:
    """Return whether a line of the log, in either format, is about one of the resources, or a warning about none."""
    level, fields = _parsed(line)
    if level in {"WARNING", "ERROR", "CRITICAL"} and fields.keys().isdisjoint(ABOUT_ONE):
        return True
    return any(
        fields.get("key") == str(key) or (fields.get("namespace"), fields.get("name")) == (key.namespace, key.name)
        for key in keys
    )


def _parsed(line: str) -> tuple[object, Mapping[str, object]]:
    """Return the level and the fields of a line of the log; None for a line of something else, such as a traceback."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        text = re.match(r"\S+ \S+ ([A-Z]+) (.*)", line)
        return (text[1], dict(re.findall(r"(\w+)=(\S+)", text[2]))) if text else (None, {})
    return (fields.get("level"), fields) if isinstance(fields, dict) else (None, {})
