"""Call the API server: JSON in and out, bounded in time, with errors of our own; and interpret its refusals.

Calls use the lower half of the Kubernetes client: its sessions and TLS. The generated upper half validates
each argument and copies each body, which took a sixth of the processor time of a burst.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterUnreachableError,
    ForbiddenError,
    NoAnswerError,
)
from atlas_endpoints.controller.texts import printable
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
    parse: Callable[[bytes], Any] = orjson.loads,
) -> Any:
    """Return the parsed answer of the API server. A write names the operator as its field manager.

    The body of a PATCH is a JSON patch.

    Args:
        parse: raises ``ValueError`` for an answer that is not what was asked for.

    Raises:
        ApiException: the API server answered with an error that the caller may handle (4xx).
        ClusterUnavailableError: anything else. Its text holds nothing of the objects concerned.
    """
    query = query if method == "GET" else {"fieldManager": FIELD_MANAGER}
    content_type = JSON_PATCH if method == "PATCH" else JSON
    headers = {"Accept": JSON, "Content-Type": content_type, **api.default_headers}
    url = f"{api.configuration.host}/{'/'.join(quote(part, safe='') for part in path)}"
    url = f"{url}?{urlencode(query)}" if query else url
    try:
        async with asyncio.timeout(within):
            answer = await api.rest_client.request(method, url, headers=headers, body=body)  # type: ignore[no-untyped-call]  # untyped
            text: bytes = await answer.read()
        if not 200 <= answer.status < 300:  # noqa: PLR2004  # HTTP's classes
            raise ApiException.from_response(http_resp=answer, body=text.decode(errors="replace"), data=None)
        return parse(text)
    except ApiException as error:
        if error.status is not None and 400 <= error.status < 500 and error.status != HTTPStatus.TOO_MANY_REQUESTS:  # noqa: PLR2004  # HTTP's classes
            raise
        raise ClusterUnreachableError(f"The API server answered {error.status} {error.reason}.") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NoAnswerError(f"The API server cannot be reached: {words_of(error)}.") from error
    except ValueError:
        # The answer is no JSON. Not chained: the parser's error quotes it.
        raise unexpected_answer() from None


async def get(
    api: client.ApiClient, *path: str, parse: Callable[[bytes], Any] = orjson.loads, **query: str
) -> dict[str, Any]:
    """Return the object that answers a GET; raise ``ClusterUnavailableError`` if none does."""
    try:
        return object_in(await call(api, "GET", path, query=query, parse=parse))
    except ApiException as error:
        raise refused(error) from error


def unexpected_answer() -> ClusterUnavailableError:
    """Return the error for an answer that is not the object that was asked for."""
    return ClusterUnavailableError("The answer of the API server is not the requested object.")


def object_in(answer: object) -> dict[str, Any]:
    """Return an answer that is a JSON object; raise ``ClusterUnavailableError`` for anything else."""
    if not isinstance(answer, dict):
        raise unexpected_answer()
    return answer


def refused(error: ApiException) -> ClusterUnavailableError:
    """Return the error for a refusal that no caller handles."""
    class_ = ForbiddenError if is_refused(error, HTTPStatus.FORBIDDEN) else ClusterUnavailableError
    return class_(f"The API server refused: {message_of(error)}")


def is_gone(error: ApiException) -> bool:
    """Return whether an object is gone. A path that is not served has no ``Status`` in its answer."""
    return is_refused(error, HTTPStatus.NOT_FOUND)


def is_not_served(error: ApiException) -> bool:
    """Return whether the API server does not serve the path; a proxy's page does not count."""
    return error.status == HTTPStatus.NOT_FOUND and str(error.body).strip() == "404 page not found"


def is_in_no_namespace(error: ApiException) -> bool:
    """Return whether nothing can be created in a namespace, since it is gone or is being deleted."""
    return is_gone(error) or any(each.get("reason") == "NamespaceTerminating" for each in _causes(error))


def is_refused(error: ApiException, *statuses: int) -> bool:
    """Return whether the API server itself, and no proxy, has answered with one of these statuses."""
    return error.status in statuses and _status(error).get("kind") == "Status"


def is_changed(error: ApiException) -> bool:
    """Return whether a ``test`` of the patch failed. The schema's refusal (a defect of ours) is a 422 with causes."""
    refused_patch = error.status == HTTPStatus.UNPROCESSABLE_ENTITY and not _causes(error)
    return error.status == HTTPStatus.CONFLICT or refused_patch


def message_of(error: ApiException) -> str:
    """Return the API server's message, cut to a length that fits into a log."""
    message = str(_status(error).get("message", ""))
    return printable(f"{error.status} {error.reason}: {message[:500]}")


def _status(error: ApiException) -> Mapping[str, Any]:
    """Return the ``Status`` of an answer, or an empty mapping."""
    try:
        status = json.loads(error.body or "")
    except (ValueError, RecursionError):  # no JSON, or too deeply nested
        return {}
    return status if isinstance(status, dict) else {}


def _causes(error: ApiException) -> list[Mapping[str, Any]]:
    details = _status(error).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [each for each in causes if isinstance(each, dict)] if isinstance(causes, list) else []
