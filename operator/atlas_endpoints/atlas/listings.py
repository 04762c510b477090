"""The answers to LISTs."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from atlas_endpoints.atlas.answers import Deprecation, Requester
from atlas_endpoints.atlas.classification import unreadable
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasUnavailableError, EndpointAbsentError
from atlas_endpoints.atlas.requests import Request

V = TypeVar("V")

_AT_ONCE = 500
"""Items that are parsed before other tasks run; they take some milliseconds."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[V]):
    """The answer to a LIST, by id; ``skipped`` counts the items without a usable id.

    With skipped items, a proof of absence needs a GET of the one entry as well.
    """

    entries: Mapping[str, V]
    deprecation: Deprecation | None = None
    skipped: int = 0


async def send_list(
    client: Requester, credentials: Credentials, request: Request, parse: Callable[[object], tuple[str, V] | None]
) -> Listing[V]:
    """Make a LIST whose answer is one bare array, without pages; raises ``AtlasError``.

    ``parse`` returns the id and the value of an item, or None without a usable id.
    """
    operation = request.operation
    try:
        answer = await client.request(credentials, request)
    except EndpointAbsentError as error:
        # A LIST names no endpoint, so the code proves no absence.
        raise AtlasUnavailableError(
            "Atlas answered a LIST with a code that belongs to a single endpoint; it is retried.",
            operation=operation,
            http_status=error.http_status,
            error_code=error.error_code,
            detail=error.detail,
        ) from error
    if not isinstance(answer.json, list):
        raise unreadable(answer.status, operation=operation, writes=False)
    entries: dict[str, V] = {}
    skipped = 0
    for number, item in enumerate(answer.json, 1):
        if (found := parse(item)) is not None:
            entries[found[0]] = found[1]
        else:
            skipped += 1
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return Listing(entries, answer.deprecation, skipped)
