"""Interpret the API server's refusals."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.controller.conditions import printable


def is_gone(error: ApiException) -> bool:
    """Return whether an object is gone. A path that is not served has no ``Status`` in its answer."""
    return is_refused(error, HTTPStatus.NOT_FOUND)


def is_not_served(error: ApiException) -> bool:
    """Return whether the API server does not serve the path; a proxy's page does not count."""
    return error.status == HTTPStatus.NOT_FOUND and str(error.body).strip() == "404 page not found"


def is_in_no_namespace(error: ApiException) -> bool:
    """Return whether nothing can be created in a namespace, since it is gone or is being deleted."""
    return is_gone(error) or any(each.get("reason") == "NamespaceTerminating" for each in _causes(error))


def is_refused(error: ApiException, status: int) -> bool:
    """Return whether the API server itself, and no proxy, has answered with this status."""
    return error.status == status and _status(error).get("kind") == "Status"


def is_changed(error: ApiException) -> bool:
    """Return whether a ``test`` of the patch failed. The schema's refusal (a defect of ours) is a 422 with causes."""
    refused = error.status == HTTPStatus.UNPROCESSABLE_ENTITY and not _causes(error)
    return error.status == HTTPStatus.CONFLICT or refused


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
