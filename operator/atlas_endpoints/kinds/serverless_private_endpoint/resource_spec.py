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
from atlas_endpoints.engine.names import is_name

Provider: TypeAlias = Literal["AWS", "AZURE"]
DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe", "Plan"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]

_OBJECT_ID = r"[0-9a-f]{24}"
_INSTANCE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_API_VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+/v[0-9][a-z0-9]*"
_KIND = r"[A-Z][a-zA-Z0-9]*"
_FIELD_PATH = r"([.]?[a-zA-Z0-9_-]+)([.][a-zA-Z0-9_-]+)*"
_CONFIG_MAP_KEY = r"[-._a-zA-Z0-9]+"
_ONE_LINE = r"[^\x00-\x1f\x7f]*"
_DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""Go's durations without sign and fraction, as the Gateway API has them (GEP-2257)."""
_DURATION_LIMIT = 28
CLOUD_ID_LIMIT = 300
"""Characters of the ID of a private endpoint in a cloud."""
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
_NOT_RESERVED = (
    "Required value: must be set when `managementPolicy` is Observe: nothing is reserved then; "
    "name the endpoint that is to be observed"
)
_ID_MISSING = (
    "Required value: must be set together with `privateEndpointIpAddress`: "
    "add the resource ID of the private endpoint that has this address"
)
_ADDRESS_TWICE = "may not be set together with `privateEndpointIpAddress`: keep one of the two"
_ID_TWICE = "may not be set together with `cloudProviderEndpointId`: keep one of the two"
_NO_FIELD_PATH = (
    "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws or PrivateEndpoint of "
    "network.azure.com: add the path of the field that holds the ID, such as `.status.atProvider.id`"
)

KNOWN_PATHS = {
    ("ec2.services.k8s.aws", "VPCEndpoint"): "status.vpcEndpointID",
    ("network.azure.com", "PrivateEndpoint"): "status.id",
}
"""Where the ID of a private endpoint is in objects of the kinds that people use most, by group and kind: those of AWS Controllers
for Kubernetes (ACK) and of Azure Service Operator (ASO)."""


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


def is_cloud_id(provider: Provider, text: str) -> bool:
    """Tell whether a text is the ID of a private endpoint in a cloud."""
    if len(text) > CLOUD_ID_LIMIT:
        return False
    match provider:
        case "AWS":
            return _matches(_AWS_ID, text)
        case "AZURE":
            return _matches(_AZURE_ID, text)


def is_ip_address(text: str) -> bool:
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
        is_name,
        "must be the name of a Secret, that is lower-case letters, digits, `-` and `.`, "
        "beginning and ending with a letter or digit",
    ),
]
ObjectName = Annotated[
    str,
    Field(max_length=253),
    _rule(
        is_name,
        "must be the name of an object, that is lower-case letters, digits, `-` and `.`, "
        "beginning and ending with a letter or digit",
    ),
]
IpAddress = Annotated[
    str,
    Field(max_length=45),
    _rule(is_ip_address, "must be an IP address such as 10.0.0.4, without leading zeros, mask or zone"),
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


class _AsWritten(BaseModel):
    """What is read by the names that a manifest has, and takes nothing for what it is not."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class SecretRef(BaseModel):
    """A Secret of the resource's own namespace."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: SecretName


class CloudProviderEndpointRef(_AsWritten):
    """An object of the resource's own namespace that holds the ID of the private endpoint in the cloud."""

    api_version: Annotated[
        str,
        Field(max_length=128),
        _rule(
            partial(_matches, _API_VERSION),
            "must be group and version of a custom resource, such as `ec2.services.k8s.aws/v1alpha1`",
        ),
    ]
    kind: Annotated[str, Field(max_length=63), _rule(partial(_matches, _KIND), "must be a kind, such as `VPCEndpoint`")]
    name: ObjectName
    field_path: (
        Annotated[
            str,
            Field(max_length=256),
            _rule(
                partial(_matches, _FIELD_PATH),
                "must be names of fields that are separated by dots, such as `.status.atProvider.id`; lists and filters are not supported",
            ),
        ]
        | None
    ) = None

    @property
    def group(self) -> str:
        """The group of the object's API."""
        return self.api_version.partition("/")[0]

    @property
    def path(self) -> tuple[str, ...]:
        """The names that lead to the field."""
        path = self.field_path or KNOWN_PATHS[self.group, self.kind]
        return tuple(path.removeprefix(".").split("."))

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        if self.field_path is None and (self.group, self.kind) not in KNOWN_PATHS:
            raise PydanticCustomError("misfits", "fields do not fit together", {"fieldPath": _NO_FIELD_PATH})
        return self


class ConfigMapKeyRef(BaseModel):
    """A key of a ConfigMap of the resource's own namespace."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: ObjectName
    key: Annotated[
        str,
        Field(max_length=253),
        _rule(
            partial(_matches, _CONFIG_MAP_KEY),
            "must be a key of a ConfigMap, that is letters, digits, `-`, `_` and `.`",
        ),
    ]


class PrivateEndpointIpAddressFrom(_AsWritten):
    """Where the address of the private endpoint is."""

    config_map_key_ref: ConfigMapKeyRef


class ConfigMapRef(BaseModel):
    """A ConfigMap of the resource's own namespace."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: ObjectName


class Spec(_AsWritten):
    """What the user asks for; ``kubectl explain spe.spec`` tells the meaning of each field.

    The fields of ``ManagedField`` are None when they are not managed: Atlas keeps the value it has. ``comment == ""``
    clears the comment. ``endpoint_id`` is None where the operator reserves an endpoint. Durations are None where the operator's
    settings decide, and ``deletion_policy`` where the Namespace does.
    """

    project_id: ObjectId
    instance_name: InstanceName
    provider_name: Provider
    endpoint_id: ObjectId | None = None
    cloud_provider_endpoint_id: Annotated[str, Field(max_length=CLOUD_ID_LIMIT)] | None = None
    cloud_provider_endpoint_ref: CloudProviderEndpointRef | None = None
    private_endpoint_ip_address: IpAddress | None = None
    private_endpoint_ip_address_from: PrivateEndpointIpAddressFrom | None = None
    comment: Comment | None = None
    credentials_secret_ref: SecretRef | None = None
    management_policy: ManagementPolicy = "Manage"
    drift_policy: DriftPolicy = "Correct"
    sync_interval: Duration | None = None
    provisioning_timeout: Duration | None = None
    deletion_policy: DeletionPolicy | None = None
    suspend: bool = False
    output_config_map_ref: ConfigMapRef | None = None

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
        misfits = {str(field): message for field, message in self._misfits()}
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self

    def _misfits(self) -> Iterator[tuple[str, str]]:
        if self.endpoint_id is None and self.management_policy == "Observe":
            yield "endpointId", _NOT_RESERVED
        cloud_id, address = self.cloud_provider_endpoint_id, self.private_endpoint_ip_address
        connects = cloud_id is not None or self.cloud_provider_endpoint_ref is not None
        has_address = address is not None or self.private_endpoint_ip_address_from is not None
        if cloud_id is not None and self.cloud_provider_endpoint_ref is not None:
            yield "cloudProviderEndpointRef", _ID_TWICE
        if address is not None and self.private_endpoint_ip_address_from is not None:
            yield "privateEndpointIpAddressFrom", _ADDRESS_TWICE
        match self.provider_name:
            case "AWS":
                if cloud_id is not None and not is_cloud_id("AWS", cloud_id):
                    yield ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, _NO_AWS_ID
                if address is not None:
                    yield ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS, _ADDRESS_ON_AWS
                if self.private_endpoint_ip_address_from is not None:
                    yield "privateEndpointIpAddressFrom", _ADDRESS_ON_AWS
            case "AZURE":
                if cloud_id is not None and not is_cloud_id("AZURE", cloud_id):
                    yield ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, _NO_AZURE_ID
                if connects and not has_address:
                    yield ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS, _ADDRESS_MISSING
                if not connects and has_address:
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
