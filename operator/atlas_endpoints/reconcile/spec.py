"""The fields that every spec has, their types and rules, and the texts of validation errors. Pure.

The rules are those of the CRDs, in the same words; only the rules about changes (immutable fields) are the API
server's alone. They are repeated here because an object may be older than the CRD, or the CRD newer than the
operator, which must not act on what it does not understand.
"""

import ipaddress
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import durationpy
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError
from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.controller.conditions import shorten
from atlas_endpoints.controller.names import is_name

Provider: TypeAlias = Literal["AWS", "AZURE", "GCP"]
"""A cloud; not every kind supports all of them."""

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
_GCP_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"

CLOUD_IDS: Mapping[Provider, str] = {
    "AWS": "the ID of an AWS VPC endpoint (`vpce-` and 17 lower-case hexadecimal digits)",
    "AZURE": "the resource ID of an Azure private endpoint",
    "GCP": "the name of a Google Cloud forwarding rule",
}
"""What ``is_cloud_id`` accepts, for people."""

NO_CLOUD_ID: Mapping[Provider, str] = {
    "AWS": (
        "must be the ID of an AWS VPC endpoint: `vpce-` and 17 lower-case hexadecimal digits; "
        "leave the field out while there is none. If it is that of an Azure private endpoint, providerName is wrong"
    ),
    "AZURE": (
        "must be the resource ID of an Azure private endpoint: `/subscriptions/<GUID>/resourceGroups/<group>"
        "/providers/Microsoft.Network/privateEndpoints/<name>`; leave the field out while there is none. If it begins with `vpce-`,"
        " providerName is wrong"
    ),
    "GCP": (
        "must be the name of a Google Cloud forwarding rule: at most 63 lower-case letters, digits and `-`, beginning with a "
        "letter and not ending with `-`; leave the field out while there is none"
    ),
}
"""The message about a text that ``is_cloud_id`` does not accept."""


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
        case "GCP":
            return is_gcp_name(text)


def is_gcp_name(text: str) -> bool:
    """Return whether a text is the name of a resource in Google Cloud, such as that of a forwarding rule."""
    return matches(_GCP_NAME, text)


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


def ip_of(text: str | None) -> object:
    """Return the address in a text, for comparison; a text that is no address as it is; None: it is empty."""
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    # An IPv4-mapped IPv6 address is the same address.
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


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


def _name_of(what: str) -> AfterValidator:
    return rule(
        is_name,
        f"must be the name of {what}, that is lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
    )


SecretName = Annotated[str, Field(max_length=253), _name_of("a Secret")]
ObjectName = Annotated[str, Field(max_length=253), _name_of("an object")]
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
        "must not begin or end with white space: Atlas may strip it, so the comment would always differ",
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


_API_VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+/v[0-9][a-z0-9]*"
_KIND = r"[A-Z][a-zA-Z0-9]*"
_FIELD_PATH = r"([.]?[a-zA-Z0-9_-]+)([.][a-zA-Z0-9_-]+)*"
_CONFIG_MAP_KEY = r"[-._a-zA-Z0-9]+"

PROJECT_API, PROJECT_KIND = "atlas.mongodb.com/v1", "AtlasProject"
"""The default of a reference to a project: the kind of MongoDB's own operator."""

_NO_PROJECT_PATH = (
    "Required value: must be set unless the kind is AtlasProject of atlas.mongodb.com: add the path of the field that "
    "holds the project's ID, such as `.status.atProvider.id`"
)
_HALF_A_KIND = (
    "must be set together with `kind`: set both, or leave both out for an AtlasProject of MongoDB's own operator"
)
_NO_FIELD_PATH = (
    "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws or PrivateEndpoint of "
    "network.azure.com: add the path of the field that holds the ID, such as `.status.atProvider.id`"
)
_NO_ADDRESS_PATH = (
    "Required value: must be set unless the kind is ComputeAddress of compute.cnrm.cloud.google.com: add the path of "
    "the field that holds the address, such as `.status.atProvider.address`"
)


def _is_api_version(example: str) -> AfterValidator:
    return rule(partial(matches, _API_VERSION), f"must be group and version of a custom resource, such as `{example}`")


def _is_kind(example: str) -> AfterValidator:
    return rule(partial(matches, _KIND), f"must be a kind, such as `{example}`")


ApiVersion = Annotated[str, Field(max_length=128)]
Kind = Annotated[str, Field(max_length=63)]
FieldPath = Annotated[
    str,
    Field(max_length=256),
    rule(
        partial(matches, _FIELD_PATH),
        "must be names of fields that are separated by dots, such as `.status.atProvider.id`; lists and filters are not supported",
    ),
]


class SecretRef(AsWritten):
    """A Secret."""

    name: SecretName


class ObjectRef(AsWritten):
    """An object that contains a value, at a path that is known for some kinds."""

    known_paths: ClassVar[Mapping[tuple[str, str], str]]
    """The default of ``field_path`` by group and kind."""
    no_field_path: ClassVar[str]
    """The message about another kind without ``field_path``."""

    api_version: ApiVersion
    kind: Kind
    name: ObjectName
    field_path: FieldPath | None = None

    def target(self, namespace: str) -> Target:
        """Return the field of the object."""
        path = self.field_path or self.known_paths[self._group_kind]
        return _target(namespace, self.api_version, self.kind, self.name, path)

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        if self.field_path is None and self._group_kind not in self.known_paths:
            raise PydanticCustomError("misfits", "fields do not fit together", {"fieldPath": self.no_field_path})
        return self

    @property
    def _group_kind(self) -> tuple[str, str]:
        return self.api_version.partition("/")[0], self.kind


class CloudProviderEndpointRef(ObjectRef):
    """An object that contains the ID of the private endpoint in the cloud.

    The known kinds are those of AWS Controllers for Kubernetes (ACK) and Azure Service Operator (ASO).
    """

    known_paths: ClassVar = {
        ("ec2.services.k8s.aws", "VPCEndpoint"): "status.vpcEndpointID",
        ("network.azure.com", "PrivateEndpoint"): "status.id",
    }
    no_field_path: ClassVar = _NO_FIELD_PATH

    api_version: Annotated[ApiVersion, _is_api_version("ec2.services.k8s.aws/v1alpha1")]
    kind: Annotated[Kind, _is_kind("VPCEndpoint")]


class AddressRef(ObjectRef):
    """An object that contains the address of the private endpoint; the known kind is that of Config Connector."""

    known_paths: ClassVar = {("compute.cnrm.cloud.google.com", "ComputeAddress"): "status.observedState.address"}
    no_field_path: ClassVar = _NO_ADDRESS_PATH

    api_version: Annotated[ApiVersion, _is_api_version("compute.cnrm.cloud.google.com/v1beta1")]
    kind: Annotated[Kind, _is_kind("ComputeAddress")]


class ProjectRef(AsWritten):
    """An object that contains the ID of the Atlas project.

    Without ``api_version`` and ``kind`` it is an AtlasProject of MongoDB's own operator.
    """

    api_version: Annotated[ApiVersion, _is_api_version(PROJECT_API)] | None = None
    kind: Annotated[Kind, _is_kind(PROJECT_KIND)] | None = None
    name: ObjectName
    field_path: FieldPath | None = None

    @property
    def object_kind(self) -> str:
        """The kind of the object."""
        return self.kind or PROJECT_KIND

    def target(self, namespace: str) -> Target:
        """Return the field of the object."""
        api, path = self.api_version or PROJECT_API, self.field_path or "status.id"
        return _target(namespace, api, self.object_kind, self.name, path)

    @model_validator(mode="after")
    def _leads_to_a_field(self) -> Self:
        misfits = {}
        if (self.api_version is None) is not (self.kind is None):
            misfits["apiVersion"] = _HALF_A_KIND
        elif self.field_path is None and not self._is_atlas_project:
            misfits["fieldPath"] = _NO_PROJECT_PATH
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self

    @property
    def _is_atlas_project(self) -> bool:
        group = (self.api_version or PROJECT_API).partition("/")[0]
        return (group, self.object_kind) == (PROJECT_API.partition("/")[0], PROJECT_KIND)


class ConfigMapKeyRef(AsWritten):
    """A key of a ConfigMap."""

    name: ObjectName
    key: Annotated[
        str,
        Field(max_length=253),
        rule(
            partial(matches, _CONFIG_MAP_KEY),
            "must be a key of a ConfigMap, that is letters, digits, `-`, `_` and `.`",
        ),
    ]

    def target(self, namespace: str) -> Target:
        """Return the key in the ConfigMap's data."""
        return Target(namespace, "", "v1", "ConfigMap", self.name, ("data", self.key))


class AddressSource(AsWritten):
    """The source of the private endpoint's address; a kind defines its fields."""

    @abstractmethod
    def target(self, namespace: str) -> Target:
        """Return where the address is."""


class ConfigMapRef(AsWritten):
    """A ConfigMap."""

    name: ObjectName


def _target(namespace: str, api_version: str, kind: str, name: str, path: str) -> Target:
    group, _, version = api_version.partition("/")
    return Target(namespace, group, version, kind, name, tuple(path.removeprefix(".").split(".")))


DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe", "Plan"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]

_NO_PROJECT = "Required value: must be set, unless `projectRef` names an object that holds the ID of the project"
_PROJECT_TWICE = "may not be set together with `projectId`: keep one of the two"


class InvalidSpecError(ValueError):
    """The resource breaks the rules of its kind; the text has one line for each problem, with the field as in YAML.

    The rest of such a resource is still readable: ``ObjectMeta.parse(body)`` and
    ``Status.parse(body.get("status"))``.

    Attributes:
        problems: at most eight.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(shorten(" ".join(each.splitlines()), 300) for each in problems)[:8]
        super().__init__("\n".join(self.problems))


class CommonSpec(AsWritten):
    """The fields that every spec has; ``kubectl explain`` describes them.

    Exactly one of ``project_id`` and ``project_ref`` is set. If a duration is None, the operator's settings decide;
    if ``deletion_policy`` is None, the Namespace does.
    """

    project_id: ObjectId | None = None
    project_ref: ProjectRef | None = None
    credentials_secret_ref: SecretRef | None = None
    management_policy: ManagementPolicy = "Manage"
    drift_policy: DriftPolicy = "Correct"
    sync_interval: Duration | None = None
    provisioning_timeout: Duration | None = None
    deletion_policy: DeletionPolicy | None = None
    suspend: bool = False

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Return the spec in a JSON object.

        Raises:
            InvalidSpecError: it breaks a rule, or has a field that this version of the operator does not know.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpecError(problems("spec", error)) from None

    @property
    @abstractmethod
    def desired(self) -> Mapping[str, str]:
        """The managed fields that are sent to Atlas, with their desired values, in a fixed order."""

    def misfits(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that do not fit together, each with a message."""
        if self.project_id is None and self.project_ref is None:
            yield "projectId", _NO_PROJECT
        if self.project_id is not None and self.project_ref is not None:
            yield "projectRef", _PROJECT_TWICE

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        misfits = {str(field): message for field, message in self.misfits()}
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self


_ID_TWICE = "may not be set together with `cloudProviderEndpointId`: keep one of the two"
_ADDRESS_TWICE = "may not be set together with `privateEndpointIpAddress`: keep one of the two"


class EndpointSpec(CommonSpec):
    """The fields with which a spec names a private endpoint in a cloud; what they may contain depends on the kind."""

    cloud_provider_endpoint_id: Annotated[str, Field(max_length=CLOUD_ID_LIMIT)] | None = None
    cloud_provider_endpoint_ref: CloudProviderEndpointRef | None = None
    private_endpoint_ip_address: IpAddress | None = None
    output_config_map_ref: ConfigMapRef | None = None

    @property
    @abstractmethod
    def address_source(self) -> AddressSource | None:
        """The field ``privateEndpointIpAddressFrom``, whose type depends on the kind."""

    @property
    def has_cloud_id(self) -> bool:
        """Whether it names a private endpoint, by its ID or by a reference."""
        return self.cloud_provider_endpoint_id is not None or self.cloud_provider_endpoint_ref is not None

    @property
    def has_address(self) -> bool:
        """Whether it has an address, or the source of one."""
        return self.private_endpoint_ip_address is not None or self.address_source is not None

    @override
    def misfits(self) -> Iterator[tuple[str, str]]:
        yield from super().misfits()
        if self.cloud_provider_endpoint_id is not None and self.cloud_provider_endpoint_ref is not None:
            yield "cloudProviderEndpointRef", _ID_TWICE
        if self.private_endpoint_ip_address is not None and self.address_source is not None:
            yield "privateEndpointIpAddressFrom", _ADDRESS_TWICE


def duplicates(field: str, values: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Yield the items of a list that are in it before, each with a message; for ``CommonSpec.misfits``."""
    seen = set[Any]()
    for number, value in enumerate(values):
        if value in seen:
            yield f"{field}[{number}]", f"Duplicate value: {json.dumps(value)}: remove one of the two"
        seen.add(value)


def problems(root: str, error: ValidationError) -> Iterator[str]:
    """Yield pydantic's errors in the API server's words: the path as in YAML, what is wrong, what to do."""
    for each in error.errors(include_url=False):
        path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
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
        case "tuple_type":
            return f"Invalid value: {shown}: must be of type array"
        case "too_long":
            return f"Too many: {details['actual_length']}: must have at most {details['max_length']} items"
        case _:
            return f"Invalid value: {shown}: {otherwise}"
