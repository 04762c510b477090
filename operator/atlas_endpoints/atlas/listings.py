"""What a LIST of Atlas answers."""

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
"""Items of a LIST that are read before others get a turn; they take some milliseconds."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[V]):
    """What a LIST shows.

    Attributes:
        entries: by their ids.
        deprecation: what Atlas announces about the end of the operation.
        skipped: the number of items without a usable id. They cannot be told apart, so they are neither shown nor acted on;
            whoever needs proof of absence asks for the one entry as well.
    """

    entries: Mapping[str, V]
    deprecation: Deprecation | None = None
    skipped: int = 0


async def send_list(
    client: Requester, credentials: Credentials, request: Request, parse: Callable[[object], tuple[str, V] | None]
) -> Listing[V]:
    """Make a LIST that answers with one bare array, without pages.

    Args:
        client: makes the call.
        credentials: to make it with.
        request: the LIST.
        parse: reads the id and the value of an item; None: it has no usable id.

    Raises:
        AtlasError: it failed; ``AtlasUnavailableError`` also when the answer is 2xx but no array.
    """
    operation = request.operation
    try:
        answer = await client.request(credentials, request)
    except EndpointAbsentError as error:
        # Names no endpoint, so it proves nothing about any.
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
