"""The log of requests, for tests that ask what a client really sent."""

import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from atlas_endpoints.simulator.exchange import Request
from atlas_endpoints.simulator.routes import OAUTH

KEPT = 100_000
_PUBLIC_FORM_FIELDS = frozenset({"grant_type", "token_type_hint"})


@dataclass(slots=True)
class Entry:
    """One request and what became of it.

    Attributes:
        index: Its number since the start, from 0.
        time: When it arrived, in seconds since 1970.
        method: The HTTP method.
        path: The path without the query.
        query: The query parameters.
        body: The body as sent; of a form for the token endpoint only what is no secret.
        credentials: The client id or public key it claims, never a secret.
        sent: The header fields of interest, by the names under which the log shows them.
        answered: When it was answered or dropped; ``None`` while it is being handled.
        status: The HTTP status; ``None`` if none was sent.
        error_code: Atlas's errorCode.
        dropped: ``before`` or ``after`` it was applied, or ``late`` if it is going to be.
        fault: Whether a fault answered in Atlas's place.
    """

    index: int
    time: float
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | dict[str, str]
    credentials: str | None
    sent: dict[str, str | None]
    answered: float | None = None
    status: int | None = None
    error_code: str | None = None
    dropped: str | None = None
    fault: bool = False

    def document(self) -> dict[str, Any]:
        """Describe the entry."""
        return {
            "index": self.index,
            "time": self.time,
            "answered": self.answered,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "errorCode": self.error_code,
            "dropped": self.dropped,
            "fault": self.fault,
            "body": _readable(self.body) if isinstance(self.body, bytes) else self.body,
            "credentials": self.credentials,
            **self.sent,
        }


@dataclass(slots=True)
class Journal:
    """The last requests in the order of their arrival, and the count of all."""

    total: int = 0
    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))

    def open(self, request: Request, *, now: float, credentials: str | None) -> Entry:
        """Record the arrival of a request."""
        field = request.headers.get
        sent = {"userAgent": _shared(field("User-Agent")), "accept": _shared(field("Accept"))}
        sent |= {"contentType": _shared(field("Content-Type")), "remote": _shared(request.remote)}
        body = _public_form(request.body) if request.segments[:2] == OAUTH else request.body
        entry = Entry(self.total, now, request.method, request.path, request.query, body, credentials, sent)
        self.total += 1
        self._entries.append(entry)
        return entry

    def since(self, index: int) -> Iterator[Entry]:
        """Return the entries from a number on; those no longer kept are left out."""
        first = self.total - len(self._entries)
        return islice(self._entries, max(0, index - first), None)

    def clear(self) -> None:
        """Forget the entries; the numbers go on."""
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
