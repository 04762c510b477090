"""A private endpoint that Atlas makes for a region: to the keys of encryption at rest, or to the buckets of backups.

::

    POST -> INITIATING -> AWS    ACTIVE                          DELETE, unless INITIATING -> DELETING -> absent
                ^         AZURE  PENDING_ACCEPTANCE -> ACTIVE (a person approves)
                |
         PENDING_RECREATION <- ACTIVE, when a person removes the connection
"""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.simulator.endpoint import AWS, AZURE, Names, ObjectId, Provider
from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.regions import atlas_name
from atlas_endpoints.simulator.switches import Document, Switches

INITIATING, PENDING_ACCEPTANCE, ACTIVE = "INITIATING", "PENDING_ACCEPTANCE", "ACTIVE"
PENDING_RECREATION, FAILED, DELETING = "PENDING_RECREATION", "FAILED", "DELETING"
APPROVED, DELETED, REPLACED = "approved", "deleted", "replaced"
"""What may have happened to an endpoint that its status does not show yet."""

_MESSAGES = {
    FAILED: "Failed to create the private endpoint.",
    PENDING_RECREATION: "Connection request removed, recreating endpoint",
}


@dataclass(frozen=True, slots=True)
class Purpose:
    """What endpoints are for; each purpose has operations of its own.

    Attributes:
        name: The segment of its paths.
        clouds: Where such endpoints are possible.
        code: The beginning of its error codes.
        version: The one version of its operations.
        created: The status of the answer to a POST.
    """

    name: str
    clouds: tuple[str, ...]
    code: str
    version: str
    created: int

    def listing(self, cloud: str) -> str:
        """Return the name of what a LIST shows."""
        return f"{self.name} {cloud}"


ENCRYPTION = Purpose("encryptionAtRest", (AWS, AZURE), "ENCRYPTION_AT_REST", "2023-01-01", 202)
BACKUP = Purpose("backup", (AWS,), "BACKUP", "2024-11-13", 201)
PURPOSES = (ENCRYPTION, BACKUP)


@dataclass(slots=True)
class RegionalEndpoint:
    """An endpoint in a network of Atlas's.

    Attributes:
        region: Atlas's name of the region of what it leads to.
        vpc_region: That of its own region, which only backups may have elsewhere.
        connection_name: What a person approves in Azure; on AWS the id of the endpoint.
        extra: Shown beside the API's fields, or instead of them.
        unseen: What has happened to it that its status does not show yet.
        since: When it got its status, in seconds since 1970.
        epoch: Counts changes of status.
    """

    id: str
    purpose: Purpose
    cloud_provider: str
    region: str
    vpc_region: str
    status: str = INITIATING
    connection_name: str | None = None
    error_message: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    unseen: str | None = None
    since: float = 0
    epoch: int = 0

    @property
    def place(self) -> tuple[Purpose, str, str, str]:
        """What it is for, and where: a project has one endpoint for each."""
        return self.purpose, self.cloud_provider, self.region, self.vpc_region

    @property
    def listing(self) -> str:
        """The name of the LIST that shows it."""
        return self.purpose.listing(self.cloud_provider)

    def document(self) -> dict[str, Any]:
        """Return the fields of the API with the values that Atlas keeps; those that are null are left out."""
        fields = {
            "cloudProvider": self.cloud_provider,
            "errorMessage": self.error_message,
            "id": self.id,
            "privateEndpointConnectionName": self.connection_name,
            "regionName": self.region,
            "status": self.status,
            "vpcRegionName": self.vpc_region if self.purpose == BACKUP else None,
        }
        return {name: value for name, value in fields.items() if value is not None} | self.extra

    def render(self, switches: Switches) -> bytes:
        """Return the JSON that answers show."""
        return to_json({name: value for name, value in self.document().items() if name not in switches.missing_fields})

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
        if self.unseen == DELETED:
            return switches.regional.deletion_lag
        if self.status in switches.regional.stuck:
            return None
        moves = self.unseen == APPROVED or self.status in {INITIATING, PENDING_RECREATION, DELETING}
        return switches.transition if moves else None

    def advance(self, names: Names) -> bool:
        """Move the endpoint to its next status; return whether it still exists."""
        if self.status == DELETING or self.unseen == REPLACED:
            return False
        if self.unseen == DELETED:
            self.put(DELETING, names)
        elif self.status == PENDING_RECREATION:
            self.put(INITIATING, names)
        else:
            asks = self.status == INITIATING and self.cloud_provider == AZURE
            self.put(PENDING_ACCEPTANCE if asks else ACTIVE, names)
        return True

    def put(self, status: str, names: Names) -> None:
        """Set the status, and what belongs to it: an error message, the name of the connection."""
        self.status = status
        self.unseen = None
        self.error_message = _MESSAGES.get(status)
        if status == INITIATING:
            self.connection_name = None
        elif status in {PENDING_ACCEPTANCE, ACTIVE} and self.connection_name is None:
            is_azure = self.cloud_provider == AZURE
            self.connection_name = f"pe-{self.id}.{names.guid()}" if is_azure else f"vpce-{names.hex(17)}"


class RegionalEndpointDocument(Document):
    """An endpoint as a seed file or a person puts it; what is not given keeps its value.

    Without an id, it is the one of its place.
    """

    id: ObjectId | None = None
    region_name: str = "US_EAST_1"
    status: str | None = None
    connection_name: str | None = Field(default=None, alias="privateEndpointConnectionName")
    error_message: str | None = None
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Shown beside the API's fields, or instead of them."
    )
    connection: Literal["approve", "reject"] | None = Field(
        default=None, description="What a person does in the cloud; to reject it means also to remove it."
    )
    remove: bool = Field(default=False, description="Let it vanish at once.")

    @property
    @abstractmethod
    def place(self) -> tuple[Purpose, str, str, str]:
        """What the endpoint is for, and where."""


class EncryptionEndpointDocument(RegionalEndpointDocument):
    """An endpoint for encryption at rest."""

    cloud_provider: Provider = "AWS"

    @property
    @override
    def place(self) -> tuple[Purpose, str, str, str]:
        region = atlas_name(self.cloud_provider, self.region_name)
        return ENCRYPTION, self.cloud_provider, region, region


class BackupEndpointDocument(RegionalEndpointDocument):
    """An endpoint for backups."""

    cloud_provider: Literal["AWS"] = "AWS"
    vpc_region_name: str | None = None

    @property
    @override
    def place(self) -> tuple[Purpose, str, str, str]:
        region = atlas_name(AWS, self.region_name)
        return BACKUP, AWS, region, atlas_name(AWS, self.vpc_region_name or region)


class KeyDocument(Document):
    """How a project uses the customer's keys of a cloud; ``valid`` follows ``enabled`` unless it is given."""

    enabled: bool = False
    require_private_networking: bool = False
    valid: bool = False


class KeyVaultDocument(KeyDocument):
    """How a project uses the customer's keys in Azure."""

    subscription_id: str | None = Field(default=None, alias="subscriptionID")
    resource_group_name: str | None = None
    key_vault_name: str | None = None


class EncryptionDocument(Document):
    """The encryption at rest of a project; what is not given keeps its value, ``null`` leaves a cloud out of answers."""

    aws_kms: KeyDocument | None = None
    azure_key_vault: KeyVaultDocument | None = None


class ExportBucketDocument(Document):
    """A bucket to which snapshots are exported; what is not given keeps its value, and a region of ``null`` is not shown.

    Attributes:
        region: AWS's name.
    """

    bucket_name: str = Field(min_length=1)
    region: str | None = None
    require_private_networking: bool = False
    remove: bool = False
