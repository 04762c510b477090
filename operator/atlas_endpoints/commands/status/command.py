"""Read resources from the API server, and print lines about one, a table, JSON, or a support bundle.

It changes nothing, and reads no Secret, no ConfigMap and no environment of a Pod.
"""

import asyncio
import json
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from atlas_endpoints import __version__
from atlas_endpoints.atlas.redaction import HIDDEN, redacted
from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.calls import get
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.commands.status.resource import STATES, Found, ago, describe, row
from atlas_endpoints.commands.status.settings import StatusSettings
from atlas_endpoints.controller.cache import annotations_of, key_of
from atlas_endpoints.controller.texts import printable, shorten
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import rfc3339

FORMAT_VERSION = 1
"""Grows when a program that reads the JSON would have to change; fields are only added within a version."""

LONGEST_LINE, LONGEST_MESSAGE, MOST_LINES = 2000, 100, 300
"""Characters of a line, and of a message in the table; Events, and lines of the log of a Pod, the newest ones."""

OPERATOR = "app.kubernetes.io/name=atlas-endpoints"
LOG = {"container": "operator", "tailLines": "10000", "limitBytes": f"{64 << 20}"}
"""The label of the operator's Pods, and the end of a log: more bytes than its lines have, else the newest would be cut."""

SECRETS = re.compile(
    r"(?i)(://)[^/\s@]+(?=@|…$)|()\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|((?:secret|password|token|private_?(?:api_?)?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',}]+"
)
"""Credentials of others in Events and lines of a log: in addresses, also cut ones, as JSON web tokens, after their name."""

INTRODUCTION = """\
It contains no Secret, no ConfigMap and no annotation of other tools. It names projects, endpoints and namespaces, and \
contains the comments of endpoints: read it before you publish it."""


async def run(
    settings: StatusSettings, kinds: Sequence[Kind[Any]], put: Callable[[str], object], say: Callable[[str], object]
) -> bool:
    """Print what the settings ask for, and return whether there is any.

    Args:
        put: prints a line, or a document.
        say: prints what could not be read, or that there is nothing.

    Raises:
        NoClusterError, OSError, ValueError: there is no cluster.
    """
    namespace, _, name = (settings.resource or settings.namespace or "").partition("/")
    now, connection = datetime.now(UTC), await Connection.open()
    try:
        own = namespace or connection.namespace
        places = [own] if namespace and not name else [None, own]
        answers = await asyncio.gather(*(_list(kind, connection, places) for kind in kinds))
        problems = [*dict.fromkeys(answer for answer in answers if isinstance(answer, str))]
        listed = [each for answer in answers if isinstance(answer, list) for each in answer]
        found = [each for each in listed if not name or key_of(each.body)[1:] == (namespace, name)]
        if not namespace and not all(each.sees_all for each in found):
            problems.append(f"You may not list all namespaces: only {own} is shown. -n (--namespace) names another.")
        if not found and not problems:
            names, where = " or ".join(kind.names.kind for kind in kinds), f"in namespace {own}" if namespace else "yet"
            problems = [f"There is no {names} {settings.resource or where}."]
            if answers.count(None) == len(answers):
                problems = [f"The API server does not serve {names}: install the CRD (kubectl apply -f crds/)."]
        for problem in problems:
            say(problem)
        rows = [{field: plain(text) for field, text in row(each).items()} for each in found]
        rows.sort(key=lambda each: (list(STATES).index(each["state"]), each["ready"], *list(each.values())[:3]))
        details = [plain(line) for each in found for line in describe(each, now)] if name else []
        if settings.output == "json":
            document = {"formatVersion": FORMAT_VERSION, "problems": problems, "resources": rows, "details": details}
            put(json.dumps(document, indent=2, ensure_ascii=False))
        elif found and settings.bundle:
            states = ("{kind}: {state}, Ready is {ready}, {reason}".format(**each).rstrip(", ") for each in rows)
            texts = details or [f"{count} {what}" for what, count in Counter(states).most_common()]
            put(await _bundle(found, texts, settings, connection))
        elif found:
            for line in details or _table(rows, now):
                put(line)
    finally:
        await connection.close()
    return bool(found)


async def _list(kind: Kind[Any], connection: Connection, places: Sequence[str | None]) -> list[Found] | str | None:
    """Return the resources of the first namespace (None: all) that may be listed, or why none; None: nothing serves it."""
    namespace, *others = places
    try:
        listing = await ResourceWriter(connection.fenced(lambda: False), kind.names).list(namespace)  # no write is sent
    except ClusterUnavailableError as error:
        is_useful = others and isinstance(error, ForbiddenError)
        return await _list(kind, connection, others) if is_useful else plain(str(error))
    if listing is None:
        return None
    return [Found(kind, body, listing.bodies, sees_all=namespace is None) for body in listing.bodies]


def plain(text: str) -> str:
    """Return a text from outside as one line of printable characters, without what looks like a credential."""
    line = redacted(printable(shorten(text, LONGEST_LINE)), ())
    return SECRETS.sub(lambda found: f"{found[1] or found[3] or ''}{HIDDEN}", line)


def _table(rows: Sequence[dict[str, str]], now: datetime) -> Iterator[str]:
    cells = [[name.upper() for name in rows[0]]]
    for each in rows:
        since = ago(now - datetime.fromisoformat(each["since"])) if each["since"] else ""
        cells.append([*{**each, "since": since, "message": shorten(each["message"], LONGEST_MESSAGE)}.values()])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    counts = Counter(each["state"] for each in rows)
    yield f"\nResources: {len(rows)} ({', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])})."


async def _bundle(
    found: Sequence[Found], texts: Sequence[str], settings: StatusSettings, connection: Connection
) -> str:
    """Return a support bundle, as Markdown.

    Args:
        found: the resources of a name, of a namespace, or all.
        texts: what is said about them.
    """
    server, unread = await _get(connection, "version")
    program = f"this command: {__version__}, Python {platform.python_version()}"
    versions = [program, f"Kubernetes: {server.get('gitVersion', 'unknown')}", *unread]
    sections: dict[str, Sequence[str]] = {"Versions": versions, "Status": texts}
    for body in (each.body for each in found if settings.resource):
        key, path = key_of(body), ("api", "v1", "namespaces", body["metadata"]["namespace"], "events")
        selector = f"involvedObject.kind={key.kind},involvedObject.name={key.name}"
        events, unread = await _get(connection, *path, fieldSelector=selector)
        # Others may have written anything into its annotations.
        ours = {title: text for title, text in annotations_of(body).items() if title.startswith(f"{GROUP}/")}
        sections[f"Resource {key.kind}"] = _json({**body, "metadata": {**body["metadata"], "annotations": ours}})
        sections[f"Events of {key.kind}"] = [*unread, *sorted(map(_event, _items(events)))[-MOST_LINES:]]
    path = "api", "v1", "namespaces", settings.operator_namespace, "pods"
    pods, unread = await _get(connection, *path, labelSelector=OPERATOR, limit="20")
    for pod in _items(pods):
        name = str(part(pod, "metadata").get("name"))
        sections[f"Pod {name}"] = _json(part(pod, "status").get("containerStatuses"))
        for previous, when in (("true", " before its restart"), ("false", "")):
            log, unknown = await _get(connection, *path, name, "log", parse=_lines, previous=previous, **LOG)
            if not (when and unknown):  # then it was never restarted
                lines = [line for line in log.get("lines", ()) if _concerns(line, settings)]
                sections[f"Log of {name}{when}"] = [*unknown, *lines[-MOST_LINES:]]
    if not _items(pods):
        none = f"no Pod of namespace {settings.operator_namespace} has the label {OPERATOR}: see --operator-namespace"
        sections["Pods of the operator"] = unread or [none]
    title = settings.resource or (f"Namespace {settings.namespace}" if settings.namespace else "All namespaces")
    parts = [f"# {title}\n\nMade at {rfc3339(datetime.now(UTC))}. {INTRODUCTION}"]
    for heading, content in sections.items():
        # An indented block ends at no word of what is in it.
        parts.append("\n".join([f"\n## {heading}\n", *(f"    {plain(line)}" for line in content)]))
    return "\n".join(parts)


async def _get(connection: Connection, *path: str, **options: Any) -> tuple[dict[str, Any], list[str]]:
    """Return an object of the API server, or an empty one and a line with the cause."""
    try:
        return await get(connection.api, *path, **options), []
    except ClusterUnavailableError as error:
        return {}, [f"not read: {error}"]


def _items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = answer.get("items")
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _lines(log: bytes) -> dict[str, list[str]]:
    return {"lines": log.decode(errors="replace").split("\n")}


def _json(value: object) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")


def _event(item: Mapping[str, Any]) -> str:
    times = (item.get(name) for name in ("lastTimestamp", "eventTime", "firstTimestamp"))
    count = item.get("count")
    often = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    return f"{next(filter(None, times), '')} {item.get('type')} {item.get('reason')}{often}: {item.get('message')}"


def _concerns(line: str, settings: StatusSettings) -> bool:
    """Return whether a line of the log belongs to a bundle: about the resource, or a warning about one of them or none."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        level, text = found.groups() if (found := re.match(r"\S+ \S+ ([A-Z]+) (.*)", line)) else ("", "")
        fields = {**dict(re.findall(r"\b(\w+)=(\S+)", text)), "level": level}
    if not isinstance(fields, dict):
        return False
    name = str(fields.get("key") or f"{fields.get('namespace')}/{fields.get('name')}")
    if settings.resource == name:
        return True
    is_about_none = fields.keys().isdisjoint({"namespace", "key", "project", "credentialsSource"})
    is_about_one = not settings.resource and name.startswith(f"{settings.namespace}/" if settings.namespace else "")
    return str(fields.get("level")) in {"WARNING", "ERROR", "CRITICAL"} and (is_about_none or is_about_one)
