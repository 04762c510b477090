"""The operations of the API, and which operation and version a request asks for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol

from atlas_endpoints.simulator.exchange import Request, api_error
from atlas_endpoints.simulator.switches import Switches

API = ("api", "atlas", "v2")
"""The first segments of the Admin API's paths."""
OAUTH = ("api", "oauth")
"""The first segments of the token endpoint's paths."""
RESOURCE_VERSION = "2023-01-01"
"""The only version that the operations on private endpoints ever had."""

_MEDIA_TYPE = re.compile(r"application/vnd\.atlas\.(\d{4}-\d{2}-\d{2})\+json")
_PATTERNS = {"id": re.compile(r"[a-f0-9]{24}"), "name": re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")}
"""What a variable segment may be, by the end of its name; others may be anything."""


class Announced(Protocol):
    """When an operation is deprecated and when it ends; ``None``: nothing is announced."""

    @property
    def deprecation(self) -> date | None:
        """The day from which it is deprecated."""

    @property
    def sunset(self) -> date | None:
        """The day of its end."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request for an operation.

    Attributes:
        names: The variable segments of its path, by their names.
        headers: Header fields of the answer.
    """

    request: Request
    operation: "Operation"
    names: Mapping[str, str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API.

    Attributes:
        perform: Returns the status and the body of the answer, or raises ApiError.
        admit: Makes the operation's own checks before the body is read; raises ApiError, and may add header fields.
        writes: It changes something, which takes the role Project Owner.
        announced: Returns the dates of its end that header fields announce.
        version: The one version of its resource.
        needs_owner: It takes the role Project Owner, also if it changes nothing.
        suffices: Roles that suffice where the role Project Owner does.
    """

    java_method: str
    perform: Callable[[Call], tuple[int, bytes]]
    admit: Callable[[Call], None] = lambda _: None
    writes: bool = False
    announced: Callable[[Switches], Announced] | None = None
    version: str = RESOURCE_VERSION
    needs_owner: bool = False
    suffices: frozenset[str] = frozenset()


Family = Mapping[str, Mapping[str, Operation]]
"""Operations by path, with ``{name}`` for a variable segment, and by method; the first path that fits a request counts."""


def find_operation(families: Sequence[Family], request: Request) -> Call:
    """Return a request with the operation that it asks for.

    Raises:
        ApiError: 404, no such URL; 405, not with this method; 400, an id or name in it is malformed.
    """
    for path, methods in ((path, methods) for family in families for path, methods in family.items()):
        if (names := _names(path.strip("/").split("/"), request.segments)) is None:
            continue
        operation = methods.get(request.method)
        if operation is None:
            raise api_error("METHOD_NOT_ALLOWED", request.method)
        if not all(_fits(name, value) for name, value in names.items()):
            raise api_error("PATH_PARAM_PARSE_ERROR", request.path)
        return Call(request, operation, names)
    raise api_error("RESOURCE_NOT_FOUND", request.path)


def check_version(accept: str, available: str, now: float) -> None:
    """Check that the Accept header resolves to a version: to the newest one not after the date in it.

    Args:
        accept: The header; empty if there is none.
        available: The one version of the resource, ``YYYY-MM-DD``.
        now: Seconds since 1970; a date after today names no version.

    Raises:
        ApiError: 406; no date, no calendar date, a date before the first version, or one in the future.
    """
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    for part in accept.split(","):
        match = _MEDIA_TYPE.fullmatch(part.partition(";")[0].strip().lower())
        if match and (match[1] == available or (_is_a_day(match[1]) and available < match[1] <= today)):
            return
    raise api_error("INVALID_VERSION_DATE")


def media_type(version: str) -> str:
    """Return the Content-Type of a successful answer."""
    return f"application/vnd.atlas.{version}+json;charset=utf-8"


def check_content_type(request: Request) -> None:
    """Accept plain JSON and every versioned type; raise ApiError 415 for anything else."""
    named = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if named != "application/json" and not _MEDIA_TYPE.fullmatch(named):
        raise api_error("UNSUPPORTED_MEDIA_TYPE", named or "(none)")


def _names(path: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    if len(path) != len(segments):
        return None
    names = {}
    for expected, segment in zip(path, segments, strict=True):
        if expected.startswith("{"):
            names[expected.strip("{}")] = segment
        elif expected != segment:
            return None
    return names


def _fits(name: str, value: str) -> bool:
    return all(pattern.fullmatch(value) for end, pattern in _PATTERNS.items() if name.lower().endswith(end))


def _is_a_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
