"""What the user asks for: the spec as a frozen model, with the rules of the CRD.

Pure. The rules are those of ``crds/atlas-endpoints.dev_serverlessprivateendpoints.yaml``, in the same words; only the rules
about changes (immutable fields) are the API server's alone. They are repeated here because an object may be older than the
CRD, or the CRD newer than the operator: what the operator does not understand, it must not act on.
Import these names from ``model``.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeAlias

import durationpy
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from atlas_endpoints.engine.conditions import shorten

Provider: TypeAlias = Literal["AWS", "AZURE"]
DriftPolicy: TypeAlias = Literal["Correct", "Report"]

_OBJECT_ID = r"[0-9a-f]{24}"
_INSTANCE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_DNS_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_ONE_LINE = r"[^\x00-\x1f\x7f]*"
_DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""Go's durations without sign and fraction, as the Gateway API has them (GEP-2257)."""
_DURATION_LIMIT = 28
_AWS_ID = r"vpce-[0-9a-f]{17}"
_AZURE_NAME = r"[^/\x00-\x20\x7f]"
_AZURE_ID = (
    r"(?i)/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourcegroups/"
    rf"{_AZURE_NAME}{{1,90}}/providers/microsoft[.]network/privateendpoints/{_AZURE_NAME}{{1,80}}"
)
"""The pattern that Atlas publishes also wants the resource group to be called ``privateLink``; Atlas's own samples break it."""

_NO_AWS_ID = (
    "must be the ID of an AWS VPC endpoint: `vpce-` and 17 lower-case hexadecimal digits; "
    "leave the field out while there is none"
)
_NO_AZURE_ID = (
    "must be the resource ID of an Azure private endpoint: `/subscriptions/<GUID>/resourceGroups/<group>"
    "/providers/Microsoft.Network/privateEndpoints/<name>`; leave the field out while there is none"
)
_ADDRESS_ON_AWS = (
    "may only be set when `providerName` is AZURE: Atlas knows an AWS endpoint by its ID alone; remove the field"
)
_ADDRESS_MISSING = (
    "Required value: must be set together with `cloudProviderEndpointId` when `providerName` is AZURE: "
    "add the private IP address of that private endpoint"
)
_ID_MISSING = (
    "Required value: must be set together with `privateEndpointIpAddress`: "
    "add the resource ID of the private endpoint that has this address"
)


class ManagedField(StrEnum):
    """The fields that are sent to Atlas, by the name that they have in the spec and in Atlas's JSON alike."""

    CLOUD_PROVIDER_ENDPOINT_ID = "cloudProviderEndpointId"
    PRIVATE_ENDPOINT_IP_ADDRESS = "privateEndpointIpAddress"
    COMMENT = "comment"


class InvalidSpecError(ValueError):
    """The resource breaks the rules of its kind; the text has one line per problem, each naming the field as in YAML.

    The rest of such a resource can still be read: ``ObjectMeta.parse(body)`` and ``Status.parse(body.get("status"))``.

    Attributes:
        problems: the lines, eight at most.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(shorten(" ".join(each.splitlines()), 300) for each in problems)[:8]
        super().__init__("\n".join(self.problems))


def _matches(pattern: str, text: str) -> bool:
    # Letters and digits are those of ASCII, as in the API server's RE2.
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _is_ip(text: str) -> bool:
    """Tell what CEL's ``isIP`` tells: no zone, no IPv4 address in IPv6 clothes."""
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
    if _matches(_DURATION, value):
        duration: timedelta = durationpy.from_str(value)
        if timedelta(minutes=1) <= duration <= timedelta(hours=24):
            return duration
    raise PydanticCustomError("rule", "must be a duration from 1m to 24h, such as `90s`, `10m` or `1h30m`")


def _rule(holds: Callable[[str], bool], message: str) -> AfterValidator:
    def check(value: str) -> str:
        if not holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": message})
        return value

    return AfterValidator(check)


ObjectId = Annotated[
    str,
    Field(max_length=24),
    _rule(partial(_matches, _OBJECT_ID), "must be an Atlas ID of 24 lower-case hexadecimal characters, not a name"),
]
InstanceName = Annotated[
    str,
    Field(max_length=64),
    _rule(
        partial(_matches, _INSTANCE_NAME),
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas instance names do",
    ),
]
SecretName = Annotated[
    str,
    Field(max_length=253),
    _rule(
        partial(_matches, _DNS_SUBDOMAIN),
        "must be the name of a Secret, that is lower-case letters, digits, `-` and `.`, "
        "beginning and ending with a letter or digit",
    ),
]
IpAddress = Annotated[
    str,
    Field(max_length=45),
    _rule(_is_ip, "must be an IP address such as 10.0.0.4, without leading zeros, mask or zone"),
]
Comment = Annotated[
    str,
    Field(max_length=80),
    _rule(
        partial(_matches, _ONE_LINE),
        "must be one line without control characters; in YAML write it in quotes, not as a `|` block",
    ),
    _rule(
        lambda text: text.strip() == text,
        "must not begin or end with white space, which Atlas may strip so that it would differ for ever",
    ),
    _rule(
        lambda text: not text.startswith("atlas-endpoints.dev/"),
        "must not begin with `atlas-endpoints.dev/`: the operator marks endpoints with it",
    ),
]
Duration = Annotated[
    timedelta, PlainValidator(_duration), WithJsonSchema({"type": "string", "maxLength": _DURATION_LIMIT})
]


class SecretRef(BaseModel):
    """A Secret of the resource's own namespace."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: SecretName


class Spec(BaseModel):
    """What the user asks for; ``kubectl explain spe.spec`` tells the meaning of each field.

    The fields of ``ManagedField`` are None when they are not managed: Atlas keeps the value it has. ``comment == ""``
    clears the comment. Durations are None where the operator's settings decide.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    project_id: ObjectId
    instance_name: InstanceName
    provider_name: Provider
    endpoint_id: ObjectId
    cloud_provider_endpoint_id: Annotated[str, Field(max_length=300)] | None = None
    private_endpoint_ip_address: IpAddress | None = None
    comment: Comment | None = None
    credentials_secret_ref: SecretRef | None = None
    drift_policy: DriftPolicy = "Correct"
    sync_interval: Duration | None = None
    provisioning_timeout: Duration | None = None
    suspend: bool = False

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read a spec by its wire names.

        Raises:
            InvalidSpecError: a rule is broken, or a field is not known to this version of the operator.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpecError(problems("spec", error)) from None

    @property
    def desired(self) -> dict[ManagedField, str]:
        """The managed fields with their wanted values, in a fixed order; a field that is not managed is not in it."""
        values = {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: self.cloud_provider_endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: self.private_endpoint_ip_address,
            ManagedField.COMMENT: self.comment,
        }
        return {field: value for field, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        misfits = {field.value: message for field, message in self._misfits()}
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self

    def _misfits(self) -> Iterator[tuple[ManagedField, str]]:
        cloud_id, address = self.cloud_provider_endpoint_id, self.private_endpoint_ip_address
        match self.provider_name:
            case "AWS":
                if cloud_id is not None and not _matches(_AWS_ID, cloud_id):
                    yield ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, _NO_AWS_ID
                if address is not None:
                    yield ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS, _ADDRESS_ON_AWS
            case "AZURE":
                if cloud_id is not None and not _matches(_AZURE_ID, cloud_id):
                    yield ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, _NO_AZURE_ID
                if cloud_id is not None and address is None:
                    yield ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS, _ADDRESS_MISSING
                if cloud_id is None and address is not None:
                    yield ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, _ID_MISSING


def problems(root: str, error: ValidationError) -> Iterator[str]:
    """Turn pydantic's findings into the API server's words: the path as in YAML, what is wrong, what to do.

    Args:
        root: the path of what was validated, such as ``spec``.
        error: pydantic's findings.
    """
    for each in error.errors(include_url=False):
        path = ".".join((root, *map(str, each["loc"])))
        details = each.get("ctx", {})
        if each["type"] == "misfits":
            yield from (f"{path}.{field}: {message}" for field, message in details.items())
        else:
            yield f"{path}: {_what_is_wrong(each['type'], each['input'], details, otherwise=each['msg'])}"


def _what_is_wrong(kind: str, value: object, details: dict[str, Any], *, otherwise: str) -> str:
    shown = shorten(json.dumps(value, default=str, ensure_ascii=False), 60)
    match kind:
        case "missing":
            return "Required value: add it"
        case "extra_forbidden":
            return (
                "unknown field: remove it; or, when the CRD has it, upgrade the operator, which is older than the CRD"
            )
        case "literal_error":
            return f"Unsupported value: {shown}: must be {details['expected']}"
        case "string_too_long":
            return f"Too long: may not be more than {details['max_length']} characters"
        case "string_type":
            return f"Invalid value: {shown}: must be of type string: put the value in quotes"
        case "bool_type":
            return f"Invalid value: {shown}: must be of type boolean: write true or false without quotes"
        case "model_type":
            return f"Invalid value: {shown}: must be of type object"
        case _:
            return f"Invalid value: {shown}: {otherwise}"
