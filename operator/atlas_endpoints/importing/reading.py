"""What Atlas holds: the instances of a project, and the endpoints of each."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError, Retry
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import (
    Endpoint,
    ServerlessInstance,
    list_endpoints,
    list_instances,
)

T = TypeVar("T")

ATTEMPTS = 3
"""How often Atlas is asked in vain before that is told."""

LONGEST_WAIT = 120.0
"""Seconds that are waited for at most before Atlas is asked again, whatever it asks for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an instance holds.

    Attributes:
        instance: which one.
        endpoints: in Atlas's order; none when it could not be read.
        skipped: how many items have no usable id.
        refusal: why it could not be read; None: it could.
    """

    instance: ServerlessInstance
    endpoints: tuple[Endpoint, ...] = ()
    skipped: int = 0
    refusal: AtlasError | None = None


async def instances_of(client: Requester, credentials: Credentials, project_id: str) -> tuple[ServerlessInstance, ...]:
    """List the instances of a project.

    Raises:
        AtlasError: Atlas does not say, also when asked again.
    """
    return await _patiently(lambda: list_instances(client, credentials, project_id))


async def endpoints_of(
    client: Requester,
    credentials: Credentials,
    project_id: str,
    instances: Sequence[ServerlessInstance],
    *,
    done: Callable[[], object],
) -> list[Found]:
    """List the endpoints of instances, one after the other: that is a courtesy to Atlas, whose rate limit others share.

    Args:
        client: makes the calls.
        credentials: to make them with.
        project_id: of all instances.
        instances: whose endpoints.
        done: is told of each instance that has been read.
    """
    found: list[Found] = []
    for instance in instances:
        name = instance.name
        try:
            listing = await _patiently(lambda name=name: list_endpoints(client, credentials, project_id, name))  # type: ignore[misc]  # mypy infers no type of a lambda with a default
        except AtlasError as error:
            found.append(Found(instance, refusal=error))
        else:
            found.append(Found(instance, tuple(listing.entries.values()), listing.skipped))
        done()
    return found


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask once more when Atlas gives no answer, or asks to wait."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await ask()
        except AtlasError as error:
            if error.retry is not Retry.BACKOFF:
                raise
            await asyncio.sleep(min(max(error.retry_after or 0.0, 2.0**attempt), LONGEST_WAIT))
    return await ask()
