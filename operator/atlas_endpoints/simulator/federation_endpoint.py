"""A private endpoint of Data Federation and Online Archive.

::

    POST -> AWS    OK (or FAILED)              DELETE -> AWS    absent
            AZURE  PENDING -> OK (or FAILED)             AZURE  DELETING -> absent
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from atlas_endpoints.simulator.endpoint import AWS, Provider
from atlas_endpoints.simulator.switches import Document, Switches

PENDING, OK, FAILED, DELETING = "PENDING", "OK", "FAILED", "DELETING"
DATA_LAKE = "DATA_LAKE"
"""The one type of endpoint."""


@dataclass(slots=True)
class FederationEndpoint:
    """An endpoint of the user's network that Data Federation and Online Archive of a project know.

    Attributes:
        id: The id in the cloud.
        fields: The other fields of the API; Atlas leaves out those that are null.
        deletes: How many requests to delete it came.
        since: When it got its status, in seconds since 1970.
        epoch: Counts changes of status.
    """

    id: str
    provider: str
    status: str = OK
    fields: dict[str, Any] = field(default_factory=dict)
    deletes: int = 0
    since: float = 0
    epoch: int = 0

    def document(self) -> dict[str, Any]:
        """Return the fields of the API with the values that Atlas keeps."""
        known = {"endpointId": self.id, "provider": self.provider, "status": self.status, "type": DATA_LAKE}
        return {name: value for name, value in sorted((known | self.fields).items()) if value is not None}

    def shown(self, switches: Switches) -> dict[str, Any]:
        """Return what answers show; the switches make it differ from what is kept."""
        changed = {"comment": switches.show_comment(self.fields.get("comment"))}
        if self.provider != AWS:
            changed["endpointId"] = switches.show_arm_id(self.id)
        fields = sorted((self.document() | changed).items())
        return {name: value for name, value in fields if value is not None and name not in switches.missing_fields}

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
        if self.status == DELETING and self.provider == AWS:
            return switches.federation.aws_deletion
        return switches.transition if self.status in {PENDING, DELETING} else None

    def connect(self, switches: Switches) -> None:
        """Let Atlas approve the connection, or fail to."""
        fails = switches.connect_fails is not None and switches.connect_fails.search(self.id)
        self.put(FAILED if fails else OK)

    def put(self, status: str) -> None:
        """Set the status, and the error message that belongs to it."""
        self.status = status
        failure = "Failed to approve the private endpoint connection."
        self.fields["errorMessage"] = failure if status == FAILED else None


class FederationEndpointDocument(Document):
    """An endpoint as a seed file or a person puts it; what is not given keeps its value, ``null`` clears it."""

    endpoint_id: str = Field(min_length=1)
    provider: Provider = "AWS"
    status: str | None = None
    comment: str | None = None
    region: str | None = None
    dns_name: str | None = Field(default=None, alias="customerEndpointDNSName")
    address: str | None = Field(default=None, alias="customerEndpointIPAddress")
    link_id: str | None = Field(default=None, alias="azureLinkId")
    error_message: str | None = None
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Shown beside the API's fields, or instead of them."
    )
    remove: bool = Field(default=False, description="Let it vanish at once.")

    def fields(self) -> dict[str, Any]:
        """Return the given fields of the API that may change at any time."""
        other = {"endpoint_id", "provider", "status", "extra", "remove", "project_id"}
        return self.model_dump(by_alias=True, exclude_unset=True, exclude=other) | self.extra
