"""A private endpoint as Atlas keeps it, and as it shows it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.names import Names
from atlas_endpoints.simulator.switches import Switches
from atlas_endpoints.simulator.wire import Document

AWS, AZURE = "AWS", "AZURE"
Provider = Literal["AWS", "AZURE"]
ObjectId = Annotated[str, Field(pattern=r"^[a-f0-9]{24}$")]


class Status(StrEnum):
    """The statuses that Atlas documents; an endpoint put by hand may have any other."""

    RESERVATION_REQUESTED = "RESERVATION_REQUESTED"
    RESERVED = "RESERVED"
    INITIATING = "INITIATING"
    AVAILABLE = "AVAILABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


@dataclass(slots=True)
class Endpoint:
    """One private endpoint.

    The first block is what the API shows (null until known). The rest is the simulator's own:

    Attributes:
        extra: Fields that Atlas does not document; shown as they are.
        connecting: A cloud endpoint id was accepted and the connection is being made.
        since: When the endpoint got its status, in seconds since 1970.
        held: The status was put by hand and stays until a request changes it.
        epoch: Counts changes of status; a change planned in an earlier epoch no longer applies.
        shown: The rendered document, until something changes.
    """

    id: str
    provider_name: str
    status: str
    cloud_provider_endpoint_id: str | None = None
    comment: str | None = None
    endpoint_service_name: str | None = None
    error_message: str | None = None
    private_endpoint_ip_address: str | None = None
    private_link_service_resource_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    connecting: bool = False
    since: float = 0
    held: bool = False
    epoch: int = 0
    shown: bytes | None = None

    def document(self) -> dict[str, Any]:
        """Return the fields of the API with the values that Atlas keeps."""
        fields: dict[str, Any] = {
            "_id": self.id,
            "cloudProviderEndpointId": self.cloud_provider_endpoint_id,
            "comment": self.comment,
            "endpointServiceName": self.endpoint_service_name,
            "errorMessage": self.error_message,
        }
        if self.provider_name == AZURE:
            fields["privateEndpointIpAddress"] = self.private_endpoint_ip_address
            fields["privateLinkServiceResourceId"] = self.private_link_service_resource_id
        return fields | {"providerName": self.provider_name, "status": self.status} | self.extra

    def render(self, switches: Switches) -> bytes:
        """Return the JSON that answers show, which may differ from what is kept as the switches say."""
        if self.shown is None:
            fields = self.document()
            comment = self.comment
            if comment is not None and switches.trim_comment:
                comment = comment.strip()
            if switches.empty_comment_as_null:
                comment = comment or None
            fields["comment"] = comment
            if self.provider_name == AZURE and self.cloud_provider_endpoint_id and switches.arm_id_case:
                fold = str.lower if switches.arm_id_case == "lower" else str.upper
                fields["cloudProviderEndpointId"] = fold(self.cloud_provider_endpoint_id)
            for name in switches.missing_fields:
                fields.pop(name, None)
            self.shown = to_json(fields)
        return self.shown


class EndpointDocument(Document):
    """An endpoint as a seed file or a person puts it; what is not given keeps its value, ``null`` clears it."""

    id: ObjectId | None = Field(default=None, alias="_id")
    provider_name: str | None = None
    status: str | None = None
    cloud_provider_endpoint_id: str | None = None
    comment: str | None = None
    endpoint_service_name: str | None = None
    error_message: str | None = None
    private_endpoint_ip_address: str | None = None
    private_link_service_resource_id: str | None = None
    extra: dict[str, Any] | None = Field(default=None, description="Fields that Atlas does not document.")
    advance: bool | None = Field(default=None, description="Whether a status on the way moves on by itself.")
    remove: bool = Field(default=False, description="Let the endpoint vanish at once.")

    def put(self, endpoint: Endpoint, *, region: str, names: Names) -> None:
        """Write the given fields, and what must follow from them: service names, an error message."""
        given = self.model_fields_set - {"id", "advance", "remove", "extra"}
        for name in given:
            value = getattr(self, name)
            if value is not None or name not in {"provider_name", "status"}:
                setattr(endpoint, name, value)
        if "extra" in self.model_fields_set:
            endpoint.extra = dict(self.extra or {})
        reserved = endpoint.status != Status.RESERVATION_REQUESTED
        if reserved and endpoint.endpoint_service_name is None and "endpoint_service_name" not in given:
            assign_service(endpoint, region=region, names=names)
        if "status" in given:
            endpoint.connecting = endpoint.status == Status.INITIATING
            if "error_message" not in given:
                endpoint.error_message = failure(endpoint) if endpoint.status == Status.FAILED else None


def assign_service(endpoint: Endpoint, *, region: str, names: Names) -> None:
    """Give the endpoint the service that the user's cloud endpoint will connect to."""
    if endpoint.provider_name == AZURE:
        endpoint.endpoint_service_name, endpoint.private_link_service_resource_id = names.azure_service()
    else:
        endpoint.endpoint_service_name = names.aws_service(region)


def failure(endpoint: Endpoint) -> str:
    """Say why an endpoint failed, in the manner of Atlas: with the cloud's own code and words."""
    if endpoint.endpoint_service_name is None:
        return "Failed to reserve an endpoint service: no capacity is left in this region. Try again later."
    cloud_id = endpoint.cloud_provider_endpoint_id or ""
    if endpoint.provider_name == AZURE:
        return (
            "Failed to approve private endpoint connection due to an unexpected error with code={NotFound} and "
            f"message={{Private endpoint connection of '{cloud_id}' was not found}} from Azure API. "
            "Click 'Edit' to fix the problem."
        )
    return (
        "Failed to accept interface endpoint due to an unexpected error with code={InvalidVpcEndpointId.NotFound} and "
        f"message={{The VPC endpoint ID '{cloud_id}' does not exist}} from AWS API. Click 'Edit' to fix the problem."
    )
