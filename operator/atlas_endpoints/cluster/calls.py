"""Call the API server: JSON in and out, bounded in time, with errors of our own.

Calls use the lower half of the Kubernetes client: its sessions, TLS and token. The generated upper half validates
each argument and copies each body, which took a sixth of the processor time of a burst.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError
from atlas_endpoints.telemetry.causes import words_of

TIMEOUT = 15.0
"""Seconds for a whole call."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"


async def call(
    api: client.ApiClient,
    method: str,
    path: tuple[str, ...],
    *,
    query: Mapping[str, str] | None = None,
    body: object = None,
    within: float = TIMEOUT,
) -> Any:
    """Return the JSON of the API server's answer.

    Args:
        path: unquoted segments.
        body: JSON; that of a PATCH is a JSON patch.
        within: seconds for the whole call.

    Raises:
        ApiException: the API server answered with an error that the caller may handle (4xx).
        ClusterUnavailableError: anything else. Its text holds nothing of the objects concerned.
    """
    try:
        async with asyncio.timeout(within):
            return await _exchange(api, method, path, query, body)
    except ApiException as error:
        if error.status is not None and 400 <= error.status < 500 and error.status != HTTPStatus.TOO_MANY_REQUESTS:  # noqa: PLR2004  # HTTP's classes
            raise
        raise ClusterUnreachableError(f"The API server answered {error.status} {error.reason}.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ClusterUnreachableError(f"The API server cannot be reached: {words_of(error)}.") from error
    except ValueError:
        # The answer is no JSON. Not chained: the parser's error quotes it.
        raise unexpected_answer() from None


def unexpected_answer() -> ClusterUnavailableError:
    """Return the error for an answer that is not the object that was asked for."""
    return ClusterUnavailableError("The answer of the API server is not what was asked for.")


async def _exchange(
    api: client.ApiClient, method: str, path: tuple[str, ...], query: Mapping[str, str] | None, body: object
) -> Any:
    content_type = JSON_PATCH if method == "PATCH" else JSON
    headers = {"Accept": JSON, "Content-Type": content_type, **api.default_headers}
    await api.update_params_for_auth(headers, [], ["BearerToken"], None, method, body)
    url = f"{api.configuration.host}/{'/'.join(quote(part, safe='') for part in path)}"
    url = f"{url}?{urlencode(query)}" if query else url
    answer = await api.rest_client.request(method, url, headers=headers, body=body)  # type: ignore[no-untyped-call]  # untyped
    text = await answer.read()
    if not 200 <= answer.status < 300:  # noqa: PLR2004  # HTTP's classes
        raise ApiException.from_response(http_resp=answer, body=text.decode(errors="replace"), data=None)
    return orjson.loads(text)
