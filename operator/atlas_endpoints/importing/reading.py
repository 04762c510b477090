"""Read the instances of a project from Atlas, and the endpoints of each."""

import asyncio
import sys
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
"""Attempts at a call to Atlas."""

LONGEST_WAIT = 120.0
"""Seconds between two attempts at most, whatever Atlas asks for."""

FEW = 3
"""Instances up to which no progress bar is shown."""


@dataclass(frozen=True, slots=True)
class Found:
    """The endpoints of an instance.

    Attributes:
        endpoints: in Atlas's order; none if it could not be read.
        skipped: the number of items without a usable id.
        refusal: why it could not be read, or None.
    """

    instance: ServerlessInstance
    endpoints: tuple[Endpoint, ...] = ()
    skipped: int = 0
    refusal: AtlasError | None = None


async def instances_of(client: Requester, credentials: Credentials, project_id: str) -> tuple[ServerlessInstance, ...]:
    """Return the instances of a project.

    Raises:
        AtlasError: they could not be read, also at the last attempt.
    """
    return await _with_retries(lambda: list_instances(client, credentials, project_id))


async def endpoints_of(
    client: Requester, credentials: Credentials, project_id: str, instances: Sequence[ServerlessInstance]
) -> list[Found]:
    """Return the endpoints of instances, with a progress bar on a terminal.

    It reads one instance after the other, since others share Atlas's rate limit.
    """
    found: list[Found] = []
    # Imported here, since only this command needs it, and the operator itself imports this module.
    from tqdm import tqdm  # noqa: PLC0415

    disable = None if len(instances) > FEW else True  # None: unless it is a terminal
    for instance in tqdm(instances, desc="Instances", file=sys.stderr, leave=False, disable=disable):
        name = instance.name
        try:
            listing = await _with_retries(lambda name=name: list_endpoints(client, credentials, project_id, name))  # type: ignore[misc]  # mypy infers no type of a lambda with a default
        except AtlasError as error:
            found.append(Found(instance, refusal=error))
        else:
            found.append(Found(instance, tuple(listing.entries.values()), listing.skipped))
    return found


async def _with_retries(ask: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call when Atlas does not answer, or asks to wait."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await ask()
        except AtlasError as error:
            if error.retry is not Retry.BACKOFF:
                raise
            await asyncio.sleep(min(max(error.retry_after or 0.0, 2.0**attempt), LONGEST_WAIT))
    return await ask()
