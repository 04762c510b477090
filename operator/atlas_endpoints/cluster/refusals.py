"""What the API server means by a refusal."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.controller.conditions import printable


def is_gone(error: ApiException) -> bool:
    """Tell an object that is gone from a path that is not served: only the former is answered with a ``Status``."""
    return is_refused(error, HTTPStatus.NOT_FOUND)


def is_not_served(error: ApiException) -> bool:
    """Tell that the API server does not know the path from the words of somebody else, such as a proxy's page."""
    return error.status == HTTPStatus.NOT_FOUND and str(error.body).strip() == "404 page not found"


def is_in_no_namespace(error: ApiException) -> bool:
    """Tell that nothing can be created in a namespace any more, since it is gone or is being deleted."""
    return is_gone(error) or any(each.get("reason") == "NamespaceTerminating" for each in _causes(error))


def is_refused(error: ApiException, status: int) -> bool:
    """Tell that the API server itself has answered with this status, and nobody in front of it."""
    return error.status == status and status_of(error).get("kind") == "Status"


def is_changed(error: ApiException) -> bool:
    """Tell whether a test of the patch failed; a status that the schema refuses (a defect of ours) is 422 with causes."""
    refused = error.status == HTTPStatus.UNPROCESSABLE_ENTITY and not _causes(error)
    return error.status == HTTPStatus.CONFLICT or refused


def told(error: ApiException) -> str:
    """Tell a refusal in the API server's own words, cut to a length that a log bears."""
    message = str(status_of(error).get("message", ""))
    return printable(f"{error.status} {error.reason}: {message[:500]}")


def status_of(error: ApiException) -> Mapping[str, Any]:
    """Read the ``Status`` that an API server explains its refusals with; empty when it is something else."""
    try:
        status = json.loads(error.body or "")
    except (ValueError, RecursionError):  # not JSON, or more brackets than anybody reads
        return {}
    return status if isinstance(status, dict) else {}


def _causes(error: ApiException) -> list[Mapping[str, Any]]:
    details = status_of(error).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [each for each in causes if isinstance(each, dict)] if isinstance(causes, list) else []
