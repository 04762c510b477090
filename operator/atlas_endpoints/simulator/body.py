"""What the bodies of all families have in common: how requests are read."""

import json
import re
from ipaddress import ip_address
from typing import Any

from atlas_endpoints.simulator.exchange import api_error

AWS_ID = re.compile(r"vpce-[0-9a-f]{17}")
# Atlas's own pattern demands a resource group called privateLink, which nobody has; the shape is what matters.
AZURE_ID = re.compile(
    r"/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[-\w._()]{1,90}"
    r"/providers/Microsoft\.Network/privateEndpoints/[-\w._()]{1,80}",
    re.IGNORECASE,
)


def read_fields(body: bytes, known: set[str]) -> dict[str, Any]:
    """Return the fields of a JSON object; raise ApiError 400 for anything else, and for fields that are not known."""
    if not body:
        raise api_error("INVALID_JSON")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise api_error("MALFORMED_JSON") from None
    if not isinstance(fields, dict):
        raise api_error("INVALID_JSON")
    for name in fields:
        if name not in known:
            raise api_error("INVALID_ATTRIBUTE", name)
    return fields


def read_text(fields: dict[str, Any], name: str) -> str | None:
    """Return a text, ``None`` if it is null or absent; raise ApiError 400 for another type."""
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise api_error("INVALID_JSON_ATTRIBUTE", name)
    return value


def require_text(fields: dict[str, Any], name: str) -> str:
    """Return a text; raise ApiError 400 for another type, null, or none at all."""
    text = read_text(fields, name)
    if text is None:
        raise api_error("MISSING_ATTRIBUTE", name)
    return text


def read_flag(fields: dict[str, Any], name: str) -> bool:
    """Return a truth value, ``False`` if it is null or absent; raise ApiError 400 for another type."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise api_error("INVALID_JSON_ATTRIBUTE", name)
    return bool(value)


def check_address(text: str) -> None:
    """Raise ApiError 400 unless the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        raise api_error("INVALID_IP_ADDRESS_OR_CIDR_NOTATION", text) from None
