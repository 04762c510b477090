"""What the bodies of all families have in common: how requests are read, and pages of documents."""

import json
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, TypeVar

from atlas_endpoints.simulator.exchange import Request, api_error

Item = TypeVar("Item")

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


def check_address(text: str) -> None:
    """Raise ApiError 400 unless the text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        raise api_error("INVALID_IP_ADDRESS_OR_CIDR_NOTATION", text) from None


def page(request: Request, items: Sequence[Item], document: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """Return the page that a request asks for, as Atlas pages most lists of documents."""
    number = _number(request, "pageNum", 1, most=999_999_999)
    size = _number(request, "itemsPerPage", 100, most=500)
    begin, end = (number - 1) * size, number * size
    pages = {"previous": number - 1 if number > 1 else None, "self": number}
    pages["next"] = number + 1 if end < len(items) else None
    url = f"http://{request.headers.get('Host', '')}{request.path}"
    shown: dict[str, Any] = {
        "links": [
            {"href": f"{url}?pageNum={each}&itemsPerPage={size}", "rel": rel}
            for rel, each in pages.items()
            if each is not None
        ],
        "results": [document(each) for each in items[begin:end]],
    }
    if request.query.get("includeCount", "true").lower() == "true":
        shown["totalCount"] = len(items)
    return shown


def _number(request: Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise api_error("INVALID_ATTRIBUTE", name)
    return int(text)
