"""One exchange with the API server, bounded in time, with errors of our own.

The client's failures come in many classes: its ``ApiException``, ``TimeoutError``, aiohttp's own, and whatever its parsing
of a strange answer stumbles over.
"""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError
from atlas_endpoints.telemetry.causes import words_of

T = TypeVar("T")

TIMEOUT = 15.0
"""Seconds for a whole call."""


async def call(request: Awaitable[T], *, within: float = TIMEOUT) -> T:
    """Make a call.

    Args:
        request: the call.
        within: seconds that it may take.

    Raises:
        ApiException: the API server answered with an error that the caller may understand (4xx).
        ClusterUnavailableError: anything else, with a text that holds nothing of the objects concerned.
    """
    try:
        async with asyncio.timeout(within):
            return await request
    except ApiException as error:
        if error.status is not None and 400 <= error.status < 500 and error.status != HTTPStatus.TOO_MANY_REQUESTS:  # noqa: PLR2004  # HTTP's classes
            raise
        raise ClusterUnreachableError(f"The API server answered {error.status} {error.reason}.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ClusterUnreachableError(f"The API server cannot be reached: {words_of(error)}.") from error
    except ValueError:
        # No JSON, or not the object that was asked for. Not chained: pydantic's errors quote what they were given.
        raise ClusterUnavailableError("The answer of the API server is not what was asked for.") from None
