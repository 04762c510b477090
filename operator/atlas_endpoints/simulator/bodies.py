"""What request bodies may hold; everything else is refused, never ignored."""

import json
import re
from ipaddress import ip_address
from typing import Any

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.endpoint import AWS, AZURE
from atlas_endpoints.simulator.machine import Change

MAX_COMMENT = 80
_AWS_ID = re.compile(r"vpce-[0-9a-f]{17}")
# Atlas's own pattern demands a resource group called privateLink, which nobody has; the shape is what matters.
_AZURE_ID = re.compile(
    r"/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/[-\w._()]{1,90}"
    r"/providers/Microsoft\.Network/privateEndpoints/[-\w._()]{1,80}",
    re.IGNORECASE,
)
_CREATE_FIELDS = frozenset({"comment"})
_UPDATE_FIELDS = frozenset({"providerName", "comment", "cloudProviderEndpointId", "privateEndpointIpAddress"})


def comment_to_create(body: bytes) -> str | None:
    """Read the body of a POST, which may hold a comment and nothing else.

    Raises:
        ApiError: 400.
    """
    return _comment(_fields(body, _CREATE_FIELDS))


def change(body: bytes, provider_name: str) -> Change:
    """Read the body of a PATCH; explicit nulls count as absent.

    Args:
        body: The body.
        provider_name: The cloud of the instance, which ``providerName`` must name.

    Raises:
        ApiError: 400.
    """
    fields = _fields(body, _UPDATE_FIELDS)
    named = _text(fields, "providerName")
    if named is None:
        raise errors.missing_attribute("providerName")
    if named not in {AWS, AZURE}:
        raise errors.invalid_enum_value(named)
    if named != provider_name:
        raise errors.invalid_attribute("providerName")
    cloud_id = _text(fields, "cloudProviderEndpointId")
    if cloud_id is not None and not (_AZURE_ID if named == AZURE else _AWS_ID).fullmatch(cloud_id):
        raise errors.invalid_attribute("cloudProviderEndpointId")
    address = _text(fields, "privateEndpointIpAddress")
    if address is not None:
        if named != AZURE:
            raise errors.invalid_attribute("privateEndpointIpAddress")
        _check_address(address)
    return Change(_comment(fields), cloud_id, address)


def _fields(body: bytes, known: frozenset[str]) -> dict[str, Any]:
    if not body:
        raise errors.invalid_json()
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise errors.malformed_json() from None
    if not isinstance(fields, dict):
        raise errors.invalid_json()
    for name in fields:
        if name not in known:
            raise errors.invalid_attribute(name)
    return fields


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise errors.invalid_json_attribute(name)
    return value


def _comment(fields: dict[str, Any]) -> str | None:
    comment = _text(fields, "comment")
    if comment is not None and len(comment) > MAX_COMMENT:
        text = f"comment must be at most {MAX_COMMENT} characters."
        raise errors.validation_error(text, field="comment")
    return comment


def _check_address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise errors.invalid_address(text) from None
