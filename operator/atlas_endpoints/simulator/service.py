"""An endpoint service of a project, the endpoints that are registered with it, and what requests and time do to them.

::

    POST -> INITIATING -> AVAILABLE (or WAITING_FOR_USER)     DELETE, without endpoints -> DELETING -> absent
                |
              FAILED

    an endpoint:  AWS    PENDING_ACCEPTANCE -> PENDING -> AVAILABLE or REJECTED     DELETE -> DELETING -> absent
                  AZURE  INITIATING -> AVAILABLE or FAILED
                  GCP    INITIATING -> VERIFIED -> AVAILABLE or FAILED
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from atlas_endpoints.simulator.endpoint import AWS, AZURE, Names, ObjectId
from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.regions import atlas_name, cloud_name
from atlas_endpoints.simulator.switches import CloudProvider, Document, Switches

GCP = "GCP"
PROVIDERS = (AWS, AZURE, GCP)
INITIATING, AVAILABLE, WAITING_FOR_USER = "INITIATING", "AVAILABLE", "WAITING_FOR_USER"
DELETING, FAILED, REJECTED = "DELETING", "FAILED", "REJECTED"

_IDS = {AWS: "interfaceEndpoints", AZURE: "privateEndpoints", GCP: "endpointGroupNames"}
_NEXT = {
    AWS: {"PENDING_ACCEPTANCE": "PENDING", "PENDING": AVAILABLE},
    AZURE: {INITIATING: AVAILABLE},
    GCP: {INITIATING: "VERIFIED", "VERIFIED": AVAILABLE},
}
"""The statuses through which an endpoint of each cloud becomes AVAILABLE, from the first one on."""
_FAILURES = {
    AWS: "Verify endpoint ID and accepted regions, then retry your connection.",
    AZURE: "Private endpoint connection of '{}' was not found.",
    GCP: "Forwarding rules of '{}' were not found.",
}


def render(document: Mapping[str, Any], switches: Switches) -> bytes:
    """Return the JSON of a service or an endpoint that answers show; the switches make it differ from what is kept."""
    shown = {name: value for name, value in document.items() if name not in switches.missing_fields}
    if "privateEndpoints" in shown:
        shown["privateEndpoints"] = [switches.show_arm_id(each) for each in shown["privateEndpoints"]]
    if "privateEndpointResourceId" in shown:
        shown["privateEndpointResourceId"] = switches.show_arm_id(shown["privateEndpointResourceId"])
    return to_json(shown)


@dataclass(slots=True)
class PrivateEndpoint:
    """An endpoint of the user's network, registered with a service.

    Attributes:
        id: What the path of a request names: a VPC endpoint's id, an ARM id, the name of a group of forwarding rules,
            or with port mapping that of the one rule.
        rules: Google's forwarding rules, as the API names their fields.
        extra: Shown beside the API's fields, or instead of them.
        number: Counts the endpoints of its project; in the names of hosts.
        since: When it got its status, in seconds since 1970.
        held: The status was put by hand and stays until a request changes it.
        epoch: Counts changes of status.
    """

    id: str
    cloud_provider: str
    status: str
    error_message: str | None = None
    delete_requested: bool = False
    address: str | None = None
    connection_name: str | None = None
    group_name: str | None = None
    gcp_project_id: str | None = None
    rules: Sequence[Mapping[str, str]] = ()
    port_mapping: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    since: float = 0
    held: bool = False
    epoch: int = 0

    @classmethod
    def registered(cls, endpoint_id: str, cloud_provider: str, **fields: Any) -> "PrivateEndpoint":
        """Return an endpoint as a POST leaves it."""
        return cls(endpoint_id, cloud_provider, next(iter(_NEXT[cloud_provider])), **fields)

    def document(self) -> dict[str, Any]:
        """Return the fields of the API."""
        fields: dict[str, Any] = {
            "cloudProvider": self.cloud_provider,
            "deleteRequested": self.delete_requested,
            "errorMessage": self.error_message,
        }
        match self.cloud_provider:
            case "AWS":
                fields |= {"connectionStatus": self.status, "interfaceEndpointId": self.id}
            case "AZURE":
                fields |= {
                    "privateEndpointConnectionName": self.connection_name,
                    "privateEndpointIPAddress": self.address,
                    "privateEndpointResourceId": self.id,
                    "status": self.status,
                }
            case _:
                status = INITIATING if self.status == "VERIFIED" else self.status
                fields |= {
                    "endpointGroupName": self.group_name,
                    "endpoints": [{**rule, "status": status} for rule in self.rules],
                    "gcpProjectId": self.gcp_project_id,
                    "portMappingEnabled": self.port_mapping,
                    "status": self.status,
                }
        return fields | self.extra

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
        changes = self.status == DELETING or self.status in _NEXT[self.cloud_provider]
        return switches.transition if changes and not self.held else None

    def advance(self, switches: Switches) -> bool:
        """Move the endpoint to its next status; return whether it still exists."""
        if self.status == DELETING:
            return False
        self.status = _NEXT[self.cloud_provider][self.status]
        if self.status == AVAILABLE and switches.connect_fails and switches.connect_fails.search(self.id):
            self.status = REJECTED if self.cloud_provider == AWS else FAILED
            self.error_message = self._failure()
        return True

    def put(self, document: "PrivateEndpointDocument") -> None:
        """Write the given fields, and what must follow from them: an error message, Google's names."""
        given = document.model_fields_set
        for name in given - {"id", "advance", "remove"}:
            setattr(self, name, getattr(document, name))
        if "status" in given and "error_message" not in given:
            self.error_message = self._failure() if self.status in {FAILED, REJECTED} else None
        if "status" in given and "delete_requested" not in given:
            self.delete_requested = self.status == DELETING
        if self.cloud_provider == GCP:
            self.group_name = self.group_name or self.id
            self.rules = self.rules or [{"endpointName": self.id, "ipAddress": self.address or "10.0.0.2"}]

    def _failure(self) -> str:
        return _FAILURES[self.cloud_provider].format(self.id)


@dataclass(slots=True)
class Service:
    """The endpoint service of a project in one region of a cloud; Google has two: with port mapping, and without.

    Attributes:
        region: Atlas's name, as ``US_EAST_1``.
        coordinates: What the user's endpoint connects to, as the API names it; null or empty until known.
        attachments: All that Google will have in the coordinates.
        extra: Shown beside the API's fields, or instead of them.
        since: When it got its status, in seconds since 1970.
        held: The status was put by hand and stays until a request changes it.
        epoch: Counts changes of status.
    """

    id: str
    cloud_provider: str
    region: str
    status: str
    coordinates: dict[str, Any]
    port_mapping: bool = False
    attachments: Sequence[str] = ()
    remote_regions: Sequence[str] | None = None
    error_message: str | None = None
    endpoints: dict[str, PrivateEndpoint] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    since: float = 0
    held: bool = False
    epoch: int = 0

    @classmethod
    def initiated(
        cls,
        service_id: str,
        place: tuple[str, str, bool],
        *,
        project_id: str,
        names: Names,
        switches: Switches,
    ) -> "Service":
        """Return a service as a POST leaves it.

        Args:
            place: Its cloud, region, and port mapping.
        """
        cloud, region, port_mapping = place
        attachments: list[str] = []
        match cloud:
            case "AWS":
                coordinates: dict[str, Any] = {"endpointServiceName": None}
            case "AZURE":
                coordinates = {"privateLinkServiceName": None, "privateLinkServiceResourceId": None}
            case _:
                own = cloud_name(cloud, region)
                folder = f"projects/p-{names.object_id()}/regions/{own}/serviceAttachments"
                count = 1 if port_mapping else switches.dedicated.attachments
                attachments = [f"{folder}/sa-{own}-{project_id}-{number}" for number in range(count)]
                coordinates = {"serviceAttachmentNames": []}
        return cls(service_id, cloud, region, INITIATING, coordinates, port_mapping, attachments)

    @property
    def place(self) -> tuple[str, str, bool]:
        """Its cloud, region and port mapping: a project has one service for each."""
        return self.cloud_provider, self.region, self.port_mapping

    @property
    def takes_endpoints(self) -> bool:
        """Whether endpoints may be registered."""
        return self.status in {AVAILABLE, WAITING_FOR_USER}

    def find(self, endpoint_id: str) -> PrivateEndpoint | None:
        """Return an endpoint by its id; Azure ignores the letter case of ids."""
        if self.cloud_provider != AZURE:
            return self.endpoints.get(endpoint_id)
        same = (each for key, each in self.endpoints.items() if key.casefold() == endpoint_id.casefold())
        return next(same, None)

    def document(self) -> dict[str, Any]:
        """Return the fields of the API with the values that Atlas keeps."""
        fields: dict[str, Any] = {
            "cloudProvider": self.cloud_provider,
            "errorMessage": self.error_message,
            "id": self.id,
            "regionName": self.region,
            "status": self.status,
            _IDS[self.cloud_provider]: list(self.endpoints),
        }
        if self.cloud_provider == AWS:
            fields["supportedRemoteRegions"] = self.remote_regions
        if self.cloud_provider == GCP:
            fields["portMappingEnabled"] = self.port_mapping
        return dict(sorted((fields | self.coordinates).items())) | self.extra

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds the service changes by itself; ``None``: it does not."""
        if self.held or self.status not in {INITIATING, DELETING} or self.status in switches.dedicated.stuck:
            return None
        if self.status == INITIATING and len(self.attachments) > 1 and switches.transition is not None:
            return switches.transition / 2
        return switches.transition

    def advance(self, switches: Switches, names: Names) -> bool:
        """Move the service on; return whether it still exists."""
        if self.status == DELETING:
            return False
        if switches.dedicated.service_fails:
            self.status = FAILED
            self.error_message = "A system failure has occurred."
        elif len(self.attachments) > 1 and not self.coordinates["serviceAttachmentNames"]:
            some = int(names.hex(1), 16) % 2  # Atlas fills them in any order
            self.coordinates["serviceAttachmentNames"] = self.attachments[some::2]
        else:
            self.status = WAITING_FOR_USER if switches.dedicated.waiting_for_user else AVAILABLE
            self.complete(names)
        return True

    def complete(self, names: Names) -> None:
        """Fill in what the coordinates still lack."""
        match self.cloud_provider:
            case "AWS" if self.coordinates["endpointServiceName"] is None:
                service = names.vpc_endpoint_service(cloud_name(AWS, self.region))
                self.coordinates["endpointServiceName"] = service
            case "AZURE" if self.coordinates["privateLinkServiceName"] is None:
                self.coordinates = dict(zip(self.coordinates, names.private_link_service(self.id), strict=True))
            case "GCP":
                self.coordinates["serviceAttachmentNames"] = list(self.attachments)
            case _:
                pass

    def put(self, document: "ServiceDocument", names: Names) -> None:
        """Write the given fields, and what must follow from them: coordinates, an error message."""
        given = document.model_fields_set
        for name in given & {"status", "remote_regions", "error_message", "extra"}:
            setattr(self, name, getattr(document, name))
        if "status" in given and "error_message" not in given:
            self.error_message = "A system failure has occurred." if self.status == FAILED else None
        if self.status not in {INITIATING, FAILED}:
            self.complete(names)


class _PutByHand(Document):
    """What documents of services and endpoints have in common; what is not given keeps its value."""

    status: str = AVAILABLE
    error_message: str | None = None
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Shown beside the API's fields, or instead of them."
    )
    advance: bool | None = Field(default=None, description="Whether a transitional status changes by itself.")
    remove: bool = Field(default=False, description="Let it vanish at once.")

    @property
    def moves(self) -> bool:
        """Whether the time of a status begins anew."""
        return bool({"status", "advance"} & self.model_fields_set)


class PrivateEndpointDocument(_PutByHand):
    """A registered endpoint as a seed file or a person puts it."""

    id: str = Field(min_length=1)
    delete_requested: bool = False
    address: str | None = Field(default=None, alias="privateEndpointIPAddress")
    connection_name: str | None = Field(default=None, alias="privateEndpointConnectionName")
    group_name: str | None = Field(default=None, alias="endpointGroupName")
    gcp_project_id: str | None = None
    rules: tuple[dict[str, str], ...] = Field(default=(), alias="endpoints")


class ServiceDocument(_PutByHand):
    """An endpoint service as a seed file or a person puts it, found by its id, or else by cloud, region and port mapping.

    The ``endpoints`` are put one by one, and those that are not named stay.
    """

    id: ObjectId | None = None
    cloud_provider: CloudProvider = "AWS"
    region_name: str = "US_EAST_1"
    port_mapping_enabled: bool = False
    remote_regions: tuple[str, ...] | None = Field(default=None, alias="supportedRemoteRegions")
    endpoints: tuple[PrivateEndpointDocument, ...] = ()

    @property
    def place(self) -> tuple[str, str, bool]:
        """Its cloud, region and port mapping."""
        return self.cloud_provider, atlas_name(self.cloud_provider, self.region_name), self.port_mapping_enabled
