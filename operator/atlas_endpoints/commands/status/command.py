"""Read resources, Events and logs, but no Secret and no ConfigMap, and print lines, a table, JSON, or a support bundle."""

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
from atlas_endpoints.commands.status.resource import STATES, Found, describe, in_short, row
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
    r"|((?:secret|password|token|private_?(?:api_?)?key)\\*[\"']?\s*[=:]\s*\\*[\"']?)[^\s\"',}]+"
)
"""Credentials of others in Events and lines of a log: in addresses, also cut ones, as JSON web tokens, after their name."""

INTRODUCTION = """\
It contains no Secret, no ConfigMap and no annotation of other tools. It names projects, endpoints and namespaces, and \
contains the comments of endpoints: read it before you publish it."""


async def run(
    settings: StatusSettings, kinds: Sequence[Kind[Any]], put: Callable[[str], object], say: Callable[[str], object]
) -> bool:
    """Put what the settings ask for, say what could not be read, and return whether there is any resource."""
    namespace, _, name = (settings.resource or settings.namespace or "").partition("/")
    connection = await Connection.open()
    try:
        own = namespace or connection.namespace
        places = [own] if namespace and not name else [None, own]
        answers = await asyncio.gather(*(_list(kind, connection, places) for kind in kinds))
        problems = [*dict.fromkeys(answer for answer in answers if isinstance(answer, str))]
        listed = [each for answer in answers if isinstance(answer, list) for each in answer]
        found = [each for each in listed if not name or key_of(each.body)[1:] == (namespace, name)]
        if None in places and not all(each.sees_all for each in found):
            problems.append(
                f"You may not list all namespaces: only {plain(own)} is shown. -n (--namespace) names another."
            )
        if not found and not problems:
            names, where = " or ".join(kind.names.kind for kind in kinds), f"in namespace {own}" if namespace else "yet"
            problems = [f"There is no {names} {settings.resource or where}."]
            if answers.count(None) == len(answers):
                problems = [f"The API server does not serve {names}: install the CRD (kubectl apply -f crds/)."]
        for problem in problems:
            say(problem)
        rows = [{field: plain(text) for field, text in row(each).items()} for each in found]
        rows.sort(key=lambda each: (STATES.index(each["state"]), each["ready"], *list(each.values())[:3]))
        details = [plain(line) for each in found for line in describe(each)] if name else []
        if settings.output == "json":
            document = {"formatVersion": FORMAT_VERSION, "problems": problems, "resources": rows, "details": details}
            put(json.dumps(document, indent=2, ensure_ascii=False))
        elif found and settings.bundle:
            counts = Counter(f"{each['kind']}: {in_short(each)}" for each in rows)
            texts = details or [f"{count} {what}" for what, count in counts.most_common()]
            put(await _bundle(found, [*problems, *texts], settings, connection))
        elif found:
            for line in details or _table(rows):
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


def _table(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    cells = [[name.upper() for name in rows[0]]]
    cells += [[*{**each, "message": shorten(each["message"], LONGEST_MESSAGE)}.values()] for each in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    counts = Counter(each["state"] for each in rows)
    yield f"\nResources: {len(rows)} ({', '.join(f'{counts[state]} {state}' for state in STATES if counts[state])})."


async def _bundle(
    found: Sequence[Found], texts: Sequence[str], settings: StatusSettings, connection: Connection
) -> str:
    """Return a support bundle, as Markdown, with texts about the resources of a name, of a namespace, or all."""
    unread: list[str] = []
    server = await _get(connection, unread, "version")
    path = "api", "v1", "namespaces", settings.operator_namespace, "pods"
    pods = _items(await _get(connection, unread, *path, labelSelector=OPERATOR, limit="20"))
    versions = [
        f"this command: {__version__}, Python {platform.python_version()}",
        f"Kubernetes: {server.get('gitVersion', 'unknown')}",
        f"Pods of namespace {path[3]} (--operator-namespace) with the label {OPERATOR}: {len(pods)}",
    ]
    sections: dict[str, Sequence[str]] = {"Versions": versions, "Status": texts}
    for body in (each.body for each in found if settings.resource):
        key = key_of(body)
        selector = f"involvedObject.kind={key.kind},involvedObject.name={key.name}"
        of_events = "api", "v1", "namespaces", key.namespace, "events"
        events = _items(await _get(connection, unread, *of_events, fieldSelector=selector))
        # Others may have written anything into its annotations.
        ours = {title: text for title, text in annotations_of(body).items() if title.startswith(f"{GROUP}/")}
        sections[f"Resource {key.kind}"] = _json({**body, "metadata": {**body["metadata"], "annotations": ours}})
        sections[f"Events of {key.kind}"] = sorted(map(_event, events))[-MOST_LINES:]
    for pod in pods:
        name = str(part(pod, "metadata").get("name"))
        sections[f"Pod {name}"] = _json(part(pod, "status").get("containerStatuses"))
        # Most Pods have no log before a restart.
        for previous, when, missing in (("true", " before its restart", []), ("false", "", unread)):
            query = {**LOG, "previous": previous}
            log = await _get(connection, missing, *path, name, "log", parse=lambda text: {"text": text}, **query)
            lines = log.get("text", b"").decode(errors="replace").split("\n")
            sections[f"Log of {name}{when}"] = [line for line in lines if _concerns(line, settings)][-MOST_LINES:]
    title = settings.resource or f"Namespaces: {settings.namespace or 'all'}"
    parts = [f"# {title}\n\nMade at {rfc3339(datetime.now(UTC))}. {INTRODUCTION}"]
    for heading, content in {**sections, "Not read": unread or ["none"]}.items():
        # An indented block ends at no word of what is in it.
        parts += [f"\n## {plain(heading)}\n", *(f"    {plain(line)}" for line in content)]
    return "\n".join(parts)


async def _get(connection: Connection, unread: list[str], *path: str, **options: Any) -> dict[str, Any]:
    """Return an object of the API server, or an empty one, whose path and cause are then added to what is unread."""
    try:
        return await get(connection.api, *path, **options)
    except ClusterUnavailableError as error:
        unread.append(f"/{'/'.join(path)}: {error}")
        return {}


def _items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = answer.get("items")
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


def _json(value: object) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).split("\n")


def _event(item: Mapping[str, Any]) -> str:
    time = item.get("lastTimestamp") or item.get("eventTime") or ""
    return f"{time} {item.get('type')} {item.get('reason')}: {item.get('message')}"


def _concerns(line: str, settings: StatusSettings) -> bool:
    """Return whether a line of the log is about the resource, or a warning about what is shown or about none."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):  # LOG_FORMAT=text
        fields = {**dict(re.findall(r"\b(\w+)=(\S+)", line)), "level": "".join(line.split(maxsplit=3)[2:3])}
    if not isinstance(fields, dict):
        return False
    shown = settings.resource or settings.namespace
    about = str(fields.get("key") or f"{fields.get('namespace')}/{fields.get('name')}")
    is_about_none = fields.keys().isdisjoint({"namespace", "key", "project", "credentialsSource"})
    concerns = not shown or is_about_none or f"{about}/".startswith(f"{shown}/")
    return concerns and (about == settings.resource or str(fields.get("level")) in {"WARNING", "ERROR", "CRITICAL"})
