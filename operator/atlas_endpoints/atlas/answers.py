"""What comes back from Atlas, read leniently. Pure.

Real answers deviate from the published schema, and what answers is not always Atlas. So nothing here raises on any
input: what cannot be read is None.
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
"""Longest wait in seconds that is believed; a proxy or a bug may ask for years."""

MOST_VALUES = 100_000
"""Values of an answer, by the ``{``, ``[`` and ``,`` in it: 4 MiB of ``{}`` take 100 MiB to parse. An endpoint has 8 to 10."""

AUTHENTICATED = frozenset({"USER_UNAUTHORIZED", "NOT_IN_GROUP"})
"""Codes of a 401 that say: we know who you are, and you may not. New tokens and nonces do not help."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What Atlas announces about the end of an operation; None where it says nothing readable."""

    deprecated: datetime | None
    sunset: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer.

    Attributes:
        status: the HTTP status.
        json: the parsed body; None also when it is empty or no JSON.
        deprecation: the ``Deprecation`` and ``Sunset`` headers; None without either.
    """

    status: int
    json: Any
    deprecation: Deprecation | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not 2xx, as it came.

    Attributes:
        status: the HTTP status.
        headers: lower-case keys, or a case-insensitive mapping.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Requester(Protocol):
    """What the operations need of a client: one exchange with Atlas."""

    @property
    def base_url(self) -> str:
        """The address of the Atlas for credentials that name no other, without a trailing slash."""
        ...

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make one call and return its 2xx answer.

        Raises:
            AtlasError: whatever else happens.
        """
        ...


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of a refusal, in the shape of Atlas's ``ApiError`` or of OAuth's errors.

    Attributes:
        code: ``errorCode``, or OAuth's ``error``.
        detail: ``detail``, or OAuth's ``error_description``.
        parameters: strings and numbers in reality, objects in the schema.
        fields: ``badRequestDetail.fields``, each as "field: description".
    """

    code: str | None = None
    detail: str | None = None
    parameters: tuple[object, ...] = ()
    fields: tuple[str, ...] = ()


def json_from(body: bytes) -> Any:
    """Parse a body whatever its content type says; None when it is empty, no JSON, or of more values than Atlas has reason to send."""
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_VALUES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # ValueError covers bad JSON, bad encodings and absurdly long numbers
        return None


def error_body_from(body: bytes) -> ErrorBody:
    """Read the body of a refusal; an empty one, or one of another shape, has neither code nor detail."""
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
    """Tell how many seconds Atlas asks to wait: by ``Retry-After`` (seconds or a date), else by the body's own figure.

    Args:
        headers: of the answer; lower-case keys or a case-insensitive mapping.
        error: the body; the second parameter of ``RATE_LIMITED_TOKEN_BUCKET`` is a number of seconds. (That of the
            older ``RATE_LIMITED`` is a number of requests.)
        now: used for a date only when the answer has no ``Date``: the server's clock and ours may differ.
    """
    value = headers.get("retry-after", "").strip()
    seconds = seconds_from(value)
    if seconds is None and (until := _http_date(value)) is not None:
        seconds = (until - (_http_date(headers.get("date", "")) or now)).total_seconds()
    if seconds is None and error.code == "RATE_LIMITED_TOKEN_BUCKET" and len(error.parameters) > 1:
        seconds = seconds_from(error.parameters[1])
    return None if seconds is None else min(max(seconds, 0.0), _MAX_WAIT)


def deprecation_from(headers: Mapping[str, str]) -> Deprecation | None:
    """Read the ``Deprecation`` and ``Sunset`` headers.

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
    """Read a number of seconds, given as a number or as text; None when it is none."""
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
