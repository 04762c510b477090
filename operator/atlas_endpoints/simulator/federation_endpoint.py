"""A private endpoint of Data Federation and Online Archive, and a federated database that it leads to.

::

    POST -> AWS    OK                          DELETE -> AWS    absent
            AZURE  PENDING -> OK or FAILED               AZURE  DELETING -> absent
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from pydantic import Field

from atlas_endpoints.simulator.cluster import ClusterName
from atlas_endpoints.simulator.endpoint import AWS, AZURE, Provider
from atlas_endpoints.simulator.switches import Document, Switches

PENDING, OK, FAILED, DELETING = "PENDING", "OK", "FAILED", "DELETING"
DATA_LAKE = "DATA_LAKE"
_AWS_ROLE = {
    "externalId": "00000000-0000-0000-0000-000000000000",
    "iamAssumedRoleARN": "arn:aws:iam::000000000000:role/simulated",
    "iamUserARN": "arn:aws:iam::000000000000:root",
    "roleId": "0" * 24,
}
_FAILURE = "Failed to approve the private endpoint connection."


@dataclass(slots=True)
class FederationEndpoint:
    """An endpoint of the user's network that Data Federation and Online Archive of a project know.

    Attributes:
        region: Atlas's name, as ``US_EAST_1``.
        extra: Shown beside the API's fields, or instead of them.
        deletes: How many requests to delete it came.
        since: When it got its status, in seconds since 1970.
        held: The status was put by hand and stays until a request changes it.
        epoch: Counts changes of status.
    """

    id: str
    provider: str
    status: str = OK
    comment: str | None = None
    region: str | None = None
    dns_name: str | None = None
    address: str | None = None
    link_id: str | None = None
    error_message: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    deletes: int = 0
    since: float = 0
    held: bool = False
    epoch: int = 0

    def document(self) -> dict[str, Any]:
        """Return the fields of the API, of which Atlas leaves out those without a value."""
        fields = {
            "azureLinkId": self.link_id,
            "comment": self.comment,
            "customerEndpointDNSName": self.dns_name,
            "customerEndpointIPAddress": self.address,
            "endpointId": self.id,
            "errorMessage": self.error_message,
            "provider": self.provider,
            "region": self.region,
            "status": self.status,
            "type": DATA_LAKE,
        }
        return {name: value for name, value in fields.items() if value is not None} | self.extra

    def shown(self, switches: Switches) -> dict[str, Any]:
        """Return what answers show; the switches make it differ from what is kept."""
        fields = {name: value for name, value in self.document().items() if name not in switches.missing_fields}
        if self.provider == AZURE and fields.get("endpointId") == self.id:
            fields["endpointId"] = switches.show_arm_id(self.id)
        return fields

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
        if self.held or self.status not in {PENDING, DELETING}:
            return None
        leaves_at_once = self.status == DELETING and self.provider == AWS
        return switches.federation.aws_deletion if leaves_at_once else switches.transition

    def advance(self, switches: Switches) -> bool:
        """Move the endpoint to its next status; return whether it still exists."""
        if self.status == DELETING:
            return False
        self.connect(switches)
        return True

    def connect(self, switches: Switches) -> None:
        """Let Atlas approve the connection, or fail to."""
        fails = switches.connect_fails is not None and switches.connect_fails.search(self.id)
        self.status, self.error_message = (FAILED, _FAILURE) if fails else (OK, None)

    def put(self, document: "FederationEndpointDocument") -> None:
        """Write the given fields, and an error message that follows from them."""
        given = document.model_fields_set
        for name in given - {"endpoint_id", "advance", "remove", "project_id"}:
            setattr(self, name, getattr(document, name))
        if "status" in given and "error_message" not in given:
            self.error_message = _FAILURE if self.status == FAILED else None


class FederationEndpointDocument(Document):
    """An endpoint as a seed file or a person puts it; what is not given keeps its value, ``null`` clears it."""

    endpoint_id: str = Field(min_length=1)
    provider: Provider = "AWS"
    status: str = OK
    comment: str | None = None
    region: str | None = None
    dns_name: str | None = Field(default=None, alias="customerEndpointDNSName")
    address: str | None = Field(default=None, alias="customerEndpointIPAddress")
    link_id: str | None = Field(default=None, alias="azureLinkId")
    error_message: str | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    advance: bool | None = Field(default=None, description="Whether a transitional status changes by itself.")
    remove: bool = Field(default=False, description="Let it vanish at once.")


class FederatedDatabase(Document):
    """A federated database as it is, and as a seed file or a person puts it.

    Attributes:
        private_endpoint_hostnames: Shown instead of those that it would have.
    """

    name: ClusterName
    private_endpoint_hostnames: tuple[dict[str, str], ...] | None = None
    remove: bool = False

    def document(self, project_id: str, endpoints: Iterable[FederationEndpoint]) -> dict[str, Any]:
        """Return the database as the API shows it, with a host for each of these endpoints."""
        host, domain = f"{self.name}-{project_id[-5:]}", "a.query.mongodb.net"
        private = self.private_endpoint_hostnames
        if private is None:
            ids = [each.id for each in endpoints]
            private = tuple(
                {"hostname": f"{host}-pe-{crc32(each.casefold().encode()):08x}.{domain}", "privateEndpoint": each}
                for each in ids
            )
        return {
            "cloudProviderConfig": {"aws": _AWS_ROLE},
            "dataProcessRegion": None,
            "groupId": project_id,
            "hostnames": [f"{host}.{domain}"],
            "name": self.name,
            "privateEndpointHostnames": list(private),
            "state": "ACTIVE",
            "storage": {"databases": None, "stores": None},
        }
