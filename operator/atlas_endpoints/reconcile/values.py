"""Types of spec fields, each with its own rule. Pure; see ``spec``."""

import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

import durationpy
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from atlas_endpoints.controller.names import is_name

Provider: TypeAlias = Literal["AWS", "AZURE"]

_OBJECT_ID = r"[0-9a-f]{24}"
_INSTANCE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_ONE_LINE = r"[^\x00-\x1f\x7f]*"
_DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""Go's durations without sign and fraction, as in the Gateway API (GEP-2257)."""
_DURATION_LIMIT = 28
CLOUD_ID_LIMIT = 300
"""Characters of a private endpoint's ID in a cloud."""
_AWS_ID = r"vpce-[0-9a-f]{17}"
_AZURE_NAME = r"[^/\x00-\x20\x7f]"
_AZURE_ID = (
    r"(?i)/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourcegroups/"
    rf"{_AZURE_NAME}{{1,90}}/providers/microsoft[.]network/privateendpoints/{_AZURE_NAME}{{1,80}}"
)
"""Atlas's published pattern also requires the resource group ``privateLink``, which Atlas's own samples break."""


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches the whole text."""
    # ASCII only, as in the API server's RE2.
    return re.fullmatch(pattern, text, re.ASCII) is not None


def is_cloud_id(provider: Provider, text: str) -> bool:
    """Return whether a text is the ID of a private endpoint in a cloud."""
    if len(text) > CLOUD_ID_LIMIT:
        return False
    match provider:
        case "AWS":
            return matches(_AWS_ID, text)
        case "AZURE":
            return matches(_AZURE_ID, text)


def is_object_id(text: str) -> bool:
    """Return whether a text is an ID of Atlas, such as that of a project."""
    return matches(_OBJECT_ID, text)


def is_ip_address(text: str) -> bool:
    """Return the result of CEL's ``isIP``: no zone, no IPv4-mapped IPv6 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(address, ipaddress.IPv4Address) or (address.scope_id is None and address.ipv4_mapped is None)


def _duration(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if len(value) > _DURATION_LIMIT:
        raise PydanticKnownError("string_too_long", {"max_length": _DURATION_LIMIT})
    if matches(_DURATION, value):
        duration: timedelta = durationpy.from_str(value)
        if timedelta(minutes=1) <= duration <= timedelta(hours=24):
            return duration
    raise PydanticCustomError("rule", "must be a duration from 1m to 24h, such as `90s`, `10m` or `1h30m`")


def rule(holds: Callable[[str], bool], message: str) -> AfterValidator:
    """Return a validator that rejects a text with a message."""

    def check(value: str) -> str:
        if not holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": message})
        return value

    return AfterValidator(check)


ObjectId = Annotated[
    str,
    Field(max_length=24),
    rule(is_object_id, "must be an Atlas ID of 24 lower-case hexadecimal characters, not a name"),
]
InstanceName = Annotated[
    str,
    Field(max_length=64),
    rule(
        partial(matches, _INSTANCE_NAME),
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas instance names do",
    ),
]
SecretName = Annotated[
    str,
    Field(max_length=253),
    rule(
        is_name,
        "must be the name of a Secret, that is lower-case letters, digits, `-` and `.`, "
        "beginning and ending with a letter or digit",
    ),
]
ObjectName = Annotated[
    str,
    Field(max_length=253),
    rule(
        is_name,
        "must be the name of an object, that is lower-case letters, digits, `-` and `.`, "
        "beginning and ending with a letter or digit",
    ),
]
IpAddress = Annotated[
    str,
    Field(max_length=45),
    rule(is_ip_address, "must be an IP address such as 10.0.0.4, without leading zeros, mask or zone"),
]
Comment = Annotated[
    str,
    Field(max_length=80),
    rule(
        partial(matches, _ONE_LINE),
        "must be one line without control characters; in YAML write it in quotes, not as a `|` block",
    ),
    rule(
        lambda text: text.strip() == text,
        "must not begin or end with white space, which Atlas may strip so that it would differ for ever",
    ),
    rule(
        lambda text: not text.startswith("atlas-endpoints.dev/"),
        "must not begin with `atlas-endpoints.dev/`: the operator marks endpoints with it",
    ),
]
Duration = Annotated[
    timedelta, PlainValidator(_duration), WithJsonSchema({"type": "string", "maxLength": _DURATION_LIMIT})
]


class AsWritten(BaseModel):
    """A strict model with the field names of a manifest."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )
