"""Which version of a resource a client gets: Atlas's media types carry a date."""

import re
from datetime import UTC, date, datetime
from functools import lru_cache

from atlas_endpoints.simulator import errors

RESOURCE_VERSION = "2023-01-01"
"""The only version that the serverless operations ever had."""

_MEDIA_TYPE = re.compile(r"application/vnd\.atlas\.(\d{4}-\d{2}-\d{2})\+json")
_JSON = "application/json"


def negotiate(accept: str, available: str, now: float) -> str:
    """Return the version that is answered.

    A date resolves to the newest version not after it.

    Args:
        accept: The Accept header; empty if there is none.
        available: The one version of the resource, ``YYYY-MM-DD``.
        now: Seconds since 1970; a date after today names no version.

    Raises:
        ApiError: 406; no date, no calendar date, a date before the first version, or one in the future.
    """
    for asked in _dates(accept):
        if asked == available:
            return available
        if available < asked <= datetime.fromtimestamp(now, UTC).date().isoformat():
            return available
    raise errors.invalid_version()


def media_type(version: str) -> str:
    """Return the Content-Type of a successful answer."""
    return f"application/vnd.atlas.{version}+json;charset=utf-8"


def check_content_type(value: str) -> None:
    """Accept plain JSON and every versioned type; raise ApiError 415 for anything else."""
    named = value.partition(";")[0].strip().lower()
    if named != _JSON and not _MEDIA_TYPE.fullmatch(named):
        raise errors.unsupported_media_type(named or "(none)")


@lru_cache(maxsize=256)
def _dates(accept: str) -> tuple[str, ...]:
    ranges = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    matches = (_MEDIA_TYPE.fullmatch(each) for each in ranges)
    return tuple(match[1] for match in matches if match and _is_a_day(match[1]))


def _is_a_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
