"""What the API server means by a refusal."""

import json
from collections.abc import Mapping
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

FORBIDDEN, NOT_FOUND, CONFLICT, INVALID = 403, 404, 409, 422


def is_gone(error: ApiException) -> bool:
    """Tell an object that is gone from a path that is not served: only the former is answered with a ``Status``."""
    return error.status == NOT_FOUND and status_of(error).get("kind") == "Status"


def is_not_served(error: ApiException) -> bool:
    """Tell that the API server does not know the path from the words of somebody else, such as a proxy's page."""
    return error.status == NOT_FOUND and str(error.body).strip() == "404 page not found"


def is_changed(error: ApiException) -> bool:
    """Tell whether a test of the patch failed; a status that the schema refuses (a defect of ours) is 422 with causes."""
    details = status_of(error).get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return error.status == CONFLICT or (error.status == INVALID and not causes)


def told(error: ApiException) -> str:
    """Tell a refusal in the API server's own words, cut to a length that a log bears."""
    message = str(status_of(error).get("message", ""))
    return f"{error.status} {error.reason}: {message[:500]}"


def status_of(error: ApiException) -> Mapping[str, Any]:
    """Read the ``Status`` that an API server explains its refusals with; empty when it is something else."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
