"""Answers of Atlas, read leniently: nothing here raises, and what cannot be read is None.

Real answers deviate from the published schema, and proxies answer in Atlas's place.
"""

import email.utils
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.requests import Request

_MAX_WAIT = 3600.0
"""Longest wait in seconds that is accepted; a proxy or a bug may ask for years."""

MOST_VALUES = 100_000
"""Values of an answer, by the ``{``, ``[`` and ``,`` in it: 4 MiB of ``{}`` take 100 MiB to parse. An endpoint has 8 to 10."""

AUTHENTICATED = frozenset({"USER_UNAUTHORIZED", "NOT_IN_GROUP"})
"""Codes of a 401 that refuse the call and not the credentials: new tokens and nonces do not help."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The announced end of an operation; None where a header is missing or unreadable."""

    deprecated: datetime | None
    sunset: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer; ``json`` is None also when the body is empty or no JSON."""

    status: int
    json: Any
    deprecation: Deprecation | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not 2xx; ``headers`` has lower-case keys, or is a case-insensitive mapping."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Requester(Protocol):
    """Makes one exchange with Atlas."""

    @property
    def base_url(self) -> str:
        """The address of Atlas for credentials that name no other, without a trailing slash."""

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make one call and return its 2xx answer; raises ``AtlasError`` otherwise."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of a refusal, in the shape of Atlas's ``ApiError`` or of OAuth's errors.

    Attributes:
        parameters: strings and numbers in real answers, objects in the schema.
        fields: ``badRequestDetail.fields``, each as "field: description".
    """

    code: str | None = None
    detail: str | None = None
    parameters: tuple[object, ...] = ()
    fields: tuple[str, ...] = ()


def json_from(body: bytes) -> Any:
    """Parse a body, whatever its content type; None when it is empty, no JSON, or has more than ``MOST_VALUES`` values."""
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_VALUES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # ValueError covers bad JSON, bad encodings and absurdly long numbers
        return None


def error_body_from(body: bytes) -> ErrorBody:
    """Parse the body of a refusal; a body of another shape has neither code nor detail."""
    parsed = json_from(body)
    if not isinstance(parsed, dict):
        return ErrorBody()
    return ErrorBody(
        code=_code(parsed.get("errorCode")) or _code(parsed.get("error")),
        detail=_text(parsed.get("detail")) or _text(parsed.get("error_description")) or _text(parsed.get("reason")),
        parameters=tuple(_list(parsed.get("parameters"))),
        fields=tuple(_bad_fields(parsed.get("badRequestDetail"))),
    )


def retry_after_from(headers: Mapping[str, str], error: ErrorBody, *, now: datetime) -> float | None:
    """Return the seconds that Atlas asks to wait, or None.

    ``Retry-After`` (seconds or a date) comes first. Then comes the second parameter of ``RATE_LIMITED_TOKEN_BUCKET``; that of the
    older ``RATE_LIMITED`` is a number of requests. ``now`` is for an answer without ``Date``: the server's clock and ours may differ.
    """
    value = headers.get("retry-after", "").strip()
    seconds = seconds_from(value)
    if seconds is None and (until := _http_date(value)) is not None:
        seconds = (until - (_http_date(headers.get("date", "")) or now)).total_seconds()
    if seconds is None and error.code == "RATE_LIMITED_TOKEN_BUCKET" and len(error.parameters) > 1:
        seconds = seconds_from(error.parameters[1])
    return None if seconds is None else min(max(seconds, 0.0), _MAX_WAIT)


def deprecation_from(headers: Mapping[str, str]) -> Deprecation | None:
    """Return the parsed ``Deprecation`` and ``Sunset`` headers, or None without either.

    Atlas sends HTTP dates without zero padding ("Thu, 1 Jul 2027 ..."); RFC 9745 has "@" and a Unix time.
    """
    if "deprecation" not in headers and "sunset" not in headers:
        return None
    return Deprecation(_http_date(headers.get("deprecation", "")), _http_date(headers.get("sunset", "")))


def _code(value: object) -> str | None:
    # A code ends up in messages and metrics: only what looks like one counts.
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _bad_fields(value: object) -> list[str]:
    fields = _list(value.get("fields") if isinstance(value, dict) else None)
    named = [
        (_text(field.get("field")), _text(field.get("description"))) for field in fields if isinstance(field, dict)
    ]
    return [": ".join(part for part in pair if part) for pair in named if any(pair)]


def seconds_from(value: object) -> float | None:
    """Parse a number of seconds, given as a number or as text; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _http_date(value: str) -> datetime | None:
    try:
        if match := re.fullmatch(r"@(\d{1,12})", value.strip()):
            return datetime.fromtimestamp(int(match[1]), UTC)
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
