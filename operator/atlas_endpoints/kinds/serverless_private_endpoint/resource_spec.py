"""What the user asks for: the spec as a frozen model, with the rules of the CRD.

Pure. The rules are those of ``crds/atlas-endpoints.dev_serverlessprivateendpoints.yaml``, in the same words; only the rules
about changes (immutable fields) are the API server's alone. They are repeated here because an object may be older than the
CRD, or the CRD newer than the operator: what the operator does not understand, it must not act on.
Import these names from ``model``.
"""

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from atlas_endpoints.engine.conditions import shorten
from atlas_endpoints.kinds.serverless_private_endpoint.resource_references import (
    CloudProviderEndpointRef,
    ConfigMapRef,
    PrivateEndpointIpAddressFrom,
    ProjectRef,
    SecretRef,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_values import (
    CLOUD_ID_LIMIT,
    AsWritten,
    Comment,
    Duration,
    InstanceName,
    IpAddress,
    ObjectId,
    Provider,
    is_cloud_id,
)

DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe", "Plan"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]

_NO_PROJECT = "Required value: must be set, unless `projectRef` names an object that holds the ID of the project"
_PROJECT_TWICE = "may not be set together with `projectId`: keep one of the two"
_NO_AWS_ID = (
    "must be the ID of an AWS VPC endpoint: `vpce-` and 17 lower-case hexadecimal digits; "
    "leave the field out while there is none. If it is that of an Azure private endpoint, providerName is wrong"
)
_NO_AZURE_ID = (
    "must be the resource ID of an Azure private endpoint: `/subscriptions/<GUID>/resourceGroups/<group>"
    "/providers/Microsoft.Network/privateEndpoints/<name>`; leave the field out while there is none. If it begins with `vpce-`,"
    " providerName is wrong"
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


class Spec(AsWritten):
    """What the user asks for; ``kubectl explain spe.spec`` tells the meaning of each field.

    The fields of ``ManagedField`` are None when they are not managed: Atlas keeps the value it has. ``comment == ""``
    clears the comment. Of ``project_id`` and ``project_ref`` there is one. ``endpoint_id`` is None where the operator reserves an endpoint. Durations are None where the operator's
    settings decide, and ``deletion_policy`` where the Namespace does.
    """

    project_id: ObjectId | None = None
    project_ref: ProjectRef | None = None
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
    connection_string_config_map_ref: ConfigMapRef | None = None

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
        yield from self._misfits_of_identity()
        yield from self._misfits_of_connection()

    def _misfits_of_identity(self) -> Iterator[tuple[str, str]]:
        if self.project_id is None and self.project_ref is None:
            yield "projectId", _NO_PROJECT
        if self.project_id is not None and self.project_ref is not None:
            yield "projectRef", _PROJECT_TWICE
        if self.endpoint_id is None and self.management_policy == "Observe":
            yield "endpointId", _NOT_RESERVED

    def _misfits_of_connection(self) -> Iterator[tuple[str, str]]:
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
