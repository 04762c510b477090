"""A private endpoint: what Atlas keeps of it, what it shows, and what requests and time do to it.

::

    POST                    cloud id (PATCH)
     |                            |
    RESERVATION_REQUESTED -> RESERVED -> INITIATING -> AVAILABLE
     |                         |  ^          |
     v                  expiry v  |          v   changed id (PATCH)
    FAILED                  absent   FAILED -+-> INITIATING

    DELETE, from anywhere -> DELETING -> absent
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.regions import cloud_name
from atlas_endpoints.simulator.switches import Document, Switches

AWS, AZURE = "AWS", "AZURE"
Provider = Literal["AWS", "AZURE"]
ObjectId = Annotated[str, Field(pattern=r"^[a-f0-9]{24}$")]


class Names:
    """Makes ids that look like Atlas's, from one source of randomness.

    Args:
        rng: The source; a seeded ``random.Random`` makes a run repeatable.
        clock: Seconds since 1970.
    """

    def __init__(self, rng: random.Random, clock: Callable[[], float]) -> None:
        self._rng = rng
        self._clock = clock

    def hex(self, digits: int) -> str:
        """Return so many random hexadecimal digits."""
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"

    def object_id(self) -> str:
        """Return 24 hexadecimal digits that begin with the time, as MongoDB's ids do."""
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self.hex(16)}"

    def guid(self) -> str:
        """Return a UUID."""
        return str(UUID(self.hex(32)))

    def vpc_endpoint_service(self, region: str) -> str:
        """Return the name of an AWS service that VPC endpoints connect to; the region is AWS's, as ``us-east-1``."""
        return f"com.amazonaws.vpce.{region}.vpce-svc-{self.hex(17)}"

    def private_link_service(self, service_id: str) -> tuple[str, str]:
        """Return the name and the resource id of an Azure service that private endpoints connect to."""
        name, group = f"pls_{service_id}", f"rg_{self.object_id()}_{self.hex(8)}"
        provider = "Microsoft.Network/privateLinkServices"
        return name, f"/subscriptions/{self.guid()}/resourceGroups/{group}/providers/{provider}/{name}"


class Status(StrEnum):
    """The statuses that Atlas documents; an endpoint put by hand may have any other."""

    RESERVATION_REQUESTED = "RESERVATION_REQUESTED"
    RESERVED = "RESERVED"
    INITIATING = "INITIATING"
    AVAILABLE = "AVAILABLE"
    FAILED = "FAILED"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True)
class Change:
    """What a PATCH asks for; ``None``: leave it."""

    comment: str | None = None
    cloud_provider_endpoint_id: str | None = None
    private_endpoint_ip_address: str | None = None


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
        """Return the JSON that answers show; the switches make it differ from what is kept."""
        if self.shown is None:
            fields = self.document()
            fields["comment"] = switches.show_comment(self.comment)
            if self.provider_name == AZURE and self.cloud_provider_endpoint_id:
                fields["cloudProviderEndpointId"] = switches.show_arm_id(self.cloud_provider_endpoint_id)
            for name in switches.missing_fields:
                fields.pop(name, None)
            self.shown = to_json(fields)
        return self.shown

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
        if self.held:
            return None
        match self.status:
            case Status.RESERVATION_REQUESTED | Status.INITIATING | Status.DELETING:
                return switches.transition
            case Status.RESERVED if self.connecting:
                return switches.reserved_after_connect
            case Status.RESERVED:
                return switches.reservation_expiry
            case _:
                return None

    def advance(self, switches: Switches, *, region: str, names: Names) -> bool:
        """Move the endpoint to its next status; return whether it still exists."""
        match self.status:
            case Status.RESERVATION_REQUESTED if switches.reservation_fails:
                self._fail()
            case Status.RESERVATION_REQUESTED:
                self.status = Status.RESERVED
                self._assign_service(region, names)
            case Status.RESERVED if self.connecting:
                self.status = Status.INITIATING
            case Status.INITIATING:
                self.connecting = False
                if switches.connect_fails and switches.connect_fails.search(self.cloud_provider_endpoint_id or ""):
                    self._fail()
                else:
                    self.status = Status.AVAILABLE
            case _:
                return False
        return True

    def update(self, change: Change, switches: Switches) -> None:
        """Apply a PATCH as a whole or not at all.

        Raises:
            ApiError: The endpoint's status does not allow it.
        """
        if self.status == Status.DELETING:
            raise api_error("VALIDATION_ERROR", f"The private endpoint {self.id} is being deleted.")
        if change.cloud_provider_endpoint_id is not None or change.private_endpoint_ip_address is not None:
            self._connect(change, switches)
        if change.comment is not None:
            self.comment = change.comment

    def put(self, document: "EndpointDocument", *, region: str, names: Names) -> None:
        """Write the given fields, and what must follow from them: service names, an error message."""
        given = document.model_fields_set - {"id", "advance", "remove", "extra"}
        for name in given:
            value = getattr(document, name)
            if value is not None or name not in {"provider_name", "status"}:
                setattr(self, name, value)
        if "extra" in document.model_fields_set:
            self.extra = dict(document.extra or {})
        reserved = self.status != Status.RESERVATION_REQUESTED
        if reserved and self.endpoint_service_name is None and "endpoint_service_name" not in given:
            self._assign_service(region, names)
        if "status" in given:
            self.connecting = self.status == Status.INITIATING
            if "error_message" not in given:
                self.error_message = self._failure() if self.status == Status.FAILED else None

    def _connect(self, change: Change, switches: Switches) -> None:
        cloud_id = change.cloud_provider_endpoint_id or self.cloud_provider_endpoint_id
        address = change.private_endpoint_ip_address or self.private_endpoint_ip_address
        if cloud_id is None:
            raise api_error("MISSING_ATTRIBUTE", "cloudProviderEndpointId")
        if self.provider_name == AZURE and address is None:
            raise api_error("MISSING_ATTRIBUTE", "privateEndpointIpAddress")
        waiting = self.status == Status.RESERVED and not self.connecting
        if not waiting and self._is_connected_to(cloud_id, address):
            return
        if self.endpoint_service_name is None:
            raise api_error("INVALID_ATTRIBUTE", f"cloudProviderEndpointId. The private endpoint is {self.status}.")
        if not waiting and self.status != Status.FAILED:
            what = f"It can't be changed after the private endpoint was connected (status {self.status})"
            raise api_error("INVALID_ATTRIBUTE", f"cloudProviderEndpointId. {what}.")
        self.cloud_provider_endpoint_id = cloud_id
        self.private_endpoint_ip_address = address
        self.error_message = None
        self.connecting = True
        self.status = Status.RESERVED if switches.reserved_after_connect else Status.INITIATING

    def _is_connected_to(self, cloud_id: str, address: str | None) -> bool:
        known_id, known_address = self.cloud_provider_endpoint_id, self.private_endpoint_ip_address
        if known_id is None or cloud_id.casefold() != known_id.casefold():  # Azure ignores the letter case of ids
            return False
        if address is None or known_address is None:
            return address == known_address
        return ip_address(address) == ip_address(known_address)

    def _assign_service(self, region: str, names: Names) -> None:
        """Set the service that the user's cloud endpoint connects to; the region is Atlas's, as ``US_EAST_1``."""
        if self.provider_name == AZURE:
            service = names.private_link_service(names.object_id())
            self.endpoint_service_name, self.private_link_service_resource_id = service
        else:
            self.endpoint_service_name = names.vpc_endpoint_service(cloud_name(AWS, region))

    def _fail(self) -> None:
        self.status = Status.FAILED
        self.error_message = self._failure()

    def _failure(self) -> str:
        """Return why the endpoint failed, like Atlas with the cloud's own code and words."""
        if self.endpoint_service_name is None:
            return "Failed to reserve an endpoint service: no capacity is left in this region. Try again later."
        cloud_id = self.cloud_provider_endpoint_id or ""
        if self.provider_name == AZURE:
            problem = "approve private endpoint connection"
            code, text = "NotFound", f"Private endpoint connection of '{cloud_id}' was not found"
        else:
            problem = "accept interface endpoint"
            code, text = "InvalidVpcEndpointId.NotFound", f"The VPC endpoint ID '{cloud_id}' does not exist"
        return (
            f"Failed to {problem} due to an unexpected error with code={{{code}}} and message={{{text}}} "
            f"from {'Azure' if self.provider_name == AZURE else 'AWS'} API. Click 'Edit' to fix the problem."
        )


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
    advance: bool | None = Field(default=None, description="Whether a transitional status changes by itself.")
    remove: bool = Field(default=False, description="Let the endpoint vanish at once.")
