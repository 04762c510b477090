"""The log of requests, for tests that ask what a client really sent."""

import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from pydantic.alias_generators import to_camel

from atlas_endpoints.simulator.exchange import Request
from atlas_endpoints.simulator.routes import OAUTH

KEPT = 100_000
_PUBLIC_FORM_FIELDS = frozenset({"grant_type"})


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request and its answer.

    Attributes:
        index: Its number since the start, from 0.
        time: When it arrived, in seconds since 1970.
        answered: When it was answered or dropped; ``None`` while it is being handled.
        status: The HTTP status; ``None`` if none was sent.
        dropped: ``before`` or ``after`` it was applied, or ``late`` if it is going to be.
        fault: Whether a fault answered in Atlas's place.
        body: The body as sent; of a form for the token endpoint only what is no secret.
        credentials: The client id or public key that it claims, never a secret.
    """

    index: int
    time: float
    answered: float | None = None
    method: str
    path: str
    query: Mapping[str, str]
    status: int | None = None
    error_code: str | None = None
    dropped: str | None = None
    fault: bool = False
    body: bytes | dict[str, str]
    credentials: str | None
    user_agent: str | None
    accept: str | None
    content_type: str | None
    remote: str | None

    def document(self) -> dict[str, Any]:
        """Return the entry as the control API shows it."""
        shown = {to_camel(each.name): getattr(self, each.name) for each in fields(self)}
        return shown | {"body": _readable(self.body) if isinstance(self.body, bytes) else self.body}


@dataclass(slots=True)
class Journal:
    """The last requests in the order of their arrival, and the count of all."""

    total: int = 0
    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))

    def open(self, request: Request, *, now: float, credentials: str | None) -> Entry:
        """Record the arrival of a request."""
        headers = request.headers
        entry = Entry(
            index=self.total,
            time=now,
            method=request.method,
            path=request.path,
            query=request.query,
            body=_public_form(request.body) if request.segments[:2] == OAUTH else request.body,
            credentials=credentials,
            user_agent=_shared(headers.get("User-Agent")),
            accept=_shared(headers.get("Accept")),
            content_type=_shared(headers.get("Content-Type")),
            remote=_shared(request.remote),
        )
        self.total += 1
        self._entries.append(entry)
        return entry

    def since(self, index: int) -> Iterator[Entry]:
        """Return the entries from a number on; those no longer kept are left out."""
        first = self.total - len(self._entries)
        return islice(self._entries, max(0, index - first), None)

    def clear(self) -> None:
        """Delete the entries; the numbers continue."""
        self._entries.clear()


def _readable(body: bytes) -> Any:
    if not body:
        return None
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _public_form(body: bytes) -> dict[str, str]:
    return {key: value for key, value in parse_qsl(body.decode("utf-8", "replace")) if key in _PUBLIC_FORM_FIELDS}


def _shared(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)  # the same few texts, a hundred thousand times
