"""Pages of documents, in which Atlas answers most of its lists."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from atlas_endpoints.simulator.exchange import Request, api_error

Item = TypeVar("Item")

_HOST = "http://localhost:8080"
"""The host in all recorded links, which is not Atlas's."""
_PLACE = ("pageNum", "itemsPerPage")


def page(
    request: Request, items: Sequence[Item], document: Callable[[Item], dict[str, Any]], *, always_counts: bool = False
) -> dict[str, Any]:
    """Return the page that a request asks for; its links repeat what else the request asks for.

    Args:
        always_counts: Show the number of all items also if the request does not want it.
    """
    number = _number(request, "pageNum", 1, most=999_999_999)
    size = _number(request, "itemsPerPage", 100, most=500)
    begin, end = (number - 1) * size, number * size
    pages = {"previous": number - 1 if number > 1 else None, "self": number}
    pages["next"] = number + 1 if end < len(items) else None
    asked = {name: value for name, value in request.query.items() if name not in _PLACE}
    shown: dict[str, Any] = {
        "links": [
            {"href": f"{_HOST}{request.path}?{urlencode(asked | _place(rel, each, size))}", "rel": rel}
            for rel, each in pages.items()
            if each is not None
        ],
        "results": [document(each) for each in items[begin:end]],
    }
    if always_counts or request.query.get("includeCount", "true").lower() == "true":
        shown["totalCount"] = len(items)
    return shown


def _place(rel: str, number: int, size: int) -> dict[str, int]:
    if rel == "self":
        return {"pageNum": number, "itemsPerPage": size}
    return {"itemsPerPage": size, "pageNum": number}  # recorded in this order


def _number(request: Request, name: str, default: int, *, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        raise api_error("INVALID_ATTRIBUTE", name)
    return int(text)
